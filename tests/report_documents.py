"""Ways to break a JSON document, for the tests of everything that reads one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

ANYTHING: tuple[Any, ...] = (None, True, -1, 1e308, 10**400, float("nan"), "text", [], [1], {}, {"a": None})


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every part of a document, lists by their first item."""
    children = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for name, child in children:
        yield (*before, name)
        yield from places(child, (*before, name))


def replaced(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    """`value` with `new` at `place`."""
    if not place:
        return new
    changed = value.copy()
    changed[place[0]] = replaced(value[place[0]], place[1:], new)
    return changed

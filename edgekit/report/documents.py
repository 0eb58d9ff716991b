"""A JSON document (docs/json.md) → its parts, with types that can be relied on. Documents come from files and hold what
devices said; a part that is missing or of another type reads as empty, and its figures as unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]


def part(document: Document, name: str) -> Document:
    """The object `name`; empty where there is none."""
    value = document.get(name)
    return value if isinstance(value, Mapping) else {}


def rows(document: Document, name: str) -> list[Document]:
    """The objects of the list `name`."""
    return [row for row in _sequence(document.get(name)) if isinstance(row, Mapping)]


def texts(document: Document, name: str) -> list[str]:
    """The texts of the list `name`."""
    return [str(text) for text in _sequence(document.get(name))]


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()

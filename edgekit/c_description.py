"""model.c.json of a build folder → the same document, where everything in it has the type that its readers count on.

Refused, with the key that is wrong: what `convert` does not write.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import ModelError
from edgekit.program.tensor import DTYPE_OF

Document = Mapping[str, Any]
LARGEST_BYTES = (1 << 31) - 8  # of an arena
MOST_AXES = 64  # of a NumPy array
_DTYPES = {str(dtype): dtype.itemsize for dtype in DTYPE_OF}


def check_c_description(document: Document, path: Path) -> None:
    """Raises ModelError."""
    values = [value for which in ("inputs", "outputs") for value in _list(document, which)]
    wrong = [key for key, good in _KEYS.items() if key not in document or not good(document[key])]
    wrong += [f"{_shown(value)}: {key}" for value in values for key in _wrong_keys(value)]
    if not wrong and any(len({v["name"] for v in document[w]}) < len(document[w]) for w in ("inputs", "outputs")):
        wrong = ["two of one name"]
    if wrong:
        raise ModelError(f"{path} is damaged: {', '.join(wrong[:5])}", hint="run edgekit convert again")


def _list(document: Document, key: str) -> list[Any]:
    found = document.get(key)
    return found if isinstance(found, list) else []


def _wrong_keys(value: object) -> list[str]:
    if not isinstance(value, Mapping):
        return ["no table"]
    wrong = [key for key in _NEEDED if key not in value]
    wrong += [key for key, good in _VALUE_KEYS.items() if not good(value.get(key))]
    return wrong or [key for key, good in _TOGETHER.items() if not good(value)]


def _shown(value: object) -> str:
    return f'"{str(value.get("name"))[:60]}"' if isinstance(value, Mapping) else "a value"


def _fits(value: Document) -> bool:
    """Whether it can lie in an arena, and holds as much for the application."""
    size = math.prod(value["shape"])
    app_shape = value.get("app_shape")
    if app_shape is not None and math.prod(app_shape) != size:
        return False
    return size * _DTYPES[value["dtype"]] <= LARGEST_BYTES


def _permutes(value: Document) -> bool:
    """Whether it is an order of the axes that the application sees."""
    axes = value.get("permutation")
    rank = len(value["shape"] if value.get("app_shape") is None else value["app_shape"])
    return axes is None or sorted(axes) == list(range(rank))


def _is_sizes(got: object) -> bool:
    return isinstance(got, list) and len(got) <= MOST_AXES and all(_is_integer(n) and n >= 0 for n in got)


def _is_integer(got: object) -> bool:
    return isinstance(got, int) and not isinstance(got, bool) and abs(got) < 1 << 31


def _is_real(got: object) -> bool:
    return isinstance(got, (int, float)) and not isinstance(got, bool) and 0 <= got < 1e38


def _is_text(got: object) -> bool:
    return isinstance(got, str)


def _or_none(good: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda got: got is None or good(got)


_KEYS: dict[str, Callable[[object], bool]] = {
    "name": _is_text,
    "precision": lambda got: isinstance(got, str) and re.fullmatch("[a-z0-9]{1,20}", got) is not None,
    "inputs": lambda got: isinstance(got, list),
    "outputs": lambda got: isinstance(got, list),
    "opset": lambda got: got is None,
}
_NEEDED = ("scale", "zero_point")
_VALUE_KEYS: dict[str, Callable[[object], bool]] = {
    "name": _is_text,
    "shape": _is_sizes,
    "dtype": lambda got: isinstance(got, str) and got in _DTYPES,
    "scale": _or_none(lambda got: _is_real(got) and got != 0),
    "zero_point": _or_none(_is_integer),
    "permutation": _or_none(_is_sizes),
    "app_shape": _or_none(_is_sizes),
    "tolerance": _or_none(_is_real),
}
_TOGETHER: dict[str, Callable[[Document], bool]] = {  # where each key by itself is good
    "shape": _fits,
    "permutation": _permutes,
    "scale": lambda value: value["scale"] is None or value["dtype"].startswith(("int", "uint")),
}

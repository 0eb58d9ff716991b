"""Values of the JSON documents → words for people: sizes in KiB, times in ms, shares in percent, names without
control characters. The only place with units other than bytes and seconds. What is no number becomes "unknown"."""

from __future__ import annotations

import sys
import unicodedata
from typing import Any

UNKNOWN = "unknown"
NOTHING_LEFT = 1e-12  # a figure below it is what rounding leaves of 0, even of float64
_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})  # controls, direction overrides, surrogates, separators


def clean(value: Any, limit: int = 200) -> str:
    """A name or text from outside as one line of at most `limit` visible characters; None is "unknown"."""
    if value is None:
        return UNKNOWN
    shown = "".join(" " if c in "\t\n\r" else c for c in str(value) if _is_visible(c))
    text = " ".join(shown.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def clean_lines(text: str) -> str:
    """A text from outside with its lines and spaces kept, without what a terminal would obey."""
    return "".join(c for c in text if c == "\n" or unicodedata.category(c) not in _HIDDEN)


def _is_visible(character: str) -> bool:
    return character in "\t\n\r" or unicodedata.category(character) not in _HIDDEN


def number(value: Any) -> float | None:
    """`value` as a finite float; None for everything that is not one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) <= sys.float_info.max else None


def size(value: Any) -> str:
    """Bytes as B, KiB, MiB or GiB, three figures."""
    amount = number(value)
    if amount is None:
        return UNKNOWN
    for unit in ("B", "KiB", "MiB"):
        if abs(amount) < 1024:
            return f"{amount:.0f} B" if unit == "B" else f"{_three(amount)} {unit}"
        amount /= 1024
    return f"{_three(amount)} GiB"


def duration(value: Any) -> str:
    """Seconds as µs, ms, s or min, three figures."""
    seconds = number(value)
    if seconds is None:
        return UNKNOWN
    if seconds >= 120:
        return f"{seconds / 60:.1f} min"
    for unit, scale in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if abs(seconds * scale) >= 1 or unit == "µs":
            return f"{_three(seconds * scale)} {unit}"
    raise AssertionError("the loop ends with a return")


def count(value: Any) -> str:
    """2575936 → "2.58 M"."""
    amount = number(value)
    if amount is None:
        return UNKNOWN
    for unit in ("", " k", " M", " G"):
        if abs(amount) < 1000:
            return (f"{amount:.0f}" if not unit else _three(amount)) + unit
        amount /= 1000
    return f"{_three(amount)} T"


def whole(value: Any) -> str:
    """A number of things, every digit of it."""
    amount = number(value)
    return UNKNOWN if amount is None else f"{amount:.0f}"


def score(value: Any, beside: Any = None) -> str:
    """A figure of evaluate(): a share from 0 to 1 in percent, anything else as it is, four figures.

    beside: the figure it is compared with; where that is no share, `value` is none either.
    """
    figure = number(value)
    if figure is None:
        return UNKNOWN
    if is_share(value) and (beside is None or is_share(beside)):
        return f"{figure * 100:.2f} %"
    return "0" if abs(figure) < NOTHING_LEFT else f"{figure:.4g}"


def is_share(value: Any) -> bool:
    figure = number(value)
    return figure is not None and 0 <= figure <= 1


def small(value: Any) -> str:
    """An error or a tolerance: three figures, no trailing zeros."""
    figure = number(value)
    return UNKNOWN if figure is None else f"{figure:.3g}"


def decibel(value: Any) -> str:
    figure = number(value)
    return "" if figure is None else f"{figure:.1f} dB"


def times(value: float) -> str:
    """A ratio: "2.9×"."""
    return f"{_three(value)}×"


def shape(value: Any) -> str:
    """[1, 3, 96, 96] → "1×3×96×96"; a scalar's [] → "scalar"."""
    if not isinstance(value, (list, tuple)):
        return UNKNOWN
    return clean("×".join(str(d) for d in value), 60) or "scalar"


def plural(amount: int, noun: str, nouns: str = "") -> str:
    return f"{amount} {noun if amount == 1 else nouns or noun + 's'}"


def _three(amount: float) -> str:
    """Three figures, never in powers of ten: 1.23, 12.3, 123."""
    digits = 2 if abs(amount) < 9.995 else 1 if abs(amount) < 99.95 else 0
    return f"{amount:.{digits}f}"

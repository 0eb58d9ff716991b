"""Figures and names of the JSON documents → texts for people. Only here do bytes become KiB and seconds ms.

What is None is "unknown"; texts of models and boards lose everything that could steer a terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edgekit.device import printable

UNKNOWN = "unknown"
_BYTE_UNITS = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
_COUNT_UNITS = (("G", 10**9), ("M", 10**6), ("k", 10**3))
_TIME_UNITS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))


def size(count: float | None) -> str:
    """Bytes: `72.5 KiB`."""
    if count is None:
        return UNKNOWN
    for unit, scale in _BYTE_UNITS:
        if abs(count) >= scale:
            return f"{three_digits(count / scale)} {unit}"
    return f"{count:.0f} B"


def bounds(need: Mapping[str, float | None]) -> str:
    """`38.1 to 80.2 MiB`-like text of {lower, upper}."""
    lower, upper = need["lower"], need["upper"]
    if upper is None:
        return f"at least {size(lower)}"
    return size(upper) if lower == upper else f"{size(lower)} to {size(upper)}"


def count(number: float | None) -> str:
    """MACs, parameters: `2.58 M`."""
    if number is None:
        return UNKNOWN
    for unit, scale in _COUNT_UNITS:
        if abs(number) >= scale:
            return f"{number / scale:.3g} {unit}" if number < 1000 * scale else f"{number / scale:,.0f} {unit}"
    return f"{number:,.0f}"


def duration(seconds: float | None) -> str:
    """`12.3 ms`; minutes from two minutes on."""
    if seconds is None:
        return UNKNOWN
    if seconds >= 120:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
    for unit, scale in _TIME_UNITS:
        if seconds >= scale:
            return f"{three_digits(seconds / scale)} {unit}"
    return f"{three_digits(seconds / 1e-6)} µs" if seconds else "0 s"


def score(value: float | None) -> str:
    """What evaluate() returned: a share as percent, anything else as it is."""
    if value is None:
        return UNKNOWN
    return f"{100 * value:.2f} %" if 0 <= value <= 1 else f"{value:.4g}"


def decibels(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} dB"


def shape(dims: Iterable[Any]) -> str:
    """`1×16×28×28`; a scalar is `()`."""
    return "×".join(map(plain, dims)) or "()"


def plain(text: Any) -> str:
    """One line that cannot steer a terminal."""
    return printable(str(text).encode("utf-8", "replace")).replace("\n", " ")


def three_digits(value: float) -> str:
    """Three significant digits, without an exponent."""
    if abs(value) >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"

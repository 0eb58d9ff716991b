"""The conditions of a benchmark (before, during, after) → rows of a table, and what the board does not tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgekit.report.documents import Document, part, rows
from edgekit.report.words import clean, number, size


def _frequency(value: Any) -> str:
    return f"{float(value) / 1e6:.0f} MHz"


def _bits(value: Any) -> str:
    return f"0x{int(value):x}"


# field → (label, words for a value)
_FIELDS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "frequency_hz": ("CPU frequency", _frequency),
    "governor": ("governor", lambda value: clean(value, 40)),
    "temperature_c": ("temperature", lambda value: f"{float(value):.1f} °C"),
    "throttled_bits": ("throttled bits", _bits),
    "load_1m": ("load, 1 minute", lambda value: f"{float(value):.2f}"),
    "free_bytes": ("free memory", size),
    "swap_used_bytes": ("swap in use", size),
}


def condition_rows(conditions: Document) -> tuple[list[tuple[str, str, str, str]], list[str]]:
    """(label, before, during, after) of what is known at any time, and the labels of what is not."""
    if not conditions:
        return [], []
    known, unknown = [], []
    for field, (label, words) in _FIELDS.items():
        before, after = (_known(part(conditions, moment), field) for moment in ("before", "after"))
        during = [value for sample in rows(conditions, "during") for value in _known(sample, field)]
        if before or during or after:
            known.append((label, _range(before, words), _range(during, words), _range(after, words)))
        else:
            unknown.append(label)
    return known, unknown


def _known(sample: Document, field: str) -> list[Any]:
    """The value of `field`, in a list, or nothing."""
    value = sample.get(field)
    if field == "governor":
        return [value] if isinstance(value, str) else []
    return [] if number(value) is None else [value]


def _range(values: list[Any], words: Callable[[Any], str]) -> str:
    """Lowest to highest."""
    if not values:
        return "–"
    lowest, highest = words(min(values)), words(max(values))
    return lowest if lowest == highest else f"{lowest} to {highest}"

"""A fact: one line of a table, one tile of the report, and the mood that it is told in."""

from __future__ import annotations

from dataclasses import dataclass

GOOD, WARN, BAD, PLAIN = "good", "warn", "bad", "plain"  # moods
EMULATED = "emulated: correctness, not speed"


@dataclass(frozen=True)
class Fact:
    """One line of a table, one tile of the report. detail: a second, quieter line; mood: GOOD, WARN, BAD or PLAIN."""

    label: str
    value: str
    detail: str = ""
    mood: str = PLAIN

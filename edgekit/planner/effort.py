"""How much work a part of the search may still do.

Work is counted in looks at a pair of buffers, not in seconds, so that a slow machine finds the same plan as a fast one.
The deadline is a safety net far behind it.
"""

from __future__ import annotations

import time

LOOK_AT_CLOCK = 20_000


class Effort:
    """A budget that is spent; `over` once nothing is left or the deadline has passed."""

    def __init__(self, units: int, deadline: float) -> None:
        self.left = units
        self.deadline = deadline
        self._next_look = units - LOOK_AT_CLOCK

    def spend(self, units: int) -> None:
        self.left -= units
        if self.left < self._next_look:
            self._next_look = self.left - LOOK_AT_CLOCK
            if time.monotonic() > self.deadline:
                self.left = 0

    @property
    def over(self) -> bool:
        return self.left <= 0

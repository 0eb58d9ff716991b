"""How much work a part of the search may still do.

Work is counted in looks at a pair of buffers, not in seconds, so that a slow machine finds the same plan as a fast one.
The deadline is a safety net far behind it.
"""

from __future__ import annotations

import time

LOOK_AT_CLOCK = 20_000


class Effort:
    """A budget that is spent; `over` once nothing is left or the deadline has passed."""

    def __init__(self, units: int, deadline: float, whole: Effort | None = None) -> None:
        self.left, self.deadline, self._whole = units, deadline, whole
        self._next_look = units - LOOK_AT_CLOCK

    def part(self, units: int) -> Effort:
        """So much of it, or what is left; what the part spends the whole has spent too."""
        return Effort(min(units, self.left), self.deadline, self)

    def spend(self, units: int) -> None:
        self.left -= units
        if self._whole is not None:
            self._whole.spend(units)
        elif self.left < self._next_look:
            self._next_look = self.left - LOOK_AT_CLOCK
            if time.monotonic() > self.deadline:
                self.left = 0

    @property
    def over(self) -> bool:
        return self.left <= 0 or (self._whole is not None and self._whole.over)

"""What must be alive in a step → the fewest bytes that can hold it: the bound that no plan is below.

Buffers that live on lie beside each other and beside everything else. Inputs that die in the step may lie under its
outputs as far as its overlaps say. Counted are covered bytes, not the span, for another buffer may lie in a gap.
Buffers lie on a grid, the greatest common divisor of all alignments: sizes and distances are rounded up to it, and only
the topmost buffer may end between two of its lines.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from edgekit.planner.numbered import Numbered
from edgekit.planner.problem import Overlap


@dataclass(frozen=True)
class Amount:
    """Bytes as they are, and on the grid; slack: what the topmost buffer on the grid may be shorter by."""

    raw: int
    gridded: int
    slack: int

    @property
    def bytes(self) -> int:
        return max(self.raw, self.gridded - self.slack)


class Spans:
    """The bytes of buffers, alone and in a step."""

    def __init__(self, problem: Numbered) -> None:
        self.problem = problem
        self.grid = math.gcd(*(a for a, size in zip(problem.alignments, problem.sizes, strict=True) if size)) or 1
        self.gridded = [_up(size, self.grid) for size in problem.sizes]
        self.slack = [gridded - size for gridded, size in zip(self.gridded, problem.sizes, strict=True)]
        self._slack = sum(1 << b for b, slack in enumerate(self.slack) if slack)  # buffers that have some
        self._saved: dict[tuple[int, tuple[int, ...], tuple[int, ...]], tuple[int, int]] = {}

    def amount(self, buffers: Iterable[int], saved: tuple[int, int] = (0, 0)) -> Amount:
        """Of different buffers that are alive together. saved: bytes that overlap, as they are and on the grid."""
        raw = gridded = slack = 0
        for buffer in buffers:
            raw += self.problem.sizes[buffer]
            gridded += self.gridded[buffer]
            slack = max(slack, self.slack[buffer])
        return Amount(raw - saved[0], gridded - saved[1], slack)

    def needed(self, alive: int, raw: int, gridded: int, scratch: tuple[int, ...], saved: tuple[int, int]) -> int:
        """As amount(), of the buffers in `alive` (bits), whose bytes are known, and of a step's scratch."""
        own = self.amount(scratch, saved)
        slack = max(own.slack, self.slack_of(alive))
        return max(raw + own.raw, gridded + own.gridded - slack)

    def slack_of(self, buffers: int) -> int:
        """The most that one of the buffers (bits) is shorter than on the grid."""
        most, left = 0, buffers & self._slack
        while left:
            low = left & -left
            most = max(most, self.slack[low.bit_length() - 1])
            left ^= low
        return most

    def saved(self, step: int, dying: tuple[int, ...], born: tuple[int, ...]) -> tuple[int, int]:
        """The most bytes of `born` outputs that can lie over `dying` inputs, as they are and on the grid."""
        key = step, dying, born
        if key not in self._saved:
            rows = [row for row in self.problem.overlaps[step] if row[0] in dying and row[1] in born]
            self._saved[key] = self._most(rows, self.problem.sizes, 1), self._most(rows, self.gridded, self.grid)
        return self._saved[key]

    def _most(self, rows: list[tuple[int, int, Overlap]], sizes: Iterable[int], grid: int) -> int:
        if not rows:
            return 0
        size = list(sizes)
        forward = [(i, o, _up(v.forward_bytes, grid)) for i, o, v in rows if v.forward_bytes is not None]
        backward = [(o, i, _up(v.backward_bytes, grid)) for i, o, v in rows if v.backward_bytes is not None]
        return max(_covered(forward, size), _covered(backward, size))


def _covered(rows: list[tuple[int, int, int]], size: list[int]) -> int:
    """The most bytes that lie on each other for rows (upper, lower, distance): start of lower + distance <= start of
    upper. Uppers lie beside each other, lowers too."""
    shared = {(u, low): max(0, min(size[u], size[low] - max(distance, 0))) for u, low, distance in rows}
    uppers, lowers = dict.fromkeys(u for u, _, _ in rows), dict.fromkeys(low for _, low, _ in rows)
    by_upper = by_lower = 0
    for upper in uppers:
        parts = [shared[u, low] for u, low, _ in rows if u == upper]
        # lowers that start at or before the upper and reach into it all hold its first byte: there is but one
        one = all(distance >= 0 for u, _, distance in rows if u == upper)
        by_upper += max(parts) if one else min(size[upper], sum(parts))
    for lower in lowers:
        room = size[lower] - min(max(distance, 0) for _, low, distance in rows if low == lower)
        by_lower += max(0, min(room, sum(shared[u, low] for u, low, _ in rows if low == lower)))
    return min(by_upper, by_lower)


def _up(value: int, grid: int) -> int:
    return -(-value // grid) * grid

"""What must be alive in a step → the fewest bytes that can hold it: the bound that no plan is below.

Buffers that live on lie beside each other and beside everything else. Inputs that die in the step may lie under its
outputs as far as its overlaps say. Counted are covered bytes, not the span, for another buffer may lie in a gap.
Buffers of an alignment lie on a grid: their sizes and distances are rounded up to it, only the topmost of them may end
between two of its lines, and what has a finer alignment may fill the gaps. So there is a bound for each alignment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgekit.planner.numbered import Numbered
from edgekit.planner.problem import Overlap

Sums = tuple[int, ...]  # bytes at each level


@dataclass(frozen=True)
class Level:
    """Buffers on a grid: sizes rounded up to it, 0 of those that may lie beside it; slack: what was added; ragged: the
    buffers (bits) that have some."""

    grid: int
    sizes: tuple[int, ...]
    slack: tuple[int, ...]
    ragged: int


class Spans:
    """The bytes of buffers, alone and in a step; the first level has them as they are."""

    def __init__(self, problem: Numbered) -> None:
        self.problem = problem
        grids = sorted({a for a, size in zip(problem.alignments, problem.sizes, strict=True) if size} | {1})
        self.levels = tuple(_level(problem, grid) for grid in grids)
        self.of = tuple(zip(*(level.sizes for level in self.levels), strict=True))  # of each buffer, at each level
        self._saved: dict[tuple[int, tuple[int, ...], tuple[int, ...]], Sums] = {}

    def sums(self, buffers: Iterable[int]) -> Sums:
        found = list(buffers)
        return tuple(sum(level.sizes[b] for b in found) for level in self.levels)

    def needed(self, alive: int, sums: Sums, saved: Sums | None = None) -> int:
        """Bytes for the buffers in `alive` (bits), whose `sums` are known and of which `saved` bytes overlap."""
        most = 0
        for i, level in enumerate(self.levels):
            covered = sums[i] if saved is None else sums[i] - saved[i]
            most = max(most, covered - slack_of(level, alive) if level.ragged else covered)
        return most

    def together(self, buffers: Iterable[int], saved: Sums | None = None) -> int:
        """As needed(), of buffers each of which is named once."""
        found = list(buffers)
        return self.needed(sum(1 << b for b in found), self.sums(found), saved)

    def saved(self, step: int, dying: tuple[int, ...], born: tuple[int, ...]) -> Sums | None:
        """The most bytes of `born` outputs that can lie over `dying` inputs; None where nothing may."""
        if not self.problem.overlaps[step] or not dying or not born:
            return None
        key = step, dying, born
        if key not in self._saved:
            rows = [row for row in self.problem.overlaps[step] if row[0] in dying and row[1] in born]
            self._saved[key] = tuple(_most(rows, level) for level in self.levels)
        return self._saved[key]


def slack_of(level: Level, buffers: int) -> int:
    """The most that one of the buffers (bits) is shorter than on the grid."""
    most, left = 0, buffers & level.ragged
    while left:
        low = left & -left
        most = max(most, level.slack[low.bit_length() - 1])
        left ^= low
    return most


def _level(problem: Numbered, grid: int) -> Level:
    pairs = list(zip(problem.sizes, problem.alignments, strict=True))
    sizes = tuple(_up(size, grid) if alignment % grid == 0 else 0 for size, alignment in pairs)
    slack = tuple(max(0, gridded - size) for gridded, (size, _) in zip(sizes, pairs, strict=True))
    return Level(grid, sizes, slack, sum(1 << b for b, one in enumerate(slack) if one))


def _most(rows: Sequence[tuple[int, int, Overlap]], level: Level) -> int:
    """The most bytes that lie on each other, for outputs that are written forward or backward."""
    size, grid = level.sizes, level.grid
    forward = [(i, o, _up(v.forward_bytes, grid)) for i, o, v in rows if v.forward_bytes is not None]
    backward = [(o, i, _up(v.backward_bytes, grid)) for i, o, v in rows if v.backward_bytes is not None]
    return max(_covered(forward, size), _covered(backward, size))


def _covered(rows: list[tuple[int, int, int]], size: Sequence[int]) -> int:
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

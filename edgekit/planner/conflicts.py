"""A problem and an order of its steps → which buffers must keep away from each other, and how far.

For two buffers a and b that are alive together: start of b >= start of a + over, or start of a >= start of b + under.
Where b is an output and a an input that dies in the same step, both distances may be shorter than the sizes. A step
with one such pair needs no direction before everything is placed; where a step has several, all of them need the same
direction, so their distances depend on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.planner.numbered import Numbered
from edgekit.planner.problem import Overlap

FORWARD, BACKWARD, EITHER = 0, 1, 2  # index of Pair.over and Pair.under


@dataclass(frozen=True)
class Pair:
    """Start of b >= start of a + over[d] or start of a >= start of b + under[d], d: FORWARD, BACKWARD or EITHER.

    step: whose direction decides, -1 where all distances are the same
    """

    a: int
    b: int
    over: tuple[int, int, int]
    under: tuple[int, int, int]
    step: int = -1


@dataclass(frozen=True)
class Conflicts:
    """All pairs of an order; `directed` are the steps whose direction has to be chosen for them."""

    pairs: tuple[Pair, ...]
    directed: tuple[int, ...]


def lifetimes(problem: Numbered, order: Sequence[int]) -> list[tuple[int, int]]:
    """First and last position in the order at which a buffer is alive; -1: before all steps, their number: after."""
    first, last = [len(order)] * len(problem.buffers), [-1] * len(problem.buffers)
    for position, step in enumerate(order):
        for buffer in (*problem.reads[step], *problem.writes[step], *problem.scratch[step]):
            first[buffer] = min(first[buffer], position)
            last[buffer] = max(last[buffer], position)
    for buffer in problem.from_start:
        first[buffer] = -1
    for buffer in problem.to_end:
        last[buffer] = len(order)
    return list(zip(first, last, strict=True))


def conflicts(problem: Numbered, order: Sequence[int]) -> Conflicts:
    lives = lifetimes(problem, order)
    overlapping: dict[tuple[int, int], Pair] = {}
    directed = []
    for position, step in enumerate(order):
        rows = [row for row in problem.overlaps[step] if _usable(problem, step, position, lives, row)]
        for read, written, overlap in rows:
            overlapping[read, written] = _overlapping(problem.sizes, read, written, overlap, step)
        if len(rows) > 1:
            directed.append(step)
    pairs = (
        overlapping.get((a, b)) or overlapping.get((b, a)) or _apart(problem.sizes, a, b)
        for a, b in _together(problem, lives)
    )
    return Conflicts(
        tuple(pair for pair in pairs if pair.over[EITHER] + pair.under[EITHER] > 0 or pair.step >= 0), tuple(directed)
    )


def _usable(
    problem: Numbered, step: int, position: int, lives: Sequence[tuple[int, int]], row: tuple[int, int, Overlap]
) -> bool:
    """Whether the input dies in the step in which the output is born, and is read or written only."""
    read, written, overlap = row
    if overlap.forward_bytes is None and overlap.backward_bytes is None:
        return False
    if read in problem.writes[step] or written in problem.reads[step]:
        return False
    return lives[read][1] == position == lives[written][0] and bool(problem.sizes[read] and problem.sizes[written])


def _together(problem: Numbered, lives: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pairs of buffers that are alive at the same time, in the order in which the later of the two is born."""
    found, alive = [], list[int]()
    for buffer in sorted((b for b, size in enumerate(problem.sizes) if size), key=lambda b: (lives[b], b)):
        first, last = lives[buffer]
        if last < first:
            continue
        alive = [other for other in alive if lives[other][1] >= first]
        found += [(other, buffer) for other in alive]
        alive.append(buffer)
    return found


def _apart(sizes: Sequence[int], a: int, b: int) -> Pair:
    return Pair(a, b, (sizes[a],) * 3, (sizes[b],) * 3)


def _overlapping(sizes: Sequence[int], read: int, written: int, overlap: Overlap, step: int) -> Pair:
    """The output is b: going backward it may start soon after the start of the input, going forward soon before."""
    over = sizes[read] if overlap.backward_bytes is None else min(overlap.backward_bytes, sizes[read])
    under = sizes[written] if overlap.forward_bytes is None else min(overlap.forward_bytes, sizes[written])
    return Pair(read, written, (sizes[read], over, over), (under, sizes[written], under), step)

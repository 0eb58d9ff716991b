"""Conflicts → offsets, fast and mostly good, but without proof: each buffer at the lowest place that is free, one after
the other; the sequence is changed as long as that helps.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgekit.planner.conflicts import BACKWARD, EITHER, FORWARD, Conflicts, lifetimes
from edgekit.planner.effort import Effort
from edgekit.planner.numbered import Numbered

SEED = 1
PATIENCE = 150  # changes of a sequence without a gain before the next start
FLIPS = 0.1  # share of changes that turn the direction of a step instead


@dataclass(frozen=True)
class Placement:
    """Where each buffer lies, and the end of the highest."""

    offsets: tuple[int, ...]
    bytes: int


def improved_placement(
    problem: Numbered, order: Sequence[int], found: Conflicts, lower_bytes: int, effort: Effort
) -> Placement:
    """The best placement found from several sequences and their neighbours; stops at `lower_bytes`."""
    placer, chance = _Placer(problem, found, effort), random.Random(SEED)  # noqa: S311 (the same plan every time is what is wanted)
    best: Placement | None = None
    for sequence in _sequences(problem, order):
        placement = placer.place(sequence)
        if best is None or placement.bytes < best.bytes:
            best = placement
        if best.bytes <= lower_bytes:
            return best
    assert best is not None
    for sequence in _sequences(problem, order):
        if best.bytes <= lower_bytes or effort.over:
            break
        placement = _climb(placer, sequence, lower_bytes, chance)
        best = min(best, placement, key=lambda p: p.bytes)
    return best


def _climb(placer: _Placer, sequence: list[int], lower_bytes: int, chance: random.Random) -> Placement:
    """Moves a buffer that ends at the top nearer to the front, as long as the top comes no higher."""
    best, patience = placer.place(sequence), PATIENCE
    while best.bytes > lower_bytes and patience and not placer.effort.over:
        flipped = placer.flip(chance) if chance.random() < FLIPS else None
        changed = sequence if flipped is not None else _moved(placer, sequence, best, chance)
        placement = placer.place(changed)
        patience = PATIENCE if placement.bytes < best.bytes else patience - 1
        if placement.bytes <= best.bytes:
            best, sequence = placement, changed
        elif flipped is not None:
            placer.turn(flipped)
    return best


def _moved(placer: _Placer, sequence: list[int], placement: Placement, chance: random.Random) -> list[int]:
    top = [i for i, b in enumerate(sequence) if placement.offsets[b] + placer.sizes[b] == placement.bytes]
    place = _any(top, chance)
    to = int(chance.random() * place)
    moved = sequence[:place] + sequence[place + 1 :]
    moved.insert(to, sequence[place])
    return moved


def _any(choices: Sequence[int], chance: random.Random) -> int:
    """random.choice draws other numbers in other versions of Python; random() never does."""
    return choices[int(chance.random() * len(choices))]


def _sequences(problem: Numbered, order: Sequence[int]) -> Iterator[list[int]]:
    """Buffers by what makes them hard to place."""
    lives, sizes = lifetimes(problem, order), problem.sizes
    present = [0] * (len(order) + 2)  # bytes alive at each position, from -1
    for (first, last), size in zip(lives, sizes, strict=True):
        for position in range(first, last + 1):
            present[position + 1] += size
    crowd = [max(present[first + 1 : last + 2], default=0) for first, last in lives]
    length = [last - first + 1 for first, last in lives]
    placed = [b for b, size in enumerate(sizes) if size]
    yield sorted(placed, key=lambda b: (-crowd[b], -sizes[b], b))
    yield sorted(placed, key=lambda b: (-sizes[b], b))
    yield sorted(placed, key=lambda b: (-crowd[b], sizes[b], b))
    yield sorted(placed, key=lambda b: (-sizes[b] * length[b], b))
    yield sorted(placed, key=lambda b: (-length[b], -sizes[b], b))
    yield sorted(placed, key=lambda b: (lives[b], b))
    yield sorted(placed, key=lambda b: (-lives[b][1], b))


class _Placer:
    """Places buffers one after the other for conflicts whose steps have a direction."""

    def __init__(self, problem: Numbered, found: Conflicts, effort: Effort) -> None:
        self.sizes, self.alignments, self.effort = problem.sizes, problem.alignments, effort
        self.found = found
        self.directions = dict.fromkeys(found.directed, FORWARD)
        self._tabulate()

    def _tabulate(self) -> None:
        """Of each buffer (other, before, after): it starts at other - before or lower, at other + after or higher."""
        self.near: list[list[tuple[int, int, int]]] = [[] for _ in self.sizes]
        for pair in self.found.pairs:
            direction = self.directions.get(pair.step, EITHER)
            over, under = pair.over[direction], pair.under[direction]
            if over + under > 0:
                self.near[pair.a].append((pair.b, over, under))
                self.near[pair.b].append((pair.a, under, over))

    def flip(self, chance: random.Random) -> int | None:
        """Turns the direction of one step that has to have one."""
        if not self.found.directed:
            return None
        step = _any(self.found.directed, chance)
        self.turn(step)
        return step

    def turn(self, step: int) -> None:
        self.directions[step] = BACKWARD if self.directions[step] == FORWARD else FORWARD
        self._tabulate()

    def place(self, sequence: Sequence[int]) -> Placement:
        offsets = [-1] * len(self.sizes)
        for buffer in sequence:
            offsets[buffer] = self._lowest(buffer, offsets)
        end = max((offsets[b] + self.sizes[b] for b in sequence), default=0)
        return Placement(tuple(max(offset, 0) for offset in offsets), end)

    def _lowest(self, buffer: int, offsets: Sequence[int]) -> int:
        near, alignment, at = self.near[buffer], self.alignments[buffer], 0
        self.effort.spend(len(near) + 1)
        taken = [(offsets[o] - before, offsets[o] + after) for o, before, after in near if offsets[o] >= 0]
        for low, high in sorted(taken):
            if at <= low:
                break
            if at < high:
                at = -(-high // alignment) * alignment
        return at

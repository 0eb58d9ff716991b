"""Conflicts and a size → offsets that end within that size, or the proof that there are none: branch and bound.

Each pair of buffers that are alive together is a choice: one of the two lies so far above the other, or the other way
round. Choices made so far give each buffer its lowest start (`low`) and the bytes needed from its start to the end of
all that lies above it (`high`). Where only one side of a pair fits into the size, it is taken at once; where both do,
the tightest pair of those that still lie over each other is tried both ways. Where none does, the lowest starts are
the offsets. Distances may be negative (an output that may run ahead of its input), which is why buffers are not simply
placed one upon the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgekit.planner.conflicts import BACKWARD, EITHER, FORWARD, Conflicts
from edgekit.planner.effort import Effort
from edgekit.planner.numbered import Numbered
from edgekit.planner.placing import Placement


@dataclass(frozen=True)
class Outcome:
    """A placement, or none; `finished`: there is none, and not just too little effort."""

    placement: Placement | None
    finished: bool


@dataclass(frozen=True)
class _Choice:
    """Side of a pair: b above a, or a above b; or, where pair < 0, the direction of a step."""

    pair: int
    above: bool
    step: int = -1
    direction: int = EITHER


def fit(problem: Numbered, found: Conflicts, size: int, effort: Effort) -> Outcome:
    """Offsets for all buffers within `size` bytes."""
    return _Tree(problem, found, size, effort).search()


class _Tree:
    """One depth-first search."""

    def __init__(self, problem: Numbered, found: Conflicts, size: int, effort: Effort) -> None:
        self.problem, self.size, self.effort = problem, size, effort
        self.pairs = found.pairs
        self.low, self.high = [0] * len(problem.sizes), list(problem.sizes)
        self.above: list[list[tuple[int, int]]] = [[] for _ in problem.sizes]  # (buffer, distance) above each
        self.below: list[list[tuple[int, int]]] = [[] for _ in problem.sizes]
        self.open = dict.fromkeys(range(len(found.pairs)))  # pairs without a choice; a dict keeps their order
        self.directions = dict.fromkeys(found.directed, EITHER)
        self.made: list[tuple[_Choice, int, int]] = []

    def search(self) -> Outcome:
        if any(size > self.size for size in self.problem.sizes) or not self._settle():
            return Outcome(None, not self.effort.over)
        stack: list[tuple[list[int], list[int], int, Iterator[_Choice]]] = []
        choices = self._choices()
        while choices is not None:
            stack.append((self.low[:], self.high[:], len(self.made), iter(choices)))
            while not self._descend(stack):
                if not stack or self.effort.over:
                    return Outcome(None, not self.effort.over)
            choices = self._choices()
        ends = (low + size for low, size in zip(self.low, self.problem.sizes, strict=True))
        return Outcome(Placement(tuple(self.low), max(ends, default=0)), True)

    def _descend(self, stack: list[tuple[list[int], list[int], int, Iterator[_Choice]]]) -> bool:
        """Goes on with the next choice of the deepest place that has one left."""
        low, high, made, choices = stack[-1]
        self._undo(made)
        self.low, self.high = low[:], high[:]
        choice = next(choices, None)
        if choice is None:
            stack.pop()
            return False
        return self._make(choice) and self._settle()

    def _undo(self, length: int) -> None:
        while len(self.made) > length:
            choice, lower, upper = self.made.pop()
            if choice.pair < 0:
                self.directions[choice.step] = EITHER
            else:
                self.above[lower].pop()
                self.below[upper].pop()
                self.open[choice.pair] = None

    def _make(self, choice: _Choice) -> bool:
        """False where the choice cannot be part of anything that fits."""
        if choice.pair < 0:
            self.directions[choice.step] = choice.direction
            self.made.append((choice, -1, -1))
            return True
        pair, (over, under) = self.pairs[choice.pair], self._distances(choice.pair)
        lower, upper, distance = (pair.a, pair.b, over) if choice.above else (pair.b, pair.a, under)
        self.above[lower].append((upper, distance))
        self.below[upper].append((lower, distance))
        del self.open[choice.pair]
        self.made.append((choice, lower, upper))
        return self._raise(lower) and self._sink(upper)

    def _distances(self, index: int) -> tuple[int, int]:
        pair = self.pairs[index]
        direction = self.directions.get(pair.step, EITHER)
        return pair.over[direction], pair.under[direction]

    def _raise(self, changed: int) -> bool:
        """Pushes up everything above a buffer; False where something leaves the size."""
        todo = [changed]
        while todo:
            buffer = todo.pop()
            self.effort.spend(1)
            for upper, distance in self.above[buffer]:
                alignment = self.problem.alignments[upper]
                low = -(-(self.low[buffer] + distance) // alignment) * alignment
                if low > self.low[upper]:
                    if low + self.high[upper] > self.size or self.effort.over:
                        return False
                    self.low[upper] = low
                    todo.append(upper)
        return True

    def _sink(self, changed: int) -> bool:
        """Counts for everything below a buffer what now lies above it; False where that is more than the size."""
        todo = [changed]
        while todo:
            buffer = todo.pop()
            self.effort.spend(1)
            for lower, distance in self.below[buffer]:
                high = self.high[buffer] + distance
                if high > self.high[lower]:
                    if self.low[lower] + high > self.size or self.effort.over:
                        return False
                    self.high[lower] = high
                    todo.append(lower)
        return True

    def _settle(self) -> bool:
        """Makes all choices that the size leaves no alternative to; False where a pair has no side that fits."""
        going = True
        while going:
            going = False
            self.effort.spend(len(self.open))
            if self.effort.over:
                return False
            for index in list(self.open):
                above, below = self._sides(index)
                if max(above, below) <= self.size:
                    continue
                if min(above, below) > self.size:
                    return False
                if self.directions.get(self.pairs[index].step) == EITHER:
                    continue
                if not self._make(_Choice(index, above <= self.size)):
                    return False
                going = True
        return True

    def _sides(self, index: int) -> tuple[int, int]:
        """What the size has to be if b lies above a, if a lies above b; nothing where they need no choice."""
        pair, (over, under) = self.pairs[index], self._distances(index)
        if over + under <= 0:
            return 0, 0
        return self.low[pair.a] + over + self.high[pair.b], self.low[pair.b] + under + self.high[pair.a]

    def _choices(self) -> list[_Choice] | None:
        """What to try here, the most promising first; None where everything has its place."""
        self.effort.spend(len(self.open))
        most, tightest = (-1, -1), -1
        for index in self.open:
            if self._clash(index, self._distances(index)):
                sides = self._sides(index)
                most, tightest = max((most, tightest), ((min(sides), max(sides)), index), key=lambda row: row[0])
        if tightest < 0:
            return self._directions_left()
        step = self.pairs[tightest].step
        if self.directions.get(step) == EITHER:
            return _both_ways(step)
        above, below = self._sides(tightest)
        return [_Choice(tightest, above <= below), _Choice(tightest, above > below)]

    def _clash(self, index: int, distances: tuple[int, int]) -> bool:
        pair = self.pairs[index]
        a, b = self.low[pair.a], self.low[pair.b]
        return b < a + distances[0] and a < b + distances[1]

    def _directions_left(self) -> list[_Choice] | None:
        """Steps of which each pair is safe in one direction, but no direction suits all of them."""
        for step in (s for s, direction in self.directions.items() if direction == EITHER):
            own = [i for i in self.open if self.pairs[i].step == step]
            if not any(all(not self._clash(i, self._in(i, d)) for i in own) for d in (FORWARD, BACKWARD)):
                return _both_ways(step)
        return None

    def _in(self, index: int, direction: int) -> tuple[int, int]:
        return self.pairs[index].over[direction], self.pairs[index].under[direction]


def _both_ways(step: int) -> list[_Choice]:
    return [_Choice(-1, False, step, direction) for direction in (FORWARD, BACKWARD)]

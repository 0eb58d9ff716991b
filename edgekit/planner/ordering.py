"""A problem → the order of its steps whose largest step needs the fewest bytes, and a bound below every order's.

What is alive depends on nothing but the set of steps that have run, so the search walks over such sets, lowest peak
first (the idea of "Ordering chaos", arXiv 2003.02369). When the effort is spent the best order found so far is
returned; the bound is one all the same.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from edgekit.planner.effort import Effort
from edgekit.planner.numbered import Numbered
from edgekit.planner.spans import Spans


@dataclass(frozen=True)
class BestOrder:
    """No order, and so no plan, needs less than `lower_bytes`; the one found has steps of `peak_bytes` at most."""

    order: tuple[int, ...]
    peak_bytes: int
    lower_bytes: int


@dataclass(frozen=True)
class State:
    """After the steps in `done` (bits): the buffers alive, and the most bytes that a step has needed."""

    done: int
    alive: frozenset[int]
    peak: int
    order: tuple[Any, ...]  # linked list: (last step, (the one before, (...)))

    @property
    def steps(self) -> tuple[int, ...]:
        found: list[int] = []
        rest = self.order
        while rest:
            found.append(rest[0])
            rest = rest[1]
        return tuple(reversed(found))


def best_order(problem: Numbered, effort: Effort) -> BestOrder:
    """The order with the lowest peak; the one given where no other is better."""
    walk = Walk(problem, effort)
    lower = walk.floor()
    found = min((walk.through(problem.steps), walk.greedy()), key=lambda state: state.peak)
    tie = count(step=-1)  # the newest first: goes deep before it goes broad
    queue = [(max(lower, walk.start.peak), next(tie), walk.start)]
    settled: set[int] = set()
    while queue and max(queue[0][0], lower) < found.peak and not effort.over:
        state = walk.forced(heapq.heappop(queue)[2])
        if state.done == walk.everything:
            found = state
            break
        if state.done in settled:
            continue
        settled.add(state.done)
        for after in walk.next(state):
            if after.peak < found.peak:
                heapq.heappush(queue, (after.peak, next(tie), after))
    below = min((peak for peak, _, _ in queue), default=found.peak)
    return BestOrder(found.steps, found.peak, min(max(lower, below), found.peak))


class Walk:
    """What running a step does to the set of buffers that are alive."""

    def __init__(self, problem: Numbered, effort: Effort) -> None:
        self.problem, self.effort = problem, effort
        self.spans = Spans(problem)
        self.everything = (1 << len(problem.steps)) - 1
        self.own = [tuple(dict.fromkeys((*problem.reads[s], *problem.writes[s]))) for s in problem.steps]
        given = problem.from_start
        never = {b for b in given if not problem.users[b] and b not in problem.to_end}
        self.start = State(0, given - never, self.spans.amount(given).bytes, ())

    def ready(self, done: int) -> Iterator[int]:
        needs = self.problem.needs
        return (s for s in self.problem.steps if not done >> s & 1 and not needs[s] & ~done)

    def next(self, state: State) -> list[State]:
        return [self.run(state, s) for s in self.ready(state.done)]

    def run(self, state: State, step: int) -> State:
        self.effort.spend(len(state.alive) + 1)
        problem, done = self.problem, state.done | 1 << step
        own = self.own[step]
        born = tuple(b for b in own if b not in state.alive)
        dead = [b for b in own if not problem.users[b] & ~done and b not in problem.to_end]
        under = tuple(b for b in dead if b in state.alive and b not in problem.writes[step])
        present = (*state.alive, *born, *problem.scratch[step])
        amount = self.spans.amount(present, self.spans.saved(step, under, born))
        return State(done, state.alive.union(born).difference(dead), max(state.peak, amount.bytes), (step, state.order))

    def forced(self, state: State) -> State:
        """Run every step that raises neither the peak nor what is alive: no order is better for having it wait."""
        going = True
        while going:
            going = False
            for step in self.ready(state.done):
                after = self.run(state, step)
                if after.peak == state.peak and self._no_worse(state, after):
                    state, going = after, True
                    break
        return state

    def _no_worse(self, before: State, after: State) -> bool:
        gone = self.spans.amount(before.alive - after.alive)
        new = self.spans.amount(after.alive - before.alive)
        return new.raw <= gone.raw and new.gridded <= gone.gridded and new.slack >= gone.slack

    def through(self, order: Sequence[int]) -> State:
        state = self.start
        for step in order:
            state = self.run(state, step)
        return state

    def greedy(self) -> State:
        """Always the step that raises the peak least, then what is alive least."""
        state = self.start
        while state.done != self.everything:
            state = min(self.next(state), key=lambda s: (s.peak, self.spans.amount(s.alive).raw))
        return state

    def floor(self) -> int:
        """Below every order's peak: what a step touches must be there together, beside what is never dead."""
        always = self.problem.from_start & self.problem.to_end
        found = [self.start.peak, self.spans.amount(self.problem.to_end).bytes]
        for step in self.problem.steps:
            reads, writes = self.problem.reads[step], self.problem.writes[step]
            under = tuple(b for b in reads if b not in self.problem.to_end and b not in writes)
            present = always.union(self.own[step], self.problem.scratch[step])
            born = tuple(b for b in writes if b not in reads)
            found.append(self.spans.amount(present, self.spans.saved(step, under, born)).bytes)
        return max(found)

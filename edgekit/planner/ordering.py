"""A problem → the order of its steps whose largest step needs the fewest bytes, and a bound below every order's.

What is alive depends on nothing but the set of steps that have run, so the search walks over such sets, lowest peak
first (the idea of "Ordering chaos", arXiv 2003.02369). When the effort is spent the best order found so far is
returned; the bound is one all the same.
"""

from __future__ import annotations

import heapq
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from edgekit.planner.effort import Effort
from edgekit.planner.numbered import Numbered
from edgekit.planner.spans import Spans, Sums, slack_of

LOOKS_AT_A_STEP = 20  # what running a step costs, beside a look at a pair of buffers


@dataclass(frozen=True)
class BestOrder:
    """No order, and so no plan, needs less than `lower_bytes`; the one found has steps of `peak_bytes` at most."""

    order: tuple[int, ...]
    peak_bytes: int
    lower_bytes: int


@dataclass(frozen=True)
class State:
    """After some steps. Sets are bits of an integer.

    done, ready   steps that have run; steps that may run next
    alive, sums   buffers that are needed later, and their bytes at each level
    peak          the most bytes that a step has needed so far, and not less than any order needs
    """

    done: int
    ready: int
    alive: int
    sums: Sums
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
    lower, found = walk.start.peak, walk.through(problem.steps)
    if found.peak > lower:
        found = min((found, walk.greedy()), key=lambda state: state.peak)
    tie = count(step=-1)  # the newest first: goes deep before it goes broad
    queue = [(lower, next(tie), walk.start)]
    settled: set[int] = set()
    while queue and queue[0][0] < found.peak and not effort.over:
        state = walk.forced(heapq.heappop(queue)[2])
        if state.done == walk.everything:
            found = state
            break
        if state.done in settled:
            continue
        settled.add(state.done)
        for after in reversed(walk.next(state)):
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
        self.after: list[list[int]] = [[] for _ in problem.steps]
        for step, needs in enumerate(problem.needs):
            for before in _bits(needs):
                self.after[before].append(step)
        self.start = self._start()
        self.start = replace(self.start, peak=self._floor())

    def _start(self) -> State:
        given = self.problem.from_start
        alive = [b for b in sorted(given) if self.problem.users[b] or b in self.problem.to_end]
        ready = sum(1 << step for step, needs in enumerate(self.problem.needs) if not needs)
        return State(0, ready, sum(1 << b for b in alive), self.spans.sums(alive), self.spans.together(given), ())

    def next(self, state: State) -> list[State]:
        """The most promising first: where less is alive for long, the rest has more room."""
        return sorted((self.run(state, step) for step in _bits(state.ready)), key=lambda s: (s.peak, s.sums))

    def run(self, state: State, step: int) -> State:
        problem, of, done = self.problem, self.spans.of, state.done | 1 << step
        own = self.own[step]
        self.effort.spend(LOOKS_AT_A_STEP + len(own))
        born = tuple(b for b in own if not state.alive >> b & 1)
        dead = [b for b in own if not problem.users[b] & ~done and b not in problem.to_end]
        under = tuple(b for b in dead if b not in born and b not in problem.writes[step])
        scratch = problem.scratch[step]
        present, sums = state.alive, state.sums
        for b in (*born, *scratch):
            present, sums = present | 1 << b, tuple(map(operator.add, sums, of[b]))
        needed = self.spans.needed(present, sums, self.spans.saved(step, under, born))
        for b in (*dead, *scratch):
            present, sums = present & ~(1 << b), tuple(map(operator.sub, sums, of[b]))
        ready = self._ready(state.ready & ~(1 << step), done, step)
        return State(done, ready, present, sums, max(state.peak, needed), (step, state.order))

    def _ready(self, ready: int, done: int, step: int) -> int:
        for after in self.after[step]:
            if not self.problem.needs[after] & ~done:
                ready |= 1 << after
        return ready

    def forced(self, state: State) -> State:
        """Run every step that raises neither the peak nor what is alive: no order is better for having it wait."""
        going = True
        while going:
            going = False
            for after in (self.run(state, step) for step in _bits(state.ready)):
                if after.peak == state.peak and self._no_worse(state, after):
                    state, going = after, True
                    break
        return state

    def _no_worse(self, before: State, after: State) -> bool:
        """On no grid more bytes, and a topmost buffer that may end as far before a line."""
        if any(map(operator.gt, after.sums, before.sums)):
            return False
        gone, new = before.alive & ~after.alive, after.alive & ~before.alive
        return all(slack_of(level, new) >= slack_of(level, gone) for level in self.spans.levels)

    def through(self, order: Iterable[int]) -> State:
        state = self.start
        for step in order:
            state = self.run(state, step)
        return state

    def greedy(self) -> State:
        """Always the step that raises the peak least, then what is alive least."""
        state = self.start
        while state.ready:
            state = self.next(state)[0]
        return state

    def _floor(self) -> int:
        """Below every order's peak: what a step touches, beside what is written before it and used after it in all."""
        problem = self.problem
        before, after = self._before(), self._after()
        found = [self.start.peak, self.spans.together(problem.to_end)]
        for step in problem.steps:
            reads, writes = problem.reads[step], problem.writes[step]
            known = {b for b in problem.from_start if self._used(b, after[step])}
            known |= {b for s in _bits(before[step]) for b in problem.writes[s] if self._used(b, after[step])}
            under = tuple(b for b in reads if b not in known and b not in writes)
            born = tuple(b for b in writes if b not in reads)
            present = known.union(self.own[step], problem.scratch[step])
            found.append(self.spans.together(present, self.spans.saved(step, under, born)))
        return max(found)

    def _used(self, buffer: int, steps: int) -> bool:
        return bool(self.problem.users[buffer] & steps) or buffer in self.problem.to_end

    def _before(self) -> list[int]:
        """Of each step, all that run before it in every order; steps come in an order in which they can run."""
        before: list[int] = []
        for needs in self.problem.needs:
            for step in _bits(needs):
                needs |= before[step]
            before.append(needs)
        return before

    def _after(self) -> list[int]:
        after = [0] * len(self.problem.steps)
        for step in reversed(self.problem.steps):
            for later in self.after[step]:
                after[step] |= after[later] | 1 << later
        return after


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low

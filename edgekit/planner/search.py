"""A Problem → the smallest Plan that the search finds, and a bound that no plan is below.

First the order whose largest step needs least, with a bound on all orders (ordering.py), and offsets for it
(placing.py). Mostly they reach the bound. Where they do not, every order whose steps all need less than the plan found
is searched by branch and bound (branching.py), first a little in each, then more. If that comes to its end the plan is
exact, if the budget does it is the best found. Budgets count work and chance is seeded: the same problem gets the same
plan everywhere.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from edgekit.planner.branching import fit
from edgekit.planner.conflicts import FORWARD, Conflicts, Pair, conflicts
from edgekit.planner.effort import Effort
from edgekit.planner.numbered import Numbered, numbered
from edgekit.planner.ordering import BestOrder, State, Walk, best_order
from edgekit.planner.placing import Placement, improved_placement
from edgekit.planner.problem import Plan, Problem

ORDER_EFFORT = 500_000
PLACING_EFFORT = 300_000
ROUNDS = ((10_000, 250_000), (100_000, 500_000), (500_000, 500_000))  # effort for one order, for all of them


def plan(problem: Problem, time_limit_s: float = 60.0) -> Plan:
    """The smallest plan found; it is `exact` only where it is proven that none is smaller.

    time_limit_s   a safety net far beyond what the search takes; a plan that it cut short depends on the machine
    """
    deadline = time.monotonic() + time_limit_s
    numbers = numbered(problem)
    order = best_order(numbers, Effort(ORDER_EFFORT, deadline))
    found, effort = conflicts(numbers, order.order), Effort(PLACING_EFFORT, deadline)
    placement = improved_placement(numbers, order.order, found, order.lower_bytes, effort)
    best = _Best(order.order, placement, order.lower_bytes)
    for each, together in ROUNDS:
        if not best.exact:
            best = _Round(numbers, best, each, Effort(together, deadline)).search()
    return _plan(numbers, best)


def lowest_peak(problem: Problem, effort: int = ORDER_EFFORT, time_limit_s: float = 60.0) -> BestOrder:
    """The order alone: the one whose largest step needs the fewest bytes, and a bound below every order's."""
    return best_order(numbered(problem), Effort(effort, time.monotonic() + time_limit_s))


@dataclass(frozen=True)
class _Best:
    """The best so far, and what no plan is below."""

    order: tuple[int, ...]
    placement: Placement
    lower_bytes: int

    @property
    def exact(self) -> bool:
        return self.placement.bytes <= self.lower_bytes


class _Round:
    """Looks for a smaller plan in every order that may hold one, with so much effort for each and for all together."""

    def __init__(self, problem: Numbered, best: _Best, each: int, effort: Effort) -> None:
        self.problem, self.best, self.each, self.effort = problem, best, each, effort

    def search(self) -> _Best:
        seen: set[frozenset[Pair]] = set()
        bounds = []
        for state in self._orders():
            found = conflicts(self.problem, state.steps)
            if frozenset(found.pairs) not in seen:
                seen.add(frozenset(found.pairs))
                bounds.append(self._search_in(state, found))
            if self.best.exact or self.effort.over:
                return self.best
        lower = min([*bounds, self.best.placement.bytes])  # orders not searched need no less than the best
        return replace(self.best, lower_bytes=max(lower, self.best.lower_bytes))

    def _orders(self) -> Iterator[State]:
        """The best one, then all whose steps need less than the best plan, as long as there is effort left."""
        walk = Walk(self.problem, self.effort)
        yield walk.through(self.best.order)
        todo = [walk.start]
        while todo and not self.effort.over:
            state = todo.pop()
            if state.peak >= self.best.placement.bytes:
                continue
            if state.done == walk.everything:
                yield state
            todo += reversed(walk.next(state))

    def _search_in(self, state: State, found: Conflicts) -> int:
        """Keeps what is smaller than the best; returns what no plan with this order is below."""
        effort = self.effort.part(self.each)
        order, lower = state.steps, state.peak
        self._keep(order, improved_placement(self.problem, order, found, lower, effort.part(self.each // 4)))
        lower = self._halve(order, found, lower, effort.part(self.each // 3))
        while lower < self.best.placement.bytes and not effort.over:
            outcome = fit(self.problem, found, self.best.placement.bytes - 1, effort)
            if outcome.placement is None:
                return self.best.placement.bytes if outcome.finished else lower
            self._keep(order, outcome.placement)
        return lower

    def _halve(self, order: tuple[int, ...], found: Conflicts, lower: int, effort: Effort) -> int:
        """Tries the middle between the bound and the best, which is soon found or refuted when far from the truth."""
        while lower < self.best.placement.bytes and not effort.over:
            middle = (lower + self.best.placement.bytes - 1) // 2
            outcome = fit(self.problem, found, middle, effort)
            if outcome.placement is not None:
                self._keep(order, outcome.placement)
            elif outcome.finished:
                lower = middle + 1
        return lower

    def _keep(self, order: tuple[int, ...], placement: Placement) -> None:
        if placement.bytes < self.best.placement.bytes:
            self.best = replace(self.best, order=order, placement=placement)


def _plan(problem: Numbered, best: _Best) -> Plan:
    found = conflicts(problem, best.order)
    offsets = dict(zip(problem.buffers, best.placement.offsets, strict=True))
    backward = _backward(found, best.placement.offsets)
    return Plan(best.order, offsets, backward, best.placement.bytes, best.lower_bytes)


def _backward(found: Conflicts, offsets: Sequence[int]) -> frozenset[int]:
    """The steps whose outputs lie so over their inputs that the kernel has to go from the last output to the first."""
    return frozenset(pair.step for pair in found.pairs if pair.step >= 0 and not _goes_forward(pair, offsets))


def _goes_forward(pair: Pair, offsets: Sequence[int]) -> bool:
    a, b = offsets[pair.a], offsets[pair.b]
    return b >= a + pair.over[FORWARD] or a >= b + pair.under[FORWARD]

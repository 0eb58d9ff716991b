"""A Problem → the smallest Plan that the search finds, and a bound that no plan is below.

First the order whose largest step needs least (ordering.py, with a bound on all orders), then offsets for it: fast ones
(placing.py). Where they do not reach the bound, branch and bound (branching.py) over the orders that could still give a
smaller plan. All budgets count work and all chance is seeded: the same problem gets the same plan everywhere.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from edgekit.planner.conflicts import BACKWARD, FORWARD, Conflicts, Pair, conflicts
from edgekit.planner.effort import Effort
from edgekit.planner.numbered import Numbered, numbered
from edgekit.planner.ordering import best_order
from edgekit.planner.placing import improved_placement
from edgekit.planner.problem import Plan, Problem

ORDER_EFFORT = 500_000  # each about a second or less
PLACING_EFFORT = 1_000_000


def plan(problem: Problem, time_limit_s: float = 60.0) -> Plan:
    """The smallest plan found for the problem; `exact` only where it is proven that none is smaller.

    The same problem gives the same plan on every machine, as long as the search ends before `time_limit_s`, which is far
    beyond what it takes.
    """
    deadline = time.monotonic() + time_limit_s
    numbers = numbered(problem)
    order = best_order(numbers, Effort(ORDER_EFFORT, deadline))
    found = conflicts(numbers, order.order)
    best = improved_placement(numbers, order.order, found, order.lower_bytes, Effort(PLACING_EFFORT, deadline))
    backward = backward_steps(found, best.offsets)
    offsets = dict(zip(numbers.buffers, best.offsets, strict=True))
    return Plan(order.order, offsets, backward, best.bytes, order.lower_bytes)


def backward_steps(found: Conflicts, offsets: Sequence[int]) -> frozenset[int]:
    """The steps whose outputs lie so over their inputs that the kernel has to go from the last output to the first."""
    return frozenset(pair.step for pair in found.pairs if pair.step >= 0 and not _allows(pair, offsets, FORWARD))


def _allows(pair: Pair, offsets: Sequence[int], direction: int) -> bool:
    a, b = offsets[pair.a], offsets[pair.b]
    return b >= a + pair.over[direction] or a >= b + pair.under[direction]

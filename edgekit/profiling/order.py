"""A network → the order of execution with the lowest peak of live activations, or a bound below every order's.

The live tensors depend on nothing but the set of finished layers, so the search walks over such sets, lowest peak first
(the idea of "Ordering chaos", arXiv 2003.02369). Elementwise layers write over an input that dies in them. Beyond
STATE_LIMIT sets the best order found so far is returned, `exact` is False, and the bound is still one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from edgekit.profiling.memory import IN_PLACE, Network

STATE_LIMIT = 5_000  # a second or two; real networks are chains with few branches and need far fewer


@dataclass(frozen=True)
class BestOrder:
    """The best order found. No order has a peak below `lower_bytes`; when `exact`, this one has just that."""

    order: tuple[int, ...]
    exact: bool
    lower_bytes: int


@dataclass(frozen=True)
class _State:
    """After the layers in `done` (bits): the layers that may run next, the live bytes, the highest peak so far."""

    done: int
    ready: int
    live: int
    height: int
    order: tuple[Any, ...]  # linked list: (last layer, (the one before, (...)))


def best_order(network: Network) -> BestOrder:
    """The order with the lowest peak, exact up to STATE_LIMIT sets of finished layers."""
    steps = _Steps(network)
    given, lower = tuple(range(len(network.layers))), steps.floor()
    candidates = [steps.walk(given), steps.greedy()]
    found = min(candidates, key=lambda state: state.height)  # the order given where both are equal
    tie = count(step=-1)  # the newest first: goes deep before it goes broad
    queue = [(lower, next(tie), steps.start(lower))]
    settled: set[int] = set()
    while queue and queue[0][0] < found.height and len(settled) < STATE_LIMIT:
        state = steps.forced(heapq.heappop(queue)[2])
        if state.done == steps.everything:
            found = state
            break
        if state.done in settled:
            continue
        settled.add(state.done)
        for after in [steps.run(state, i) for i in _bits(state.ready)]:
            if after.height < found.height:
                heapq.heappush(queue, (after.height, next(tie), after))
    below = min((height for height, _, _ in queue), default=found.height)
    lower = min(max(lower, below), found.height)
    return BestOrder(_unrolled(found), lower == found.height, lower)


class _Steps:
    """What running a layer does to the live bytes of a network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.everything = (1 << len(network.layers)) - 1
        self.bytes = [t.bytes for t in network.tensors]
        self.users = [0] * len(network.tensors)
        made_by = {t: i for i, layer in enumerate(network.layers) for t in layer.outputs}
        self.needs = [0] * len(network.layers)
        self.next: list[list[int]] = [[] for _ in network.layers]
        for i, layer in enumerate(network.layers):
            for t in layer.inputs:
                self.users[t] |= 1 << i
            for before in {made_by[t] for t in layer.inputs if t in made_by} - {i}:
                self.needs[i] |= 1 << before
                self.next[before].append(i)

    def start(self, height: int) -> _State:
        ready = sum(1 << i for i, need in enumerate(self.needs) if not need)
        return _State(0, ready, sum(self.bytes[t] for t in set(self.network.inputs)), height, ())

    def run(self, state: _State, index: int) -> _State:
        layer = self.network.layers[index]
        done = state.done | 1 << index
        during = state.live + sum(self.bytes[t] for t in layer.outputs)
        dying = [t for t in layer.inputs if self._dead(t, done)]
        ready = state.ready & ~(1 << index)
        for after in self.next[index]:
            if self.needs[after] & done == self.needs[after]:
                ready |= 1 << after
        freed = dying + [t for t in layer.outputs if self._dead(t, done)]
        if not state.done:
            freed += [t for t in self.network.inputs if not self.users[t] and t not in self.network.outputs]
        height = max(state.height, during - self._overwritten(index, dying))
        live = during - sum(self.bytes[t] for t in freed)
        return _State(done, ready, live, height, (index, state.order))

    def _dead(self, tensor: int, done: int) -> bool:
        return self.users[tensor] & ~done == 0 and tensor not in self.network.outputs

    def _overwritten(self, index: int, dying: list[int]) -> int:
        """Bytes saved where the output is written over an input that dies."""
        layer = self.network.layers[index]
        if layer.op not in IN_PLACE or len(layer.outputs) != 1:
            return 0
        size = self.bytes[layer.outputs[0]]
        return size if any(self.bytes[t] >= size for t in dying) else 0

    def forced(self, state: _State) -> _State:
        """Run every layer that raises neither the peak nor the live bytes: no order is better for having it wait."""
        while True:
            for i in _bits(state.ready):
                after = self.run(state, i)
                if after.height == state.height and after.live <= state.live:
                    state = after
                    break
            else:
                return state

    def walk(self, order: tuple[int, ...]) -> _State:
        state = self.start(0)
        for i in order:
            state = self.run(state, i)
        return state

    def greedy(self) -> _State:
        """Always the layer that raises the peak least, then the live bytes least."""
        state = self.start(0)
        while state.ready:
            state = min((self.run(state, i) for i in _bits(state.ready)), key=lambda s: (s.height, s.live))
        return state

    def floor(self) -> int:
        """Below every order's peak: what each layer reads and writes must be there together."""
        needs = [0]
        for i, layer in enumerate(self.network.layers):
            own = {*layer.inputs, *layer.outputs}
            may_die = [t for t in layer.inputs if t not in self.network.outputs]
            needs.append(sum(self.bytes[t] for t in own) - self._overwritten(i, may_die))
        return max(needs)


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _unrolled(state: _State) -> tuple[int, ...]:
    order: list[int] = []
    rest = state.order
    while rest:
        order.append(rest[0])
        rest = rest[1]
    return tuple(reversed(order))

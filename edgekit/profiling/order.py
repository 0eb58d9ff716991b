"""A network → the order of execution with the lowest peak of live activations, or a bound below every order's.

The search is the planner's, which the generated C is planned with. Elementwise layers write over an input that dies in
them; how far other kernels overlap their buffers is a matter of each runtime, and not counted here.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.planner import IN_PLACE, Buffer, Overlap, Problem, Step, lowest_peak
from edgekit.profiling import memory
from edgekit.profiling.memory import Layer, Network

EFFORT = 500_000  # looks at a pair of tensors: a second or two; real networks are chains with few branches


@dataclass(frozen=True)
class BestOrder:
    """The best order found. No order has a peak below `lower_bytes`; when `exact`, this one has just that."""

    order: tuple[int, ...]
    exact: bool
    lower_bytes: int


def best_order(network: Network) -> BestOrder:
    """The order with the lowest peak, exact up to EFFORT."""
    buffers = [Buffer(tensor.name, tensor.bytes) for tensor in network.tensors]
    problem = Problem(
        steps=tuple(_step(layer, buffers) for layer in network.layers),
        inputs=tuple(buffers[t] for t in dict.fromkeys(network.inputs)),
        outputs=tuple(buffers[t] for t in dict.fromkeys(network.outputs)),
    )
    found = lowest_peak(problem, EFFORT)
    return BestOrder(found.order, found.peak_bytes == found.lower_bytes, found.lower_bytes)


def _step(layer: Layer, buffers: list[Buffer]) -> Step:
    reads, writes = ([buffers[t] for t in dict.fromkeys(which)] for which in (layer.inputs, layer.outputs))
    overlaps: dict[tuple[Buffer, Buffer], Overlap] = {}
    if layer.op in memory.IN_PLACE and len(writes) == 1:
        overlaps = {(read, writes[0]): IN_PLACE for read in reads if read.bytes >= writes[0].bytes}
    return Step(layer.name, tuple(reads), tuple(writes), overlaps=overlaps)

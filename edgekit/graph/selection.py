"""What is selected from joined values is taken from those values directly: the last step of an unrolled LSTM needs no
Concat of all steps, and of a backward direction only the steps that are read remain.

Followed are the operators that only move data. Left as it is: a selection that needs part of a value, or all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgekit.graph.operands import attribute, constant
from edgekit.graph.rewriting import Place, Rewriter
from edgekit.graph.shapes import sizes

Indices = npt.NDArray[np.int64]
LARGEST = 1 << 20  # elements that are followed


def select_directly(model: ir.Model) -> ir.Model:
    """Gather and Slice behind a Concat read its inputs where they pick whole ones. Needs known shapes."""
    rewriter = Rewriter(model)
    for node in list(model.graph):
        if node.op_type in ("Gather", "Slice"):
            chosen = _Trace().chosen(node.outputs[0])
            if chosen is not None:
                place = rewriter.at(node)
                place.replace(_taken(place, chosen))
    return model


class _Trace:
    """Numbers all elements of the values that data-moving operators bring together, and follows the numbers."""

    def __init__(self) -> None:
        self._leaves: list[ir.Value] = []
        self._starts: list[int] = [0]
        self._seen: dict[ir.Value, Indices | None] = {}

    def chosen(self, value: ir.Value) -> Sequence[ir.Value] | None:
        """The values that `value` is made of, each whole, one after the other; None where it is not, or of all."""
        indices = self._indices(value)
        if indices is None or indices.size == 0:
            return None
        chosen: list[ir.Value] = []
        flat, at = indices.reshape(-1), 0
        while at < flat.size:
            k = int(np.searchsorted(self._starts, flat[at], side="right")) - 1
            whole = np.arange(self._starts[k], self._starts[k + 1])
            if not np.array_equal(flat[at : at + whole.size], whole):
                return None
            chosen.append(self._leaves[k])
            at += whole.size
        return chosen if len(set(chosen)) < len(self._leaves) else None

    def _indices(self, value: ir.Value) -> Indices | None:
        """Where each element of `value` comes from."""
        waiting = [value]
        while waiting:  # no recursion: chains may be long
            top = waiting[-1]
            node = top.producer()
            moved = node if node is not None and node.op_type in MOVES else None
            inputs = [v for v in _moved(moved) if v not in self._seen] if moved is not None else []
            if inputs:
                waiting += inputs
                continue
            self._seen[top] = self._leaf(top) if moved is None else self._after(moved)
            waiting.pop()
        return self._seen[value]

    def _leaf(self, value: ir.Value) -> Indices | None:
        shape = sizes(value)
        if shape is None or constant(value) is not None or self._starts[-1] + math.prod(shape) > LARGEST:
            return None
        start = self._starts[-1]
        self._leaves.append(value)
        self._starts.append(start + math.prod(shape))
        return np.arange(start, self._starts[-1]).reshape(shape)

    def _after(self, node: ir.Node) -> Indices | None:
        inputs = [self._seen[v] for v in _moved(node)]
        known = [a for a in inputs if a is not None]
        return MOVES[node.op_type](node, known) if len(known) == len(inputs) else None


def _moved(node: ir.Node) -> list[ir.Value]:
    """The inputs whose data a node moves."""
    inputs = node.inputs if node.op_type == "Concat" else node.inputs[:1]
    return [v for v in inputs if v is not None]


def _reshape(node: ir.Node, inputs: Sequence[Indices]) -> Indices | None:
    shape = sizes(node.outputs[0])
    return None if shape is None else inputs[0].reshape(shape)


def _transpose(node: ir.Node, inputs: Sequence[Indices]) -> Indices | None:
    order = node.attributes.get("perm")
    moved: Indices = inputs[0].transpose(None if order is None else list(order.as_ints()))
    return moved


def _concat(node: ir.Node, inputs: Sequence[Indices]) -> Indices | None:
    axis, rank = int(attribute(node, "axis", 0)), inputs[0].ndim
    return np.concatenate(inputs, axis) if -rank <= axis < rank else None


def _gather(node: ir.Node, inputs: Sequence[Indices]) -> Indices | None:
    picked = constant(node.inputs[1])
    if picked is None:
        return None
    taken: Indices = np.take(inputs[0], picked, int(attribute(node, "axis", 0)))
    return taken


def _slice(node: ir.Node, inputs: Sequence[Indices]) -> Indices | None:
    given = [constant(v) for v in node.inputs[1:]]
    if len(given) < 2 or any(a is None for a in given):
        return None
    starts, ends, axes, steps = ([int(n) for n in a] for a in _completed([a for a in given if a is not None]))
    cut = [slice(None)] * inputs[0].ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 0:
            return None
        cut[axis] = slice(start, end, step)
    return inputs[0][tuple(cut)]


def _completed(given: list[npt.NDArray[np.int64]]) -> list[npt.NDArray[np.int64]]:
    """Starts, ends, axes and steps, with ONNX's defaults for the last two."""
    count = given[0].size
    defaults = [np.arange(count), np.ones(count, np.int64)]
    return [*given, *defaults[len(given) - 2 :]]


MOVES: Mapping[str, Callable[[ir.Node, Sequence[Indices]], Indices | None]] = {
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"), _reshape),
    "Transpose": _transpose,
    "Concat": _concat,
    "Gather": _gather,
    "Slice": _slice,
}


def _taken(place: Place, chosen: Sequence[ir.Value]) -> ir.Value:
    """The chosen values, one after the other, in the shape of the node's output."""
    shape = sizes(place.node.outputs[0])
    assert shape is not None
    parts = chosen
    if len(chosen) > 1:
        flat = place.integers([-1], "flat")
        parts = [place.op("Reshape", v, flat, name=f"part{k}") for k, v in enumerate(chosen)]
    joined = parts[0] if len(parts) == 1 else place.op("Concat", *parts, axis=0, name="joined")
    return place.op("Reshape", joined, place.integers(shape, "shape"), name="chosen")

"""A variance written as E[x²] - E[x]² (Flax and others) becomes E[(x - E[x])²].

int8 does not hold the difference of two squares that are nearly equal. Left as they are: means over axes that are
computed, and other differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgekit.graph.operands import constant
from edgekit.graph.rewriting import Place
from edgekit.graph.shapes import sizes

TOLERANCE = 1e-4  # of a factor that is one over the number of elements


@dataclass(frozen=True)
class _Mean:
    """The mean of `value` over `axes`, ascending."""

    value: ir.Value
    axes: tuple[int, ...]


def _variance(place: Place) -> ir.Value | None:
    of_squares, mean = _mean(place.node.inputs[0]), _mean(_root(place.node.inputs[1]))
    if of_squares is None or mean is None or of_squares.axes != mean.axes or _root(of_squares.value) is not mean.value:
        return None
    axes, result = place.integers(list(mean.axes), "axes"), sizes(place.node.outputs[0])
    kept = result is not None and len(result) == len(sizes(mean.value) or ())
    centre = place.op("ReduceMean", mean.value, axes, keepdims=1, name="mean")
    centred = place.op("Sub", mean.value, centre, name="centred")
    squares = place.op("Mul", centred, centred, name="squares")
    return place.op("ReduceMean", squares, axes, keepdims=int(kept), name="variance")


def _root(value: ir.Value | None) -> ir.Value | None:
    """x where `value` is x * x or x ** 2."""
    node = None if value is None else value.producer()
    if node is None:
        return None
    if node.op_type == "Mul" and node.inputs[0] is node.inputs[1]:
        return node.inputs[0]
    exponent = constant(node.inputs[1]) if node.op_type == "Pow" else None
    return node.inputs[0] if exponent is not None and exponent.size == 1 and exponent.item() == 2 else None


def _mean(value: ir.Value | None) -> _Mean | None:
    """Of what `value` is the mean: a ReduceMean, or a ReduceSum over the number of its elements."""
    node = None if value is None else value.producer()
    if node is None or node.op_type == "ReduceMean":
        return None if node is None else _reduced(node)
    factor = _factor(node)
    producer = node.inputs[0].producer() if node.inputs[0] is not None else None
    found = _reduced(producer) if producer is not None and producer.op_type == "ReduceSum" else None
    if found is None or factor is None:
        return None
    shape = sizes(found.value) or ()
    return found if math.isclose(factor * math.prod(shape[i] for i in found.axes), 1, rel_tol=TOLERANCE) else None


def _factor(node: ir.Node) -> float | None:
    """The one number by which a Mul or Div multiplies its first input."""
    number = constant(node.inputs[1]) if node.op_type in ("Mul", "Div") else None
    if number is None or number.size != 1 or not number.any():
        return None
    return float(number.item()) if node.op_type == "Mul" else 1 / float(number.item())


def _reduced(node: ir.Node) -> _Mean | None:
    x, axes = node.inputs[0], constant(node.inputs[1]) if len(node.inputs) > 1 else None
    shape = None if x is None else sizes(x)
    if x is None or shape is None or axes is None or axes.size == 0:
        return None
    return _Mean(x, tuple(sorted(int(a) % len(shape) for a in axes.reshape(-1))))


FORMS: Mapping[str, Callable[[Place], ir.Value | None]] = {"Sub": _variance}

"""Elementwise operators in forms that int8 has: sums and means of many values, choices by a constant condition,
division by constants and by values that are broadcast.

A division by a value of full size stays: TFLite has no int8 division, and the reciprocals would need a table as long as
the value itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir

from edgekit.graph.masks import MASKED
from edgekit.graph.operands import attribute, constant
from edgekit.graph.quant_params import Array
from edgekit.graph.rewriting import Place
from edgekit.graph.shapes import sizes

MINUS_INFINITY = -1e9  # what stands for it in a mask that is added
BROADCASTING = ("Add", "Sub", "Mul", "Div", "Min", "Max")


def _sum(place: Place) -> ir.Value | None:
    total, *others = place.node.inputs
    for k, value in enumerate(others):
        total = place.op("Add", total, value, name=f"sum{k}")
    return total if others else place.op("Identity", total, name="sum")


def _mean(place: Place) -> ir.Value | None:
    share = place.number(1 / len(place.node.inputs), "share")
    return place.op("Mul", _sum(place), share, name="mean")


def _where(place: Place) -> ir.Value | None:
    """A constant condition chooses: multiply by 0 and 1, or add a mask where minus infinity is chosen."""
    chosen, (yes, no) = constant(place.node.inputs[0]), place.node.inputs[1:3]
    if chosen is None or yes is None or no is None or yes.dtype is not ir.DataType.FLOAT:
        return None
    if chosen.all() or not chosen.any():
        return _all_of_one(place, yes if chosen.all() else no)
    for value, other, where in ((yes, no, chosen), (no, yes, ~chosen)):
        numbers = constant(other)
        if numbers is not None and np.all(numbers <= MASKED):
            mask = np.where(where, np.float32(0), np.maximum(numbers, np.float32(MINUS_INFINITY)))
            return place.op("Add", value, place.constant(mask, "mask"), name="masked")
    return _blended(place, yes, no, chosen)


def _all_of_one(place: Place, value: ir.Value) -> ir.Value | None:
    same = sizes(value) is not None and sizes(value) == sizes(place.node.outputs[0])
    return place.op("Identity", value, name="chosen") if same else None


def _blended(place: Place, yes: ir.Value, no: ir.Value, chosen: Array) -> ir.Value:
    parts = []
    for value, where, name in ((yes, chosen, "yes"), (no, ~chosen, "no")):
        numbers = constant(value)
        if numbers is None:
            parts.append(place.op("Mul", value, place.constant(where.astype(np.float32), f"is_{name}"), name=name))
        elif numbers.any():
            parts.append(place.constant(np.where(where, numbers, np.float32(0)), name))
    return parts[0] if len(parts) == 1 else place.op("Add", *parts, name="chosen")


def _division(place: Place) -> ir.Value | None:
    """x / y = x * (1 / y), where y is constant, or a broadcast value: a norm, a sum."""
    x, y = place.node.inputs
    numbers = constant(y)
    if numbers is not None and numbers.dtype == np.float32 and np.all(numbers) and np.all(np.isfinite(numbers)):
        return place.op("Mul", x, place.constant(np.reciprocal(numbers), "inverse"), name="quotient")
    if x is None or y is None or numbers is not None:
        return None
    axis = _axis_of_norm(y, x)
    if axis is not None:
        return place.op("LpNormalization", x, axis=axis, p=2, name="normalized")
    numerator, divisor = sizes(x), sizes(y)
    if numerator is None or divisor is None or math.prod(divisor) >= math.prod(numerator):
        return None
    return place.op("Mul", x, place.op("Reciprocal", y, name="reciprocal"), name="quotient")


def _axis_of_norm(y: ir.Value, x: ir.Value) -> int | None:
    """The axis along which `y` is the Euclidean norm of `x`, kept from zero by a clamp: TFLite's L2_NORMALIZATION."""
    node = y.producer()
    while node is not None and node.op_type in ("Expand", "Clip") and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    if node is None or node.op_type != "ReduceL2" or node.inputs[0] is not x or not attribute(node, "keepdims", 1):
        return None
    axes = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    return int(axes.item()) if axes is not None and axes.size == 1 else None


def _difference(place: Place) -> ir.Value | None:
    """x - constant = x + (-constant), which a layer before or behind it may take up."""
    numbers = constant(place.node.inputs[1])
    if numbers is None or numbers.dtype != np.float32:
        return None
    return place.op("Add", place.node.inputs[0], place.constant(-numbers, "negative"), name="difference")


def _expand(place: Place) -> ir.Value | None:
    """What broadcasting does by itself needs no Expand."""
    source, result = place.node.inputs[0], place.node.outputs[0]
    for reader, position in tuple(result.uses()):
        others = [v for i, v in enumerate(reader.inputs) if i != position and v is not None]
        if reader.op_type in BROADCASTING and any(v is not result and sizes(v) == sizes(result) for v in others):
            reader.replace_input_with(position, source)
    return None


def _power_norm(place: Place) -> ir.Value | None:
    """LpNormalization of order 1; that of order 2 is an operator of TFLite."""
    if attribute(place.node, "p", 2) != 1:
        return None
    x, axes = place.node.inputs[0], place.integers([int(attribute(place.node, "axis", -1))], "axes")
    norm = place.op("ReduceSum", place.op("Abs", x, name="magnitudes"), axes, keepdims=1, name="norm")
    return place.op("Mul", x, place.op("Reciprocal", norm, name="reciprocal"), name="quotient")


FORMS: Mapping[str, Callable[[Place], ir.Value | None]] = {
    "Sum": _sum,
    "Mean": _mean,
    "Where": _where,
    "Div": _division,
    "Sub": _difference,
    "Expand": _expand,
    "LpNormalization": _power_norm,
}

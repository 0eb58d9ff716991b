"""Sums over axes in forms that int8 holds well: sums of squares as products of rows with themselves, whose 32-bit sums
are rounded once, not every square; norms and log-sums by tables.

ReduceSumSquare, ReduceL2, ReduceL1, ReduceLogSum, ReduceLogSumExp, and ReduceMean or ReduceSum of squares.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import onnx_ir as ir

from edgekit.graph.operands import attribute, constant
from edgekit.graph.rewriting import Place
from edgekit.graph.shapes import sizes

LONGEST_ROW = 1 << 15  # 255 * 255 * this is what an int32 sum holds


def sum_of_squares(place: Place, x: ir.Value, axes: Sequence[int], name: str = "squares") -> ir.Value:
    """The sum of x * x over `axes`, with those axes kept as 1."""
    shape = sizes(x)
    assert shape is not None
    kept, count = [i for i in range(len(shape)) if i not in axes], math.prod(shape[i] for i in axes)
    if count > LONGEST_ROW:
        squares = place.op("Mul", x, x, name=name)
        return place.op("ReduceSum", squares, place.integers(axes, f"{name}.axes"), keepdims=1, name=f"{name}.sum")
    if kept + list(axes) != list(range(len(shape))):
        x = place.op("Transpose", x, perm=[*kept, *axes], name=f"{name}.order")
    rows = [shape[i] for i in kept]
    row, column = (
        place.op("Reshape", x, place.integers([*rows, *ends], f"{name}.{what}_shape"), name=f"{name}.{what}")
        for what, ends in (("row", (1, count)), ("column", (count, 1)))
    )
    product = place.op("MatMul", row, column, name=name)
    ones = [1 if i in axes else n for i, n in enumerate(shape)]
    return place.op("Reshape", product, place.integers(ones, f"{name}.shape"), name=f"{name}.sum")


def _sum_square(place: Place) -> ir.Value | None:
    axes = _axes(place.node)
    return None if axes is None else _shaped(place, sum_of_squares(place, _input(place), axes))


def _l2(place: Place) -> ir.Value | None:
    squares = _sum_square(place)
    return None if squares is None else place.op("Sqrt", squares, name="root")


def _l1(place: Place) -> ir.Value | None:
    return _reduced(place, "ReduceSum", place.op("Abs", _input(place), name="magnitudes"))


def _log_sum(place: Place) -> ir.Value | None:
    return place.op("Log", _reduced(place, "ReduceSum", _input(place)), name="logarithm")


def _log_sum_exp(place: Place) -> ir.Value | None:
    """max + log(sum(exp(x - max))), so that the exponentials lie in 0..1."""
    x, axes = _input(place), _axes(place.node)
    if axes is None:
        return None
    largest = place.op(
        "ReduceMax", x, place.node.inputs[1] if len(place.node.inputs) > 1 else None, keepdims=1, name="max"
    )
    powers = place.op("Exp", place.op("Sub", x, largest, name="below"), name="powers")
    total = place.op("ReduceSum", powers, place.integers(axes, "sum.axes"), keepdims=1, name="sum")
    return _shaped(place, place.op("Add", place.op("Log", total, name="logarithm"), largest, name="total"))


def _of_squares(place: Place) -> ir.Value | None:
    """ReduceMean and ReduceSum where what they add are squares."""
    squared, axes = _squared(place.node.inputs[0]), _axes(place.node)
    if squared is None or axes is None or len(axes) == 0:
        return None
    total = sum_of_squares(place, squared, axes)
    if place.node.op_type == "ReduceMean":
        shape = sizes(squared)
        assert shape is not None
        total = place.op("Mul", total, place.number(1 / math.prod(shape[i] for i in axes), "share"), name="mean")
    return _shaped(place, total)


FORMS: Mapping[str, Callable[[Place], ir.Value | None]] = {
    "ReduceSumSquare": _sum_square,
    "ReduceL2": _l2,
    "ReduceL1": _l1,
    "ReduceLogSum": _log_sum,
    "ReduceLogSumExp": _log_sum_exp,
    "ReduceMean": _of_squares,
    "ReduceSum": _of_squares,
}


def _input(place: Place) -> ir.Value:
    x = place.node.inputs[0]
    assert x is not None
    return x


def _axes(node: ir.Node) -> list[int] | None:
    """The axes that a node reduces, ascending; None where they are computed."""
    x, given = node.inputs[0], node.inputs[1] if len(node.inputs) > 1 else None
    rank = len(x.shape) if x is not None and x.shape is not None else 0
    if given is None:
        return [] if attribute(node, "noop_with_empty_axes", 0) else list(range(rank))
    numbers = constant(given)
    if numbers is None:
        return None
    if numbers.size == 0:
        return [] if attribute(node, "noop_with_empty_axes", 0) else list(range(rank))
    return sorted(int(axis) % rank for axis in numbers.reshape(-1))


def _reduced(place: Place, op: str, x: ir.Value) -> ir.Value:
    """`op` over the axes of the node, as it keeps them."""
    settings = {
        key: int(attribute(place.node, key, default)) for key, default in (("keepdims", 1), ("noop_with_empty_axes", 0))
    }
    axes = place.node.inputs[1] if len(place.node.inputs) > 1 else None
    return place.op(op, x, axes, name="sum", **settings)


def _shaped(place: Place, total: ir.Value) -> ir.Value:
    """Without the axes that were kept as 1, where the node drops them."""
    if attribute(place.node, "keepdims", 1):
        return total
    shape = sizes(place.node.outputs[0])
    assert shape is not None
    return place.op("Reshape", total, place.integers(shape, "shape"), name="dropped")


def _squared(value: ir.Value | None) -> ir.Value | None:
    """x where `value` is x * x or x ** 2 and nothing else reads that."""
    node = None if value is None else value.producer()
    if value is None or node is None or len(value.uses()) != 1 or value.is_graph_output():
        return None
    if node.op_type == "Mul" and node.inputs[0] is node.inputs[1]:
        return node.inputs[0]
    exponent = constant(node.inputs[1]) if node.op_type == "Pow" else None
    return node.inputs[0] if exponent is not None and exponent.size == 1 and exponent.item() == 2 else None

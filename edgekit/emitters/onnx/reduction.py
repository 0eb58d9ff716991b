"""Rows of operators that make one number of many, in whatever order of axes their input has."""

from __future__ import annotations

import onnx_ir as ir

from edgekit.emitters.onnx.writer import Writer
from edgekit.ops.reading import Order, without
from edgekit.ops.reduction import ArgMax, ArgMin, Mean, ReduceMax, ReduceMin, ReduceProd, Reduction, Sum
from edgekit.program import Op

NODES: dict[type[Op], str] = {
    Mean: "ReduceMean",
    Sum: "ReduceSum",
    ReduceMax: "ReduceMax",
    ReduceMin: "ReduceMin",
    ReduceProd: "ReduceProd",
    ArgMax: "ArgMax",
    ArgMin: "ArgMin",
}


def reduction(op: Reduction, writer: Writer) -> None:
    order, kept = writer.order(op.input), len(op.output.shape) == len(op.input.shape)
    axes = writer.numbers(sorted(order.index(axis) for axis in op.axes))
    words = {} if op.axes else {"noop_with_empty_axes": 1}  # else ONNX takes no axes for all of them
    x = writer.value(op.input, order)
    y = writer.node(NODES[type(op)], x, axes, name=op.name, keepdims=int(kept), **words)
    writer.answer(op.output, y, _order(op, order, op.axes))


def arg_extremum(op: ArgMax, writer: Writer) -> None:
    """ONNX's indices are int64."""
    order, kept = writer.order(op.input), len(op.output.shape) == len(op.input.shape)
    x, axis = writer.value(op.input, order), order.index(op.axis)
    y = writer.node(NODES[type(op)], x, name=op.name, axis=axis, keepdims=int(kept))
    if op.output.dtype != "s64":
        y = writer.node("Cast", y, name=f"{op.name}_cast", to=int(ir.DataType.from_numpy(op.output.numpy_dtype)))
    writer.answer(op.output, y, _order(op, order, (op.axis,)))


def _order(op: Op, order: Order, axes: tuple[int, ...]) -> Order:
    return order if len(op.output.shape) == len(op.input.shape) else without(order, axes)

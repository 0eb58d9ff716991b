"""Rows of arithmetic on two and more values, which ONNX broadcasts as TFLite does."""

from __future__ import annotations

from edgekit.emitters.onnx.writer import Writer
from edgekit.ops.arithmetic import (
    Add,
    AddN,
    Binary,
    Div,
    Extremum,
    Maximum,
    Minimum,
    Mul,
    Pow,
    SquaredDifference,
    Sub,
)
from edgekit.program import Op

NODES: dict[type[Op], str] = {
    Add: "Add",
    Sub: "Sub",
    Mul: "Mul",
    Div: "Div",
    Pow: "Pow",
    Minimum: "Min",
    Maximum: "Max",
    AddN: "Sum",
}


def binary(op: Binary, writer: Writer) -> None:
    values, order = writer.aligned(*op.inputs)
    writer.answer(op.output, writer.node(NODES[type(op)], *values, name=op.name), order, op.activation)


def alike(op: Extremum | AddN, writer: Writer) -> None:
    values, order = writer.aligned(*op.inputs)
    writer.answer(op.output, writer.node(NODES[type(op)], *values, name=op.name), order)


def squared_difference(op: SquaredDifference, writer: Writer) -> None:
    """Two nodes; their inner value stays float."""
    values, order = writer.aligned(*op.inputs)
    difference = writer.node("Sub", *values, name=f"{op.name}_difference")
    square = writer.node("Mul", difference, difference, name=op.name)
    writer.answer(op.output, square, order, op.activation)

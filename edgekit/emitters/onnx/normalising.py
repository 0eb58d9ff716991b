"""Rows of functions along the last axis of a tensor, wherever that lies in the value at hand."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from edgekit.emitters.onnx.writer import Writer
from edgekit.ops.normalising import L2Normalization, LogSoftmax, Softmax
from edgekit.ops.reading import Order
from edgekit.program import Op


def softmax(op: Softmax, writer: Writer) -> None:
    """Answers of 16 bits stay float: they are rounded to 8 next. A factor before it is a node whose result is float."""
    order = writer.order(op.input)
    x = writer.value(op.input, order)
    if op.beta != 1.0:
        x = writer.node("Mul", x, writer.real(op.beta), name=f"{op.name}_beta")
    y = _along_last("Softmax", op, writer, x, order)
    if op.output.dtype == "s16":
        writer.answer_real(op.output, y, order)
    else:
        writer.answer(op.output, y, order)


def log_softmax(op: LogSoftmax, writer: Writer) -> None:
    order = writer.order(op.input)
    writer.answer(op.output, _along_last("LogSoftmax", op, writer, writer.value(op.input, order), order), order)


def l2_normalization(op: L2Normalization, writer: Writer) -> None:
    order = writer.order(op.input)
    y = _along_last("LpNormalization", op, writer, writer.value(op.input, order), order, p=2)
    writer.answer(op.output, y, order)


def _along_last(op_type: str, op: Op, writer: Writer, x: ir.Value, order: Order, **words: Any) -> ir.Value:
    return writer.node(op_type, x, name=op.name, axis=order.index(len(order) - 1), **words)

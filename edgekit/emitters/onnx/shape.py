"""Rows of operators that move or restore numbers without computing."""

from __future__ import annotations

import onnx_ir as ir

from edgekit.emitters.onnx.writer import Writer
from edgekit.ops.quantization import Cast, Dequantize, Quantize
from edgekit.ops.shape import Reshape, Transpose


def reshape(op: Reshape, writer: Writer) -> None:
    writer.answer(op.output, *writer.viewed(op.input, op.output.shape, op.name))


def transpose(op: Transpose, writer: Writer) -> None:
    """No node: the value that holds the input holds the output too, its axes in another order."""
    writer.same(op.output, op.input, op.order)


def quantize(op: Quantize, writer: Writer) -> None:
    order = writer.order(op.input)
    writer.answer(op.output, writer.value(op.input, order), order)


def dequantize(op: Dequantize, writer: Writer) -> None:
    writer.real_again(op.output, op.input)


def cast(op: Cast, writer: Writer) -> None:
    order = writer.order(op.input)
    kind = int(ir.DataType.from_numpy(op.output.numpy_dtype))
    y = writer.node("Cast", writer.stored(op.input, order), name=op.name, to=kind)
    writer.answer_stored(op.output, y, order)

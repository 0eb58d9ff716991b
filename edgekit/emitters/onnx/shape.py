"""Rows of operators that move or restore numbers without computing."""

from __future__ import annotations

from edgekit.emitters.onnx.writer import Writer
from edgekit.ops.quantization import Dequantize, Quantize
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

"""Rows of operators with a window or a matrix: channels first, weights OIHW, biases int32 behind DequantizeLinear."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from edgekit.emitters.onnx.writer import CHANNELS_FIRST, Writer
from edgekit.ops.convolution import Conv2D, DepthwiseConv2D, Padding
from edgekit.ops.fully_connected import FullyConnected, bias_params
from edgekit.ops.pooling import AveragePool2D, MaxPool2D, Pool2D
from edgekit.ops.transposed_convolution import TransposeConv
from edgekit.program import Op
from edgekit.program.tensor import Array

# orders of weights: OIHW of OHWI and of 1HWC, and IOHW of OHWI
FROM_OHWI, FROM_1HWC, TRANSPOSED = (0, 3, 1, 2), (3, 0, 1, 2), (3, 0, 1, 2)


def conv_2d(op: Conv2D, writer: Writer) -> None:
    _convolution(op, writer, writer.value(op.inputs[1], FROM_OHWI), op.groups)


def depthwise(op: DepthwiseConv2D, writer: Writer) -> None:
    _convolution(op, writer, writer.value(op.inputs[1], FROM_1HWC), op.input.shape[3])


def transpose_conv(op: TransposeConv, writer: Writer) -> None:
    """Pads are what is cut off; what lies behind the whole result is output padding."""
    ends = [w - c - n for w, c, n in zip(op.whole, op.crop, op.output.shape[1:3], strict=True)]
    y = writer.node(
        "ConvTranspose", writer.value(op.input, CHANNELS_FIRST), writer.value(op.inputs[1], TRANSPOSED),
        *bias(op, writer), name=op.name, kernel_shape=op.inputs[1].shape[1:3], strides=op.stride,
        pads=[*op.crop, *(max(end, 0) for end in ends)], output_padding=[max(-end, 0) for end in ends],
    )  # fmt: skip
    writer.answer(op.output, y, CHANNELS_FIRST, op.activation)


def fully_connected(op: FullyConnected, writer: Writer) -> None:
    """Gemm of rows; MatMul and Add where the rows have several axes."""
    outputs, depth = op.inputs[1].shape
    shape = op.input.shape
    if len(shape) < 2 or shape[-1] != depth or op.output.shape[:-1] != shape[:-1]:
        shape = (math.prod(shape) // depth, depth)
    rows = writer.between(f"{op.name}_rows", shape, op.input)
    writer.answer(rows, *writer.viewed(op.input, shape, f"{op.name}_rows"))
    result = op.output
    if op.output.shape != (*shape[:-1], outputs):
        result = writer.between(f"{op.name}_result", (*shape[:-1], outputs), op.output)
    b = bias(op, writer)
    if len(shape) == 2:
        y = writer.node("Gemm", writer.value(rows), writer.value(op.inputs[1]), *b, name=op.name, transB=1)
    else:
        y = writer.node("MatMul", writer.value(rows), writer.value(op.inputs[1], (1, 0)), name=op.name)
        y = writer.node("Add", y, *b, name=f"{op.name}_bias") if b else y
    writer.answer(result, y, activation=op.activation)
    if result is not op.output:
        writer.answer(op.output, *writer.viewed(result, op.output.shape, f"{op.name}_reshape"))


def max_pool(op: MaxPool2D, writer: Writer) -> None:
    _pool(op, writer, "MaxPool")


def average_pool(op: AveragePool2D, writer: Writer) -> None:
    _pool(op, writer, "AveragePool")


def pads(padding: Padding) -> list[int]:
    """[top, left, bottom, right]."""
    (top, bottom), (left, right) = padding
    return [top, left, bottom, right]


def bias(op: Op, writer: Writer) -> tuple[ir.Value, ...]:
    """The bias of a weighted sum, if it has one: int32 in units of input scale x weight scale."""
    if len(op.inputs) < 3:
        return ()
    tensor, units = op.inputs[2], bias_params(op.input, op.inputs[1])
    if units is None or tensor.data is None:
        return (writer.value(tensor),)
    if tensor.quant is not None and np.allclose(tensor.quant.scales, units.scales, rtol=1e-5, atol=0.0):
        units = tensor.quant  # what the kernels take no notice of, as it is written
    return (writer.dequantized(_int32(tensor.data), units, tensor.name),)


def _convolution(op: Conv2D | DepthwiseConv2D, writer: Writer, weights: ir.Value, groups: int) -> None:
    x = writer.value(op.input, CHANNELS_FIRST)
    y = writer.node(
        "Conv", x, weights, *bias(op, writer), name=op.name, kernel_shape=op.inputs[1].shape[1:3], strides=op.stride,
        dilations=op.dilation, pads=pads(op.padding), group=groups,
    )  # fmt: skip
    writer.answer(op.output, y, CHANNELS_FIRST, op.activation)


def _pool(op: Pool2D, writer: Writer, op_type: str) -> None:
    x = writer.value(op.input, CHANNELS_FIRST)
    y = writer.node(
        op_type, x, name=op.name, kernel_shape=op.kernel, strides=op.stride, pads=pads(op.padding)
    )  # fmt: skip
    writer.answer(op.output, y, CHANNELS_FIRST, op.activation)


def _int32(data: Array) -> Array:
    """64-bit biases as ONNX can store them; sums are of 32 bits in every kernel."""
    return np.clip(data, -(2**31), 2**31 - 1).astype(np.int32)

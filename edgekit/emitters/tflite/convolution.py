"""Rows of operators with a window or a matrix. A padding that is neither SAME nor VALID becomes a PAD before them."""

from __future__ import annotations

import numpy as np

from edgekit.emitters.tflite.movement import write_pad, write_slice
from edgekit.emitters.tflite.writer import ACTIVATIONS, Writer
from edgekit.ops.convolution import Conv2D, DepthwiseConv2D, Padding, same_padding
from edgekit.ops.fully_connected import FullyConnected, bias_params
from edgekit.ops.pooling import AveragePool2D, MaxPool2D, Pool2D
from edgekit.ops.transposed_convolution import TransposeConv, same_crop
from edgekit.program import Activation, Tensor
from edgekit.tflite import schema
from edgekit.tflite.flatbuffer import Table

NO_PADDING: Padding = ((0, 0), (0, 0))


def conv_2d(op: Conv2D, writer: Writer) -> None:
    x, padding = padded(writer, op.input, op.padding, op.inputs[1].shape[1:3], op.stride, op.dilation)
    options = Table(
        "Conv2DOptions", padding=padding, stride_h=op.stride[0], stride_w=op.stride[1],
        dilation_h_factor=op.dilation[0], dilation_w_factor=op.dilation[1],
        fused_activation_function=ACTIVATIONS[op.activation],
    )  # fmt: skip
    inputs = (x, *_weights_and_some_bias(op, writer))
    writer.operator("CONV_2D", inputs, op.outputs, options, version=_version(op, 3))


def depthwise(op: DepthwiseConv2D, writer: Writer) -> None:
    x, padding = padded(writer, op.input, op.padding, op.inputs[1].shape[1:3], op.stride, op.dilation)
    options = Table(
        "DepthwiseConv2DOptions", padding=padding, stride_h=op.stride[0], stride_w=op.stride[1],
        depth_multiplier=op.multiplier, dilation_h_factor=op.dilation[0], dilation_w_factor=op.dilation[1],
        fused_activation_function=ACTIVATIONS[op.activation],
    )  # fmt: skip
    inputs = (x, *_weights_and_some_bias(op, writer))
    writer.operator("DEPTHWISE_CONV_2D", inputs, op.outputs, options, version=_version(op, 3))


def transpose_conv(op: TransposeConv, writer: Writer) -> None:
    """Where neither SAME nor VALID gives the output, VALID gives all of it and a SLICE takes it out."""
    y, kernel = op.output, op.inputs[1].shape[1:3]
    if op.crop == same_crop(y.shape[1:3], kernel, op.stride) and _fits_same(op):
        _transpose_conv(op, writer, y, schema.Padding.SAME)
        return
    reached = [max(w, c + n) for w, c, n in zip(op.whole, op.crop, y.shape[1:3], strict=True)]
    shape = (y.shape[0], *reached, y.shape[3])
    if shape == y.shape:
        _transpose_conv(op, writer, y, schema.Padding.VALID)
        return
    whole = writer.between(f"{y.name}_whole", shape, y.dtype, y.quant)
    _transpose_conv(op, writer, whole, schema.Padding.VALID)
    write_slice(writer, whole, y, (0, *op.crop, 0))


def _fits_same(op: TransposeConv) -> bool:
    """Whether SAME makes this output from this input."""
    sizes = zip(op.input.shape[1:3], op.output.shape[1:3], op.stride, strict=True)
    return all(-(-out // step) == size for size, out, step in sizes)


def _transpose_conv(op: TransposeConv, writer: Writer, y: Tensor, padding: schema.Padding) -> None:
    options = Table(
        "TransposeConvOptions", padding=padding, stride_h=op.stride[0], stride_w=op.stride[1],
        fused_activation_function=ACTIVATIONS[op.activation],
    )  # fmt: skip
    shape = writer.constant("shape", np.array(y.shape, np.int32))
    version = 4 if op.activation is not Activation.NONE else 3
    writer.operator("TRANSPOSE_CONV", (shape, op.inputs[1], op.input, *op.inputs[2:]), (y,), options, version=version)


def fully_connected(op: FullyConnected, writer: Writer) -> None:
    options = Table(
        "FullyConnectedOptions", keep_num_dims=len(op.output.shape) != 2,
        fused_activation_function=ACTIVATIONS[op.activation],
    )  # fmt: skip
    inputs = (op.input, *_weights_and_some_bias(op, writer))
    writer.operator("FULLY_CONNECTED", inputs, op.outputs, options, version=_version(op, 4))


def max_pool(op: MaxPool2D, writer: Writer) -> None:
    _pool(op, writer, "MAX_POOL_2D")


def average_pool(op: AveragePool2D, writer: Writer) -> None:
    _pool(op, writer, "AVERAGE_POOL_2D")


def _pool(op: Pool2D, writer: Writer, builtin: str) -> None:
    lowest = -np.inf if op.input.dtype == "f32" else op.input.limits[0]
    x, padding = padded(writer, op.input, op.padding, op.kernel, op.stride, (1, 1), fill=lowest)
    options = Table(
        "Pool2DOptions", padding=padding, stride_h=op.stride[0], stride_w=op.stride[1], filter_height=op.kernel[0],
        filter_width=op.kernel[1], fused_activation_function=ACTIVATIONS[op.activation],
    )  # fmt: skip
    writer.operator(builtin, (x,), op.outputs, options, version=_version(op, 2))


def padded(
    writer: Writer,
    x: Tensor,
    padding: Padding,
    kernel: tuple[int, ...],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    *,
    fill: float | None = None,
) -> tuple[Tensor, schema.Padding]:
    """The input and TFLite's word for the padding; PAD (PADV2 where `fill` is not zero) does what neither word says."""
    if padding == NO_PADDING:
        return x, schema.Padding.VALID
    if padding == same_padding(x.shape[1:3], kernel, stride, dilation):
        return x, schema.Padding.SAME
    (top, bottom), (left, right) = padding
    n, height, width, channels = x.shape
    shape = (n, height + top + bottom, width + left + right, channels)
    made = writer.between(f"{x.name}_padded", shape, x.dtype, x.quant)
    write_pad(writer, x, made, [(0, 0), *padding, (0, 0)], fill)
    return made, schema.Padding.VALID


def _weights_and_some_bias(op: Conv2D | DepthwiseConv2D | FullyConnected, writer: Writer) -> tuple[Tensor, Tensor]:
    """A bias of zeros stands in for none: LiteRT does not load a convolution without one, and tflite-runtime 2.14
    crashes on a fully connected layer."""
    weights = op.inputs[1]
    if len(op.inputs) > 2:
        return weights, op.inputs[2]
    quant = bias_params(op.input, weights)
    zeros = np.zeros(op.output.shape[-1], np.float32 if quant is None else np.int32)
    return weights, writer.constant(f"{op.name}_no_bias", zeros, "f32" if quant is None else "s32", quant)


def _version(op: Conv2D | DepthwiseConv2D | FullyConnected | Pool2D, integer: int) -> int:
    return _int8_version(op.input, integer)


def _int8_version(tensor: Tensor, integer: int) -> int:
    """The version of an operator that first took int8; 1 for float."""
    return 1 if tensor.dtype == "f32" else integer

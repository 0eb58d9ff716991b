"""Convolutions: Conv2D (also grouped and dilated), DepthwiseConv2D and, through one row of height 1, those of one axis.

Weights are OHWI (Conv2D) and 1HWC (DepthwiseConv2D), the bias is s32 in units of input scale x weight scale. Padding is
explicit. Source of the arithmetic: TFLite's reference_integer_ops conv.h and depthwise_conv.h.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.ops.reading import OnnxCall, Refusal, TfliteCall, channels_last
from edgekit.ops.shape import Reshape
from edgekit.ops.weighted import along, requantized, weighted_operands
from edgekit.program import Activation, Op, Tensor
from edgekit.program.tensor import Array

Padding = tuple[tuple[int, int], tuple[int, int]]  # (top, bottom), (left, right)


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv2D(Op):
    """inputs: x (N, H, W, C), weights (O, KH, KW, C / groups), bias (O); output (N, OH, OW, O)."""

    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: Padding = ((0, 0), (0, 0))
    groups: int = 1
    activation: Activation = Activation.NONE

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        x, weights = inputs[0], inputs[1]
        bias = inputs[2] if len(inputs) > 2 else None
        patches = windows(centred(x, self.input), weights.shape[1:3], self.stride, self.dilation, self.padding)
        n, oh, ow, kh, kw, c = patches.shape
        groups, out = self.groups, weights.shape[0]
        left = patches.reshape(n, oh, ow, kh, kw, groups, c // groups).transpose(5, 0, 1, 2, 3, 4, 6)
        right = weights.astype(patches.dtype).reshape(groups, out // groups, -1)
        sums = left.reshape(groups, n * oh * ow, -1) @ right.transpose(0, 2, 1)
        sums = sums.transpose(1, 0, 2).reshape(n, oh, ow, out)
        return (requantized(self, sums, bias, self.activation, axis=0),)

    @property
    def macs(self) -> int:
        return self.output.size * int(np.prod(self.inputs[1].shape[1:]))

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        rank = len(call.shape(0))
        if rank not in (3, 4):
            raise Refusal(f"a convolution over {rank - 2} axes has no form here", "use one or two spatial axes")
        groups = int(call.attribute("group", 1))
        weights = call.weights(1)
        x = call.input(0, channels_last(rank))
        if rank == 3:
            x = with_height(call, x)
        geometry = onnx_geometry(call, weights.shape[2:], x.shape[1:3])
        bias = call.bias(2, x, weights)
        y = call.output(0, channels_last(rank))
        made = call.between(f"{call.name}_2d", (y.shape[0], 1, *y.shape[1:]), y) if rank == 3 else y
        kernel = weights.shape[2:] if rank == 4 else (1, *weights.shape[2:])
        _append(call, cls, x, weights, kernel, bias, made, groups, geometry)
        if rank == 3:
            call.add(Reshape(name=f"{call.name}_1d", inputs=(made,), outputs=(y,)))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        x, weights = call.input(0), call.input(1)
        fits = len(x.shape) == len(weights.shape) == 4 and min(weights.shape) > 0 and x.shape[3] % weights.shape[3] == 0
        groups = x.shape[3] // weights.shape[3] if fits else 0
        if groups < 1 or weights.shape[0] % groups:
            raise Refusal(f"input {list(x.shape)} and weights {list(weights.shape)} do not fit")
        geometry = tflite_geometry(call, weights.shape[1:3])
        return cls(
            name=call.name, inputs=_operands(call, 0), outputs=(call.output,), groups=groups, stride=geometry.stride,
            dilation=geometry.dilation, padding=geometry.padding, activation=call.activation,
        )  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class DepthwiseConv2D(Op):
    """inputs: x (N, H, W, C), weights (1, KH, KW, C * multiplier), bias; output channel o reads o // multiplier."""

    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: Padding = ((0, 0), (0, 0))
    multiplier: int = 1
    activation: Activation = Activation.NONE

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        x, weights = inputs[0], inputs[1]
        bias = inputs[2] if len(inputs) > 2 else None
        x = np.repeat(centred(x, self.input), self.multiplier, axis=3)
        patches = windows(x, weights.shape[1:3], self.stride, self.dilation, self.padding)
        sums = np.einsum("nhwklc,klc->nhwc", patches, weights[0].astype(patches.dtype))
        return (requantized(self, sums, bias, self.activation, axis=3),)

    @property
    def macs(self) -> int:
        return self.output.size * int(np.prod(self.inputs[1].shape[1:3]))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        x, weights = call.input(0), call.input(1)
        fits = len(x.shape) == len(weights.shape) == 4 and 0 not in (*x.shape, *weights.shape)
        if not fits or weights.shape[0] != 1 or weights.shape[3] % x.shape[3]:
            raise Refusal(f"input {list(x.shape)} and weights {list(weights.shape)} do not fit")
        geometry, multiplier = tflite_geometry(call, weights.shape[1:3]), weights.shape[3] // x.shape[3]
        return cls(
            name=call.name, inputs=_operands(call, 3), outputs=(call.output,), multiplier=multiplier,
            stride=geometry.stride, dilation=geometry.dilation, padding=geometry.padding, activation=call.activation,
        )  # fmt: skip


@dataclass(frozen=True)
class Geometry:
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Padding


def centred(x: Array, tensor: Tensor) -> Array:
    """Float64 numbers with zero at zero: products and sums of 8- and 16-bit integers are exact in them, and fast."""
    return x if tensor.dtype == "f32" else x.astype(np.float64) - tensor.zero_point


def windows(
    x: Array, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], padding: Padding, fill: float = 0
) -> Array:
    """(N, H, W, C) → the patches that each output reads, (N, OH, OW, KH, KW, C); a view where it can be."""
    padded = np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=fill)
    span = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    seen: Array = np.lib.stride_tricks.sliding_window_view(padded, span, axis=(1, 2))
    seen = seen[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
    patches: Array = seen.transpose(0, 1, 2, 4, 5, 3)
    return patches


def same_padding(size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Padding:
    """TensorFlow's SAME: as many outputs as size / stride, the odd zero behind."""
    pads = []
    for s, k, step, d in zip(size, kernel, stride, dilation, strict=True):
        total = max((-(-s // step) - 1) * step + (k - 1) * d + 1 - s, 0)
        pads.append((total // 2, total - total // 2))
    return pads[0], pads[1]


def output_size(size: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int]) -> int:
    return (size + sum(pads) - (kernel - 1) * dilation - 1) // stride + 1


def tflite_geometry(call: TfliteCall, kernel: Sequence[int]) -> Geometry:
    """Strides, dilations and explicit padding of a spatial operator of a .tflite file."""
    stride = (int(call.option("stride_h", 1)), int(call.option("stride_w", 1)))
    dilation = (_dilation(call, "dilation_h_factor"), _dilation(call, "dilation_w_factor"))
    if min(*stride, *dilation, *kernel) < 1:
        raise Refusal(f"stride {stride}, dilation {dilation}, kernel {tuple(kernel)}: allowed are 1 and more")
    size = call.input(0).shape[1:3]
    if int(call.option("padding", 0)) == 0:
        padding = same_padding(size, kernel, stride, dilation)
    else:
        padding = ((0, 0), (0, 0))
    wanted = tuple(
        output_size(s, k, step, d, p) for s, k, step, d, p in zip(size, kernel, stride, dilation, padding, strict=True)
    )
    if len(call.output.shape) != 4 or call.output.shape[1:3] != wanted:
        raise Refusal(f"its output has shape {list(call.output.shape)}, its geometry gives {list(wanted)}")
    return Geometry(stride, dilation, padding)


def _dilation(call: TfliteCall, name: str) -> int:
    return int(call.option(name, 1)) if call.options is None or hasattr(call.options, name) else 1


def _operands(call: TfliteCall, axis: int) -> tuple[Tensor, ...]:
    """axis: that of the channels in the weights."""
    x, weights, y = call.input(0), call.input(1), call.output
    if y.shape[0] != x.shape[0] or y.shape[3] != weights.shape[axis] or 0 in (*x.shape, *y.shape):
        raise Refusal(f"input {list(x.shape)} and weights {list(weights.shape)} do not make {list(y.shape)}")
    return weighted_operands(x, weights, call.optional(2), y, axis=axis)


def with_height(call: OnnxCall, x: Tensor) -> Tensor:
    """(N, L, C) → (N, 1, L, C)."""
    made = call.between(f"{call.name}_rows", (x.shape[0], 1, *x.shape[1:]), x)
    call.add(Reshape(name=f"{call.name}_rows", inputs=(x,), outputs=(made,)))
    return made


def onnx_geometry(call: OnnxCall, kernel: Sequence[int], size: Sequence[int]) -> Geometry:
    """Strides, dilations and padding of an ONNX node; those of one axis get a height of 1. size: (H, W)."""
    axes = len(kernel)
    stride = tuple(int(n) for n in call.attribute("strides", [1] * axes))
    dilation = tuple(int(n) for n in call.attribute("dilations", [1] * axes))
    pads = [int(n) for n in call.attribute("pads", [0] * 2 * axes)]
    if axes == 1:
        kernel, stride, dilation, pads = (1, *kernel), (1, *stride), (1, *dilation), [0, pads[0], 0, pads[1]]
    auto = call.attribute("auto_pad", "NOTSET")
    padding: Padding = ((pads[0], pads[2]), (pads[1], pads[3]))
    if auto == "VALID":
        padding = ((0, 0), (0, 0))
    elif auto in ("SAME_UPPER", "SAME_LOWER"):
        upper = same_padding(size, kernel, stride, dilation)
        padding = upper if auto == "SAME_UPPER" else (upper[0][::-1], upper[1][::-1])
    return Geometry((stride[0], stride[1]), (dilation[0], dilation[1]), padding)


def _append(
    call: OnnxCall,
    cls: type[Conv2D],
    x: Tensor,
    weights: Tensor,
    kernel: Sequence[int],
    bias: Tensor | None,
    y: Tensor,
    groups: int,
    geometry: Geometry,
) -> None:
    """The convolution, depthwise where every group has one channel."""
    assert weights.data is not None
    out, per_group = weights.shape[:2]
    data = weights.data.reshape(out, per_group, *kernel)
    depthwise = groups > 1 and per_group == 1
    data = data.transpose(1, 2, 3, 0) if depthwise else data.transpose(0, 2, 3, 1)
    stored = call.stored(weights.name, np.ascontiguousarray(data), along(weights.quant, 3 if depthwise else 0))
    operands = (x, stored) if bias is None else (x, stored, bias)
    made = DepthwiseConv2D if depthwise else cls
    call.add(
        made(
            name=call.name,
            inputs=operands,
            outputs=(y,),
            activation=call.activation,
            stride=geometry.stride,
            dilation=geometry.dilation,
            padding=geometry.padding,
            **({"multiplier": out // groups} if depthwise else {"groups": groups}),
        )
    )

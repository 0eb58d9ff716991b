"""TransposeConv: every input pixel adds a scaled kernel to the output, `stride` pixels apart (upsampling).

Weights are OHWI, the bias is s32 in units of input scale x weight scale. One spatial axis gets a height of 1, groups
are convolved apart and joined. Source of the arithmetic: TFLite's reference_integer_ops/transpose_conv.h. Refused:
dilations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgekit.ops.convolution import centred, same_padding
from edgekit.ops.joining import Concat, Split
from edgekit.ops.reading import OnnxCall, Refusal, TfliteCall, channels_last
from edgekit.ops.shape import Reshape
from edgekit.ops.weighted import along, requantized, weighted_operands
from edgekit.program import Activation, Op, Tensor
from edgekit.program.tensor import Array

Pair = tuple[int, int]


@dataclass(frozen=True, eq=False, kw_only=True)
class TransposeConv(Op):
    """inputs: x (N, H, W, C), weights (O, KH, KW, C), bias (O); output (N, OH, OW, O).

    crop  rows and columns of the whole result, which has (H - 1) * stride + KH rows, that lie before the output. Where
          the output reaches behind the whole result it is the bias.
    """

    stride: Pair = (1, 1)
    crop: Pair = (0, 0)
    activation: Activation = Activation.NONE

    @property
    def whole(self) -> Pair:
        """Rows and columns of the whole result."""
        sizes = zip(self.input.shape[1:3], self.inputs[1].shape[1:3], self.stride, strict=True)
        rows, columns = (whole_size(size, kernel, step) for size, kernel, step in sizes)
        return rows, columns

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        x, weights = centred(inputs[0], self.input), inputs[1]
        (n, height, width, _), (rows, columns) = x.shape, self.whole
        (top, left), (down, right) = self.crop, self.output.shape[1:3]
        whole = np.zeros((n, max(rows, top + down), max(columns, left + right), weights.shape[0]), x.dtype)
        for i, j in np.ndindex(weights.shape[1:3]):
            places = (slice(i, i + (height - 1) * self.stride[0] + 1, self.stride[0]),
                      slice(j, j + (width - 1) * self.stride[1] + 1, self.stride[1]))  # fmt: skip
            whole[:, places[0], places[1]] += x @ weights[:, i, j].astype(x.dtype).T
        sums = whole[:, top : top + down, left : left + right]
        bias = inputs[2] if len(inputs) > 2 else None
        return (requantized(self, sums, bias, self.activation, axis=0),)

    @property
    def macs(self) -> int:
        return math.prod(self.input.shape[:3]) * self.inputs[1].size

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        rank = len(call.shape(0))
        if rank not in (3, 4):
            raise Refusal(f"a convolution over {rank - 2} axes has no form here", "use one or two spatial axes")
        if any(int(d) != 1 for d in call.attribute("dilations", [1])):
            raise Refusal("its dilation is not 1", "use dilation=1")
        weights = call.weights(1)
        x, y = call.input(0, channels_last(rank)), call.output(0, channels_last(rank))
        bias = call.bias(2, x, weights)
        kernel, stride, crop = _onnx_geometry(call, weights.shape[2:])
        source, made = x, y
        if rank == 3:
            source, made = (_rows(call, t) for t in (x, y))
            call.add(Reshape(name=f"{call.name}_rows", inputs=(x,), outputs=(source,)))
        op = cls(
            name=call.name, inputs=(source, _ohwi(call, weights, kernel)), outputs=(made,), stride=stride, crop=crop,
            activation=call.activation,
        )  # fmt: skip
        _add_groups(call, op, bias, int(call.attribute("group", 1)))
        if rank == 3:
            call.add(Reshape(name=f"{call.name}_1d", inputs=(made,), outputs=(y,)))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        weights, x, bias = call.input(1), call.input(2), call.optional(3)
        shapes = (x.shape, weights.shape, call.output.shape)
        if any(len(s) != 4 or 0 in s for s in shapes) or x.shape[3] != weights.shape[3]:
            raise Refusal(f"input {list(x.shape)} and weights {list(weights.shape)} do not fit")
        stride = (int(call.option("stride_h", 1)), int(call.option("stride_w", 1)))
        crop = _tflite_crop(call, x, weights, stride)
        operands = weighted_operands(x, weights, bias, call.output, axis=0)
        return cls(
            name=call.name, inputs=operands, outputs=(call.output,), stride=stride, crop=crop,
            activation=call.activation,
        )  # fmt: skip


def whole_size(size: int, kernel: int, step: int) -> int:
    return (size - 1) * step + kernel


def same_crop(output: Sequence[int], kernel: Sequence[int], stride: Pair) -> Pair:
    """What TFLite's SAME cuts off before the output."""
    (top, _), (left, _) = same_padding(output, kernel, stride, (1, 1))
    return top, left


def _onnx_geometry(call: OnnxCall, kernel: Sequence[int]) -> tuple[Pair, Pair, Pair]:
    """Kernel, stride and crop; those of one axis get a height of 1."""
    axes = len(kernel)
    stride = [int(n) for n in call.attribute("strides", [1] * axes)]
    extra = [int(n) for n in call.attribute("output_padding", [0] * axes)]
    if any(e >= s for e, s in zip(extra, stride, strict=True)):
        raise Refusal(f"its output padding {extra} is not below its strides {stride}")
    crop = [int(n) for n in call.attribute("pads", [0] * 2 * axes)][:axes]
    auto = str(call.attribute("auto_pad", "NOTSET"))
    sizes = zip(call.shape(0)[2:], call.output_shape()[2:], strict=True)
    if auto.startswith("SAME") or call.attribute("output_shape", None) is not None:
        totals = [
            max(whole_size(size, k, s) + e - out, 0)
            for (size, out), k, s, e in zip(sizes, kernel, stride, extra, strict=True)
        ]
        crop = [t // 2 if auto == "SAME_UPPER" else t - t // 2 for t in totals]
    if axes == 1:
        return (1, kernel[0]), (1, stride[0]), (0, crop[0])
    return (kernel[0], kernel[1]), (stride[0], stride[1]), (crop[0], crop[1])


def _rows(call: OnnxCall, tensor: Tensor) -> Tensor:
    """(N, L, C) → (N, 1, L, C)."""
    return call.between(f"{tensor.name}_rows", (tensor.shape[0], 1, *tensor.shape[1:]), tensor)


def _ohwi(call: OnnxCall, weights: Tensor, kernel: Pair) -> Tensor:
    """(C, O / groups, kernel) → (O / groups, KH, KW, C)."""
    assert weights.data is not None
    data = weights.data.reshape(*weights.shape[:2], *kernel).transpose(1, 2, 3, 0)
    quant = weights.quant
    if quant is not None and quant.axis not in (None, 1):
        raise Refusal(f"its weights have scales along axis {quant.axis}, wanted one for each output (axis 1)")
    return call.stored(weights.name, np.ascontiguousarray(data), along(quant, 0))


def _add_groups(call: OnnxCall, op: TransposeConv, bias: Tensor | None, groups: int) -> None:
    """One operation for each group, between a Split and a Concat."""
    if groups == 1:
        call.add(replace(op, inputs=(*op.inputs, *_optional(bias))))
        return
    x, weights, y = op.inputs[0], op.inputs[1], op.output
    if weights.quant is not None and not weights.quant.per_tensor:
        raise Refusal("its weights have a scale per channel over several groups", "quantize them per tensor")
    names = [f"{call.name}_{k}" for k in range(groups)]
    sources = [call.between(name, (*x.shape[:3], x.shape[3] // groups), x) for name in names]
    results = [call.between(f"{name}_out", (*y.shape[:3], y.shape[3] // groups), y) for name in names]
    call.add(Split(name=f"{call.name}_split", inputs=(x,), outputs=tuple(sources), axis=3))
    for k, (name, source, result) in enumerate(zip(names, sources, results, strict=True)):
        offsets = None if bias is None else _part(call, bias, 0, k, groups)
        operands = (source, _part(call, weights, 3, k, groups), *_optional(offsets))
        call.add(replace(op, name=name, inputs=operands, outputs=(result,)))
    call.add(Concat(name=f"{call.name}_join", inputs=tuple(results), outputs=(y,), axis=3))


def _part(call: OnnxCall, constant: Tensor, axis: int, k: int, groups: int) -> Tensor:
    """The k-th of `groups` equal pieces of a constant."""
    assert constant.data is not None
    piece = np.split(constant.data, groups, axis)[k]
    return call.stored(f"{constant.name}_{k}", piece, constant.quant)


def _optional(bias: Tensor | None) -> tuple[Tensor, ...]:
    return () if bias is None else (bias,)


def _tflite_crop(call: TfliteCall, x: Tensor, weights: Tensor, stride: Pair) -> Pair:
    """Refuses outputs of a size that the padding does not give."""
    output, kernel = call.output.shape, weights.shape[1:3]
    if min(stride) < 1 or output[0] != x.shape[0] or output[3] != weights.shape[0]:
        raise Refusal(f"its output has shape {list(output)}, strides {stride}")
    same = int(call.option("padding", 0)) == 0
    for size, out, k, s in zip(x.shape[1:3], output[1:3], kernel, stride, strict=True):
        if (-(-out // s) if same else (out - k + s) // s) != size:
            raise Refusal(f"its output has shape {list(output)}, which its padding does not give")
    return same_crop(output[1:3], kernel, stride) if same else (0, 0)

"""Pooling windows over height and width: the largest value, or the average of those inside the picture.

Input and output have one set of parameters. Source of the arithmetic: TFLite's reference_integer_ops/pooling.h.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.ops.convolution import Padding, onnx_geometry, same_padding, tflite_geometry, windows, with_height
from edgekit.ops.padding import Pad
from edgekit.ops.reading import OnnxCall, Refusal, TfliteCall, channels_last, check_shape, check_stored
from edgekit.ops.shape import Reshape
from edgekit.program import Activation, Op, Tensor
from edgekit.program.tensor import Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool2D(Op):
    """input (N, H, W, C) → (N, OH, OW, C)."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: Padding = ((0, 0), (0, 0))
    activation: Activation = Activation.NONE

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        rank = len(call.shape(0))
        if rank not in (3, 4):
            raise Refusal(f"pooling over {rank - 2} axes has no form here", "use one or two spatial axes")
        if call.outputs() > 1:
            raise Refusal("its second output (indices) has no form here")
        order = channels_last(rank)
        quant = call.output_quant()
        x = call.input(0, order, quant=quant)
        y = call.output(0, order)
        if rank == 3:
            x, y_rows = with_height(call, x), call.between(f"{call.name}_rows_out", (y.shape[0], 1, *y.shape[1:]), y)
        else:
            y_rows = y
        if call.op_type.startswith("Global"):
            kernel, stride, padding = x.shape[1:3], (1, 1), ((0, 0), (0, 0))
        else:
            shape = [int(n) for n in call.attribute("kernel_shape", [])]
            geometry = onnx_geometry(call, shape, x.shape[1:3])
            kernel, stride = tuple(shape) if rank == 4 else (1, *shape), geometry.stride
            if geometry.dilation != (1, 1):
                raise Refusal(f"its dilation {geometry.dilation} has no form here", "pool without dilation")
            padding = _with_ceiling(geometry.padding, x.shape[1:3], kernel, stride, y_rows.shape[1:3])
            if call.attribute("count_include_pad", 0) and padding == geometry.padding and any(map(any, padding)):
                x, padding = _padded(call, x, padding), ((0, 0), (0, 0))
            cls.check_padding(padding, x.shape[1:3], kernel, stride)
        call.add(
            cls(name=call.name, inputs=(x,), outputs=(y_rows,), kernel=(kernel[0], kernel[1]), stride=stride,
                padding=padding, activation=call.activation)
        )  # fmt: skip
        if rank == 3:
            call.add(Reshape(name=f"{call.name}_rows_out", inputs=(y_rows,), outputs=(y,)))

    @classmethod
    def check_padding(cls, padding: Padding, size: Sequence[int], kernel: Sequence[int], stride: Sequence[int]) -> None:
        """Refuses a padding that the operator cannot have."""

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        if len(call.input(0).shape) != 4:
            raise Refusal(f"its input has shape {list(call.input(0).shape)}, wanted 4 axes")
        kernel = (int(call.option("filter_height", 1)), int(call.option("filter_width", 1)))
        geometry = tflite_geometry(call, kernel)
        x, y = call.input(0), call.output
        check_stored(("s8", "s16", "f32"), x, y)
        check_shape(y, (x.shape[0], *y.shape[1:3], x.shape[3]))
        if x.quant != y.quant:
            raise Refusal("its input and output have different scales", "TFLite pools within one scale")
        return cls(
            name=call.name, inputs=(call.input(0),), outputs=(call.output,), kernel=kernel, stride=geometry.stride,
            padding=geometry.padding, activation=call.activation,
        )  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class MaxPool2D(Pool2D):
    """The largest value of each window."""

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        lowest = -np.inf if self.output.dtype == "f32" else self.output.limits[0]
        patches = windows(inputs[0], self.kernel, self.stride, (1, 1), self.padding, fill=lowest)
        return (_clamped(self, patches.max(axis=(3, 4))),)


@dataclass(frozen=True, eq=False, kw_only=True)
class AveragePool2D(Pool2D):
    """The mean of the values of each window that are not padding, halves away from zero."""

    @classmethod
    def check_padding(cls, padding: Padding, size: Sequence[int], kernel: Sequence[int], stride: Sequence[int]) -> None:
        """A border that does not count must be TensorFlow's SAME: no operator of TFLite leaves another one out."""
        if any(map(any, padding)) and padding != same_padding(size, kernel, stride, (1, 1)):
            raise Refusal(
                f"its padding {padding} does not count in the average",
                "pool with count_include_pad=True and ceil_mode=False, or over sizes that need no padding",
            )

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        x = inputs[0]
        count = windows(np.ones((1, *x.shape[1:3], 1)), self.kernel, self.stride, (1, 1), self.padding).sum((3, 4))
        wide = x if self.output.dtype == "f32" else x.astype(np.int64)
        total = windows(wide, self.kernel, self.stride, (1, 1), self.padding).sum((3, 4))
        if self.output.dtype == "f32":
            return (_clamped(self, (total / count).astype(np.float32)),)
        count = count.astype(np.int64)
        half = np.where(total > 0, count // 2, -(count // 2))
        mean = np.trunc((total + half) / count).astype(np.int64)  # C divides towards zero
        return (_clamped(self, mean),)

    @property
    def macs(self) -> int:
        return 0


def _clamped(op: Pool2D, x: Array) -> Array:
    if op.output.dtype == "f32":
        return op.activation.clamp(x)
    return np.clip(x, *op.activation.limits(op.output)).astype(op.output.numpy_dtype)


def _with_ceiling(
    padding: Padding, size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], wanted: Sequence[int]
) -> Padding:
    """Padding that also reaches the last, partly filled window of ceil_mode."""
    made = []
    for s, k, step, w, (before, after) in zip(size, kernel, stride, wanted, padding, strict=True):
        made.append((before, max(after, (w - 1) * step + k - s - before)))
    return made[0], made[1]


def _padded(call: OnnxCall, x: Tensor, padding: Padding) -> Tensor:
    """The input with zeros around it that count in the average."""
    whole = ((0, 0), *padding, (0, 0))
    shape = [size + sum(pads) for size, pads in zip(x.shape, whole, strict=True)]
    made = call.between(f"{call.name}_padded", shape, x)
    fill = 0 if x.quant is None else x.zero_point
    call.add(Pad(name=f"{call.name}_padded", inputs=(x,), outputs=(made,), padding=whole, fill=fill))
    return made

"""One number for all elements along some axes: Mean, Sum, ReduceMax, ReduceMin, ReduceProd; ArgMax and ArgMin.

Source of the arithmetic: TFLite's reference/reduce.h (QuantizedMeanOrSum): one rescaling, in which the mean's division
is part of the multiplier. Products are float only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.ops.reading import OnnxCall, Refusal, TfliteCall, axes_of, axis_of, check_one_scale, check_shape, without
from edgekit.program import Op, Tensor
from edgekit.program.fixed_point import INT32_MAX, INT32_MIN, Multiplier, scale
from edgekit.program.tensor import Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Reduction(Op):
    """The output has the reduced axes with size 1, or not at all."""

    axes: tuple[int, ...]

    @property
    def count(self) -> int:
        """Elements that become one."""
        return math.prod(self.input.shape[axis] for axis in self.axes)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        shape, order = call.shape(0), call.order(0)
        axes = _onnx_axes(call, len(shape))
        kept = len(call.output_shape()) == len(shape)
        x = call.input(0, order)
        y = call.output(0, order if kept else without(order, axes), **cls._output_words(x))
        held = tuple(sorted(order.index(axis) for axis in axes))
        call.add(cls(name=call.name, inputs=(x,), outputs=(y,), axes=held))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        x = call.input(0)
        axes = axes_of(call.numbers(1), len(x.shape))
        cls._check(x, call.output)
        if x.size == 0:
            raise Refusal(f"its input {list(x.shape)} is empty")
        check_shape(call.output, reduced(x.shape, axes, kept=len(call.output.shape) == len(x.shape)))
        return cls(name=call.name, inputs=(x,), outputs=(call.output,), axes=axes)

    @classmethod
    def _output_words(cls, x: Tensor) -> dict[str, Any]:
        """What the operator dictates about its output (words of OnnxCall.output)."""
        return {}

    @classmethod
    def _check(cls, x: Tensor, y: Tensor) -> None:
        """Refuses types and scales of a .tflite file that the operator cannot take."""
        if x.dtype != y.dtype or x.dtype not in ("s8", "f32"):
            raise Refusal(f"it makes {y.dtype} of {x.dtype}, wanted int8 of int8 or float of float")
        if x.dtype == "s8" and not all(t.quant is not None and t.quant.per_tensor for t in (x, y)):
            raise Refusal("its input or output has no single scale")


@dataclass(frozen=True, eq=False, kw_only=True)
class Mean(Reduction):
    """The average."""

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        if self.output.dtype == "f32":
            return (_float(inputs[0].mean(self.axes, dtype=np.float64), self.output),)
        return (_rescaled(self, inputs[0], mean_factor(self)),)


@dataclass(frozen=True, eq=False, kw_only=True)
class Sum(Reduction):
    """The sum."""

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        if self.output.dtype == "f32":
            return (_float(inputs[0].sum(self.axes, dtype=np.float64), self.output),)
        return (_rescaled(self, inputs[0], Multiplier.of(self.input.scale / self.output.scale)),)


@dataclass(frozen=True, eq=False, kw_only=True)
class ExtremeReduction(Reduction):
    """Input and output have one set of parameters."""

    @classmethod
    def _output_words(cls, x: Tensor) -> dict[str, Any]:
        return {"quant": x.quant}

    @classmethod
    def _check(cls, x: Tensor, y: Tensor) -> None:
        check_one_scale(x, y)


@dataclass(frozen=True, eq=False, kw_only=True)
class ReduceMax(ExtremeReduction):
    """The largest element."""

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        return (inputs[0].max(self.axes).reshape(self.output.shape),)


@dataclass(frozen=True, eq=False, kw_only=True)
class ReduceMin(ExtremeReduction):
    """The smallest element."""

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        return (inputs[0].min(self.axes).reshape(self.output.shape),)


@dataclass(frozen=True, eq=False, kw_only=True)
class ReduceProd(Reduction):
    """The product of floats."""

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        return (_float(inputs[0].prod(self.axes, dtype=np.float64), self.output),)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        if call.integer:
            raise _products_of_integers()
        super().from_onnx(call)

    @classmethod
    def _check(cls, x: Tensor, y: Tensor) -> None:
        if x.dtype != "f32" or y.dtype != "f32":
            raise _products_of_integers()


def _products_of_integers() -> Refusal:
    return Refusal("a product of integers leaves their range", "keep this layer float")


@dataclass(frozen=True, eq=False, kw_only=True)
class ArgMax(Op):
    """The index (s32) of the largest element along one axis, the first of equal ones."""

    axis: int

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        return (_index(self, inputs[0].argmax(self.axis)),)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        if call.attribute("select_last_index", 0):
            raise Refusal("it answers with the last of equal elements", "use select_last_index=0")
        shape, order = call.shape(0), call.order(0)
        axis = axis_of(int(call.attribute("axis", 0)), len(shape))
        kept = len(call.output_shape()) == len(shape)
        y = call.output(0, order if kept else without(order, (axis,)), dtype="s32")
        call.add(cls(name=call.name, inputs=(call.input(0, order),), outputs=(y,), axis=order.index(axis)))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        x, axes = call.input(0), call.numbers(1)
        if len(axes) != 1 or x.size == 0 or call.output.dtype not in ("s32", "s64"):
            raise Refusal(f"it wants the index along axes {axes} of {list(x.shape)} as {call.output.dtype}")
        axis = axis_of(axes[0], len(x.shape))
        check_shape(call.output, reduced(x.shape, (axis,), kept=len(call.output.shape) == len(x.shape)))
        return cls(name=call.name, inputs=(x,), outputs=(call.output,), axis=axis)


@dataclass(frozen=True, eq=False, kw_only=True)
class ArgMin(ArgMax):
    """The index (s32) of the smallest element along one axis, the first of equal ones."""

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        return (_index(self, inputs[0].argmin(self.axis)),)


def reduced(shape: Sequence[int], axes: Sequence[int], *, kept: bool) -> tuple[int, ...]:
    """The shape after a reduction. kept: reduced axes stay, with size 1."""
    if kept:
        return tuple(1 if axis in axes else n for axis, n in enumerate(shape))
    return tuple(n for axis, n in enumerate(shape) if axis not in axes)


def _onnx_axes(call: OnnxCall, rank: int) -> tuple[int, ...]:
    if call.op_type == "GlobalAveragePool":
        return tuple(range(2, rank))
    given = call.numbers(1) if call.has(1) else [int(n) for n in call.attribute("axes", [])]
    if not given and call.attribute("noop_with_empty_axes", 0):
        return ()
    return axes_of(given or range(rank), rank)


def mean_factor(op: Mean) -> Multiplier:
    """Input scale / output scale / count, the division being done on the mantissa."""
    whole = Multiplier.of(op.input.scale / op.output.scale)
    shift = min(op.count.bit_length() - 1, 32, 31 + whole.shift)
    return Multiplier((whole.mantissa << shift) // op.count, whole.shift - shift)


def _rescaled(op: Reduction, x: Array, factor: Multiplier) -> Array:
    total = x.astype(np.int64).sum(op.axes) - op.input.zero_point * op.count
    wrapped = np.asarray(total, np.int64).astype(np.int32).astype(np.int64)
    scaled = np.clip(scale(wrapped, factor), INT32_MIN, INT32_MAX) + op.output.zero_point
    made: Array = np.clip(scaled, *op.output.limits).astype(op.output.numpy_dtype)
    return made.reshape(op.output.shape)


def _float(x: Array, output: Tensor) -> Array:
    return np.asarray(x, np.float32).reshape(output.shape)


def _index(op: ArgMax, found: Array) -> Array:
    return np.asarray(found, op.output.numpy_dtype).reshape(op.output.shape)

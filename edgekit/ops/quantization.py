"""Changes of how a value is stored: float to integer, integer to float, one scale or type to another.

Source of the arithmetic: TFLite's reference/{quantize,dequantize,requantize}.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgekit.ops.reading import OnnxCall, Refusal, TfliteCall, check_shape
from edgekit.program import Op
from edgekit.program.fixed_point import Multiplier, scale
from edgekit.program.tensor import Array

FAR = 2.0**40  # beyond the integers of every quantized type


@dataclass(frozen=True, eq=False, kw_only=True)
class Quantize(Op):
    """f32 → integers; or integers → integers of another scale (requantization)."""

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        out = self.output
        low, high = out.limits
        if self.input.dtype == "f32":
            steps = _rounded(inputs[0], out.scale)
            return (np.clip(steps + out.zero_point, low, high).astype(out.numpy_dtype),)
        factor = Multiplier.of(self.input.scale / out.scale)
        steps = scale(inputs[0].astype(np.int64) - self.input.zero_point, factor)
        return (np.clip(steps + out.zero_point, low, high).astype(out.numpy_dtype),)

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        if call.output.quant is None:
            raise Refusal("its output has no scale")
        if call.input(0).dtype != "f32" and call.input(0).quant is None:
            raise Refusal("its input has no scale")
        check_shape(call.output, call.input(0).shape)
        return cls(name=call.name, inputs=(call.input(0),), outputs=(call.output,))


@dataclass(frozen=True, eq=False, kw_only=True)
class Dequantize(Op):
    """Integers → f32."""

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        real = (inputs[0].astype(np.float64) - self.input.zero_point) * self.input.scale
        return (real.astype(np.float32),)

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        if call.input(0).quant is None:
            raise Refusal("its input has no scale")
        if call.output.dtype != "f32":
            raise Refusal(f"its output is {call.output.dtype}, wanted f32")
        check_shape(call.output, call.input(0).shape)
        return cls(name=call.name, inputs=(call.input(0),), outputs=(call.output,))


@dataclass(frozen=True, eq=False, kw_only=True)
class Cast(Op):
    """Numbers as they are stored, in another type; float to integer towards zero, saturated."""

    types: ClassVar[tuple[str, ...]] = ("s8", "u8", "s16", "s32", "s64", "f32", "b8")

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        x, out = inputs[0], self.output
        if x.dtype.kind == "f" and out.dtype not in ("f32", "b8"):
            low, high = out.limits
            return (np.clip(np.nan_to_num(np.trunc(x.astype(np.float64))), low, high).astype(out.numpy_dtype),)
        return (x.astype(out.numpy_dtype),)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        if call.integer:
            raise Refusal("it casts a quantized value", "leave the value float, or take the Cast out")
        x, y = call.through()
        call.add(cls(name=call.name, inputs=(x,), outputs=(y,)))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        x, y = call.input(0), call.output
        if x.dtype not in cls.types or y.dtype not in cls.types:
            raise Refusal(f"it casts {x.dtype} to {y.dtype}")
        check_shape(y, x.shape)
        return cls(name=call.name, inputs=(x,), outputs=(y,))


def _rounded(x: Array, step: float) -> Array:
    """x / step to the nearest integer, halves away from zero; far beyond every type saturated, and so is what is no
    number: it becomes the lowest, as in TFLite's kernels on x86."""
    with np.errstate(over="ignore"):
        steps = x.astype(np.float32) / np.float32(step)
    nearest = np.trunc(steps + np.copysign(np.float32(0.5), steps))
    rounded: Array = np.clip(np.nan_to_num(nearest, nan=-FAR), -FAR, FAR).astype(np.int64)
    return rounded

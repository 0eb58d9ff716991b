"""Functions of all numbers along the last axis: Softmax, LogSoftmax, L2Normalization.

s8 answers have the parameters that TFLite fixes. Source of the arithmetic: TFLite's reference/{softmax,log_softmax}.h,
reference_integer_ops/l2normalization.h, and quantization_util.cc for how arguments are scaled. Refused: other output
parameters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgekit.ops.functions import SIGNED_UNIT, UNIT
from edgekit.ops.quantization import Quantize
from edgekit.ops.reading import OnnxCall, Refusal, TfliteCall, axis_of, check_scale, check_shape, check_stored
from edgekit.program import Op, QuantParams, Tensor
from edgekit.program.fixed_point import (
    INT32_MAX,
    INT32_MIN,
    Multiplier,
    doubling_high_mul,
    exp_on_negative_values,
    inverse_square_root,
    log,
    reciprocal,
    rounding_divide_by_pot,
    scale,
    scale_by,
)
from edgekit.program.tensor import Array

DIFFERENCE_BITS = 5  # integer bits of a difference from the largest number
SUM_BITS = 12  # integer bits of a sum of exponentials
FINE_UNIT = QuantParams.of(1 / 65536, -32768)
LOGARITHMS = QuantParams.of(16 / 256, 127)
SMALLEST_NORM = 1e-6
# From a sum of 512 on, the s8 kernel of TFLite Micro shifts by 32 bits and aborts; in s16 it has room for 2^16.
LONG_ROW = 512


@dataclass(frozen=True, eq=False, kw_only=True)
class Softmax(Op):
    """exp(beta * x) over its sum, along the last axis. s8 answers in s8 of 1/256, or in s16 of 1/65536."""

    beta: float = 1.0

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        x = inputs[0]
        if self.output.dtype == "f32":
            return (self._real(x),)
        below, inside = _below_the_largest(x, self.input, self.beta)
        powers = np.where(inside, exp_on_negative_values(below, DIFFERENCE_BITS), 0)
        total = rounding_divide_by_pot(powers, SUM_BITS).sum(axis=-1, keepdims=True).astype(np.int32).astype(np.int64)
        mantissa, bits = reciprocal(total, SUM_BITS)
        low, high = self.output.limits
        steps = rounding_divide_by_pot(doubling_high_mul(mantissa, powers), bits + 31 - _width(self.output))
        return (np.where(inside, np.clip(steps + low, low, high), low).astype(self.output.numpy_dtype),)

    def _real(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            powers = np.exp((x - x.max(axis=-1, keepdims=True)) * np.float32(self.beta))
            return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        x, y = _ends(call, UNIT)
        if y.dtype == "f32" or x.shape[-1] < LONG_ROW:
            call.add(cls(name=call.name, inputs=(x,), outputs=(y,)))
            return
        fine = call.between(f"{call.name}_fine", y.shape, Tensor("fine", y.shape, "s16", FINE_UNIT))
        call.add(cls(name=call.name, inputs=(x,), outputs=(fine,)))
        call.add(Quantize(name=fine.name, inputs=(fine,), outputs=(y,)))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        x, y = call.input(0), call.output
        _check_ends(x, y)
        wanted = {("s8", "s8"): UNIT, ("s8", "s16"): FINE_UNIT, ("f32", "f32"): None}
        if (x.dtype, y.dtype) not in wanted:
            raise Refusal(f"it is from {x.dtype} to {y.dtype}", "allowed: s8 to s8, s8 to s16, f32 to f32")
        if y.dtype != "f32" and y.quant != wanted[x.dtype, y.dtype]:
            raise Refusal(f"its output has {y.quant}, wanted {wanted[x.dtype, y.dtype]}")
        beta = float(call.option("beta", 1.0))
        _check_step(x, beta)
        return cls(name=call.name, inputs=(x,), outputs=(y,), beta=beta)


@dataclass(frozen=True, eq=False, kw_only=True)
class LogSoftmax(Op):
    """The logarithm of Softmax. s8 answers in 1/16 from zero point 127."""

    types: ClassVar[tuple[str, ...]] = ("s8", "f32")

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        x = inputs[0]
        if self.output.dtype == "f32":
            return (self._real(x),)
        below, inside = _below_the_largest(x, self.input, 1.0)
        powers = np.where(inside, exp_on_negative_values(below, DIFFERENCE_BITS), 0)
        total = rounding_divide_by_pot(powers, SUM_BITS).sum(axis=-1, keepdims=True).astype(np.int32).astype(np.int64)
        of_sum = log(total, SUM_BITS, DIFFERENCE_BITS)
        low, high = self.output.limits
        steps = rounding_divide_by_pot(below - of_sum, 31 - DIFFERENCE_BITS - 4) + high
        steps_below = x.astype(np.int64) - x.max(axis=-1, keepdims=True)
        kept = steps_below > self._smallest(of_sum)
        return (np.where(kept, np.clip(steps, low, high), low).astype(self.output.numpy_dtype),)

    def _smallest(self, of_sum: Array) -> Array:
        """The difference up to which the answer is the lowest: where Q5 less the logarithm ends."""
        factor = difference_factor(self.input.scale, 1.0)
        back = Multiplier.of(math.ldexp(1.0, 31 - factor.shift) / factor.mantissa)
        return np.maximum(smallest_difference(factor) - 1, scale(of_sum + INT32_MIN, back))

    def _real(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            below = x - x.max(axis=-1, keepdims=True)
            return np.asarray(below - np.log(np.exp(below).sum(axis=-1, keepdims=True)), np.float32)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        x, y = _ends(call, LOGARITHMS)
        call.add(cls(name=call.name, inputs=(x,), outputs=(y,)))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        _check_step(call.input(0), 1.0)
        return _same_type(cls, call, cls.types, LOGARITHMS)


@dataclass(frozen=True, eq=False, kw_only=True)
class L2Normalization(Op):
    """x over the root of the sum of its squares, along the last axis. s8 answers in 1/128 from zero point 0."""

    types: ClassVar[tuple[str, ...]] = ("s8", "f32")

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        x = inputs[0]
        if self.output.dtype == "f32":
            norm = np.sqrt(np.square(x).sum(axis=-1, keepdims=True))
            return (np.asarray(x / np.maximum(norm, np.float32(SMALLEST_NORM)), np.float32),)
        steps = x.astype(np.int64) - self.input.zero_point
        mantissa, shift = inverse_square_root(np.square(steps).sum(axis=-1, keepdims=True))
        made = scale_by(steps, mantissa, shift + 7)
        return (np.clip(made, *self.output.limits).astype(self.output.numpy_dtype),)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        if int(call.attribute("p", 2)) != 2:
            raise Refusal("it is a norm of order 1", "normalise by the Euclidean norm")
        x, y = _ends(call, SIGNED_UNIT)
        call.add(cls(name=call.name, inputs=(x,), outputs=(y,)))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        if int(call.option("fused_activation_function", 0)):
            raise Refusal("it has a fused activation", "use a separate layer for it")
        return _same_type(cls, call, cls.types, SIGNED_UNIT)


def _ends(call: OnnxCall, quant: QuantParams) -> tuple[Tensor, Tensor]:
    """Input and output of a node, held so that its axis is the last one."""
    axis = axis_of(int(call.attribute("axis", -1)), len(call.shape(0)))
    order = (*(a for a in call.order(0) if a != axis), axis)
    return call.input(0, order), call.output(0, order, quant=quant if call.integer else None)


def _same_type(cls: type[Op], call: TfliteCall, types: tuple[str, ...], wanted: QuantParams) -> Op:
    x, y = call.input(0), call.output
    check_stored(types, x, y)
    _check_ends(x, y)
    if y.dtype == "s8" and y.quant != wanted:
        raise Refusal(f"its output has {y.quant}, wanted {wanted}")
    return cls(name=call.name, inputs=(x,), outputs=(y,))


def _check_ends(x: Tensor, y: Tensor) -> None:
    check_scale(x)
    check_shape(y, x.shape)
    if not x.shape or x.shape[-1] == 0:
        raise Refusal(f"its input has shape {list(x.shape)}, wanted a last axis with numbers")


def _check_step(x: Tensor, beta: float) -> None:
    """Refuses what TFLite Micro aborts on: steps that are smaller than Q5 can tell."""
    if not 0 < beta < math.inf:
        raise Refusal(f"its beta is {beta}, wanted a number above 0")
    if x.dtype == "s8" and x.quant is not None and beta * x.scale * (1 << (31 - DIFFERENCE_BITS)) <= 1:
        raise Refusal(f"its input scale is {x.scale:.3g}, wanted more than {2.0 ** (DIFFERENCE_BITS - 31):.3g}")


def _below_the_largest(x: Array, tensor: Tensor, beta: float) -> tuple[Array, Array]:
    """beta * (x - largest) in Q5, and which of them Q5 can hold."""
    steps = x.astype(np.int64) - x.max(axis=-1, keepdims=True)
    factor = difference_factor(tensor.scale, beta)
    inside = steps >= smallest_difference(factor)
    return scale(np.where(inside, steps, 0), factor), inside


def difference_factor(step: float, beta: float) -> Multiplier:
    """PreprocessSoftmaxScaling: steps → Q5."""
    return Multiplier.of(min(beta * step * (1 << (31 - DIFFERENCE_BITS)), float(INT32_MAX)))


def smallest_difference(factor: Multiplier) -> int:
    """-CalculateInputRadius."""
    return -math.floor(math.ldexp((1 << DIFFERENCE_BITS) - 1, 31 - DIFFERENCE_BITS - factor.shift))


def _width(tensor: Tensor) -> int:
    return 8 * tensor.numpy_dtype.itemsize

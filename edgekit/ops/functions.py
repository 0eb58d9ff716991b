"""Functions of one value: activations and clamps with an arithmetic of their own, and tables of 256 entries.

s8 answers are looked up in a table, whatever arithmetic filled it. Source of the arithmetic: TFLite's
reference/{hard_swish,leaky_relu,prelu}.h, reference_integer_ops/{logistic,tanh}.h, kernels/activations.cc, and what
TFLite Micro makes of them. Refused: other output parameters than an operator can answer in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from edgekit.ops.arithmetic import operands_of
from edgekit.ops.reading import OnnxCall, Refusal, TfliteCall, check_shape, check_stored
from edgekit.program import Op, QuantParams, Tensor, stored_limits
from edgekit.program.fixed_point import (
    Multiplier,
    doubling_high_mul_16,
    logistic,
    rounding_divide_by_pot,
    scale,
    tanh,
)
from edgekit.program.tensor import Array

ENTRIES = np.arange(-128, 128, dtype=np.int64)
UNIT = QuantParams.of(1 / 256, -128)  # 0..1 without its last step
SIGNED_UNIT = QuantParams.of(1 / 128)
INPUT_BITS = 4  # integer bits in which LOGISTIC and TANH take their argument


@dataclass(frozen=True, eq=False, kw_only=True)
class Function(Op):
    """input → output of the same shape and type."""

    types: ClassVar[tuple[str, ...]] = ("s8", "f32")

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        if self.output.dtype == "s8":
            return (np.take(self.answers, inputs[0].astype(np.intp) + 128),)
        with np.errstate(all="ignore"):
            return (np.asarray(self.real(inputs[0]), np.float32),)

    @cached_property
    def answers(self) -> Array:
        """The 256 outputs for -128..127."""
        steps = self.scaled(ENTRIES - self.input.zero_point) + self.output.zero_point
        return np.asarray(np.clip(steps, -128, 127), np.int8)

    def scaled(self, x: Array) -> Array:
        """Steps of the output for steps of the input, zero points taken off and not yet put on."""
        raise NotImplementedError(self.kind)

    def real(self, x: Array) -> Array:
        """The function of float32 numbers."""
        raise NotImplementedError(self.kind)

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        return cls(name=call.name, **_ends(cls, call))


@dataclass(frozen=True, eq=False, kw_only=True)
class Lookup(Function):
    """Any function of int8: the output for q is table[q + 128]. function: its name in texts."""

    function: str
    table: Array

    types: ClassVar[tuple[str, ...]] = ("s8",)

    @cached_property
    def answers(self) -> Array:
        return self.table

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        """A node between two int8 values, as a table of what it computes in float32."""
        x, y = call.through()
        call.add(cls(name=call.name, inputs=(x,), outputs=(y,), function=call.op_type.lower(), table=call.table()))


@dataclass(frozen=True, eq=False, kw_only=True)
class Logistic(Function):
    """1 / (1 + exp(-x)). s8 answers in 1/256 from zero point -128."""

    def scaled(self, x: Array) -> Array:
        """From zero point -128, where 0 is 0."""
        return _in_fixed_point(self.input.scale, x, logistic, WORD_OF_LOGISTIC, low=0, high=255)

    def real(self, x: Array) -> Array:
        return np.asarray(1 / (1 + np.exp(-x)))

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        _append(cls, call, UNIT)

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        _check_answer(call, UNIT)
        return super().from_tflite(call)


@dataclass(frozen=True, eq=False, kw_only=True)
class Tanh(Function):
    """tanh(x). s8 answers in 1/128 from zero point 0."""

    def scaled(self, x: Array) -> Array:
        return _in_fixed_point(self.input.scale, x, tanh, WORD_OF_TANH, low=-128, high=127)

    def real(self, x: Array) -> Array:
        return np.asarray(np.tanh(x))

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        _append(cls, call, SIGNED_UNIT)

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        _check_answer(call, SIGNED_UNIT)
        return super().from_tflite(call)


@dataclass(frozen=True, eq=False, kw_only=True)
class HardSwish(Function):
    """x * clip(x + 3, 0, 6) / 6. s8 in 16-bit fixed point."""

    def scaled(self, x: Array) -> Array:
        wide = x << 7
        factor, exponent = self._output_factor
        slope, slope_exponent = _factor_16(self.input.scale, 3 / 32768)
        gate = wide
        if slope_exponent > 0:
            gate = _saturated_16(gate << (slope_exponent - 1))
        gate = doubling_high_mul_16(gate, slope)
        if slope_exponent > 0:
            gate = _saturated_16(gate << 1)
        gate = rounding_divide_by_pot(gate, max(-slope_exponent, 0))
        gate = (gate + (1 << 15)) >> 1  # -1..1 becomes 0..1
        product = doubling_high_mul_16(wide, factor) * gate
        return rounding_divide_by_pot(np.where(product >= 0, product >> 15, -(-product >> 15)), -exponent)

    @cached_property
    def _output_factor(self) -> tuple[int, int]:
        return _factor_16(self.input.scale, self.output.scale)

    def real(self, x: Array) -> Array:
        return np.asarray(x * np.clip(x + 3, 0, 6) / 6)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        _append(cls, call)

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        made = cls(name=call.name, **_ends(cls, call))
        if made.output.dtype == "s8" and not -31 <= made._output_factor[1] <= 0:
            raise Refusal("its output scale is more than 128 times finer than its input scale")
        return made


@dataclass(frozen=True, eq=False, kw_only=True)
class LeakyRelu(Function):
    """x above 0, alpha * x below."""

    alpha: float

    def scaled(self, x: Array) -> Array:
        return np.where(x >= 0, scale(x, self._factors[0]), scale(x, self._factors[1]))

    @cached_property
    def _factors(self) -> tuple[Multiplier, Multiplier]:
        source, result = np.float32(self.input.scale), np.float32(self.output.scale)
        with np.errstate(over="ignore"):
            above, below = source / result, source * np.float32(self.alpha) / result
        return Multiplier.of(float(above)), Multiplier.of(float(below))

    def real(self, x: Array) -> Array:
        return np.asarray(np.where(x > 0, x, x * np.float32(self.alpha)))

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        _append(cls, call, alpha=float(call.attribute("alpha", 0.01)))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        ends, alpha = _ends(cls, call), float(call.option("alpha", 0.0))
        steps = 0.0 if call.output.dtype == "f32" else call.input(0).scale / call.output.scale
        if not abs(alpha) < 1e6 or not steps < 1e6:
            raise Refusal(f"its slope is {alpha}, its scales differ by {steps:.3g}")
        return cls(name=call.name, **ends, alpha=alpha)


@dataclass(frozen=True, eq=False, kw_only=True)
class Clamp(Function):
    """min(max(x, low), high), low and high being real values; s8 rescaled where input and output differ.

    TFLite Micro's RELU6 does not rescale, LiteRT's does.
    """

    low: float
    high: float

    def scaled(self, x: Array) -> Array:
        out = self.output
        same = self.input.quant == out.quant
        steps = x if same else scale(x, Multiplier.of(self.input.scale / out.scale))
        return np.asarray(np.clip(steps + out.zero_point, *stored_limits(self.low, self.high, out)) - out.zero_point)

    def real(self, x: Array) -> Array:
        return np.asarray(np.clip(x, np.float32(self.low), np.float32(self.high)))

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        low, high = (0.0, math.inf) if call.op_type == "Relu" else (_bound(call, "min"), _bound(call, "max"))
        _append(cls, call, low=low, high=high)

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        low, high = CLAMPS[call.builtin]
        return cls(name=call.name, **_ends(cls, call), low=low, high=high)


CLAMPS = {
    "RELU": (0.0, math.inf),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU_0_TO_1": (0.0, 1.0),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class PRelu(Op):
    """inputs: x, alpha, broadcast to the shape of x: x above 0, alpha * x below."""

    types: ClassVar[tuple[str, ...]] = ("s8", "f32")

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        x, alpha, out = inputs[0], inputs[1], self.output
        if out.dtype == "f32":
            return (np.asarray(np.where(x >= 0, x, x * alpha)),)
        first, second = (t.scale for t in self.inputs)
        steps = x.astype(np.int64) - self.input.zero_point
        product = steps * (alpha.astype(np.int64) - self.inputs[1].zero_point)
        above = scale(steps, Multiplier.of(first / out.scale))
        below = scale(product, Multiplier.of(first * second / out.scale))
        made = np.where(steps >= 0, above, below) + out.zero_point
        return (np.asarray(np.clip(made, *out.limits), out.numpy_dtype),)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        operands, order = call.aligned(0, 1)
        call.add(cls(name=call.name, inputs=operands, outputs=(call.output(0, order),)))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        operands = operands_of(call)
        check_stored(cls.types, *operands, call.output)
        check_shape(call.output, operands[0].shape)
        return cls(name=call.name, inputs=operands, outputs=(call.output,))


def _append(cls: type[Function], call: OnnxCall, quant: QuantParams | None = None, **fields: float) -> None:
    x, y = call.through(quant=quant if call.integer else None)
    call.add(cls(name=call.name, inputs=(x,), outputs=(y,), **fields))


def _ends(cls: type[Function], call: TfliteCall) -> dict[str, tuple[Tensor, ...]]:
    x, y = call.input(0), call.output
    check_stored(cls.types, x, y)
    check_shape(y, x.shape)
    return {"inputs": (x,), "outputs": (y,)}


def _check_answer(call: TfliteCall, wanted: QuantParams) -> None:
    """Refuses other output parameters than the operator answers in."""
    if call.output.dtype == "s8" and call.output.quant != wanted:
        raise Refusal(f"its output has {call.output.quant}, wanted {wanted}")


def _bound(call: OnnxCall, name: str) -> float:
    """A bound of a Clip: an input, or in old graphs an attribute."""
    position, otherwise = (1, -math.inf) if name == "min" else (2, math.inf)
    if not call.has(position):
        return float(call.attribute(name, otherwise))
    found = call.real(position)
    if found is None:
        raise Refusal("its bounds are computed at run time", "make them constants in the model")
    return float(found.item())


WORD_OF_LOGISTIC, WORD_OF_TANH = 8, 7  # bits of the answer behind the point


def _in_fixed_point(
    step: float, x: Array, function: Callable[[Array, int], Array], bits: int, *, low: int, high: int
) -> Array:
    """The function of step * x in steps of 2^-bits; `low` and `high` where the argument leaves Q4."""
    real = step * (1 << (31 - INPUT_BITS))
    shift = math.frexp(real)[1]
    radius = math.floor(math.ldexp((1 << INPUT_BITS) - 1, 31 - INPUT_BITS - shift))  # CalculateInputRadius
    inside = np.abs(x) < radius
    argument = scale(np.where(inside, x, 0), Multiplier.of(real))
    made = np.clip(rounding_divide_by_pot(function(argument, INPUT_BITS), 31 - bits), low, high)
    return np.where(inside, made, np.where(x <= -radius, low, high))


def _factor_16(source: float, result: float) -> tuple[int, int]:
    """source / result / 128 as a mantissa of 16 bits and an exponent (DownScaleInt32ToInt16Multiplier)."""
    with np.errstate(over="ignore"):
        real = np.float32(1 / 128) * np.float32(source) / np.float32(result)
    factor = Multiplier.of(float(real))
    return min((factor.mantissa + (1 << 15)) >> 16, (1 << 15) - 1), factor.shift


def _saturated_16(x: Array) -> Array:
    return np.clip(x, -(1 << 15), (1 << 15) - 1)

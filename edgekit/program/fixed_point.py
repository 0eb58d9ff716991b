"""Integer arithmetic as gemmlowp and TensorFlow Lite define it: multipliers, rounding, and functions in Q formats.

Double rounding throughout, which is what TFLite's reference kernels, TFLite Micro and CMSIS-NN do by default. Sources:
gemmlowp fixedpoint.h; tensorflow/lite/kernels/internal/{common.h,quantization_util.cc}. Arrays are int64 inside, so that
no intermediate overflows unseen; results are those of int32 arithmetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgekit.program.tensor import Array

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1


@dataclass(frozen=True)
class Multiplier:
    """A real factor as mantissa * 2^(shift - 31), mantissa in [2^30, 2^31) or 0 (TFLite's QuantizeMultiplier)."""

    mantissa: int
    shift: int

    @classmethod
    def of(cls, real: float) -> Multiplier:
        if real == 0.0:
            return cls(0, 0)
        fraction, shift = math.frexp(real)
        mantissa = _round_half_away(fraction * (1 << 31))
        if mantissa == 1 << 31:
            mantissa, shift = mantissa // 2, shift + 1
        if shift < -31:
            return cls(0, 0)
        if shift > 30:
            return cls(INT32_MAX, 30)
        return cls(mantissa, shift)


def scale(x: Array, factor: Multiplier) -> Array:
    """MultiplyByQuantizedMultiplier of int32 numbers by one factor."""
    return scale_by(x, np.int64(factor.mantissa), np.int64(factor.shift))


def scale_per_channel(x: Array, factors: list[Multiplier]) -> Array:
    """The same with one factor for each index of the last axis."""
    mantissas = np.array([f.mantissa for f in factors], np.int64)
    shifts = np.array([f.shift for f in factors], np.int64)
    return scale_by(x, mantissas, shifts)


def scale_by(x: Array, mantissa: Array, shift: Array) -> Array:
    """MultiplyByQuantizedMultiplier: a doubling high multiplication, then a rounding shift right."""
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    return rounding_divide_by_pot(doubling_high_mul(_int32(x.astype(np.int64) << left), mantissa), right)


def doubling_high_mul(a: Array, b: Array) -> Array:
    """gemmlowp's SaturatingRoundingDoublingHighMul: (a * b * 2) >> 32, rounded, saturated where both are INT32_MIN."""
    product = a.astype(np.int64) * np.asarray(b, np.int64)
    nudge = np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    total = product + nudge
    # C divides towards zero
    high = np.where(total >= 0, total >> 31, -((-total) >> 31))
    return np.minimum(high, INT32_MAX)


def rounding_divide_by_pot(x: Array, exponent: Array | int) -> Array:
    """x / 2^exponent, halves away from zero."""
    power = np.asarray(exponent, np.int64)
    mask = (np.int64(1) << power) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (x < 0)
    return (x >> power) + (remainder > threshold)


def _round_half_away(x: float) -> int:
    return math.floor(x + 0.5) if x >= 0 else math.ceil(x - 0.5)


def _int32(x: Array) -> Array:
    """The value that an int32 would hold after overflow."""
    return x.astype(np.int32).astype(np.int64)

"""Integer arithmetic as gemmlowp and TensorFlow Lite define it: multipliers, rounding, and functions in Q formats.

Double rounding throughout, which is what TFLite's reference kernels, TFLite Micro and CMSIS-NN do by default. Sources:
gemmlowp fixedpoint.h; tensorflow/lite/kernels/internal/{common.h,quantization_util.cc}. Arrays are int64 inside, so
that no intermediate overflows unseen; results are those of int32 arithmetic. Q5 is a number of 5 integer bits and 26
behind the point, in an int32 with its sign; the product of a number in Qa and one in Qb is in Q(a + b).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgekit.program.tensor import Array

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1
WORD = 31  # bits of an int32 without its sign


@dataclass(frozen=True)
class Multiplier:
    """A real factor as mantissa * 2^(shift - 31), mantissa in [2^30, 2^31) or 0 (TFLite's QuantizeMultiplier)."""

    mantissa: int
    shift: int

    @classmethod
    def of(cls, real: float) -> Multiplier:
        if real == 0.0 or math.isnan(real):
            return cls(0, 0)
        if math.isinf(real):
            return cls(int(math.copysign(INT32_MAX, real)), 30)
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


def doubling_high_mul_16(a: Array, b: Array | int) -> Array:
    """The same of int16 numbers: (a * b * 2) >> 16."""
    total = a.astype(np.int64) * b
    total = total + np.where(total >= 0, 1 << 14, 1 - (1 << 14))
    return np.minimum(np.where(total >= 0, total >> 15, -((-total) >> 15)), (1 << 15) - 1)


def rounding_divide_by_pot(x: Array, exponent: Array | int) -> Array:
    """x / 2^exponent, halves away from zero."""
    power = np.asarray(exponent, np.int64)
    mask = (np.int64(1) << power) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (x < 0)
    quotient: Array = (x >> power) + (remainder > threshold)
    return quotient


def multiply_by_pot(x: Array, exponent: Array | int) -> Array:
    """x * 2^exponent: saturated to the left, rounded to the right (SaturatingRoundingMultiplyByPOT)."""
    left, right = np.maximum(exponent, 0), np.maximum(np.negative(exponent), 0)
    return rounding_divide_by_pot(_saturated(x.astype(np.int64) << left), right)


def leading_zeros(x: Array) -> Array:
    """Leading zero bits of the 32 bits that hold x."""
    return 32 - np.frexp((x & 0xFFFFFFFF).astype(np.float64))[1].astype(np.int64)


def exp_on_negative_values(x: Array, integer_bits: int) -> Array:
    """exp(x) in Q0 for x <= 0 in Q(integer_bits): a polynomial on [-1/4, 0), times powers of e for the bits above."""
    fraction_bits = WORD - integer_bits
    quarter = np.int64(1) << (fraction_bits - 2)
    part = (x & (quarter - 1)) - quarter
    result = _exp_on_last_quarter(multiply_by_pot(part, integer_bits))
    rest = part - x
    for exponent, power in _POWERS_OF_E.items():
        if integer_bits > exponent:
            bit = np.int64(1) << (fraction_bits + exponent)
            result = np.where(rest & bit, doubling_high_mul(result, np.int64(power)), result)
    if integer_bits > 5:
        result = np.where(x < -(np.int64(1) << (36 - integer_bits)), 0, result)
    return np.asarray(np.where(x == 0, INT32_MAX, result))


# exp(-2^exponent) in Q0
_POWERS_OF_E = {
    -2: 1672461947, -1: 1302514674, 0: 790015084, 1: 290630308, 2: 39332535, 3: 720401, 4: 242,
}  # fmt: skip
_EXP_OF_MINUS_EIGHTH = np.int64(1895147668)
_THIRD = np.int64(715827883)


def _exp_on_last_quarter(x: Array) -> Array:
    """exp(x) for x in [-1/4, 0), both Q0: a Taylor series around -1/8 up to the fourth power."""
    x1 = x + (1 << 28)
    x2 = doubling_high_mul(x1, x1)
    x3 = doubling_high_mul(x2, x1)
    x4 = doubling_high_mul(x2, x2)
    cubic = doubling_high_mul(rounding_divide_by_pot(x4, 2) + x3, _THIRD) + x2
    change = doubling_high_mul(x1 + rounding_divide_by_pot(cubic, 1), _EXP_OF_MINUS_EIGHTH)
    return np.asarray(_EXP_OF_MINUS_EIGHTH + change)


_NEWTON_STEPS = 3
_48_OVER_17, _MINUS_32_OVER_17 = np.int64(1515870810), np.int64(-1010580540)  # Q2


def _half_reciprocal(x: Array) -> Array:
    """1 / ((1 + x) / 2) in Q2 for x in [0, 1] in Q0, by Newton's method."""
    total = x + INT32_MAX
    half = np.where(total >= 0, (total + 1) >> 1, -((1 - total) >> 1))  # gemmlowp's RoundingHalfSum
    made = np.asarray(_48_OVER_17 + doubling_high_mul(half, _MINUS_32_OVER_17))
    for _ in range(_NEWTON_STEPS):
        error = (1 << 29) - doubling_high_mul(half, made)
        made = _int32(made + multiply_by_pot(doubling_high_mul(made, error), 2))
    return made


def one_over_one_plus_x(x: Array) -> Array:
    """1 / (1 + x) for x in [0, 1], both Q0."""
    return multiply_by_pot(_half_reciprocal(x), 1)


def logistic(x: Array, integer_bits: int) -> Array:
    """1 / (1 + exp(-x)) in Q0 for x in Q(integer_bits)."""
    positive = one_over_one_plus_x(exp_on_negative_values(-np.abs(x), integer_bits))
    return np.where(x > 0, positive, np.where(x == 0, 1 << 30, INT32_MAX - positive))


def tanh(x: Array, integer_bits: int) -> Array:
    """tanh(x) in Q0 for x in Q(integer_bits)."""
    square = exp_on_negative_values(-np.abs(x), integer_bits + 1)  # of e^-|x|: one more integer bit doubles x
    size = multiply_by_pot(_half_reciprocal(square) - (1 << 29), 2)
    return np.sign(x) * size


def reciprocal(x: Array, integer_bits: int) -> tuple[Array, Array]:
    """(mantissa in Q0, bits over one) of 1 / x for x in Q(integer_bits): 1 / x = mantissa * 2^-bits (GetReciprocal)."""
    headroom = leading_zeros(x)
    shifted = _int32((x << headroom) - (np.int64(1) << 31))
    return one_over_one_plus_x(shifted), integer_bits - headroom


_ONE_AND_A_HALF = np.int64(3 << 27)  # Q3
_LOG_2, _ROOT_OF_HALF, _FOURTH_ROOT_OF_HALF = np.int64(1488522236), np.int64(1518500250), np.int64(1805811301)


def inverse_square_root(x: Array) -> tuple[Array, Array]:
    """(mantissa in Q0, left shift) of 1 / sqrt(x) for integers x >= 0 (GetInvSqrtQuantizedMultiplierExp).

    0 counts as 1.
    """
    wide = x.astype(np.int64)
    shift = np.full(wide.shape, 11, np.int64)
    while (large := wide >= 1 << 29).any():
        wide, shift = np.where(large, wide >> 2, wide), shift + large
    pairs = (leading_zeros(np.maximum(wide, 2)) - 1) // 2 - 1
    wide, shift = wide << (2 * pairs), shift - pairs
    half = rounding_divide_by_pot(wide >> 1, 1)
    root = np.full(wide.shape, 1 << 28, np.int64)
    for _ in range(5):
        cube = multiply_by_pot(doubling_high_mul(doubling_high_mul(root, root), root), 6)
        step = doubling_high_mul(_ONE_AND_A_HALF, root) - doubling_high_mul(half, cube)
        root = multiply_by_pot(step, 3)
    root = doubling_high_mul(root, _ROOT_OF_HALF)
    root, shift = root << np.maximum(-shift, 0), np.maximum(shift, 0)
    return np.where(x <= 1, INT32_MAX, root), np.where(x <= 1, 0, -shift)


# coefficients of the rational approximation of log near 1
_ALPHA_N, _ALPHA_D, _ALPHA_I, _ALPHA_F = map(np.int64, (117049297, 127690142, 1057819769, 638450708))


def log(x: Array, integer_bits: int, output_bits: int) -> Array:
    """log(x) in Q(output_bits) for x >= 1 in Q(integer_bits) (log_x_for_x_greater_than_or_equal_to_1).

    x = r * 2^power with r around the fourth root of 1/2, from the better of two normalisations.
    """
    inner_bits = output_bits + 1
    unit = WORD - inner_bits
    quarter = np.int64(1 << (unit - 2))
    headroom = leading_zeros(x)
    r_a = multiply_by_pot(doubling_high_mul(multiply_by_pot(x, headroom - 1), _ROOT_OF_HALF), 1)
    power_a = _saturated(multiply_by_pot(integer_bits - headroom, unit) + quarter)
    headroom_b = leading_zeros(doubling_high_mul(x, _ROOT_OF_HALF)) - 1
    r_b = multiply_by_pot(x, headroom_b)
    power_b = _saturated(multiply_by_pot(integer_bits - headroom_b, unit) - quarter)
    numerator, reciprocal_ = _log_fraction(np.minimum(r_a, r_b))
    of_power = doubling_high_mul(np.maximum(power_a, power_b), _LOG_2)
    of_r = doubling_high_mul(multiply_by_pot(numerator, -inner_bits), reciprocal_)
    return multiply_by_pot(of_power + of_r, inner_bits - output_bits)


def _log_fraction(r: Array) -> tuple[Array, Array]:
    """(n, d) in Q0 with log(r / fourth root of 1/2) = n * d: a rational approximation."""
    p = (r + _FOURTH_ROOT_OF_HALF + 1) >> 1
    q = 2 * (r - _FOURTH_ROOT_OF_HALF)
    square = doubling_high_mul(q, q)
    numerator = doubling_high_mul(q, r) + doubling_high_mul(doubling_high_mul(q, square), _ALPHA_N)
    inner = _ALPHA_I + q + doubling_high_mul(_ALPHA_D, square)
    denominator = doubling_high_mul(p, inner) + doubling_high_mul(_ALPHA_F, q)
    return numerator, one_over_one_plus_x(denominator)


def _saturated(x: Array) -> Array:
    return np.clip(x, INT32_MIN, INT32_MAX)


def _round_half_away(x: float) -> int:
    return math.floor(x + 0.5) if x >= 0 else math.ceil(x - 0.5)


def _int32(x: Array) -> Array:
    """The value that an int32 would hold after overflow."""
    return x.astype(np.int32).astype(np.int64)

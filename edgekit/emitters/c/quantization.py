"""Rows of changes of how numbers are stored: Quantize, Dequantize, Cast.

From 8 bits to 8 bits they are a table. Refused: 32-bit integers with a zero point, requantization of 64 bits.
"""

from __future__ import annotations

from edgekit.emitters.c.call import ENUMS, Call, Fields, Lowered, Name, Row, Value
from edgekit.emitters.c.functions import lookup
from edgekit.emitters.c.overlaps import elementwise
from edgekit.ops.quantization import Cast, Dequantize, Quantize
from edgekit.ops.reading import Refusal
from edgekit.planner import Overlap
from edgekit.program import Op, Tensor
from edgekit.program.fixed_point import Multiplier

HEADER = "ek_quantization.h"
STORED = ("s8", "u8", "s16", "s32")  # what has a scale


def quantize(op: Quantize) -> Lowered:
    x, y = op.input, op.output
    _check_stored(y)
    if x.dtype == "f32":
        params: Fields = {"size": y.size, "to": _enum(y), "scale": y.scale, **_range(y)}
        return _elementwise(op, "ek_quantize_f32", params)
    _check_stored(x)
    if _bytes(x) == _bytes(y) == 1:
        return lookup(op)
    factor = Multiplier.of(x.scale / y.scale)
    params = {
        "size": y.size, "from": _enum(x), "to": _enum(y),
        "x_zero": x.zero_point, "multiplier": factor.mantissa, "shift": factor.shift, **_range(y),
    }  # fmt: skip
    return _elementwise(op, "ek_requantize_s32", params)


def dequantize(op: Dequantize) -> Lowered:
    x = op.input
    _check_stored(x)
    params: Fields = {"size": x.size, "from": _enum(x), "scale": x.scale, "zero": x.zero_point}
    return _elementwise(op, f"ek_dequantize_s{32 if x.dtype == 's32' else 16}", params, "ek_dequantize_params")


def cast(op: Cast) -> Lowered:
    x, y = op.input, op.output
    if x.dtype == "f32" and y.dtype != "f32":
        saturated: Fields = {"size": y.size, "to": _enum(y), "low": _limit(y, "MIN"), "high": _limit(y, "MAX")}
        return _elementwise(op, "ek_cast_f32_to_s64", saturated)
    if _bytes(x) == _bytes(y) == 1:
        return lookup(op)
    # float32 to itself: the bits of an integer
    params: Fields = {"size": y.size, "from": _enum(x, f32="s32"), "to": _enum(y, f32="s32")}
    kernel = "ek_cast_s64_to_f32" if y.dtype == "f32" != x.dtype else "ek_cast_s64"
    return _elementwise(op, kernel, params, "ek_cast_params")


def _elementwise(op: Op, kernel: str, params: Fields, params_type: str = "") -> Lowered:
    call = Call(kernel, HEADER, (op.input, op.output), params, params_type)
    return Lowered((call,), {(op.input, op.output): _overlap(op.input, op.output)})


def _overlap(x: Tensor, y: Tensor) -> Overlap:
    """C lets only bytes lie over elements of another type."""
    return elementwise(x, y) if x.dtype == y.dtype or 1 in (_bytes(x), _bytes(y)) else Overlap()


def _range(out: Tensor) -> dict[str, int]:
    low, high = out.limits
    return {"low": low - out.zero_point, "high": high - out.zero_point, "zero": out.zero_point}


def _enum(t: Tensor, f32: str = "f32") -> Name:
    return Name(ENUMS[f32 if t.dtype == "f32" else t.dtype])


def _limit(t: Tensor, which: str) -> Value:
    """The smallest or largest number of a type, in the words of stdint.h."""
    if t.dtype == "b8":
        return int(which == "MAX")
    bits = 8 * _bytes(t)
    return Name(f"INT{bits}_{which}") if t.dtype != "u8" else 255 * int(which == "MAX")


def _bytes(t: Tensor) -> int:
    return t.numpy_dtype.itemsize


def _check_stored(t: Tensor) -> None:
    if t.dtype not in STORED:
        raise Refusal(f"{t} has no kernel", f"allowed: {', '.join(STORED)}, f32")
    if t.dtype == "s32" and t.zero_point:
        raise Refusal(f"{t} has zero point {t.zero_point}", "32-bit values have zero point 0")


ROWS: dict[type[Op], Row] = {Quantize: quantize, Dequantize: dequantize, Cast: cast}

"""Rows of arithmetic on two and more values: integers with a scale, plain integers, float32.

Refused: 16-bit values with a zero point, and outputs so much finer than their inputs that every answer but 0 saturates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgekit.emitters.c.broadcast import broadcast, in_place
from edgekit.emitters.c.call import Call, Fields, Lowered, Name, Operand, Row, Table
from edgekit.ops.arithmetic import (
    HEADROOM,
    SCALED,
    SQUARE_HEADROOM,
    Add,
    AddN,
    Binary,
    Div,
    Extremum,
    Maximum,
    Minimum,
    Mul,
    Pow,
    SquaredDifference,
    Sub,
)
from edgekit.ops.functions import PRelu
from edgekit.ops.joining import Select
from edgekit.ops.reading import Refusal
from edgekit.program import Activation, Op, Tensor
from edgekit.program.fixed_point import Multiplier

HEADER = "ek_elementwise.h"
TERMS = 8  # EK_TERMS
INFINITE = Activation.NONE.value
# classes of plain numbers → the C function without its type; Pow is libm's
PLAIN: dict[type[Op], str] = {
    Add: "ek_plus",
    Sub: "ek_minus",
    Mul: "ek_times",
    Div: "ek_quotient",
    SquaredDifference: "ek_squared",
    Minimum: "ek_smaller",
    Maximum: "ek_larger",
}


def add(op: Add | Sub) -> Lowered:
    if op.output.dtype not in SCALED:
        return plain(op)
    operands, params = _sum(op, HEADROOM[op.output.dtype], -1 if isinstance(op, Sub) else 1)
    return _call(op, f"ek_add_{op.output.dtype}", operands, params, "ek_sum_params")


def squared_difference(op: SquaredDifference) -> Lowered:
    if op.output.dtype not in SCALED:
        return plain(op)
    operands, params = _sum(op, SQUARE_HEADROOM, -1)
    return _call(op, "ek_squared_difference_s8", operands, params, "ek_sum_params")


def mul(op: Mul) -> Lowered:
    if op.output.dtype not in SCALED:
        return plain(op)
    _check_zero_points(op)
    a, b = op.inputs
    # ek_mul_s16 takes products of any size
    largest = 0 if op.output.dtype == "s16" else _largest(a) * _largest(b)
    params: Fields = {
        "a_offset": -a.zero_point,
        "b_offset": -b.zero_point,
        "factor": factor(op, a.scale * b.scale / op.output.scale, largest),
        "range": stored_range(op.output, *op.activation.limits(op.output)),
    }
    return _call(op, f"ek_mul_{op.output.dtype}", op.inputs, params, "ek_mul_params")


def extremum(op: Extremum) -> Lowered:
    if op.output.dtype not in SCALED:
        return plain(op)
    params: Fields = {"largest": int(isinstance(op, Maximum))}
    return _call(op, f"ek_extremum_{op.output.dtype}", op.inputs, params, "ek_extremum_params")


def plain(op: Binary | Extremum) -> Lowered:
    """Numbers without a scale, by a C function of two."""
    dtype = op.output.dtype
    if dtype == "f32":
        function = "powf" if isinstance(op, Pow) else f"{PLAIN[type(op)]}_f32"
        return binary_f32(op, op.inputs, function, getattr(op, "activation", Activation.NONE).value)
    if dtype not in ("s32", "s64") or (dtype == "s64" and isinstance(op, SquaredDifference)):
        raise Refusal(f"there is no kernel for {dtype}", "allowed: s8, s16, s32, s64 and f32, as the operator has them")
    params: Fields = {"function": Name(f"{PLAIN[type(op)]}_{dtype}")}
    return _call(op, f"ek_binary_{dtype}", op.inputs, params, header="ek_plain_integers.h")


def binary_f32(op: Op, operands: Sequence[Operand], function: str, limits: tuple[float, float] = INFINITE) -> Lowered:
    """A C function of two floats, clamped to `limits`. A `Table` is a constant operand of one number."""
    params: Fields = {"function": Name(function), "low": limits[0], "high": limits[1]}
    return _call(op, "ek_binary_f32", operands, params, header="ek_functions_f32.h")


def prelu(op: PRelu) -> Lowered:
    if op.output.dtype == "f32":
        return binary_f32(op, op.inputs, "ek_prelu_f32")
    (x, alpha), out = op.inputs, op.output
    params: Fields = {
        "x_offset": -x.zero_point,
        "alpha_offset": -alpha.zero_point,
        "above": factor(op, x.scale / out.scale, _largest(x)),
        "below": factor(op, x.scale * alpha.scale / out.scale, _largest(x) * _largest(alpha)),
        "range": stored_range(out, *out.limits),
    }
    return _call(op, "ek_prelu_s8", op.inputs, params)


def add_n(op: AddN) -> Lowered:
    count, out = len(op.inputs), op.output
    if count > TERMS:
        raise Refusal(f"it adds {count} values, allowed: {TERMS}", "add them in groups")
    terms = (*op.inputs, *[op.input] * (TERMS - count))
    params: Fields = {"size": out.size, "count": count}
    if out.dtype == "f32":
        call = Call("ek_add_n_f32", "ek_functions_f32.h", (*terms, out), params)
    else:
        # half of the headroom is lost: terms are brought to twice their scale
        unit = 2 * op.input.scale / (1 << HEADROOM["s8"])
        params = {
            **params,
            "base": -count * op.input.zero_point,
            "steps": 1 << HEADROOM["s8"],
            "factor": _factor_down(op, unit / out.scale),
            "range": stored_range(out, *out.limits),
        }
        call = Call("ek_add_n_s8", HEADER, (*terms, out), params)
    return Lowered((call,), in_place(op))


def select(op: Select) -> Lowered:
    size = 8 * op.output.numpy_dtype.itemsize
    return _call(op, f"ek_select_s{size}", op.inputs, {}, "ek_select_params")


def factor(op: Op, real: float, largest: int) -> dict[str, Any]:
    """Fields of ek_factor for integers up to `largest`."""
    found = Multiplier.of(real)
    if largest << max(found.shift, 0) > 1 << 30:
        raise _too_fine(op)
    return _fields(found)


def _factor_down(op: Op, real: float) -> dict[str, Any]:
    """Fields of ek_factor whose `right` is not 0: of a factor below a half."""
    found = Multiplier.of(real)
    if found.mantissa and found.shift >= 0:
        raise _too_fine(op)
    return _fields(found if found.mantissa else Multiplier(0, -1))


def _fields(found: Multiplier) -> dict[str, Any]:
    left, right = max(found.shift, 0) + 1, max(-found.shift, 0)
    nudge = (1 << 31) + ((1 << (31 + right)) if right else 0)
    negative = -1 if right else 0
    return {"nudge": nudge, "multiplier": found.mantissa, "left": left, "right": right, "negative": negative}


def _too_fine(op: Op) -> Refusal:
    scales = ", ".join(f"{t.scale:.3g}" for t in op.inputs)
    return Refusal(f"its output scale is {op.output.scale:.3g}, too fine for inputs of {scales}", "calibrate again")


def stored_range(out: Tensor, low: int, high: int) -> Fields:
    """Fields of ek_range for a clamp to stored integers."""
    return {"low": low - out.zero_point, "high": high - out.zero_point, "zero": out.zero_point}


def _sum(op: Binary, bits: int, sign: int) -> tuple[tuple[Tensor, Tensor], Fields]:
    """a + sign * b in the order that ek_sum_params wants, and its fields.

    Both are shifted up by `bits` and brought to twice the larger scale, which is a shift for the one that has it.
    """
    _check_zero_points(op)
    first = 0 if op.inputs[0].scale >= op.inputs[1].scale else 1
    a, b = op.inputs[first], op.inputs[1 - first]
    signs = (1, sign)
    square = isinstance(op, SquaredDifference)
    double = 1 if square else 2
    unit = 2 * a.scale / (1 << bits)
    a_factor = signs[first] * double << (bits - 1)
    b_factor, b_steps = _smaller(op, b.scale / (2 * a.scale), bits)
    return (a, b), {
        "base": -a.zero_point * a_factor,
        "a_factor": a_factor,
        "b_base": -b.zero_point * b_steps,
        "b_steps": b_steps,
        "b_sign": signs[1 - first] * double,
        "b_factor": b_factor,
        "factor": _factor_down(op, (unit * unit if square else unit) / op.output.scale),
        "range": stored_range(op.output, *op.activation.limits(op.output)),
    }


def _smaller(op: Op, real: float, bits: int) -> tuple[dict[str, Any], int]:
    """Fields of ek_factor for the operand of the smaller scale, and how far up it is shifted before."""
    found = Multiplier.of(real)
    if op.output.dtype == "s16":
        return _fields(found), 1 << bits
    if found.shift == 0 and found.mantissa:  # a half, as a quarter of what is twice as large: right must not be 0
        return _fields(Multiplier(found.mantissa, -1)), 4 << bits
    return _factor_down(op, real), 2 << bits


def _largest(t: Tensor) -> int:
    """The largest difference from the zero point."""
    return max(abs(end - t.zero_point) for end in t.limits)


def _check_zero_points(op: Op) -> None:
    for t in (*op.inputs, op.output):
        if t.dtype == "s16" and t.zero_point:
            raise Refusal(f"{t} has zero point {t.zero_point}", "16-bit values have zero point 0")


def _call(
    op: Op, kernel: str, operands: Sequence[Operand], params: Fields, params_type: str = "", header: str = HEADER
) -> Lowered:
    over = broadcast(op.output.shape, [_shaped(operand) for operand in operands])
    call = Call(kernel, header, (*operands, op.output), {"over": over, **params}, params_type)
    return Lowered((call,), in_place(op))


def _shaped(operand: Operand) -> Tensor:
    return Tensor("", operand.data.shape, operand.dtype) if isinstance(operand, Table) else operand


ROWS: dict[type[Op], Row] = {
    Add: add,
    Sub: add,
    Mul: mul,
    Div: plain,
    Pow: plain,
    SquaredDifference: squared_difference,
    Minimum: extremum,
    Maximum: extremum,
    AddN: add_n,
    PRelu: prelu,
    Select: select,
}

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
    params: Fields = {
        "a_offset": -a.zero_point,
        "b_offset": -b.zero_point,
        "factor": factor(Multiplier.of(a.scale * b.scale / op.output.scale)),
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
        "above": factor(Multiplier.of(x.scale / out.scale)),
        "below": factor(Multiplier.of(x.scale * alpha.scale / out.scale)),
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
            "steps": 1 << (HEADROOM["s8"] - 1),
            "factor": _factor_down(op, unit / out.scale),
            "range": stored_range(out, *out.limits),
        }
        call = Call("ek_add_n_s8", HEADER, (*terms, out), params)
    return Lowered((call,), in_place(op))


def select(op: Select) -> Lowered:
    size = 8 * op.output.numpy_dtype.itemsize
    return _call(op, f"ek_select_s{size}", op.inputs, {}, "ek_select_params")


def factor(real: Multiplier) -> dict[str, Any]:
    """Fields of ek_factor."""
    left, right = max(real.shift, 0), max(-real.shift, 0)
    nudge = (1 << 30) + ((1 << (30 + right)) if right else 0)
    return {
        "nudge": nudge, "multiplier": real.mantissa, "left": left, "right": right, "negative": -1 if right else 0,
    }  # fmt: skip


def stored_range(out: Tensor, low: int, high: int) -> Fields:
    """Fields of ek_range for a clamp to stored integers."""
    return {"low": low - out.zero_point, "high": high - out.zero_point, "zero": out.zero_point}


def _sum(op: Binary, bits: int, sign: int) -> tuple[tuple[Tensor, Tensor], Fields]:
    """a + sign * b in the order that ek_sum_params wants, and its fields.

    Both are shifted up by `bits` and brought to twice the larger scale, which is a shift for the one that has it.
    """
    _check_zero_points(op)
    signs = {0: 1, 1: sign}
    first = 0 if op.inputs[0].scale >= op.inputs[1].scale else 1
    a, b = op.inputs[first], op.inputs[1 - first]
    unit = 2 * a.scale / (1 << bits)
    a_factor = signs[first] << (bits - 1)
    real = Multiplier.of(b.scale / (2 * a.scale))
    # a half as two quarters: right must not be 0
    b_factor, twice = (Multiplier(real.mantissa, -1), 2) if real.shift == 0 else (real, 1)
    square = isinstance(op, SquaredDifference)
    return (a, b), {
        "base": -a.zero_point * a_factor,
        "a_factor": a_factor,
        "b_base": -b.zero_point << bits,
        "b_steps": 1 << bits,
        "b_sign": signs[1 - first] * twice,
        "b_factor": factor(b_factor),
        "factor": _factor_down(op, (unit * unit if square else unit) / op.output.scale),
        "range": stored_range(op.output, *op.activation.limits(op.output)),
    }


def _factor_down(op: Op, real: float) -> dict[str, Any]:
    """Fields of ek_factor of a factor below a half."""
    found = Multiplier.of(real)
    if found.mantissa == 0:
        found = Multiplier(0, -1)
    if found.shift >= 0:
        scales = ", ".join(f"{t.scale:.3g}" for t in op.inputs)
        raise Refusal(f"its output scale is {op.output.scale:.3g}, too fine for inputs of {scales}", "calibrate again")
    return factor(found)


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

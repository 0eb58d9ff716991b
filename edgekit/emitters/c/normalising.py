"""Rows of functions along the last axis: Softmax, LogSoftmax, L2Normalization.

The difference of two 8-bit numbers has 256 values: their exponentials are a table. Refused: rows too long for a sum.
"""

from __future__ import annotations

import numpy as np

from edgekit.emitters.c.call import Call, Fields, Lowered, Row, table
from edgekit.emitters.c.overlaps import elementwise
from edgekit.ops.normalising import (
    DIFFERENCE_BITS,
    SMALLEST_NORM,
    L2Normalization,
    LogSoftmax,
    Softmax,
    difference_factor,
    smallest_difference,
)
from edgekit.ops.reading import Refusal
from edgekit.program import Op
from edgekit.program.fixed_point import Multiplier, exp_on_negative_values, scale
from edgekit.program.tensor import Array

HEADER = "ek_normalising.h"
COUNTS = 1 << 11  # powers below it vanish in a sum of Q12, and in answers of 16 bits
LONGEST_ANSWER = 16 << (31 - DIFFERENCE_BITS)  # LogSoftmax answers down to -16


def softmax(op: Softmax) -> Lowered:
    if op.output.dtype == "f32":
        return _f32(op, "ek_softmax_f32", {"beta": op.beta})
    params: Fields = {**_rows(op, 8191), "powers": _powers(difference_factor(op.input.scale, op.beta))}
    kernel = "ek_softmax_s8" if op.output.dtype == "s8" else "ek_softmax_s8_s16"
    return _along_rows(op, Call(kernel, HEADER, (op.input, op.output), params, "ek_softmax_params"))


def log_softmax(op: LogSoftmax) -> Lowered:
    if op.output.dtype == "f32":
        return _f32(op, "ek_log_softmax_f32", {})
    factor = difference_factor(op.input.scale, 1.0)
    params: Fields = {
        **_rows(op, 4095),
        "powers": _powers(factor),
        "near": int(np.sum(_below(factor) > -LONGEST_ANSWER)),
        "multiplier": factor.mantissa,
        "shift": factor.shift,
    }
    return _along_rows(op, Call("ek_log_softmax_s8", HEADER, (op.input, op.output), params))


def l2_normalization(op: L2Normalization) -> Lowered:
    if op.output.dtype == "f32":
        return _f32(op, "ek_l2_normalization_f32", {"smallest": SMALLEST_NORM})
    params: Fields = {**_rows(op, 65535), "zero": op.input.zero_point}
    return _along_rows(op, Call("ek_l2_normalization_s8", HEADER, (op.input, op.output), params))


def _below(factor: Multiplier) -> Array:
    """Differences 0, -1 .. down to -255 in Q5, as far as Q5 can hold them."""
    steps = -np.arange(256)
    return scale(steps[steps >= smallest_difference(factor)], factor)


def _powers(factor: Multiplier) -> Fields:
    """Fields of ek_powers."""
    powers = exp_on_negative_values(_below(factor), DIFFERENCE_BITS)
    count = int(np.flatnonzero(powers >= COUNTS)[-1]) + 1
    return {"powers": table(powers[:count], "s32"), "count": count}


def _rows(op: Op, longest: int) -> dict[str, int]:
    depth = op.input.shape[-1]
    if depth > longest:
        raise Refusal(f"its rows have {depth} numbers, allowed: {longest}", "split its last axis")
    return {"rows": op.input.size // depth, "depth": depth}


def _f32(op: Op, kernel: str, fields: Fields) -> Lowered:
    params: Fields = {**_rows(op, (1 << 31) - 1), **fields}
    return _along_rows(op, Call(kernel, HEADER, (op.input, op.output), params, "ek_rows_f32_params"))


def _along_rows(op: Op, call: Call) -> Lowered:
    return Lowered((call,), {(op.input, op.output): elementwise(op.input, op.output)})


ROWS: dict[type[Op], Row] = {Softmax: softmax, LogSoftmax: log_softmax, L2Normalization: l2_normalization}

"""Rows of the operators that remember: SVDF and LSTM. The weights of all gates of an LSTM lie in one table.

Refused: weights that are computed at run time, and types without a kernel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgekit.emitters.c.call import Call, Fields, Lowered, Row, Table, Value, table
from edgekit.ops.reading import Refusal
from edgekit.ops.recurrent import ANSWER_SCALE, GATE_SCALE, INT16, SIGMOID_TABLE, Lstm, Svdf
from edgekit.program import Op, Tensor
from edgekit.program.fixed_point import Multiplier

HEADER = "ek_recurrent.h"


def svdf(op: Svdf) -> Lowered:
    x, feature, time, bias, state = op.inputs
    sizes: dict[str, Value] = {
        "batch": x.shape[0], "features": x.shape[1], "filters": time.shape[0], "memory": time.shape[1],
        "rank": op.rank, "feature": _constant(feature), "time": _constant(time), "bias": _constant(bias),
    }  # fmt: skip
    if x.dtype == "f32":
        low, high = op.activation.value
        kernel, params, of = "ek_svdf_f32", {**sizes, "low": low, "high": high}, "ek_svdf_f32_params"
    elif x.dtype == "s8" and state.dtype == time.dtype and state.dtype in ("s8", "s16"):
        kernel, params, of = f"ek_svdf_{state.dtype}", {**sizes, **_svdf_factors(op)}, "ek_svdf_params"
    else:
        raise Refusal(f"it is {x.dtype} with a state of {state.dtype}, allowed are s8 with s8 or s16, and f32")
    return Lowered((Call(kernel, HEADER, (x, state, *op.outputs), params, of),))


def _svdf_factors(op: Svdf) -> dict[str, Value]:
    into, out = op.factors()
    return {
        "offset": -op.input.zero_point,
        "state_zero": op.state.zero_point,
        "zero": op.output.zero_point,
        **_factor("into", into),
        **_factor("out", out),
    }


def lstm(op: Lstm) -> Lowered:
    if op.input.dtype not in ("s8", "f32") or 0 in op.input.shape:
        raise Refusal(f"it reads {op.input}, allowed are s8 and f32")
    kernel, params = ("ek_lstm_f32", _lstm_f32(op)) if op.input.dtype == "f32" else ("ek_lstm_s8", _lstm_s8(op))
    return Lowered((Call(kernel, HEADER, (op.input, op.hidden, op.cell, *op.outputs), params),))


def _sequence(op: Lstm) -> Fields:
    batch, steps = op.input.shape[1::-1] if op.time_major else op.input.shape[:2]
    return {
        "batch": batch,
        "steps": steps,
        "features": op.input.shape[2],
        "units": op.output.shape[2],
        "batch_stride": 1 if op.time_major else steps,
        "step_stride": batch if op.time_major else 1,
    }


def _weights(op: Lstm) -> dict[str, Value]:
    return {
        "sequence": _sequence(op),
        "on_input": _stacked(op.inputs[1:5]),
        "on_hidden": _stacked(op.inputs[5:9]),
        "bias": _stacked(op.inputs[9:13]),
    }


def _lstm_f32(op: Lstm) -> Fields:
    return {**_weights(op), "cell_limit": op.cell_clip if op.cell_clip > 0 else math.inf}


def _lstm_s8(op: Lstm) -> Fields:
    if op.hidden.quant != op.output.quant:
        raise Refusal("its hidden state and its output have different scales")
    bound = int(min(op.cell_clip / op.cell.scale, INT16[1])) if op.cell_clip > 0 else None
    return {
        **_weights(op),
        "input_offset": -op.input.zero_point,
        "hidden_zero": op.hidden.zero_point,
        **_gate_factors("input", op.input, op.inputs[1:5]),
        **_gate_factors("hidden", op.hidden, op.inputs[5:9]),
        **_factor("kept", Multiplier.of(ANSWER_SCALE * op.cell.scale / op.cell.scale)),
        **_factor("added", Multiplier.of(ANSWER_SCALE**2 / op.cell.scale)),
        **_factor("shown", Multiplier.of(ANSWER_SCALE**2 / op.hidden.scale)),
        "cell_bits": round(math.log2(op.cell.scale)) + 12,
        "cell_low": INT16[0] if bound is None else -bound,
        "cell_high": INT16[1] if bound is None else bound,
        "sigmoid": Table(SIGMOID_TABLE.astype(np.uint16).view(np.int16)),
    }


def _gate_factors(name: str, source: Tensor, weights: Sequence[Tensor]) -> dict[str, Value]:
    factors = [Multiplier.of(source.scale * w.scale / GATE_SCALE) for w in weights]
    return {
        f"{name}_multipliers": tuple(f.mantissa for f in factors),
        f"{name}_shifts": tuple(f.shift for f in factors),
    }


def _factor(name: str, factor: Multiplier) -> dict[str, Value]:
    return {f"{name}_multiplier": factor.mantissa, f"{name}_shift": factor.shift}


def _stacked(tensors: Sequence[Tensor]) -> Table:
    return table(np.stack([_constant(t).data for t in tensors]), tensors[0].dtype)


def _constant(tensor: Tensor) -> Table:
    if tensor.data is None:
        raise Refusal(f'"{tensor.name}" is computed at run time, wanted a constant')
    return Table(np.ascontiguousarray(tensor.data))


ROWS: dict[type[Op], Row] = {Svdf: svdf, Lstm: lstm}

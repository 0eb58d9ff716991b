"""Operators that remember, as programs with their states: what their tests and those of the emitters share."""

from __future__ import annotations

import numpy as np
from runtimes_of_cases import tensor

from edgekit.ops.recurrent import Lstm, Svdf
from edgekit.program import Program, State, Tensor


def with_states(op) -> Program:
    before = [t for t in op.inputs if f"{t.name}_next" in {o.name for o in op.outputs}]
    states = tuple(State(b, a, zeros(b)) for b, a in zip(before, op.outputs[1:], strict=True))
    return Program("case", op.inputs[:1], op.outputs[:1], (op,), states)


def zeros(t: Tensor) -> np.ndarray:
    return np.full(t.shape, 0 if t.quant is None else t.zero_point, t.numpy_dtype)


def weights(rng, name: str, *shape: int, scale: float = 0.01, dtype: str = "s8") -> Tensor:
    if dtype == "f32":
        return Tensor(name, shape, "f32", None, rng.standard_normal(shape).astype(np.float32) * np.float32(0.5))
    high = 32767 if dtype == "s16" else 127
    data = rng.integers(-high, high + 1, shape).astype(np.int16 if dtype == "s16" else np.int8)
    return tensor(name, shape, scale, 0, dtype, data)


def svdf(seed: int, batch: int, features: int, units: int, rank: int, memory: int, dtype: str) -> Svdf:
    rng = np.random.default_rng(seed)
    filters, is_float = units * rank, dtype == "f32"
    kind = "f32" if is_float else "s8"
    x = tensor("x", (batch, features), None if is_float else 0.05, int(rng.integers(-128, 128)), kind)
    feature = weights(rng, "feature", filters, features, dtype=kind)
    time = weights(rng, "time", filters, memory, scale=2e-5 if dtype == "s16" else 0.01, dtype=dtype)
    # states of 8 bits are scaled so that they do not saturate; see below
    scale = {"s16": 0.0005, "s8": 0.05 * 0.01 * 255 * features * 1.3, "f32": None}[dtype]
    zero_point = int(rng.integers(-20, 20)) if dtype == "s8" else 0
    state = tensor("state", (batch, filters * memory), scale, zero_point, dtype)
    if is_float:
        bias = weights(rng, "bias", units, dtype="f32")
    else:
        numbers = rng.integers(-5000, 5000, units).astype(np.int32)
        bias = tensor("bias", (units,), state.scale * time.scale, 0, "s32", numbers)
    y = tensor("y", (batch, units), None if is_float else 0.05 * memory**0.5, int(rng.integers(-128, 128)), kind)
    after = tensor("state_next", state.shape, scale, zero_point, dtype)
    return Svdf(name="op", inputs=(x, feature, time, bias, state), outputs=(y, after), rank=rank)


def lstm(
    seed: int, batch: int, steps: int, features: int, units: int, power: int, time_major: bool, clip: float
) -> Lstm:
    rng = np.random.default_rng(seed)
    is_float = power == 0
    kind = "f32" if is_float else "s8"
    shape = (steps, batch) if time_major else (batch, steps)
    x = tensor("x", (*shape, features), None if is_float else 0.02, int(rng.integers(-128, 128)), kind)
    on_x = [weights(rng, f"w{k}", units, features, scale=0.004 + 0.001 * k, dtype=kind) for k in range(4)]
    on_h = [weights(rng, f"r{k}", units, units, scale=0.003 + 0.001 * k, dtype=kind) for k in range(4)]
    if is_float:
        biases = [weights(rng, f"b{k}", units, dtype="f32") for k in range(4)]
    else:
        numbers = rng.integers(-4000, 4000, (4, units)).astype(np.int32)
        biases = [tensor(f"b{k}", (units,), x.scale * on_x[k].scale, 0, "s32", numbers[k]) for k in range(4)]
    quant = {} if is_float else {"scale": 0.0075, "zero_point": int(rng.integers(-20, 20))}
    y = tensor("y", (*shape, units), dtype=kind, **quant)
    hidden, hidden_after = (tensor(n, (batch, units), dtype=kind, **quant) for n in ("hidden", "hidden_next"))
    stored = ("f32", None) if is_float else ("s16", 2.0**power)
    cell, cell_after = (tensor(n, (batch, units), stored[1], 0, stored[0]) for n in ("cell", "cell_next"))
    return Lstm(
        name="op", inputs=(x, *on_x, *on_h, *biases, hidden, cell), outputs=(y, hidden_after, cell_after),
        time_major=time_major, cell_clip=clip,
    )  # fmt: skip

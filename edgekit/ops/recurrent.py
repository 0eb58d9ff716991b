"""Operators that remember: SVDF and the LSTM over a sequence. They read a state and make the next one.

A state is a pair of tensors of the program (`State`): the operator reads `before` and makes `after`, a further output.
int8 with states of 16 bits (SVDF also of 8), and float32. Refused: LSTMs with peepholes, projection, layer
normalization or coupled gates, which no kernel for microcontrollers has.

Source of the arithmetic: TFLite Micro's svdf_common.cc and lstm_eval.h, the int16 functions of
reference_integer_ops/{logistic,tanh}.h.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgekit.ops.convolution import centred
from edgekit.ops.reading import Refusal, TfliteCall
from edgekit.program import Activation, Op, QuantParams, Tensor
from edgekit.program.fixed_point import Multiplier, scale
from edgekit.program.tensor import Array

NEXT = "_next"  # suffix of the state after a call
TANH = 4  # TFLite's number of the fused activation
GATE_SCALE, ANSWER_SCALE = 2.0**-12, 2.0**-15  # of what enters and leaves a gate's sigmoid or tanh
INT16 = (-(1 << 15), (1 << 15) - 1)


@dataclass(frozen=True, eq=False, kw_only=True)
class Svdf(Op):
    """inputs: x (N, I), feature weights (F, I), time weights (F, M), bias (F / rank), state (N, F * M);
    outputs: y (N, F / rank), the next state.

    Each filter keeps its last M answers; a unit is the sum of `rank` filters. int8 kernels leave the activation to the
    saturation of the output.
    """

    rank: int
    activation: Activation = Activation.NONE

    @property
    def state(self) -> Tensor:
        return self.inputs[-1]

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        x, feature, time, bias, state = inputs
        filters, memory = time.shape
        newest = self._newest(centred(x, self.input) @ feature.astype(np.float64).T)
        kept = state.reshape(-1, filters, memory)[:, :, 1:]
        after = np.concatenate([kept, newest[:, :, None]], axis=2)
        answers = (centred(after, self.state) * time.astype(np.float64)).sum(axis=2)
        sums = answers.reshape(len(x), -1, self.rank).sum(axis=2) + bias
        return self._answer(sums), after.reshape(state.shape)

    def _newest(self, sums: Array) -> Array:
        """What each filter answers to this input, as the state stores it."""
        if self.state.dtype == "f32":
            return sums.astype(np.float32)
        return _stored(scale(sums.astype(np.int64), self.factors()[0]), self.state)

    def _answer(self, sums: Array) -> Array:
        if self.output.dtype == "f32":
            return self.activation.clamp(sums.astype(np.float32))
        total = sums.astype(np.int64).astype(np.int32).astype(np.int64)
        return _stored(scale(total, self.factors()[1]), self.output)

    def factors(self) -> tuple[Multiplier, Multiplier]:
        """From sums over features to the state, and from sums over the memory to the output."""
        x, feature, time, state = (np.float32(t.scale) for t in (self.input, *self.inputs[1:3], self.state))
        into, out = x * feature / state, state * time / np.float32(self.output.scale)
        return Multiplier.of(float(into)), Multiplier.of(float(out))

    @property
    def macs(self) -> int:
        return self.input.shape[0] * (self.inputs[1].size + self.inputs[2].size)

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        x, feature, time, state = (call.input(i) for i in (0, 1, 2, 4))
        _check_variables(call, (4,))
        rank = int(call.option("rank", 1))
        if len(x.shape) != 2 or len(feature.shape) != 2 or len(time.shape) != 2 or rank < 1:
            raise Refusal(f"input {list(x.shape)}, weights {list(feature.shape)} and {list(time.shape)}, rank {rank}")
        (batch, features), (filters, memory) = x.shape, time.shape
        bias = call.optional(3) or _no_bias(call, filters // rank, state, time)
        _check_shapes(
            (feature, (filters, features)),
            (bias, (filters // rank,)),
            (state, (batch, filters * memory)),
            (call.output, (batch, filters // rank)),
        )
        if filters % rank or memory < 1:
            raise Refusal(f"{filters} filters of {memory} steps and rank {rank} do not fit")
        kinds = "s8" if x.dtype == "s8" else "f32"
        _check_kinds((x, feature, call.output), (kinds,))
        _check_kinds((time, state), ("s8", "s16") if kinds == "s8" else ("f32",))
        _check_kinds((bias,), ("s32" if kinds == "s8" else "f32",))
        if time.dtype != state.dtype:
            raise Refusal(f"its state is {state.dtype} and its time weights are {time.dtype}, wanted the same")
        _check_weights((feature, time, bias))
        return cls(
            name=call.name, inputs=(x, feature, time, bias, state), outputs=(call.output, _next(call, state)),
            rank=rank, activation=call.activation,
        )  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class Lstm(Op):
    """inputs: x (N, T, I), or (T, N, I) where time_major; weights on x (S, I) of the gates input, forget, cell, output;
    weights on the hidden state (S, S) of the same; their biases (S); hidden state (N, S); cell state (N, S);
    outputs: y (N, T, S), the next hidden state, the next cell state.

    cell_clip  bound of the cell state; 0 for none
    """

    time_major: bool = False
    cell_clip: float = 0.0

    @property
    def hidden(self) -> Tensor:
        return self.inputs[13]

    @property
    def cell(self) -> Tensor:
        return self.inputs[14]

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        steps = inputs[0] if self.time_major else inputs[0].transpose(1, 0, 2)
        hidden, cell = inputs[13].reshape(steps.shape[1], -1), inputs[14].reshape(steps.shape[1], -1)
        step = self._float_step if self.input.dtype == "f32" else self._integer_step
        made = []
        for x in steps:
            hidden, cell = step(x, hidden, cell, inputs)
            made.append(hidden)
        y = np.stack(made) if self.time_major else np.stack(made, axis=1)
        return y, hidden.reshape(self.hidden.shape), cell.reshape(self.cell.shape)

    def _float_step(self, x: Array, hidden: Array, cell: Array, inputs: Sequence[Array]) -> tuple[Array, Array]:
        sums = [x @ inputs[1 + k].T + hidden @ inputs[5 + k].T + inputs[9 + k] for k in range(4)]
        enter, keep, show = (1 / (1 + np.exp(-np.clip(sums[k], -80, 80))) for k in (0, 1, 3))
        cell = keep * cell + enter * np.tanh(sums[2])
        if self.cell_clip > 0:
            cell = np.clip(cell, -self.cell_clip, self.cell_clip)
        return (show * np.tanh(cell)).astype(np.float32), cell.astype(np.float32)

    def _integer_step(self, x: Array, hidden: Array, cell: Array, inputs: Sequence[Array]) -> tuple[Array, Array]:
        gates = [self._gate(k, x, hidden, inputs) for k in range(4)]
        enter, keep, show = (sigmoid_s16(gates[k]) for k in (0, 1, 3))
        power = round(math.log2(self.cell.scale))
        kept = _product(keep, cell.astype(np.int64), ANSWER_SCALE * self.cell.scale, self.cell)
        added = _product(enter, tanh_s16(gates[2], 0), ANSWER_SCALE**2, self.cell)
        cell = np.clip(kept.astype(np.int64) + added, *INT16)
        if self.cell_clip > 0:
            bound = int(min(self.cell_clip / self.cell.scale, INT16[1]))
            cell = np.clip(cell, -bound, bound)
        hidden = _product(tanh_s16(cell, power + 12), show, ANSWER_SCALE**2, self.hidden)
        return hidden, cell.astype(np.int16)

    def _gate(self, k: int, x: Array, hidden: Array, inputs: Sequence[Array]) -> Array:
        """The sum that enters gate `k`, in units of GATE_SCALE: that of x and that of the state, each rounded."""
        parts = []
        for value, tensor, position in ((x, self.input, 1 + k), (hidden, self.hidden, 5 + k)):
            sums = centred(value, tensor) @ inputs[position].astype(np.float64).T
            if position < 5:
                sums = sums + inputs[9 + k]
            units = tensor.scale * self.inputs[position].scale
            scaled = scale(sums.astype(np.int64), Multiplier.of(units / GATE_SCALE))
            parts.append(np.clip(scaled, *INT16))
        total: Array = np.clip(parts[0] + parts[1], *INT16)
        return total

    @property
    def macs(self) -> int:
        steps = self.output.size // self.inputs[9].size
        return steps * sum(t.size for t in self.inputs[1:9])

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        _check_variants(call)
        _check_variables(call, (18, 19))
        time_major = bool(call.option("time_major", False))
        x, y = call.input(0), call.output
        weights = [call.input(i) for i in range(1, 9)]
        biases = [call.input(i) for i in range(12, 16)]
        hidden, cell = call.input(18), call.input(19)
        if len(x.shape) != 3 or len(biases[0].shape) != 1 or 0 in x.shape:
            raise Refusal(f"input {list(x.shape)} and bias {list(biases[0].shape)} do not fit")
        units, batch = biases[0].size, x.shape[1] if time_major else x.shape[0]
        _check_shapes(
            *((w, (units, x.shape[2])) for w in weights[:4]),
            *((w, (units, units)) for w in weights[4:]),
            *((b, (units,)) for b in biases),
            (y, (*x.shape[:2], units)),
        )
        if not hidden.size == cell.size == batch * units or units == 0:
            raise Refusal(f"states {list(hidden.shape)} and {list(cell.shape)}, wanted {[batch, units]}")
        kinds = ("s8", "s8", "s32", "s16") if x.dtype == "s8" else ("f32",) * 4
        _check_kinds((x, y, hidden), kinds[:1])
        _check_kinds(weights, kinds[1:2])
        _check_kinds(biases, kinds[2:3])
        _check_kinds((cell,), kinds[3:])
        _check_weights((*weights, *biases))
        if x.dtype == "s8":
            _check_states(hidden, cell, y)
        return cls(
            name=call.name, inputs=(x, *weights, *biases, hidden, cell), time_major=time_major,
            outputs=(y, _next(call, hidden), _next(call, cell)), cell_clip=float(call.option("cell_clip", 0.0)),
        )  # fmt: skip


def sigmoid_s16(x: Array) -> Array:
    """1 / (1 + exp(-x)) in Q0.15 for x in Q3.12, interpolated in a table."""
    x = x.astype(np.int64) * 3
    size = np.abs(x)
    at, part = size >> 9, size & 0x1FF
    low, high = _sigmoids(at)
    result = np.where(at >= 255, 0x7FFF << 10, (low << 9) + part * (high - low))
    rounded: Array = np.where(x >= 0, result + (1 << 9), (1 << 25) - result + (1 << 9) - 1)
    return rounded >> 10


def tanh_s16(x: Array, bits: int) -> Array:
    """tanh(x) in Q0.15 for x in units of 2^(bits - 12), by 2 sigmoid(2x) - 1 and the same table."""
    x = x.astype(np.int64) * 3
    x = x << bits if bits >= 0 else (x + (1 << (-bits - 1))) >> -bits
    size = np.abs(x)
    at, part = size >> 8, size & 0xFF
    low, high = _sigmoids(at)
    result = np.where(at >= 255, 0xFFFF << 8, (low << 8) + part * (high - low))
    rounded: Array = np.where(x >= 0, result - (1 << 23) + (1 << 7), -result + (1 << 23) + (1 << 7) - 1)
    return rounded >> 8


def _sigmoid_table() -> Array:
    """sigmoid(k / 24) in Q0.16, lifted so that straight lines between the entries are above as often as below."""
    s = 1 / (1 + np.exp(-np.arange(256) / 24))
    lift = -s * (1 - s) * (1 - 2 * s) / 24**2 / 16
    table = np.floor(65536 * (s + lift) + 0.5).astype(np.int64)
    table[255] = 65535
    return table


SIGMOID_TABLE = _sigmoid_table()


def _sigmoids(at: Array) -> tuple[Array, Array]:
    at = np.minimum(at, 254)
    return SIGMOID_TABLE[at], SIGMOID_TABLE[at + 1]


def _product(a: Array, b: Array, units: float, output: Tensor) -> Array:
    """a * b, in `units`, as `output` stores it."""
    return _stored(scale(a * b, Multiplier.of(units / output.scale)), output)


def _stored(steps: Array, tensor: Tensor) -> Array:
    """Steps from the zero point as the tensor's integers, saturated."""
    clipped: Array = np.clip(steps + tensor.zero_point, *tensor.limits)
    return clipped.astype(tensor.numpy_dtype)


def _next(call: TfliteCall, state: Tensor) -> Tensor:
    name, i = f"{state.name}{NEXT}", 1
    while name in call.taken:
        name, i = f"{state.name}_{i}{NEXT}", i + 1
    call.taken.add(name)
    return replace(state, name=name)


def _no_bias(call: TfliteCall, units: int, state: Tensor, time: Tensor) -> Tensor:
    made = call.between("no_bias", (units,), state)
    if state.quant is None or time.quant is None:
        return replace(made, dtype="f32", quant=None, data=np.zeros(units, np.float32))
    quant = QuantParams.of(state.quant.scales[0] * time.quant.scales[0])
    return replace(made, dtype="s32", quant=quant, data=np.zeros(units, np.int32))


def _check_variants(call: TfliteCall) -> None:
    extras = {
        "a coupled input gate": (1,),
        "peepholes": (9, 10, 11),
        "a projection": (16, 17),
        "layer normalization": (20, 21, 22, 23),
    }
    for what, positions in extras.items():
        there = [i for i in positions if call.optional(i) is not None]
        if bool(there) != (what == "a coupled input gate"):
            raise Refusal(f"it has {what}", "no kernel for microcontrollers has that: use a plain LSTM")
    activation = int(call.option("fused_activation_function", TANH))
    if activation != TANH:
        raise Refusal(f"its activation has the number {activation}, wanted {TANH} (tanh)")


def _check_variables(call: TfliteCall, positions: tuple[int, ...]) -> None:
    found = tuple(i for i, variable in enumerate(call.variables) if variable)
    if found != positions:
        raise Refusal(f"its variable tensors are inputs {list(found)}, wanted {list(positions)}")


def _check_shapes(*wanted: tuple[Tensor, tuple[int, ...]]) -> None:
    wrong = [f'"{t.name}" has shape {list(t.shape)}, wanted {list(shape)}' for t, shape in wanted if t.shape != shape]
    if wrong:
        raise Refusal("; ".join(wrong))


def _check_kinds(tensors: Sequence[Tensor], allowed: tuple[str, ...]) -> None:
    for tensor in tensors:
        if tensor.dtype not in allowed:
            raise Refusal(f'"{tensor.name}" is {tensor.dtype}, wanted {" or ".join(allowed)}')
        if tensor.dtype in ("s8", "s16") and (tensor.quant is None or not tensor.quant.per_tensor):
            raise Refusal(f'"{tensor.name}" has not one scale')


def _check_weights(tensors: Sequence[Tensor]) -> None:
    for tensor in tensors:
        if tensor.data is None:
            raise Refusal(f'"{tensor.name}" is computed at run time, wanted a constant')
        if tensor.quant is not None and any(tensor.quant.zero_points):
            raise Refusal(f'"{tensor.name}" has a zero point', "quantize weights symmetrically")


def _check_states(hidden: Tensor, cell: Tensor, y: Tensor) -> None:
    if hidden.quant != y.quant:
        raise Refusal("its hidden state and its output have different scales")
    power = math.log2(cell.scale)
    if abs(power - round(power)) > 1e-3 or cell.zero_point or not -15 <= round(power) <= -1:
        raise Refusal(f"its cell state has scale {cell.scale:g}, wanted a power of two from 2^-15 to 1/2")

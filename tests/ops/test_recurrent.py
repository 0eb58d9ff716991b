"""SVDF and LSTM are the same integers in TFLite Micro, call after call; LiteRT's are bounded."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRt
from ai_edge_litert.interpreter import OpResolverType
from hypothesis import given, settings
from hypothesis import strategies as st
from remembering import lstm, svdf, with_states
from runtimes_of_cases import random_inputs, tensor, tflite_micro

from edgekit.emitters import emit_tflite
from edgekit.errors import UnsupportedOpError
from edgekit.interpreter import Interpreter
from edgekit.lowering.tflite import from_tflite
from edgekit.ops.reading import Refusal, TfliteCall
from edgekit.ops.recurrent import Lstm, Svdf, sigmoid_s16, tanh_s16
from edgekit.ops.shape import Reshape
from edgekit.program import Activation, Program, QuantParams, Tensor

SETTINGS = settings(max_examples=25, deadline=None, derandomize=True)
CALLS = 5


def answers(program: Program, calls: int = CALLS) -> tuple[list[np.ndarray], list[dict[str, np.ndarray]]]:
    """What the interpreter answers, and to what."""
    running = Interpreter(program)
    inputs = [random_inputs(program, seed) for seed in range(calls)]
    return [running.run(x)[program.outputs[0].name] for x in inputs], inputs


def on_micro(content: bytes, inputs) -> list[np.ndarray]:
    running, made = tflite_micro.runtime.Interpreter.from_bytes(content, arena_size=1 << 20), []
    for x in inputs:
        running.set_input(next(iter(x.values())), 0)
        running.invoke()
        made.append(running.get_output(0))
    return made


def on_litert(content: bytes, inputs) -> list[np.ndarray]:
    running, made = LiteRt(model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF), []
    running.allocate_tensors()
    for x in inputs:
        running.set_tensor(running.get_input_details()[0]["index"], next(iter(x.values())))
        running.invoke()
        made.append(running.get_tensor(running.get_output_details()[0]["index"]))
    return made


def largest(truth, got) -> float:
    return max(float(np.abs(a.astype(np.float64) - b).max()) for a, b in zip(truth, got, strict=True))


SIZES = (st.integers(0, 10_000), st.integers(1, 2), st.integers(1, 12), st.integers(1, 5), st.integers(1, 3))


@SETTINGS
@given(*SIZES, st.integers(2, 9), st.sampled_from(["s16", "s8"]))
def test_svdf(seed, batch, features, units, rank, memory, dtype):
    program = with_states(svdf(seed, batch, features, units, rank, memory, dtype))
    truth, inputs = answers(program)
    content = emit_tflite(program)
    assert largest(truth, on_micro(content, inputs)) == 0
    if dtype == "s16":  # LiteRT has no states of 8 bits
        assert largest(truth, on_litert(content, inputs)) == 0


def test_svdf_state_saturates_where_tflite_micro_wraps_around():
    """TFLite Micro of 2026-10-23 adds the zero point of an int8 state after it has clamped; later versions before."""
    program = with_states(svdf(1, 1, 8, 2, 1, 4, "s8"))
    op = program.ops[0]
    narrow = QuantParams.of(op.state.scale / 8, 20)
    x, feature, time, bias, state = op.inputs
    bias = tensor("bias", bias.shape, narrow.scale * time.scale, 0, "s32", bias.data)
    before, after = (tensor(n, state.shape, narrow.scale, 20) for n in ("state", "state_next"))
    op = Svdf(name="op", inputs=(x, feature, time, bias, before), outputs=(op.output, after), rank=1)
    running = Interpreter(with_states(op))
    high = np.where(feature.data[:1] > 0, 127, -128).astype(np.int8)
    kept = running.trace({"x": high})[after]
    assert kept[0, 3] == 127


@SETTINGS
@given(*SIZES, st.integers(2, 9), st.sampled_from([Activation.NONE, Activation.RELU]))
def test_float_svdf(seed, batch, features, units, rank, memory, activation):
    op = svdf(seed, batch, features, units, rank, memory, "f32")
    program = with_states(Svdf(name="op", inputs=op.inputs, outputs=op.outputs, rank=rank, activation=activation))
    truth, inputs = answers(program)
    content = emit_tflite(program)
    assert largest(truth, on_micro(content, inputs)) < 1e-4
    assert largest(truth, on_litert(content, inputs)) < 1e-4


LSTMS = (
    st.integers(0, 10_000), st.integers(1, 2), st.integers(1, 6), st.integers(1, 9), st.integers(1, 7),
)  # fmt: skip


@SETTINGS
@given(*LSTMS, st.integers(-15, -9), st.booleans(), st.sampled_from([0.0, 0.5]))
def test_lstm(seed, batch, steps, features, units, power, time_major, clip):
    program = with_states(lstm(seed, batch, steps, features, units, power, time_major, clip))
    truth, inputs = answers(program)
    assert largest(truth, on_micro(emit_tflite(program), inputs)) == 0


@SETTINGS
@given(*LSTMS, st.booleans(), st.sampled_from([0.0, 0.5]))
def test_float_lstm(seed, batch, steps, features, units, time_major, clip):
    program = with_states(lstm(seed, batch, steps, features, units, 0, time_major, clip))
    truth, inputs = answers(program)
    content = emit_tflite(program)
    assert largest(truth, on_micro(content, inputs)) < 1e-4
    assert largest(truth, on_litert(content, inputs)) < 1e-4


@SETTINGS
@given(*LSTMS, st.integers(-13, -9), st.booleans())
def test_lstm_on_litert(seed, batch, steps, features, units, power, time_major):
    program = with_states(lstm(seed, batch, steps, features, units, power, time_major, 0.0))
    truth, inputs = answers(program)
    assert largest(truth, on_litert(emit_tflite(program), inputs)) <= 3  # another table of sigmoid and tanh


@pytest.mark.parametrize(
    "program",
    [
        with_states(svdf(3, 1, 6, 4, 2, 5, "s16")),
        with_states(svdf(4, 2, 6, 4, 1, 5, "s8")),
        with_states(svdf(5, 1, 6, 4, 2, 5, "f32")),
        with_states(lstm(6, 1, 5, 7, 4, -11, False, 0.5)),
        with_states(lstm(7, 2, 5, 7, 4, 0, True, 0.0)),
    ],
    ids=["svdf s16", "svdf s8", "svdf f32", "lstm s8", "lstm f32"],
)
def test_a_file_is_read_back_with_its_states(program):
    back = from_tflite(emit_tflite(program), "back")
    assert [(s.before.name, s.after.name) for s in back.states] == [
        (s.before.name, s.after.name) for s in program.states
    ]
    truth, _ = answers(program)
    got, _ = answers(back)
    assert largest(truth, got) == 0


def test_the_next_state_takes_no_name_of_another_tensor():
    op = svdf(3, 1, 6, 4, 2, 5, "s16")
    x = bent(op.input, name="state_nexx")
    program = with_states(Svdf(name="op", inputs=(x, *op.inputs[1:]), outputs=op.outputs, rank=2))
    back = from_tflite(emit_tflite(program).replace(b"state_nexx", b"state_next"), "back")
    assert [(s.before.name, s.after.name) for s in back.states] == [("state", "state_1_next")]


def test_states_that_tflite_cannot_keep_are_refused():
    op = svdf(3, 1, 6, 4, 2, 5, "s16")
    copy = tensor("copy", op.outputs[1].shape, op.outputs[1].scale, 0, "s16")
    reader = Reshape(name="reader", inputs=(op.outputs[1],), outputs=(copy,))
    whole = with_states(op)
    program = Program("case", whole.inputs, (*whole.outputs, copy), (op, reader), whole.states)
    with pytest.raises(UnsupportedOpError, match='state "state": TFLite keeps it in no operator'):
        emit_tflite(program)


def call_of(op, **changes) -> TfliteCall:
    """The call that reads `op` back; `changes`: inputs by position (i18=...), or other fields."""
    if isinstance(op, Svdf):
        inputs, variables = list(op.inputs), [False] * 4 + [True]
    else:
        x, weights_, biases, states = op.inputs[0], op.inputs[1:9], op.inputs[9:13], op.inputs[13:]
        inputs = [x, *weights_, None, None, None, *biases, None, None, *states, None, None, None, None]
        variables = [18 <= i < 20 for i in range(24)]
    for key, value in changes.items():
        inputs[int(key.removeprefix("i"))] = value
    return TfliteCall("op", "", None, tuple(inputs), op.outputs[:1], tuple(variables))


def bent(t: Tensor, **changes) -> Tensor:
    fields = {"name": t.name, "shape": t.shape, "dtype": t.dtype, "quant": t.quant, "data": t.data, **changes}
    return Tensor(**fields)


SVDF, LSTM = svdf(3, 1, 6, 4, 1, 5, "s16"), lstm(6, 1, 5, 7, 4, -11, False, 0.0)
REFUSED = {
    "a state of another size": (Svdf, call_of(SVDF, i4=bent(SVDF.state, shape=(1, 21))), "shape"),
    "a state of another type": (Svdf, call_of(SVDF, i4=bent(SVDF.state, dtype="s8")), "its state is s8"),
    "weights made at run time": (Svdf, call_of(SVDF, i1=bent(SVDF.inputs[1], data=None)), "computed at run time"),
    "no state": (Svdf, call_of(SVDF, i4=None), "input 4 is missing"),
    "an input of three axes": (Svdf, call_of(SVDF, i0=bent(SVDF.input, shape=(1, 1, 6))), "input"),
    "a projection": (Lstm, call_of(LSTM, i16=LSTM.inputs[5]), "a projection"),
    "peepholes": (Lstm, call_of(LSTM, i9=LSTM.inputs[9]), "peepholes"),
    "coupled gates": (Lstm, call_of(LSTM, i1=None), "a coupled input gate"),
    "layer normalization": (Lstm, call_of(LSTM, i20=LSTM.inputs[9]), "layer normalization"),
    "a cell state that is no power of two": (
        Lstm, call_of(LSTM, i19=bent(LSTM.cell, quant=QuantParams.of(0.0003))), "power of two",
    ),
    "an output of another scale": (Lstm, call_of(LSTM, i18=bent(LSTM.hidden, quant=QuantParams.of(0.5))), "different"),
    "recurrent weights that are not square": (
        Lstm, call_of(LSTM, i6=bent(LSTM.inputs[6], shape=(4, 3), data=LSTM.inputs[6].data[:, :3])), "shape",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind, call, reason", REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused(kind, call, reason):
    with pytest.raises(Refusal, match=reason):
        kind.from_tflite(call)


def test_sigmoid_and_tanh_follow_the_real_functions():
    x = np.arange(-(1 << 15), 1 << 15)
    for made, real in ((sigmoid_s16(x), 1 / (1 + np.exp(-x / 4096))), (tanh_s16(x, 0), np.tanh(x / 4096))):
        assert np.abs(made / 32768 - real).max() < 1.2e-4

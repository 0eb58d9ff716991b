"""Functions of one value are the same integers in TFLite Micro for all 256 inputs, whatever the scales."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runtimes_of_cases import RUNTIMES, check, differences, program_of, random_inputs, tensor

from edgekit import interpreter
from edgekit.emitters import emit_tflite
from edgekit.emitters.tflite.functions import OPTIONS
from edgekit.emitters.tflite.writer import Writer
from edgekit.ops import TFLITE
from edgekit.ops.elementwise import FUNCTIONS, TABLES, Elementwise
from edgekit.ops.functions import CLAMPS, Clamp, HardSwish, LeakyRelu, Logistic, Lookup, PRelu, Tanh
from edgekit.ops.quantization import Cast
from edgekit.ops.reading import Refusal, TfliteCall
from edgekit.program import Tensor
from edgekit.tflite.flatbuffer import Table
from edgekit.tflite.model import load

SETTINGS = settings(max_examples=40, deadline=None, derandomize=True)
ALL = {"x": np.arange(-128, 128, dtype=np.int8)}
EXACT = {"tflite-micro": 0, "litert-reference": 0, "litert": 0}

scales = st.floats(-4, 0.9).map(lambda e: 10.0**e)
zero_points = st.integers(-128, 127)


def ends(x_params, y_params) -> dict[str, tuple[Tensor, ...]]:
    return {"inputs": (tensor("x", (256,), *x_params),), "outputs": (tensor("y", (256,), *y_params),)}


@SETTINGS
@given(st.floats(-4, 0.3).map(lambda e: 10.0**e), zero_points)
def test_logistic(scale, zero_point):
    op = Logistic(name="op", **ends((scale, zero_point), (1 / 256, -128)))
    check(program_of(op), ALL)
    real = (ALL["x"] - np.float64(zero_point)) * np.float32(scale)
    assert np.abs((op.answers + 128.0) / 256 - 0.5 - np.tanh(real / 2) / 2).max() <= 1.01 / 256


@SETTINGS
@given(st.floats(-4, 0.3).map(lambda e: 10.0**e), zero_points)
def test_tanh(scale, zero_point):
    op = Tanh(name="op", **ends((scale, zero_point), (1 / 128, 0)))
    check(program_of(op), ALL)


@SETTINGS
@given(scales, zero_points, st.floats(0.02, 2), zero_points)
def test_hard_swish(scale, zero_point, ratio, y_zero_point):
    op = HardSwish(name="op", **ends((scale, zero_point), (scale * ratio, y_zero_point)))
    assert differences(program_of(op), ALL) == EXACT


@SETTINGS
@given(scales, zero_points, st.floats(0.05, 20), zero_points, st.floats(-1.5, 1.5))
def test_leaky_relu(scale, zero_point, ratio, y_zero_point, alpha):
    op = LeakyRelu(name="op", **ends((scale, zero_point), (scale * ratio, y_zero_point)), alpha=alpha)
    check(program_of(op), ALL)


bounds = st.sampled_from([*CLAMPS.values(), (-0.3, 0.7), (0.1, math.inf), (-math.inf, 1.5), (-math.inf, math.inf)])


@SETTINGS
@given(scales, zero_points, st.sampled_from([1.0, 1.0, 0.3, 2.5]), zero_points, bounds)
def test_clamp(scale, zero_point, ratio, y_zero_point, interval):
    y = (scale, zero_point) if ratio == 1.0 else (scale * ratio, y_zero_point)
    op = Clamp(name="op", **ends((scale, zero_point), y), low=interval[0], high=interval[1])
    found = differences(program_of(op), ALL)
    assert found["tflite-micro"] == found["litert-reference"] == 0
    assert found["litert"] <= (1 if ratio != 1.0 else 0)


@pytest.mark.parametrize("ratio", [1.0, 0.4, 2.3])
@pytest.mark.parametrize("builtin", CLAMPS)
def test_clamps_as_the_runtimes_do_them(builtin, ratio):
    """The operator of a file. TFLite Micro has no RELU_N1_TO_1, and its RELU6 does not rescale."""
    low, high = CLAMPS[builtin]
    op = Clamp(name="op", **ends((0.05, 3), (0.05 * ratio, 3)), low=low, high=high)
    program = program_of(op)
    writer = Writer(program)
    writer.operator(builtin, op.inputs, op.outputs, version=1 if "TO" in builtin else 2)
    for name, run in RUNTIMES.items():
        if name != "tflite-micro" or builtin == "RELU" or (builtin == "RELU6" and ratio == 1.0):
            got = run(writer.content(), program, ALL)["y"]
            assert np.abs(got.astype(int) - op.answers).max() <= (name != "tflite-micro" and ratio != 1.0)


@SETTINGS
@given(scales, scales, st.floats(0.05, 20), zero_points, st.sampled_from([(3,), (1, 1, 3), (4, 5, 3), (1,), ()]))
def test_prelu(scale, alpha_scale, ratio, zero_point, shape):
    x, alpha = tensor("x", (2, 4, 5, 3), scale, zero_point), tensor("alpha", shape, alpha_scale, -zero_point - 1)
    op = PRelu(name="op", inputs=(x, alpha), outputs=(tensor("y", x.shape, scale * ratio, 7),))
    check(program_of(op))


@pytest.mark.parametrize(("scale", "bound"), [(4.2, 4), (8.0, 128), (20.0, 128)])
def test_large_steps_of_logistic_and_tanh(scale, bound):
    """TFLite Micro saturates from the first step on that leaves Q4, rounded down: from a scale of 8 on that is step 0.
    LiteRT fills a table with float numbers."""
    for kind, answer in ((Logistic, (1 / 256, -128)), (Tanh, (1 / 128, 0))):
        found = differences(program_of(kind(name="op", **ends((scale, 3), answer))), ALL)
        assert found["tflite-micro"] == 0
        assert found["litert-reference"] == found["litert"] <= bound


def lookup(function, x_params, y_params) -> Lookup:
    x, y = tensor("x", (256,), *x_params), tensor("y", (256,), *y_params)
    return Lookup(name="op", inputs=(x,), outputs=(y,), function=function, table=TABLES[function](x, y))


def builtins(op) -> list[str]:
    return [o.builtin for o in load(emit_tflite(program_of(op))).subgraphs[0].operators]


@SETTINGS
@given(scales, zero_points, st.sampled_from([1.0, 0.05, 0.4, 3.0]), zero_points)
def test_elu(scale, zero_point, ratio, y_zero_point):
    op = lookup("elu", (scale, zero_point), (scale * ratio, y_zero_point))
    assert builtins(op) == ["ELU"]
    found = differences(program_of(op), ALL, without=("litert-reference",))  # it has no ELU
    assert found["tflite-micro"] == 0
    assert found["litert"] <= 1  # halves


@SETTINGS
@given(scales, zero_points, st.sampled_from([1.0, 0.05, 0.4, 3.0]), zero_points)
def test_abs(scale, zero_point, ratio, y_zero_point):
    op = lookup("abs", (scale, zero_point), (scale * ratio, y_zero_point))
    assert builtins(op) == (["ABS"] if ratio == 1.0 else ["CAST", "ADD", "GATHER"])
    assert differences(program_of(op), ALL) == EXACT


@SETTINGS
@given(st.sampled_from(sorted(TABLES)), scales, zero_points, scales, zero_points)
def test_tables_as_the_runtimes_fill_them(function, scale, zero_point, y_scale, y_zero_point):
    """The operator of a file against the table that is made of it."""
    op = lookup(function, (scale, zero_point), (y_scale, y_zero_point))
    inputs = ALL
    if function in ("rsqrt", "log", "sqrt"):  # their kernels fail below 0
        inputs = {"x": np.maximum(ALL["x"], min(zero_point + 1, 127)).astype(np.int8)}
    for name, run in RUNTIMES.items():
        if name == "tflite-micro" and function not in ("abs", "elu", "rsqrt"):
            continue
        if name == "litert-reference" and function == "elu":
            continue
        got = run(_raw(function, op), program_of(op), inputs)["y"]
        assert np.abs(got.astype(int) - op.run(inputs["x"])[0]).max() <= (name == "litert" and function == "elu")


def _raw(function, op) -> bytes:
    """A file with TFLite's operator of that name, whatever the emitter would choose."""
    program = program_of(op)
    writer = Writer(program)
    builtin = function.removesuffix("_tanh").upper()
    kind = OPTIONS.get(builtin)
    options = Table(kind) if kind else None
    if function == "gelu_tanh":
        options.approximate = True
    writer.operator(builtin, op.inputs, op.outputs, options, version=1 if function == "elu" else 2)
    return writer.content()


@SETTINGS
@given(st.integers(0, 10_000), scales, zero_points, st.sampled_from([(256,), (1, 16, 16, 1), (2, 2, 2, 2, 2, 8)]))
def test_any_table(seed, scale, zero_point, shape):
    table = np.random.default_rng(seed).integers(-128, 128, 256).astype(np.int8)
    x, y = tensor("x", shape, scale, zero_point), tensor("y", shape, 0.1, 3)
    op = Lookup(name="op", inputs=(x,), outputs=(y,), function="abs", table=table)
    assert differences(program_of(op), {"x": ALL["x"].reshape(shape)}) == EXACT


FLOATS = [
    Logistic(
        name="op", inputs=(X := tensor("x", (3, 40), dtype="f32"),), outputs=(Y := tensor("y", (3, 40), dtype="f32"),)
    ),
    Tanh(name="op", inputs=(X,), outputs=(Y,)),
    HardSwish(name="op", inputs=(X,), outputs=(Y,)),
    LeakyRelu(name="op", inputs=(X,), outputs=(Y,), alpha=0.2),
    Clamp(name="op", inputs=(X,), outputs=(Y,), low=0, high=math.inf),
    Clamp(name="op", inputs=(X,), outputs=(Y,), low=0, high=6),
    Clamp(name="op", inputs=(X,), outputs=(Y,), low=-0.3, high=0.4),
    PRelu(name="op", inputs=(X, tensor("a", (40,), dtype="f32")), outputs=(Y,)),
    *(Elementwise(name="op", inputs=(X,), outputs=(Y,), function=f) for f in FUNCTIONS),
]
NOT_IN = {
    "gelu": ("tflite-micro",),
    "gelu_tanh": ("tflite-micro",),
    "sign": ("tflite-micro",),
    "elu": ("litert-reference",),
    "ceil": ("litert-reference",),
    "round": ("litert-reference",),
}


@pytest.mark.parametrize("op", FLOATS, ids=lambda op: getattr(op, "function", op.kind))
def test_floats(op):
    program = program_of(op)
    inputs = {name: 3 * x for name, x in random_inputs(program).items()}
    if getattr(op, "function", "") in ("log", "sqrt", "rsqrt"):
        inputs = {name: np.abs(x) + 0.1 for name, x in inputs.items()}
    size = float(np.abs(interpreter.run(program, inputs)["y"]).max())
    found = differences(program, inputs, without=NOT_IN.get(getattr(op, "function", ""), ()))
    assert max(found.values()) <= 1e-4 * max(size, 1)


@pytest.mark.parametrize("target", ["s8", "s16", "s32", "f32"])
@pytest.mark.parametrize("source", ["s8", "s16", "s32", "f32"])
def test_cast(source, target):
    x, y = tensor("x", (40,), dtype=source), tensor("y", (40,), dtype=target)
    numbers = np.linspace(-128, 127, 40)
    program = program_of(Cast(name="op", inputs=(x,), outputs=(y,)))
    assert differences(program, {"x": numbers.astype(x.numpy_dtype)}) == EXACT


def _call(builtin, inputs, output, **options) -> TfliteCall:
    kinds = {"LEAKY_RELU": "LeakyReluOptions"}
    made = Table(kinds[builtin], **options) if options else None
    return TfliteCall("op", builtin, made, tuple(inputs), (output,))


IN, OUT = tensor("x", (4,), 0.1), tensor("y", (4,), 0.1)
REFUSED = {
    "answer of LOGISTIC": (_call("LOGISTIC", [IN], tensor("y", (4,), 1 / 255, -128)), "wanted scale"),
    "answer of TANH": (_call("TANH", [IN], OUT), "wanted scale"),
    "shape": (_call("RELU", [IN], tensor("y", (5,), 0.1)), "shape"),
    "type": (_call("RELU6", [IN], tensor("y", (4,), dtype="f32")), "allowed"),
    "no table": (_call("SIN", [IN], OUT), "allowed"),
    "no scale": (_call("ELU", [tensor("x", (4,))], OUT), "no scale"),
    "slope": (_call("LEAKY_RELU", [IN], OUT, alpha=math.nan), "slope"),
    "fine output": (_call("HARD_SWISH", [IN], tensor("y", (4,), 1e-5)), "finer"),
    "alpha": (_call("PRELU", [IN, tensor("a", (3,), 0.1)], OUT), "broadcast"),
    "wider alpha": (_call("PRELU", [IN, tensor("a", (2, 4), 0.1)], tensor("y", (2, 4), 0.1)), "shape"),
    "missing": (_call("PRELU", [IN], OUT), "missing"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, words = REFUSED[name]
    with pytest.raises(Refusal, match=words):
        TFLITE[call.builtin](call)


def test_extreme_scales_do_not_raise():
    for x_scale in (1e-45, 1e-30, 1e30, 3e38):
        for y_scale in (1e-45, 1e-30, 1e30, 3e38):
            x, y = tensor("x", (4,), x_scale, 3), tensor("y", (4,), y_scale, -5)
            for builtin in ("RELU", "RELU6", "ELU", "EXP", "ABS", "RSQRT", "LEAKY_RELU", "HARD_SWISH", "GELU"):
                try:
                    op = TFLITE[builtin](_call(builtin, [x], y))
                except Refusal:
                    continue
                op.run(np.array([-128, -1, 3, 127], np.int8))
            TFLITE["LOGISTIC"](_call("LOGISTIC", [x], tensor("y", (4,), 1 / 256, -128))).run(np.zeros(4, np.int8))

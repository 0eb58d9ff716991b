"""Arithmetic on two values, broadcast in every way, is the same integers in TFLite Micro."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runtimes_of_cases import check, differences, program_of, random_inputs, tensor

from edgekit.ops import TFLITE
from edgekit.ops.arithmetic import Add, AddN, Div, Maximum, Minimum, Mul, Pow, SquaredDifference, Sub
from edgekit.ops.reading import Refusal, TfliteCall
from edgekit.program import Activation

SETTINGS = settings(max_examples=40, deadline=None, derandomize=True)
FUSING = (Add, Sub, Mul)
SHAPES = [
    ((2, 3, 4), (2, 3, 4)),
    ((2, 3, 4), (4,)),
    ((2, 3, 4), ()),
    ((), (2, 3, 4)),
    ((1, 4, 5, 3), (1, 1, 1, 3)),
    ((1, 4, 5, 3), (1, 4, 5, 1)),
    ((1, 4, 1, 3), (1, 1, 5, 1)),
    ((2, 1, 3, 2, 2), (2, 4, 1, 2, 2)),
    ((2, 1, 2, 1, 2, 1), (1, 3, 1, 3, 1, 3)),
]

scales = st.floats(-4, 1).map(lambda e: 10.0**e)
zero_points = st.integers(-128, 127)


@st.composite
def binaries(draw, kinds, *, dtype="s8"):
    kind, (left, right) = draw(st.sampled_from(kinds)), draw(st.sampled_from(SHAPES))
    params = [(draw(scales), draw(zero_points) if dtype == "s8" else 0) for _ in range(3)]
    a, b = tensor("a", left, *params[0], dtype=dtype), tensor("b", right, *params[1], dtype=dtype)
    # an output scale that the result fills, more or less
    s, t = params[0][0], params[1][0]
    natural = {Mul: 100 * s * t, SquaredDifference: 100 * max(s, t) ** 2}.get(kind, max(s, t))
    y = tensor("y", np.broadcast_shapes(left, right), natural * draw(st.floats(0.2, 20)), params[2][1], dtype=dtype)
    fields = {"activation": draw(st.sampled_from(Activation))} if kind in FUSING else {}
    return kind(name="op", inputs=(a, b), outputs=(y,), **fields)


@SETTINGS
@given(binaries([Add, Sub]), st.integers(0, 1000))
def test_sums(op, seed):
    program = program_of(op)
    check(program, random_inputs(program, seed))


@SETTINGS
@given(binaries([Mul]), st.integers(0, 1000))
def test_products(op, seed):
    program = program_of(op)
    check(program, random_inputs(program, seed))


@SETTINGS
@given(binaries([SquaredDifference]), st.integers(0, 1000))
def test_squared_differences(op, seed):
    program = program_of(op)
    check(program, random_inputs(program, seed))


@SETTINGS
@given(binaries([Add, Sub, Mul], dtype="s16"), st.integers(0, 1000))
def test_sixteen_bits(op, seed):
    program = program_of(op)
    found = differences(program, random_inputs(program, seed))
    assert found == {"tflite-micro": 0, "litert-reference": 0, "litert": 0}


@pytest.mark.parametrize("dtype", ["s8", "s16", "s32", "f32"])
@pytest.mark.parametrize("kind", [Minimum, Maximum])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_extrema(kind, shapes, dtype):
    params = (0.1, 0) if dtype in ("s8", "s16") else (None,)
    a, b = (tensor(n, s, *params, dtype=dtype) for n, s in zip("ab", shapes, strict=True))
    y = tensor("y", np.broadcast_shapes(*shapes), *params, dtype=dtype)
    found = differences(program_of(kind(name="op", inputs=(a, b), outputs=(y,))))
    assert found == {"tflite-micro": 0, "litert-reference": 0, "litert": 0}


@pytest.mark.parametrize("kind", [Add, Sub, Mul, SquaredDifference])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_plain_integers(kind, shapes):
    a, b = (tensor(n, s, dtype="s32") for n, s in zip("ab", shapes, strict=True))
    y = tensor("y", np.broadcast_shapes(*shapes), dtype="s32")
    program = program_of(kind(name="op", inputs=(a, b), outputs=(y,)))
    rng = np.random.default_rng(1)
    inputs = {t.name: rng.integers(-30_000, 30_000, t.shape).astype(np.int32) for t in (a, b)}
    assert differences(program, inputs) == {"tflite-micro": 0, "litert-reference": 0, "litert": 0}


@pytest.mark.parametrize("activation", Activation)
@pytest.mark.parametrize("kind", (*FUSING, Div))
def test_floats(kind, activation):
    for left, right in SHAPES:
        a, b = tensor("a", left, dtype="f32"), tensor("b", right, dtype="f32")
        y = tensor("y", np.broadcast_shapes(left, right), dtype="f32")
        op = kind(name="op", inputs=(a, b), outputs=(y,), activation=activation)
        found = differences(program_of(op))
        assert max(found.values()) <= 1e-5 * max(1, np.abs(op.run(*random_inputs(program_of(op)).values())[0]).max())


def test_powers():
    a, b, y = (tensor(n, (3, 4), dtype="f32") for n in "aby")
    inputs = {"a": np.abs(random_inputs(program_of(Pow(name="op", inputs=(a, b), outputs=(y,))))["a"]) + 0.1}
    inputs["b"] = random_inputs(program_of(Pow(name="op", inputs=(a, b), outputs=(y,))), 1)["b"]
    program = program_of(Pow(name="op", inputs=(a, b), outputs=(y,)))
    found = differences(program, inputs, without=("tflite-micro",))  # it has no POW
    assert max(found.values()) <= 1e-4 * np.power(inputs["a"], inputs["b"]).max()


@SETTINGS
@given(scales, zero_points, st.floats(0.5, 20), st.integers(2, 5))
def test_sums_of_several(scale, zero_point, ratio, count):
    terms = tuple(tensor(f"x{i}", (3, 4), scale) for i in range(count))
    y = tensor("y", (3, 4), scale * ratio, zero_point)
    op = AddN(name="op", inputs=terms, outputs=(y,))
    # LiteRT has ADD_N for float32 and int32 only
    assert differences(program_of(op), without=("litert", "litert-reference")) == {"tflite-micro": 0}


def test_sum_of_several_floats():
    terms = tuple(tensor(f"x{i}", (3, 4), dtype="f32") for i in range(4))
    op = AddN(name="op", inputs=terms, outputs=(tensor("y", (3, 4), dtype="f32"),))
    assert max(differences(program_of(op)).values()) <= 1e-5


def _call(builtin, inputs, output, options=None) -> TfliteCall:
    return TfliteCall("op", builtin, options, tuple(inputs), (output,))


REFUSED = {
    "shapes": ("ADD", [tensor("a", (2, 3), 0.1), tensor("b", (2,), 0.1)], tensor("y", (2, 3), 0.1), "do not broadcast"),
    "output": ("ADD", [tensor("a", (2, 3), 0.1), tensor("b", (3,), 0.1)], tensor("y", (3,), 0.1), "output has shape"),
    "missing": ("ADD", [tensor("a", (2,), 0.1)], tensor("y", (2,), 0.1), "missing"),
    "types": ("MUL", [tensor("a", (2,), 0.1), tensor("b", (2,), dtype="f32")], tensor("y", (2,), 0.1), "allowed"),
    "no scale": ("SUB", [tensor("a", (2,)), tensor("b", (2,), 0.1)], tensor("y", (2,), 0.1), "no scale"),
    "zero point": ("SUB", [tensor("a", (2,), 0.1, 500), tensor("b", (2,), 0.1)], tensor("y", (2,), 0.1), "zero point"),
    "division": ("DIV", [tensor("a", (2,), 0.1), tensor("b", (2,), 0.1)], tensor("y", (2,), 0.1), "wrong results"),
    "two scales": ("ADD_N", [tensor("a", (2,), 0.1), tensor("b", (2,), 0.2)], tensor("y", (2,), 0.1), "scales"),
    "many": ("ADD_N", [tensor(n, (2,), 0.1, 3) for n in "ab"], tensor("y", (2,), 0.1), "once too often"),
    "one term": ("ADD_N", [tensor("a", (2,), 0.1)], tensor("y", (2,), 0.1), "2 and more"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    builtin, inputs, output, words = REFUSED[name]
    with pytest.raises(Refusal, match=words):
        TFLITE[builtin](_call(builtin, inputs, output))


def test_extreme_scales_do_not_raise():
    for s in (1e-45, 1e-30, 1e30, 3e38):
        for t in (1e-45, 1e30):
            a, b, y = tensor("a", (4,), s), tensor("b", (4,), t), tensor("y", (4,), s)
            for builtin in ("ADD", "SUB", "MUL", "SQUARED_DIFFERENCE"):
                op = TFLITE[builtin](_call(builtin, [a, b], y))
                op.run(*random_inputs(program_of(op)).values())

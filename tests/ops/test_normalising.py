"""Softmax and its like are the same integers in TFLite Micro."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runtimes_of_cases import differences, program_of, random_inputs, tensor

from edgekit.ops import TFLITE
from edgekit.ops.normalising import L2Normalization, LogSoftmax, Softmax
from edgekit.ops.quantization import Quantize
from edgekit.ops.reading import Refusal, TfliteCall
from edgekit.tflite.flatbuffer import Table

EXACT = {"tflite-micro": 0, "litert-reference": 0, "litert": 0}
SETTINGS = settings(max_examples=40, deadline=None, derandomize=True)

scales = st.floats(-4, 1).map(lambda e: 10.0**e)
zero_points = st.integers(-128, 127)
shapes = st.sampled_from([(1, 10), (3, 7), (1, 4, 5, 16), (2, 1), (5,), (2, 2, 3, 2, 9), (1, 511)])


def case(kind, shape, scale, zero_point, answer, dtype="s8", **fields):
    x, y = tensor("x", shape, scale, zero_point), tensor("y", shape, *answer, dtype=dtype)
    return kind(name="op", inputs=(x,), outputs=(y,), **fields)


def inputs_of(op, seed):
    """Rows of random numbers, and of numbers close to each other."""
    inputs = random_inputs(program_of(op), seed)
    x = inputs["x"].reshape(-1, inputs["x"].shape[-1])
    x[::2] = np.clip(x[::2] // 16 + 3, -128, 127)
    return inputs


@SETTINGS
@given(shapes, scales, zero_points, st.sampled_from([1.0, 0.3, 2.0]), st.integers(0, 1000))
def test_softmax(shape, scale, zero_point, beta, seed):
    op = case(Softmax, shape, scale, zero_point, (1 / 256, -128), beta=beta)
    found = differences(program_of(op), inputs_of(op, seed))
    assert found["tflite-micro"] == found["litert-reference"] == 0
    assert found["litert"] <= 1


@SETTINGS
@given(shapes, scales, zero_points, st.integers(0, 1000))
def test_softmax_in_sixteen_bits(shape, scale, zero_point, seed):
    op = case(Softmax, shape, scale, zero_point, (1 / 65536, -32768), "s16")
    found = differences(program_of(op), inputs_of(op, seed))
    assert found["tflite-micro"] == found["litert-reference"] == 0
    assert found["litert"] <= 1


@SETTINGS
@given(shapes, scales, zero_points, st.integers(0, 1000))
def test_log_softmax(shape, scale, zero_point, seed):
    op = case(LogSoftmax, shape, scale, zero_point, (1 / 16, 127))
    assert differences(program_of(op), inputs_of(op, seed)) == EXACT


@SETTINGS
@given(shapes, scales, zero_points, st.integers(0, 1000))
def test_l2_normalization(shape, scale, zero_point, seed):
    op = case(L2Normalization, shape, scale, zero_point, (1 / 128, 0))
    assert differences(program_of(op), inputs_of(op, seed)) == EXACT


def test_long_rows_have_room_in_sixteen_bits():
    """In s8, TFLite Micro aborts from a sum of 512 on; lowering goes through s16 there."""
    x, y = tensor("x", (1, 3000), 0.001), tensor("y", (1, 3000), 1 / 256, -128)
    fine = tensor("fine", (1, 3000), 1 / 65536, -32768, "s16")
    program = program_of(
        Softmax(name="op", inputs=(x,), outputs=(fine,)), Quantize(name="back", inputs=(fine,), outputs=(y,))
    )
    assert differences(program) == EXACT


@pytest.mark.parametrize("kind", [Softmax, LogSoftmax, L2Normalization])
@pytest.mark.parametrize("shape", [(3, 7), (2, 3, 4, 5), (2, 2, 2, 3, 4)], ids=str)
def test_floats(kind, shape):
    x, y = (tensor(name, shape, dtype="f32") for name in "xy")
    op = kind(name="op", inputs=(x,), outputs=(y,))
    assert max(differences(program_of(op)).values()) <= 1e-5


def _call(builtin, x, y, **options) -> TfliteCall:
    kinds = {"SOFTMAX": "SoftmaxOptions", "L2_NORMALIZATION": "L2NormOptions"}
    made = Table(kinds[builtin], **options) if options else None
    return TfliteCall("op", builtin, made, (x,), (y,))


IN = tensor("x", (2, 4), 0.1)
REFUSED = {
    "softmax": (_call("SOFTMAX", IN, tensor("y", (2, 4), 1 / 255, -128)), "wanted scale"),
    "log softmax": (_call("LOG_SOFTMAX", IN, tensor("y", (2, 4), 0.1)), "wanted scale"),
    "norm": (_call("L2_NORMALIZATION", IN, tensor("y", (2, 4), 0.1)), "wanted scale"),
    "shape": (_call("SOFTMAX", IN, tensor("y", (4, 2), 1 / 256, -128)), "shape"),
    "type": (_call("SOFTMAX", IN, tensor("y", (2, 4), dtype="f32")), "s8 to f32"),
    "beta": (_call("SOFTMAX", IN, tensor("y", (2, 4), 1 / 256, -128), beta=math.inf), "beta"),
    "scalar": (_call("SOFTMAX", tensor("x", (), 0.1), tensor("y", (), 1 / 256, -128)), "last axis"),
    "empty": (_call("LOG_SOFTMAX", tensor("x", (2, 0), 0.1), tensor("y", (2, 0), 1 / 16, 127)), "last axis"),
    "activation": (
        _call("L2_NORMALIZATION", IN, tensor("y", (2, 4), 1 / 128), fused_activation_function=1),
        "activation",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, words = REFUSED[name]
    with pytest.raises(Refusal, match=words):
        TFLITE[call.builtin](call)


def test_extreme_scales_do_not_raise():
    answers = {"SOFTMAX": (1 / 256, -128), "LOG_SOFTMAX": (1 / 16, 127), "L2_NORMALIZATION": (1 / 128, 0)}
    for scale in (1e-45, 1e-12, 1e30, 3e38):
        for builtin, answer in answers.items():
            call = _call(builtin, tensor("x", (2, 4), scale), tensor("y", (2, 4), *answer))
            if scale < 1 and builtin != "L2_NORMALIZATION":
                with pytest.raises(Refusal, match="input scale"):
                    TFLITE[builtin](call)
                continue
            op = TFLITE[builtin](call)
            op.run(np.array([[-128, 127, 0, 1], [0, 0, 0, 0]], np.int8))

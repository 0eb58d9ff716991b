"""Functions as C where random numbers do not get: what is no number, the ends of ranges, tables shared by a model."""

from __future__ import annotations

import math

import numpy as np
import pytest
from c_cases import answers, truths
from random_operators import one
from runtimes_of_cases import program_of, random_inputs
from test_c_elementwise import check

from edgekit.emitters.c import emit_c
from edgekit.ops.elementwise import FUNCTIONS, Elementwise
from edgekit.ops.functions import UNIT, Clamp, HardSwish, LeakyRelu, Logistic, Tanh
from edgekit.ops.normalising import Softmax
from edgekit.program import QuantParams, Tensor

ODD = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-30, -1e-30, 3.0, -3.0, 88.0, -104.0, 1e9, -1e9],
    np.float32,
)


@pytest.mark.parametrize("scale", [1.0, 0.37])
def test_float_functions_of_odd_numbers(scale):
    x, y = (Tensor(n, ODD.shape, "f32") for n in "xy")
    programs = [one(Elementwise, x, y, function=name) for name in sorted(FUNCTIONS)]
    programs += [one(cls, x, y) for cls in (Logistic, Tanh, HardSwish)]
    programs += [one(LeakyRelu, x, y, alpha=alpha) for alpha in (0.1, -0.5)]
    bounds = [(0.0, math.inf), (-math.inf, 1.5), (-1.0, 1.0), (-math.inf, math.inf)]
    programs += [one(Clamp, x, y, low=low, high=high) for low, high in bounds]
    cases = [(program, [{"x": ODD * np.float32(scale)}]) for program in programs]
    for case, (sample,) in zip(cases, answers(cases, "sanitized"), strict=True):
        wanted = truths(case)[0]["y"]
        np.testing.assert_allclose(sample.outputs["y"], wanted, 1e-5, 1e-6, err_msg=case[0].text())


@pytest.mark.parametrize("cls", [Logistic, Tanh, HardSwish])
def test_all_256_numbers_at_any_scale(cls):
    cases = []
    for k, scale in enumerate([1e-4, 0.01, 0.06, 0.5, 4.0]):
        x = Tensor("x", (256,), "s8", QuantParams.of(scale, (-128, 0, 127)[k % 3]))
        answer = {Logistic: UNIT, Tanh: QuantParams.of(1 / 128)}.get(cls, QuantParams.of(scale * 1.7, 11))
        program = one(cls, x, Tensor("y", (256,), "s8", answer))
        cases.append((program, [{"x": np.arange(-128, 128).astype(np.int8)}]))
    check(cases)


def test_equal_tables_are_one_and_integers_need_no_floats():
    quant = QuantParams.of(0.05, 3)
    a, b = (Tensor(n, (4, 9), "s8", quant) for n in "ab")
    c, d, e, f = (Tensor(n, (4, 9), "s8", UNIT) for n in "cdef")
    program = program_of(
        Logistic(name="1", inputs=(a,), outputs=(c,)),
        Logistic(name="2", inputs=(b,), outputs=(d,)),
        Softmax(name="3", inputs=(c,), outputs=(e,)),
        Softmax(name="4", inputs=(d,), outputs=(f,)),
    )
    check([(program, [random_inputs(program)])])
    sources = emit_c(program).sources
    text = "".join(sources.files.values())
    assert text.count("static const int8_t table") == 1  # of Logistic
    assert text.count("static const int32_t table") == 1  # of Softmax
    assert not any("<math.h>" in text for text in (*sources.files.values(), *sources.kernel_files.values()))

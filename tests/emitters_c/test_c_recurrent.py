"""Operators that remember, as C beyond random_operators: many calls one after the other, states of 8 bits, clipped cell
states, numbers at both ends, and states that are forgotten."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np
import pytest
from c_cases import answers, library, worst
from remembering import lstm, svdf, with_states
from runtimes_of_cases import random_inputs

from edgekit.emitters.c import emit_c
from edgekit.interpreter import Interpreter
from edgekit.ops.recurrent import SIGMOID_TABLE
from edgekit.program import Activation, Program

CALLS = 12


def equal(programs: list[Program], samples=None, close: float = 0) -> None:
    """Also after many calls."""
    cases = [(p, samples(p) if samples else [random_inputs(p, seed) for seed in range(CALLS)]) for p in programs]
    for case, got in zip(cases, answers(cases, "sanitized"), strict=True):
        assert worst(case, got) <= close, case[0].text()


def extremes(program: Program) -> list[dict[str, np.ndarray]]:
    (x,) = program.inputs
    return [{x.name: np.full(x.shape, value, np.int8)} for value in (127, 127, -128, -128, 127, 0)]


@pytest.mark.parametrize("dtype", ["s8", "s16", "f32"])
def test_streams(dtype):
    sizes = [(1, 9, 4, 1, 8), (2, 5, 3, 2, 4), (1, 16, 2, 3, 1), (3, 1, 1, 1, 2)]
    programs = [with_states(svdf(seed, *size, dtype)) for seed, size in enumerate(sizes)]
    equal(programs, close=1e-4 if dtype == "f32" else 0)
    if dtype != "f32":
        equal(programs, extremes)


def test_a_stream_of_floats_is_clamped():
    op = replace(svdf(3, 2, 5, 3, 2, 4, "f32"), activation=Activation.RELU6)
    equal([with_states(op)], close=1e-4)


@pytest.mark.parametrize(("time_major", "clip"), [(False, 0.0), (True, 0.3), (False, 100.0)])
def test_sequences(time_major, clip):
    sizes = [(1, 5, 7, 6), (2, 3, 4, 9), (3, 1, 1, 1)]
    integers = [
        with_states(lstm(seed, *size, power, time_major, clip))
        for seed, size in enumerate(sizes)
        for power in (-15, -9, -1)
    ]
    equal(integers)
    equal(integers, extremes)
    equal([with_states(lstm(seed, *size, 0, time_major, clip)) for seed, size in enumerate(sizes)], close=1e-5)


def test_the_table_of_the_sigmoid_fits_16_bits():
    assert SIGMOID_TABLE.min() >= 0 and SIGMOID_TABLE.max() <= 0xFFFF


@pytest.mark.parametrize("op", [svdf(1, 1, 6, 3, 2, 5, "s16"), lstm(1, 1, 3, 4, 5, -11, False, 0.0)])
def test_init_forgets(op, tmp_path):
    program = with_states(op)
    made = library(emit_c(program), tmp_path)
    name = emit_c(program).sources.name
    arena = (ctypes.c_uint64 * 4096)()
    first, second = (random_inputs(program, seed) for seed in (0, 1))
    truth = Interpreter(program)

    def run(sample) -> np.ndarray:
        into = getattr(made, f"{name}_input")
        into.restype = ctypes.c_void_p
        content = sample[program.inputs[0].name].tobytes()
        ctypes.memmove(into(arena), content, len(content))
        assert getattr(made, f"{name}_invoke")(arena) == 0
        out = getattr(made, f"{name}_output")
        out.restype = ctypes.c_void_p
        return np.frombuffer(ctypes.string_at(out(arena), program.outputs[0].bytes), np.int8)

    for _ in range(2):
        getattr(made, f"{name}_init")(arena)
        truth.reset()
        for sample in (first, second, second):
            wanted = truth.run(sample)[program.outputs[0].name]
            np.testing.assert_array_equal(run(sample), wanted.reshape(-1))

"""Networks of many operators as C equal the interpreter bit for bit: random ones, and shapes of programs at the edge.

The real planner places them; AddressSanitizer and UBSan look on.
"""

from __future__ import annotations

import numpy as np
import pytest
from c_cases import answers, apart, truths
from random_networks import network, samples_of
from runtimes_of_cases import tensor

from edgekit.emitters.c import emit_c
from edgekit.errors import UnsupportedError
from edgekit.ops.functions import Clamp
from edgekit.ops.shape import Reshape
from edgekit.program import Program, State, Tensor

FAST, SLOW, TOGETHER = 12, 240, 40


def check(programs: list[Program], machine: str = "sanitized", **options) -> None:
    cases = [(program, samples_of(program, seed)) for seed, program in enumerate(programs)]
    for case, got in zip(cases, answers(cases, machine, **options), strict=True):
        assert apart(truths(case), got) == 0, case[0].text()


@pytest.mark.parametrize("keep_input", [False, True])
def test_random_networks(keep_input):
    half = FAST // 2
    check([network(seed) for seed in range(keep_input * half, half + keep_input * half)], keep_input=keep_input)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1000, 1000 + SLOW, TOGETHER))
def test_many_random_networks(start):
    check([network(seed) for seed in range(start, start + TOGETHER)], keep_input=start % 80 == 0)


# --- outputs and states that are inputs, constants or each other


def value(name: str, shape=(2, 3), data=None) -> Tensor:
    return tensor(name, shape, 0.1, 3, data=data)


def clamp(x: Tensor, y: Tensor) -> Clamp:
    return Clamp(name=f"to {y.name}", inputs=(x,), outputs=(y,), low=0.0, high=6.0)


def flat(x: Tensor, name: str) -> Reshape:
    return Reshape(name=name, inputs=(x,), outputs=(value(name, (x.size,)),))


def state(before: Tensor, after: Tensor) -> State:
    return State(before, after, np.arange(before.size, dtype=np.int8).reshape(before.shape))


X, Y, S, T = (value(name) for name in "xyst")
CONSTANT = value("constant", data=np.arange(6, dtype=np.int8).reshape(2, 3))
VIEW, VIEW_OF_CONSTANT, VIEW_OF_STATE = flat(X, "view"), flat(CONSTANT, "view"), flat(S, "view")
SCALAR, NO_SCALAR, EMPTY, NOTHING = value("a", ()), value("b", ()), value("a", (2, 0)), value("b", (2, 0))

ENDS = {
    "the input": Program("m", (X,), (X,), ()),
    "a view of the input": Program("m", (X,), (VIEW.output, X), (VIEW,)),
    "twice": Program("m", (X,), (Y, Y), (clamp(X, Y),)),
    "a constant": Program("m", (X,), (CONSTANT, Y), (clamp(X, Y),)),
    "nothing but a constant": Program("m", (), (CONSTANT,), ()),
    "nothing": Program("m", (), (), ()),
    "an input that nobody reads": Program("m", (X, T), (Y,), (clamp(X, Y),)),
    "an operator on a constant": Program("m", (), (Y,), (clamp(CONSTANT, Y),)),
    "a view of a constant": Program("m", (), (VIEW_OF_CONSTANT.output,), (VIEW_OF_CONSTANT,)),
    "a scalar": Program("m", (SCALAR,), (NO_SCALAR,), (clamp(SCALAR, NO_SCALAR),)),
    "no elements": Program("m", (EMPTY,), (NOTHING,), (clamp(EMPTY, NOTHING),)),
    "the old state": Program("m", (X,), (S,), (), (state(S, X),)),
    "old and new state": Program("m", (X,), (Y, S), (clamp(S, Y),), (state(S, Y),)),
    "a view of the old state": Program("m", (X,), (VIEW_OF_STATE.output,), (VIEW_OF_STATE,), (state(S, X),)),
    "a state that stays": Program("m", (X,), (S,), (), (state(S, S),)),
    "a state that becomes a constant": Program("m", (X,), (S,), (), (state(S, CONSTANT),)),
    "states that are exchanged": Program("m", (X,), (S, T), (), (state(S, T), state(T, S))),
    "a delay of two calls": Program("m", (X,), (T,), (), (state(S, X), state(T, S))),
    "two states of one value": Program("m", (X,), (S, T), (clamp(X, Y),), (state(S, Y), state(T, Y))),
}


@pytest.mark.parametrize("keep_input", [False, True])
def test_ends(keep_input):
    check(list(ENDS.values()), keep_input=keep_input)


def test_outputs_keep_their_names():
    model = emit_c(ENDS["old and new state"])
    assert "m_output_s(" in model.sources.files["m.h"]


def test_more_than_an_int32_holds_is_refused():
    x, y = value("x", (50_000, 50_000)), value("y", (50_000, 50_000))
    with pytest.raises(UnsupportedError, match="2,500,000,000 bytes, C allows 2,147,483,640"):
        emit_c(Program("m", (x,), (y,), (clamp(x, y),)))
    halves = [value(name, (40_000, 40_000)) for name in "xy"]
    with pytest.raises(UnsupportedError, match="arena needs 3,200,000,000 bytes"):
        emit_c(Program("m", (halves[0],), tuple(halves), (clamp(*halves),)))

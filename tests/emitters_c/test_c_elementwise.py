"""Arithmetic as C beyond what random_operators makes: other types, any broadcasting, extreme scales and zero points,
in-place operands of every kind."""

from __future__ import annotations

import numpy as np
import pytest
from c_cases import Case, answers, truths
from random_operators import constant, flag, one, one_of, whole
from runtimes_of_cases import program_of, random_inputs

from edgekit.emitters.c import emit_c
from edgekit.emitters.c.broadcast import broadcast
from edgekit.errors import UnsupportedOpError
from edgekit.ops.arithmetic import Add, AddN, Div, Maximum, Minimum, Mul, SquaredDifference, Sub
from edgekit.ops.functions import PRelu
from edgekit.ops.joining import Select
from edgekit.program import Activation, QuantParams, Tensor

ACTIVATIONS = list(Activation)


def check(cases: list[Case]) -> None:
    """Asserts that every case is the interpreter's answer bit for bit."""
    for case, samples in zip(cases, answers(cases, "sanitized"), strict=True):
        for truth, sample in zip(truths(case), samples, strict=True):
            assert sample.status == 0
            for name, wanted in truth.items():
                np.testing.assert_array_equal(sample.outputs[name], wanted, case[0].text())


def case(program, seed: int = 0) -> Case:
    """Twice any numbers, and for integers their ends."""
    drawn = [random_inputs(program, seed), random_inputs(program, seed + 1)]
    if any(t.dtype in ("f32", "b8") for t in program.inputs):
        return program, drawn
    rng = np.random.default_rng(seed)
    ends = {t.name: np.asarray(rng.choice(t.limits, t.shape), t.numpy_dtype) for t in program.inputs}
    return program, [*drawn, ends]


def spread(rng, longest: int = 5) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """A shape of 0 to 6 axes, and three that broadcast to it."""
    shape = tuple(whole(rng, 1, longest) for _ in range(whole(rng, 0, 6)))
    parts = []
    for _ in range(3):
        kept = tuple(one_of(rng, [n, n, 1]) for n in shape)
        parts.append(kept[whole(rng, 0, len(kept)) if flag(rng) else 0 :])
    return np.broadcast_shapes(*parts), parts


def scaled(rng, name: str, shape, dtype: str, low: float = -3, high: float = 1) -> Tensor:
    zero = one_of(rng, [-128, 127, 0, whole(rng, -128, 127)]) if dtype == "s8" else 0
    return Tensor(name, shape, dtype, QuantParams.of(10 ** rng.uniform(low, high), zero))


def filled(rng, t: Tensor) -> Tensor:
    """A constant of any integers."""
    info = np.iinfo(t.numpy_dtype)
    data = rng.integers(info.min, info.max, t.shape, t.numpy_dtype, endpoint=True)
    return Tensor(t.name, t.shape, t.dtype, t.quant, np.asarray(data, t.numpy_dtype))


def operands_of(rng, make) -> list[Tensor]:
    """Two broadcast operands, one of them perhaps a constant."""
    _, (left, right, _) = spread(rng)
    pair = [make("a", left), make("b", right)]
    k = whole(rng, 0, 3)
    if k < 2:
        pair[k] = filled(rng, pair[k])
    return pair


SCALED = [(cls, dtype) for cls in (Add, Sub, Mul, SquaredDifference) for dtype in ("s8", "s16") if dtype in cls.types]


@pytest.mark.parametrize(("cls", "dtype"), SCALED)
def test_scaled_integers(cls, dtype):
    rng, cases = np.random.default_rng(len(cls.__name__)), []
    for seed in range(12):
        a, b = operands_of(rng, lambda name, shape: scaled(rng, name, shape, dtype))
        if flag(rng):
            b = Tensor(b.name, b.shape, dtype, a.quant, b.data)
        natural = a.scale * b.scale * 50 if cls is Mul else max(a.scale, b.scale)
        natural = natural**2 * 50 if cls is SquaredDifference else natural
        y = scaled(rng, "y", np.broadcast_shapes(a.shape, b.shape), dtype)
        y = Tensor("y", y.shape, dtype, QuantParams.of(natural * 10 ** rng.uniform(-1, 1), y.zero_point))
        cases.append(case(one(cls, (a, b), y, activation=one_of(rng, ACTIVATIONS)), seed))
    check(cases)


@pytest.mark.parametrize("cls", [Add, Sub, Mul])
def test_scales_far_apart(cls):
    """Factors that vanish, that saturate, and that shift left."""
    shape, cases = (40,), []
    for first, second, third in [
        (1e-9, 1, 1),
        (1, 1e-9, 1),
        (1, 1, 1e9),
        (1, 1, 1e-4),
        (0.5, 0.5, 0.5),
        (3e4, 1e-6, 9),
    ]:
        a, b = (Tensor(n, shape, "s8", QuantParams.of(s, z)) for n, s, z in [("a", first, -128), ("b", second, 127)])
        cases.append(case(one(cls, (a, b), Tensor("y", shape, "s8", QuantParams.of(third, -128)))))
    check(cases)


def test_an_output_too_fine_is_refused():
    a, b = (Tensor(n, (4,), "s8", QuantParams.of(1.0)) for n in "ab")
    with pytest.raises(UnsupportedOpError, match="too fine"):
        emit_c(one(Add, (a, b), Tensor("y", (4,), "s8", QuantParams.of(1e-7))))


def test_16_bits_with_a_zero_point_are_refused():
    a, b = (Tensor(n, (4,), "s16", QuantParams.of(1.0, 5)) for n in "ab")
    with pytest.raises(UnsupportedOpError, match="zero point 5"):
        emit_c(one(Mul, (a, b), Tensor("y", (4,), "s16", QuantParams.of(1.0))))


@pytest.mark.parametrize("dtype", ["s32", "s64"])
def test_plain_integers_wrap(dtype):
    rng, cases = np.random.default_rng(3), []
    for seed in range(12):
        cls = one_of(rng, [Add, Sub, Mul, Minimum, Maximum, *([SquaredDifference] if dtype == "s32" else [])])
        a, b = operands_of(rng, lambda name, shape: Tensor(name, shape, dtype))
        cases.append(case(one(cls, (a, b), Tensor("y", np.broadcast_shapes(a.shape, b.shape), dtype)), seed))
    check(cases)


@pytest.mark.parametrize("dtype", ["s8", "s16"])
def test_extrema(dtype):
    rng, cases = np.random.default_rng(4), []
    for seed in range(10):
        a, b = operands_of(rng, lambda name, shape: Tensor(name, shape, dtype, QuantParams.of(1.0)))
        y = Tensor("y", np.broadcast_shapes(a.shape, b.shape), dtype, QuantParams.of(1.0))
        cases.append(case(one(one_of(rng, [Minimum, Maximum]), (a, b), y), seed))
    check(cases)


def test_floats_broadcast_clamp_and_keep_what_is_no_number():
    """Sums, products and comparisons of two floats round once, here and there."""
    rng, cases = np.random.default_rng(5), []
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5], np.float32)
    for seed in range(12):
        cls = one_of(rng, [Add, Sub, Mul, Div, Minimum, Maximum])
        _, (left, right, _) = spread(rng)
        a, b = Tensor("a", left, "f32"), Tensor("b", right, "f32")
        b = constant(rng, b) if flag(rng) else b
        fields = {"activation": one_of(rng, ACTIVATIONS)} if cls in (Add, Sub, Mul, Div) else {}
        program = one(cls, (a, b), Tensor("y", np.broadcast_shapes(left, right), "f32"), **fields)
        samples = case(program, seed)[1]
        samples[1] = {name: np.asarray(rng.choice(odd, x.shape), np.float32) for name, x in samples[1].items()}
        cases.append((program, samples))
    check(cases)


@pytest.mark.parametrize("dtype", ["s8", "s16", "s32", "s64", "f32", "b8", "u8"])
def test_select(dtype):
    rng, cases = np.random.default_rng(6), []
    for seed in range(8):
        shape, (first, second, third) = spread(rng)
        condition = Tensor("condition", first, "b8")
        if flag(rng):
            condition = Tensor("condition", first, "b8", None, np.asarray(rng.integers(0, 2, first), bool))
        a, b = Tensor("a", second, dtype), Tensor("b", third, dtype)
        cases.append(case(one(Select, (condition, a, b), Tensor("y", shape, dtype)), seed))
    check(cases)


def test_prelu():
    rng, cases = np.random.default_rng(7), []
    for seed in range(12):
        shape, (_, right, _) = spread(rng)
        x, y = scaled(rng, "x", shape, "s8"), scaled(rng, "y", shape, "s8", -4, 2)
        alpha = scaled(rng, "alpha", right, "s8")
        alpha = filled(rng, alpha) if flag(rng) else alpha
        y = Tensor("y", shape, "s8", QuantParams.of(max(y.scale, x.scale * alpha.scale / 4000), y.zero_point))
        cases.append(case(one(PRelu, (x, alpha), y), seed))
    check(cases)


def test_sum_of_several():
    rng, cases = np.random.default_rng(8), []
    for count in range(2, 9):
        quant = QuantParams.of(10 ** rng.uniform(-3, 1), whole(rng, -128, 127))
        terms = [Tensor(f"x{k}", (3, 7), "s8", quant) for k in range(count)]
        y = Tensor("y", (3, 7), "s8", QuantParams.of(quant.scale * 10 ** rng.uniform(-1, 1), whole(rng, -128, 127)))
        cases.append(case(one(AddN, terms, y), count))
    check(cases)


def test_more_than_8_terms_are_refused():
    terms = [Tensor(f"x{k}", (3,), "f32") for k in range(9)]
    with pytest.raises(UnsupportedOpError, match="adds 9 values"):
        emit_c(one(AddN, terms, Tensor("y", (3,), "f32")))


def test_in_place_on_either_operand():
    """A chain whose sums lie over the first or the second operand, a value added to itself, one row over all."""
    quant, shape = QuantParams.of(0.1, -3), (6, 5)
    a, b, row, c, d, e, f = (
        Tensor(n, s, "s8", quant) for n, s in [("a", shape), ("b", shape), ("row", (5,)), *((n, shape) for n in "cdef")]
    )
    program = program_of(
        Add(name="1", inputs=(a, b), outputs=(c,)),
        Mul(name="2", inputs=(c, c), outputs=(d,)),
        Sub(name="3", inputs=(row, d), outputs=(e,)),
        Maximum(name="4", inputs=(b, e), outputs=(f,)),
    )
    check([case(program)])
    assert emit_c(program).arena_bytes <= 72  # a, b and row, and nothing else


def test_values_that_grow_lie_over_themselves():
    """The 5 numbers may lie at the end of the 35 that they become."""
    a, b = Tensor("a", (5, 1), "s32"), Tensor("b", (7,), "s32", None, np.arange(7, dtype=np.int32))
    program = one(Add, (a, b), Tensor("y", (5, 7), "s32"))
    check([case(program)])


def test_axes_are_joined_where_they_can_be():
    def fields(shape, *shapes):
        found = broadcast(shape, [Tensor("", s, "s8") for s in shapes])
        return found["runs"], found["run"], found["steps"], found["axes"]

    assert fields((4, 5, 6), (4, 5, 6), (4, 5, 6)) == (1, 120, (1, 1, 0), 0)
    assert fields((4, 5, 6), (4, 5, 6), ()) == (1, 120, (1, 0, 0), 0)
    assert fields((4, 5, 6), (4, 5, 6), (6,)) == (20, 6, (1, 1, 0), 1)
    assert fields((4, 5, 6), (4, 5, 6), (4, 1, 1)) == (4, 30, (1, 0, 0), 1)
    assert fields((4, 5, 6), (4, 1, 6), (1, 5, 6)) == (20, 6, (1, 1, 0), 2)
    assert fields((1, 1), (1, 1), ()) == (1, 1, (0, 0, 0), 0)

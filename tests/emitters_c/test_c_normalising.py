"""Softmax, LogSoftmax and L2Normalization as C: all input scales, long rows, rows of one number, 16-bit answers."""

from __future__ import annotations

import numpy as np
import pytest
from c_cases import Case
from random_operators import one, whole
from test_c_elementwise import check

from edgekit.emitters.c import emit_c
from edgekit.emitters.c.normalising import softmax
from edgekit.errors import UnsupportedOpError
from edgekit.ops.functions import SIGNED_UNIT, UNIT
from edgekit.ops.normalising import FINE_UNIT, LOGARITHMS, L2Normalization, LogSoftmax, Softmax
from edgekit.program import Program, QuantParams, Tensor

SHAPES = [(1, 1), (40, 2), (3, 10), (2, 3, 90), (2, 511), (1, 2000)]
SCALES = [1e-6, 0.003, 0.05, 0.2, 1.0, 30.0]


def samples(program: Program, seed: int) -> list[dict[str, np.ndarray]]:
    """Rows of any numbers, rows of neighbours, rows of equals, rows of one large number."""
    rng = np.random.default_rng(seed)
    shape = program.inputs[0].shape
    made = [
        rng.integers(-128, 128, shape),
        rng.integers(-10, 10, shape) + whole(rng, -100, 100),
        np.full(shape, program.inputs[0].zero_point),
        np.where(np.arange(shape[-1]) == shape[-1] // 2, 127, np.full(shape, -128)),
    ]
    return [{"x": x.astype(np.int8)} for x in made]


def cases_of(cls, answer: QuantParams, dtype: str = "s8", shapes=SHAPES, **fields) -> list[Case]:
    programs = [
        one(
            cls,
            Tensor("x", shape, "s8", QuantParams.of(scale, (-128, 0, 127)[k % 3])),
            Tensor("y", shape, dtype, answer),
            **fields,
        )
        for k, scale in enumerate(SCALES)
        for shape in shapes[k % 2 :: 2]
    ]
    return [(program, samples(program, seed)) for seed, program in enumerate(programs)]


def test_softmax():
    check([*cases_of(Softmax, UNIT), *cases_of(Softmax, UNIT, shapes=[(3, 10)], beta=0.3)])


def test_softmax_in_16_bits():
    check(cases_of(Softmax, FINE_UNIT, "s16", [*SHAPES, (2, 8191)]))


def test_logarithm_of_softmax():
    check(cases_of(LogSoftmax, LOGARITHMS))


def test_norm():
    check(cases_of(L2Normalization, SIGNED_UNIT, shapes=[*SHAPES, (2, 60000)]))


def test_the_table_ends_where_powers_vanish():
    """4 bytes for each difference up to about 14 / scale."""

    def entries(scale: float) -> int:
        x = Tensor("x", (2, 10), "s8", QuantParams.of(scale))
        op = Softmax(name="op", inputs=(x,), outputs=(Tensor("y", (2, 10), "s8", UNIT),))
        return softmax(op).calls[0].params["powers"]["count"]

    assert [entries(scale) for scale in (0.01, 0.2, 1.0, 30.0)] == [256, 70, 14, 1]


def test_rows_too_long_are_refused():
    x = Tensor("x", (1, 8192), "s8", QuantParams.of(1.0))
    with pytest.raises(UnsupportedOpError, match="8192 numbers"):
        emit_c(one(Softmax, x, Tensor("y", x.shape, "s16", FINE_UNIT)))

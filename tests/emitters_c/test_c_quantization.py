"""Quantize, Dequantize and Cast as C between all types, at the ends of their ranges."""

from __future__ import annotations

import numpy as np
import pytest
from c_cases import Case
from random_operators import one
from test_c_elementwise import case, check

from edgekit.emitters.c import emit_c
from edgekit.errors import UnsupportedOpError
from edgekit.ops.quantization import Cast, Dequantize, Quantize
from edgekit.program import DTYPES, QuantParams, Tensor

STORED = ("s8", "u8", "s16", "s32")
ZERO_POINTS = {"s8": (-128, 0, 127), "u8": (0, 128, 255), "s16": (0, -32768, 999), "s32": (0, 0, 0)}
SHAPE = (3, 70)


def stored(name: str, dtype: str, scale: float, k: int) -> Tensor:
    return Tensor(name, SHAPE, dtype, QuantParams.of(scale, ZERO_POINTS[dtype][k % 3]))


@pytest.mark.parametrize("source", STORED)
def test_integers_in_another_scale(source):
    """Up to where the product fills 32 bits."""
    cases: list[Case] = []
    for result in STORED:
        for k, ratio in enumerate([1.0, 0.3, 2.7, 1e-4, 3e3, 1e-9]):
            x, y = stored("x", source, ratio, k), stored("y", result, 1.0, k // 2)
            cases.append(case(one(Quantize, x, y), k))
    check(cases)


def test_floats_become_integers():
    """Halves, and what is beyond the type; beyond int64 numpy has no answer."""
    values = np.random.default_rng(0).normal(0, 300, SHAPE).astype(np.float32)
    values.reshape(-1)[:60] = np.arange(-30, 30, dtype=np.float32) / 2
    values.reshape(-1)[60:70] = [1e10, -1e10, 3e9, -3e9, 2147483648, -2147483648, 1e15, -1e15, 0.0, -0.0]
    cases: list[Case] = []
    for dtype in STORED:
        for k, scale in enumerate([1.0, 0.5, 7.3, 1e-3]):
            program = one(Quantize, Tensor("x", SHAPE, "f32"), stored("y", dtype, scale, k))
            cases.append((program, [{"x": values}]))
    check(cases)


def test_integers_become_floats():
    check(
        [case(one(Dequantize, stored("x", d, 0.123, k), Tensor("y", SHAPE, "f32"))) for d in STORED for k in range(3)]
    )


@pytest.mark.parametrize("source", sorted(DTYPES))
def test_casts(source):
    check([case(one(Cast, Tensor("x", SHAPE, source), Tensor("y", SHAPE, result))) for result in DTYPES])


def test_casts_of_large_floats():
    values = np.array([300, -300, 1e5, -1e5, 3e9, -3e9, 1e15, -1e15, np.nan, np.inf, -np.inf, 0.9, -0.9], np.float32)
    x = Tensor("x", values.shape, "f32")
    kinds = [dtype for dtype in DTYPES if dtype != "s64"]  # numpy saturates the largest int64 to the smallest
    check([(one(Cast, x, Tensor("y", x.shape, dtype)), [{"x": values}]) for dtype in kinds])


def test_32_bits_with_a_zero_point_are_refused():
    x, y = (Tensor(n, (4,), d, QuantParams.of(1.0, 3)) for n, d in (("x", "s8"), ("y", "s32")))
    with pytest.raises(UnsupportedOpError, match="zero point 3"):
        emit_c(one(Quantize, x, y))

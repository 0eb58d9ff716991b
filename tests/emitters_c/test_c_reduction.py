"""Reductions as C beyond random_operators: every type, two groups of axes, sums that saturate, equal elements, NaN."""

from __future__ import annotations

import numpy as np
import pytest
from c_cases import answers, truths, worst
from runtimes_of_cases import program_of, random_inputs, tensor

from edgekit.emitters.c import emit_c
from edgekit.errors import UnsupportedOpError
from edgekit.ops.reduction import ArgMax, ArgMin, Mean, ReduceMax, ReduceMin, ReduceProd, Sum, reduced
from edgekit.program import Op, Program, Tensor

SHAPES = [
    ((3, 4, 2, 5, 3), (1, 3)),
    ((3, 4, 2, 5), (0, 2)),
    ((2, 3, 4), (0, 1, 2)),
    ((5,), ()),
    ((1, 1, 6), (0, 2)),
    ((2, 3, 4), (-1,)),
]


def reduction(cls: type[Op], dtype: str, shape, axes, x_quant=(None, 0), y_quant=(None, 0)) -> Program:
    x = tensor("x", shape, *x_quant, dtype)
    kept = reduced(shape, [axis % len(shape) for axis in axes], kept=True)
    return program_of(cls(name="op", inputs=(x,), outputs=(tensor("y", kept, *y_quant, dtype),), axes=axes))


def index(cls: type[Op], dtype: str, shape, axis: int, wide: str = "s32") -> Program:
    y = Tensor("y", reduced(shape, (axis,), kept=False), wide)
    return program_of(cls(name="op", inputs=(tensor("x", shape, dtype=dtype),), outputs=(y,), axis=axis))


def equal(programs, samples=None) -> None:
    cases = [(p, [samples] if samples else [random_inputs(p, seed) for seed in (0, 1)]) for p in programs]
    for case, got in zip(cases, answers(cases, "sanitized"), strict=True):
        close = 1e-5 if case[0].outputs[0].dtype == "f32" else 0
        assert worst(case, got) <= close, case[0].text()


def test_extremes_of_every_type_and_any_two_groups_of_axes():
    equal([
        reduction(cls, dtype, *axes)
        for cls in (ReduceMax, ReduceMin)
        for dtype in ("s8", "b8", "s16", "s32", "s64", "f32")
        for axes in (SHAPES if dtype == "s8" else SHAPES[:2])
    ])  # fmt: skip


def test_sums_along_two_groups_of_axes():
    quants = [((0.1, -128), (0.5, 127)), ((0.1, 127), (0.01, -128)), ((1.0, 5), (1000.0, 3))]
    equal([reduction(cls, "s8", *axes, *quant) for cls in (Mean, Sum) for axes in SHAPES for quant in quants])
    equal([reduction(cls, "f32", *axes) for cls in (Mean, Sum, ReduceProd) for axes in SHAPES])


def test_sums_saturate_at_both_ends():
    programs = [reduction(Sum, "s8", (400, 2), (0,), (1.0, zero), (1e-6, zero)) for zero in (-128, 0, 127)]
    for value in (-128, 127):
        equal(programs, {"x": np.full((400, 2), value, np.int8)})


def test_long_sums_of_floats_lose_little():
    program = reduction(Mean, "f32", (200_000,), (0,))
    equal([program], {"x": np.linspace(0, 1, 200_000, dtype=np.float32)})


@pytest.mark.parametrize("wide", ["s32", "s64"])
def test_places_of_extremes_of_every_type(wide):
    equal([
        index(cls, dtype, shape, axis, wide)
        for cls in (ArgMax, ArgMin)
        for dtype in ("s8", "b8", "s16", "s32", "s64", "f32")
        for shape, axis in [((3, 5, 2), 1), ((2, 300), 1)]
    ])  # fmt: skip


def test_places_along_the_only_axis_and_one_of_a_single_element():
    equal([index(cls, "s8", *axes) for cls in (ArgMax, ArgMin) for axes in [((7,), 0), ((4, 1), 1)]])


def test_the_first_of_equal_elements_and_of_nans():
    equal([index(cls, "s8", (3, 4), 1) for cls in (ArgMax, ArgMin)], {"x": np.full((3, 4), 7, np.int8)})
    rows = np.array([[1, np.nan, 3, np.nan], [np.inf, 2, -np.inf, np.inf], [0, -0.0, 0, 1]], np.float32)
    equal([index(cls, "f32", (3, 4), 1) for cls in (ArgMax, ArgMin)], {"x": rows})


def test_extremes_of_nan_are_nan():
    rows = np.array([[1, np.nan, 3], [np.nan, 2, -np.inf], [0, 5, 1]], np.float32)
    cases = [(reduction(cls, "f32", (3, 3), (1,)), [{"x": rows}]) for cls in (ReduceMax, ReduceMin)]
    for case, got in zip(cases, answers(cases, "sanitized"), strict=True):
        np.testing.assert_array_equal(got[0].outputs["y"], truths(case)[0]["y"])


def test_three_groups_of_axes_are_refused():
    with pytest.raises(UnsupportedOpError, match="reduces axes"):
        emit_c(reduction(Sum, "f32", (2,) * 6, (0, 2, 4)))

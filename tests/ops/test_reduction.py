"""Reductions over any axes are the same integers in TFLite Micro."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from runtimes_of_cases import check, program_of, tensor

from edgekit.ops.reduction import ArgMax, ArgMin, Mean, ReduceMax, ReduceMin, ReduceProd, Sum, reduced

SETTINGS = settings(max_examples=40, deadline=None, derandomize=True)

scales = st.floats(0.001, 0.3)
zeros = st.integers(-128, 127)
shapes = st.lists(st.integers(1, 7), min_size=1, max_size=6).map(tuple)


def axes_of(data, shape) -> tuple[int, ...]:
    return tuple(sorted(data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))))


def runs(shape, axes) -> int:
    """How often reduced axes begin, where axes of size 1 do not count."""
    flags = [axis in axes for axis, n in enumerate(shape) if n > 1 or axis in axes]
    return sum(now and not before for before, now in zip([False, *flags], flags, strict=False))


@SETTINGS
@given(st.sampled_from([Mean, Sum]), shapes, scales, zeros, scales, zeros, st.booleans(), st.data())
def test_mean_and_sum(kind, shape, scale, zero, new_scale, new_zero, kept, data):
    axes = axes_of(data, shape)
    x = tensor("x", shape, scale, zero)
    y = tensor("y", reduced(shape, axes, kept=kept), new_scale, new_zero)
    op = kind(name="op", inputs=(x,), outputs=(y,), axes=axes)
    assume(runs(shape, axes) <= 2)  # TFLite Micro has no room for three
    check(program_of(op))


@SETTINGS
@given(st.sampled_from([ReduceMax, ReduceMin]), shapes, scales, zeros, st.booleans(), st.data())
def test_extrema(kind, shape, scale, zero, kept, data):
    axes = axes_of(data, shape)
    x, y = tensor("x", shape, scale, zero), tensor("y", reduced(shape, axes, kept=kept), scale, zero)
    assume(runs(shape, axes) <= 2)
    check(program_of(kind(name="op", inputs=(x,), outputs=(y,), axes=axes)))


@SETTINGS
@given(st.sampled_from([ArgMax, ArgMin]), shapes, st.booleans(), st.integers(0, 5), st.integers(0, 1000))
def test_index_of_extremum(kind, shape, kept, axis, seed):
    axis %= len(shape)
    x = tensor("x", shape, 0.05, 3)
    y = tensor("y", reduced(shape, (axis,), kept=kept), dtype="s32")
    few = np.random.default_rng(seed).integers(-2, 3, shape).astype(np.int8)  # equal ones among them
    check(program_of(kind(name="op", inputs=(x,), outputs=(y,), axis=axis)), {"x": few})


def test_a_large_mean_does_not_overflow():
    x, y = tensor("x", (1, 200, 200, 2), 0.05, -128), tensor("y", (1, 2), 0.05, -128)
    op = Mean(name="op", inputs=(x,), outputs=(y,), axes=(1, 2))
    check(program_of(op), {"x": np.full(x.shape, 127, np.int8)})


@pytest.mark.parametrize("kind", [Mean, Sum, ReduceMax, ReduceMin, ReduceProd])
def test_floats(kind):
    x, y = tensor("x", (2, 4, 5, 3), dtype="f32"), tensor("y", (2, 3), dtype="f32")
    op = kind(name="op", inputs=(x,), outputs=(y,), axes=(1, 2))
    check(program_of(op), tflite_micro=1e-5, litert_reference=1e-5, litert=1e-5)

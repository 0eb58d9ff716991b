"""Resized pictures are the same integers in TFLite Micro; XNNPACK rounds bilinear ones in its own way."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runtimes_of_cases import check, program_of, tensor

from edgekit.ops.resizing import ResizeBilinear, ResizeNearest

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True)

words = st.sampled_from([(False, False), (True, False), (False, True)])
sizes = st.tuples(st.integers(1, 17), st.integers(1, 17))


def resized(kind, size, wanted, align, half, dtype="s8"):
    scale = 0.05 if dtype == "s8" else None
    x, y = (tensor(name, (1, *hw, 3), scale, -5, dtype) for name, hw in (("x", size), ("y", wanted)))
    return program_of(kind(name="op", inputs=(x,), outputs=(y,), align_corners=align, half_pixel=half))


@SETTINGS
@given(sizes, sizes, words)
def test_nearest(size, wanted, how):
    check(resized(ResizeNearest, size, wanted, *how))


@SETTINGS
@given(sizes, sizes, words)
def test_bilinear(size, wanted, how):
    check(resized(ResizeBilinear, size, wanted, *how))


@pytest.mark.parametrize("kind", [ResizeNearest, ResizeBilinear])
@pytest.mark.parametrize("how", [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("sizes", [((4, 5), (8, 10)), ((9, 7), (4, 3)), ((3, 3), (7, 8)), ((1, 5), (5, 1))])
def test_floats(kind, how, sizes):
    program = resized(kind, *sizes, *how, dtype="f32")
    check(program, tflite_micro=1e-5, litert_reference=1e-5, litert=1e-5)

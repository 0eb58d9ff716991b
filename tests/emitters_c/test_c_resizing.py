"""Resized pictures as C beyond random_operators: several in a batch, one channel, shrunk and grown far."""

from __future__ import annotations

import numpy as np
import pytest
from c_cases import answers, worst
from runtimes_of_cases import program_of, random_inputs, tensor

from edgekit.emitters.c import emit_c
from edgekit.errors import UnsupportedOpError
from edgekit.ops.resizing import ResizeBilinear, ResizeNearest
from edgekit.program import Program

WAYS = [(False, False), (True, False), (False, True)]
SIZES = [
    (((3, 5), (6, 10)), 4),
    (((3, 5), (6, 10)), 1),
    (((16, 9), (2, 5)), 2),
    (((1, 1), (4, 3)), 3),
    (((7, 7), (1, 1)), 1),
    (((2, 3), (40, 31)), 1),
    (((5, 4), (5, 4)), 3),
]


def resized(cls, dtype: str, size, wanted, channels: int, way) -> Program:
    x, y = (tensor(name, (2, *s, channels), dtype=dtype) for name, s in (("x", size), ("y", wanted)))
    return program_of(cls(name="op", inputs=(x,), outputs=(y,), align_corners=way[0], half_pixel=way[1]))


@pytest.mark.parametrize(("cls", "dtype"), [(ResizeBilinear, "s8"), (ResizeBilinear, "f32"), (ResizeNearest, "s16")])
def test_sizes_in_every_way(cls, dtype):
    programs = [resized(cls, dtype, *sizes, c, way) for sizes, c in SIZES for way in WAYS]
    cases = [(p, [random_inputs(p)]) for p in programs]
    for case, got in zip(cases, answers(cases, "sanitized"), strict=True):
        assert worst(case, got) <= (1e-5 if dtype == "f32" else 0), case[0].text()


def test_pictures_of_one_extreme_colour_keep_it():
    programs = [resized(ResizeBilinear, "s8", (5, 3), (7, 11), 2, way) for way in WAYS]
    for value in (-128, 127):
        cases = [(p, [{"x": np.full((2, 5, 3, 2), value, np.int8)}]) for p in programs]
        for case, got in zip(cases, answers(cases, "sanitized"), strict=True):
            assert worst(case, got) == 0
            assert (got[0].outputs["y"] == value).all()


def test_other_types_are_refused():
    with pytest.raises(UnsupportedOpError, match="s32"):
        emit_c(resized(ResizeBilinear, "s32", (2, 2), (4, 4), 1, WAYS[0]))


def test_positions_outside_of_the_picture_are_refused():
    """A step of less than 1/1024 pixel is rounded up to it."""
    with pytest.raises(UnsupportedOpError, match="no positions"):
        emit_c(resized(ResizeBilinear, "s8", (1, 1), (1, 2000), 1, WAYS[0]))

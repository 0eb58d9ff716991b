"""Row of ResizeBilinear. (ResizeNearest moves elements: movement.)

Refused: other types than s8 and f32, and sizes at which rounded positions leave the picture.
"""

from __future__ import annotations

import numpy as np

from edgekit.emitters.c.call import Call, Fields, Lowered, Row
from edgekit.emitters.c.sequence import Access, overlap, reading_on
from edgekit.ops.reading import Refusal
from edgekit.ops.resizing import ONE, ResizeBilinear
from edgekit.program import Op
from edgekit.program.tensor import Array

HEADER = "ek_resizing.h"


def resize_bilinear(op: ResizeBilinear) -> Lowered:
    kind = op.input.dtype
    if kind not in ("s8", "f32") or op.output.dtype != kind:
        raise Refusal(f"it makes {op.output.dtype} of {kind}, allowed is s8 or f32 of the same")
    if 0 in (*op.input.shape, *op.output.shape):
        raise Refusal("its value is empty")
    batch, in_h, in_w, channels = op.input.shape
    (step_h, start_h), (step_w, start_w) = (_line(op, axis) for axis in (1, 2))
    params: Fields = {
        "batch": batch, "in_h": in_h, "in_w": in_w, "out_h": op.output.shape[1], "out_w": op.output.shape[2],
        "channels": channels, "step_h": step_h, "start_h": start_h, "step_w": step_w, "start_w": start_w,
    }  # fmt: skip
    call = Call(f"ek_resize_bilinear_{kind}", HEADER, (op.input, op.output), params, backward="backward")
    over = overlap(op.input, op.output, [_access(op)])
    return Lowered((call,), {(op.input, op.output): over})


def _line(op: ResizeBilinear, axis: int) -> tuple[float, float]:
    """(step, start) of the positions along an axis: pixels, or 1/1024 pixels where integers are resized."""
    size, count = op.input.shape[axis], op.output.shape[axis]
    corners = op.align_corners and count > 1
    if op.input.dtype == "f32":
        step = (size - 1) / (count - 1) if corners else size / count
        return step, 0.5 * step - 0.5 if op.half_pixel else 0.0
    if op.positions(axis)[0].max() >= size:
        raise Refusal(f"{count} of {size} pixels have no positions in 1/{ONE} pixels")
    whole = (ONE * (size - 1) + (count - 1) // 2) // (count - 1) if corners else (ONE * size + count // 2) // count
    return whole, whole // 2 - ONE // 2 if op.half_pixel else 0


def _access(op: ResizeBilinear) -> Access:
    """Pixel for pixel: from its upper left neighbour to its lower right one."""
    batch, in_h, in_w, channels = op.input.shape
    (top, bottom), (left, right) = (_reach(op, axis) for axis in (1, 2))
    pixel = channels * op.input.numpy_dtype.itemsize
    first = _pixels(batch, in_h, in_w, top, left) * pixel
    last = _pixels(batch, in_h, in_w, bottom, right) * pixel
    made = np.arange(len(first)) * pixel
    return reading_on(Access(op.input, op.output, first, last + pixel, made, made + pixel))


def _reach(op: ResizeBilinear, axis: int) -> tuple[Array, Array]:
    """First and last input row of each output row; one more on both sides where rounded floats may come to it."""
    if op.input.dtype == "s8":
        first, second, _ = op.positions(axis)
        return np.minimum(first, second), np.maximum(first, second)
    first, second, _ = op.float_positions(axis)
    return np.maximum(first - 1, 0), np.minimum(second + 1, op.input.shape[axis] - 1)


def _pixels(batch: int, height: int, width: int, rows: Array, columns: Array) -> Array:
    """The input pixel of every output pixel, counted through the whole batch."""
    corners = np.add.outer(rows * width, columns)
    pixels: Array = np.add.outer(np.arange(batch) * (height * width), corners).reshape(-1)
    return pixels


ROWS: dict[type[Op], Row] = {ResizeBilinear: resize_bilinear}

"""Rows of pictures of another size."""

from __future__ import annotations

import numpy as np

from edgekit.emitters.onnx.movement import gathered
from edgekit.emitters.onnx.writer import CHANNELS_FIRST, Writer
from edgekit.ops.resizing import Resize, ResizeBilinear, ResizeNearest
from edgekit.program.tensor import Array


def nearest(op: ResizeNearest, writer: Writer) -> None:
    """A Gather for each axis where ONNX would take other pixels."""
    wanted = {axis: op.positions(axis) for axis in (1, 2)}
    if all(np.array_equal(_onnx_pixels(op, axis), places) for axis, places in wanted.items()):
        rounding = "round_prefer_ceil" if op.align_corners or op.half_pixel else "floor"
        _resize(op, writer, mode="nearest", nearest_mode=rounding)
    else:
        gathered(writer, op.input, op.output, op.name, wanted)


def bilinear(op: ResizeBilinear, writer: Writer) -> None:
    _resize(op, writer, mode="linear")


def _resize(op: Resize, writer: Writer, **words: str) -> None:
    x = writer.value(op.input, CHANNELS_FIRST)
    sizes = writer.numbers([op.output.shape[axis] for axis in CHANNELS_FIRST])
    y = writer.node(
        "Resize", x, None, None, sizes, name=op.name, coordinate_transformation_mode=_positions(op), **words
    )  # fmt: skip
    writer.answer(op.output, y, CHANNELS_FIRST)


def _positions(op: Resize) -> str:
    if op.align_corners:
        return "align_corners"
    return "half_pixel" if op.half_pixel else "asymmetric"


def _onnx_pixels(op: ResizeNearest, axis: int) -> Array:
    """The pixels that ONNX Runtime takes, in its float32."""
    size, count = op.input.shape[axis], op.output.shape[axis]
    out, factor, half = np.arange(count, dtype=np.float32), np.float32(count / size), np.float32(0.5)
    if op.align_corners:
        found = np.floor(out * np.float32(size - 1) / np.float32(max(count - 1, 1)) + half)
    elif op.half_pixel:
        found = np.floor((out + half) / factor - half + half)
    else:
        found = np.floor(out / factor)
    pixels: Array = np.clip(found.astype(np.int64), 0, size - 1)
    return pixels

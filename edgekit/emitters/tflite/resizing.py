"""Rows of pictures of another size."""

from __future__ import annotations

import numpy as np

from edgekit.emitters.tflite.writer import Writer
from edgekit.ops.resizing import Resize, ResizeBilinear
from edgekit.tflite.flatbuffer import Table


def resize(op: Resize, writer: Writer) -> None:
    bilinear = isinstance(op, ResizeBilinear)
    builtin = "RESIZE_BILINEAR" if bilinear else "RESIZE_NEAREST_NEIGHBOR"
    options = Table(
        "ResizeBilinearOptions" if bilinear else "ResizeNearestNeighborOptions",
        align_corners=op.align_corners,
        half_pixel_centers=op.half_pixel,
    )
    size = writer.constant("size", np.array(op.output.shape[1:3], np.int32))
    usual = 1 if op.input.dtype == "f32" else 2
    version = 3 if op.half_pixel else usual
    writer.operator(builtin, (op.input, size), op.outputs, options, version=version)

"""How far an output may lie over an input, from the order in which the kernels read and write.

Kernels over windows go pixel by pixel, forward or backward, and read all taps of a pixel for each of its channels.
Elementwise kernels read an element before they write it.
"""

from __future__ import annotations

import numpy as np

from edgekit.ops.convolution import Padding
from edgekit.planner import Overlap
from edgekit.program import Tensor
from edgekit.program.tensor import Array


def elementwise(x: Tensor, y: Tensor) -> Overlap:
    """Element for element, first to last: in place where they are of one size, else with both ends together."""
    return Overlap(forward_bytes=max(0, y.bytes - x.bytes)) if x.size == y.size else Overlap()


def windows(
    x: Tensor,
    y: Tensor,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: Padding,
    *,
    own_channel: bool = False,
) -> Overlap:
    """Of a kernel that makes (N, OH, OW, O) from windows of (N, H, W, C), pixel by pixel.

    own_channel: each output channel reads only the input channel of its own number
    """
    rows = _reach(x.shape[1], y.shape[1], kernel[0], stride[0], dilation[0], padding[0][0])
    columns = _reach(x.shape[2], y.shape[2], kernel[1], stride[1], dilation[1], padding[1][0])
    first, last = (_pixels(x, y, rows[k], columns[k]) for k in (0, 1))
    in_pixel, out_pixel = x.shape[3] * x.numpy_dtype.itemsize, y.shape[3] * y.numpy_dtype.itemsize
    starts = np.arange(len(first)) * out_pixel
    # what a pixel still reads while its channels are written counts; forward not where each channel reads only its own
    written = 0 if own_channel and x.shape[3] == y.shape[3] else out_pixel
    ahead = np.minimum.accumulate(first[::-1])[::-1] * in_pixel
    behind = np.maximum.accumulate(last) * in_pixel + in_pixel
    return Overlap(
        forward_bytes=int(np.max(starts + written - ahead)),
        backward_bytes=int(np.max(behind - starts)),
    )


def _reach(size: int, out: int, kernel: int, stride: int, dilation: int, before: int) -> tuple[Array, Array]:
    """The first and the last input row that each output row reads; a row that reads only padding reads row 0."""
    at = np.arange(out)[:, None] * stride - before + np.arange(kernel)[None, :] * dilation
    inside = (at >= 0) & (at < size)
    first = np.where(inside, at, size - 1).min(axis=1)
    last = np.where(inside, at, 0).max(axis=1)
    return np.minimum(first, size - 1), last


def _pixels(x: Tensor, y: Tensor, rows: Array, columns: Array) -> Array:
    """Input pixel for each output pixel, both counted through the whole batch."""
    batch = np.arange(y.shape[0])[:, None, None] * x.shape[1]
    pixels: Array = (batch + rows[None, :, None]) * x.shape[2] + columns[None, None, :]
    return pixels.reshape(-1)

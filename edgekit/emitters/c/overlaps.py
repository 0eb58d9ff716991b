"""How far an output may lie over an input, from the order in which the kernels read and write.

Kernels over windows go pixel by pixel, forward or backward, and read all taps of a pixel for each of its channels.
Elementwise kernels read an element before they write it. tests/emitters_c/test_c_overlaps.py holds every claim against
the accesses one by one.
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

    own_channel: each output channel reads only the input channel of its own number, and the types are the same
    """
    rows = _reach(x.shape[1], y.shape[1], kernel[0], stride[0], dilation[0], padding[0][0])
    columns = _reach(x.shape[2], y.shape[2], kernel[1], stride[1], dilation[1], padding[1][0])
    return _over_pixels(x, y, rows, columns, own_channel=own_channel)


def transposed_windows(
    x: Tensor, y: Tensor, kernel: tuple[int, int], stride: tuple[int, int], crop: tuple[int, int]
) -> Overlap:
    """Of a transposed convolution that makes (N, OH, OW, O) from (N, H, W, C), output pixel by output pixel."""
    rows, columns = (
        _reach_back(x.shape[axis + 1], y.shape[axis + 1], kernel[axis], stride[axis], crop[axis]) for axis in (0, 1)
    )
    return _over_pixels(x, y, rows, columns)


def in_order(first: Array, end: Array, starts: Array, written: int) -> Overlap:
    """Of a kernel that goes step by step, forward or backward.

    Step i reads bytes first[i] to end[i] of the input until it has written all bytes from starts[i] on, `written` of
    them; 0 where no byte is written before its like among the inputs has been read.
    """
    ahead, behind = np.minimum.accumulate(first[::-1])[::-1], np.maximum.accumulate(end)
    return Overlap(int(np.max(starts + written - ahead)), int(np.max(behind - starts)))


def _over_pixels(
    x: Tensor, y: Tensor, rows: tuple[Array, Array], columns: tuple[Array, Array], *, own_channel: bool = False
) -> Overlap:
    """rows, columns: the first and the last of the input that each of the output reads."""
    in_pixel, out_pixel = x.shape[3] * x.numpy_dtype.itemsize, y.shape[3] * y.numpy_dtype.itemsize
    first, last = (_pixels(x, y, rows[k], columns[k]) * in_pixel for k in (0, 1))
    own = own_channel and in_pixel == out_pixel
    return in_order(first, last + in_pixel, np.arange(len(first)) * out_pixel, 0 if own else out_pixel)


def _reach(size: int, out: int, kernel: int, stride: int, dilation: int, before: int) -> tuple[Array, Array]:
    """The first and the last input row that each output row reads."""
    at = np.arange(out)[:, None] * stride - before + np.arange(kernel)[None, :] * dilation
    return _ends(at, (at >= 0) & (at < size), size)


def _reach_back(size: int, out: int, kernel: int, stride: int, crop: int) -> tuple[Array, Array]:
    """The same of a transposed convolution."""
    at = np.arange(out)[:, None] + crop - np.arange(kernel)[None, :]
    return _ends(at // stride, (at >= 0) & (at % stride == 0) & (at // stride < size), size)


def _ends(at: Array, inside: Array, size: int) -> tuple[Array, Array]:
    """First and last of each row of `at` that are inside; the last and the first of all where none is."""
    return np.where(inside, at, size - 1).min(axis=1), np.where(inside, at, 0).max(axis=1)


def _pixels(x: Tensor, y: Tensor, rows: Array, columns: Array) -> Array:
    """Input pixel for each output pixel, both counted through the whole batch."""
    batch = np.arange(y.shape[0])[:, None, None] * x.shape[1]
    pixels: Array = (batch + rows[None, :, None]) * x.shape[2] + columns[None, None, :]
    return pixels.reshape(-1)

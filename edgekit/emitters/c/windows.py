"""Operators over windows of (N, H, W, C) → the fields of ek_window."""

from __future__ import annotations

from edgekit.emitters.c.call import Value
from edgekit.program import Op


def window(
    op: Op, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], before: tuple[int, int]
) -> dict[str, Value]:
    """before: rows and columns of padding (of a transposed convolution: crop) before the first."""
    batch, in_h, in_w, in_c = op.input.shape
    _, out_h, out_w, out_c = op.output.shape
    return {
        "batch": batch, "in_h": in_h, "in_w": in_w, "in_c": in_c, "out_h": out_h, "out_w": out_w, "out_c": out_c,
        "kernel_h": kernel[0], "kernel_w": kernel[1], "stride_h": stride[0], "stride_w": stride[1],
        "dilation_h": dilation[0], "dilation_w": dilation[1], "pad_top": before[0], "pad_left": before[1],
    }  # fmt: skip

"""Rows of the weighted sums: convolutions and products with constant matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.emitters.c.call import Call, Fields, Lowered, Row, Table, Value, table
from edgekit.emitters.c.overlaps import windows
from edgekit.ops.convolution import Conv2D
from edgekit.ops.fully_connected import FullyConnected
from edgekit.ops.weighted import weighted_sum_factors
from edgekit.program import Op

HEADER = "ek_weighted.h"


def conv_2d(op: Conv2D) -> Lowered:
    kernel = op.inputs[1].shape[1], op.inputs[1].shape[2]
    params: Fields = {
        "window": window(op, kernel),
        "groups": op.groups,
        "weights": weights(op),
        "offset": -op.input.zero_point,
        "requantize": requantize(op, op.output.shape[3]),
    }
    call = Call("ek_conv2d_s8", HEADER, (op.input, op.output), params, backward="window.backward")
    over = windows(op.input, op.output, kernel, op.stride, op.dilation, op.padding)
    return Lowered((call,), {(op.input, op.output): over})


def fully_connected(op: FullyConnected) -> Lowered:
    units, depth = op.inputs[1].shape
    params: Fields = {
        "rows": op.input.size // depth,
        "depth": depth,
        "units": units,
        "weights": weights(op),
        "offset": -op.input.zero_point,
        "requantize": requantize(op, units),
    }
    return Lowered((Call("ek_fully_connected_s8", HEADER, (op.input, op.output), params),))


def window(op: Any, kernel: tuple[int, int]) -> dict[str, Value]:
    """Fields of ek_window of an op over (N, H, W, C)."""
    batch, in_h, in_w, in_c = op.input.shape
    _, out_h, out_w, out_c = op.output.shape
    dilation = getattr(op, "dilation", (1, 1))
    return {
        "batch": batch, "in_h": in_h, "in_w": in_w, "in_c": in_c, "out_h": out_h, "out_w": out_w, "out_c": out_c,
        "kernel_h": kernel[0], "kernel_w": kernel[1], "stride_h": op.stride[0], "stride_w": op.stride[1],
        "dilation_h": dilation[0], "dilation_w": dilation[1], "pad_top": op.padding[0][0], "pad_left": op.padding[1][0],
    }  # fmt: skip


def weights(op: Op) -> Table:
    data = op.inputs[1].data
    assert data is not None, f"{op.name}: {op.inputs[1]}"
    return Table(data)


def requantize(op: Any, channels: int) -> dict[str, Value]:
    """Fields of ek_requantize: one factor where all are equal."""
    factors = weighted_sum_factors(op, channels)
    per_channel = len(set(factors)) > 1
    used = factors if per_channel else factors[:1]
    low, high = op.activation.limits(op.output)
    bias = op.inputs[2].data if len(op.inputs) > 2 else None
    return {
        "bias": None if bias is None else table(bias.astype(np.int64).astype(np.int32), "s32"),
        "multipliers": table([f.mantissa for f in used], "s32"),
        "shifts": table([f.shift for f in used], "s8"),
        "per_channel": int(per_channel),
        "zero": op.output.zero_point,
        "low": low,
        "high": high,
    }


ROWS: dict[type[Op], Row] = {Conv2D: conv_2d, FullyConnected: fully_connected}

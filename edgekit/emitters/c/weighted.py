"""Rows of the weighted sums: convolutions and products with constant matrices.

A depthwise convolution with several outputs per channel is a convolution in groups, and one in groups of one channel
is depthwise. Refused: types other than int8 and float32, and int8 sums that could exceed 32 bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.emitters.c.call import Call, Fields, Lowered, Row, Table, Value, table
from edgekit.emitters.c.overlaps import in_order, transposed_windows, windows
from edgekit.emitters.c.windows import window
from edgekit.ops.convolution import Conv2D, DepthwiseConv2D
from edgekit.ops.fully_connected import FullyConnected
from edgekit.ops.reading import Refusal
from edgekit.ops.transposed_convolution import TransposeConv
from edgekit.ops.weighted import weighted_sum_factors
from edgekit.planner import Overlap
from edgekit.program import Op
from edgekit.program.fixed_point import INT32_MAX
from edgekit.program.tensor import Array

HEADER = "ek_weighted.h"
BLOCK = 4  # EK_BLOCK


def conv_2d(op: Conv2D) -> Lowered:
    data, channels = constant(op, 1), op.output.shape[3]
    if op.groups > 1 and op.groups == op.input.shape[3] == channels:
        return _depthwise(op, data.reshape(channels, *data.shape[1:3]).transpose(1, 2, 0))
    return _grouped(op, data, op.groups)


def depthwise_conv_2d(op: DepthwiseConv2D) -> Lowered:
    data = constant(op, 1)[0]
    if op.multiplier == 1:
        return _depthwise(op, data)
    return _grouped(op, data.transpose(2, 0, 1)[..., np.newaxis], op.input.shape[3])


def transpose_conv(op: TransposeConv) -> Lowered:
    data = constant(op, 1)
    kernel = data.shape[1], data.shape[2]
    seen = window(op, kernel, op.stride, (1, 1), op.crop)
    over = transposed_windows(op.input, op.output, kernel, op.stride, op.crop)
    return _sums(op, "ek_transpose_conv", data, {"window": seen}, over)


def fully_connected(op: FullyConnected) -> Lowered:
    data = constant(op, 1)
    units, depth = data.shape
    rows = op.input.size // depth
    reads, writes = depth * op.input.numpy_dtype.itemsize, units * op.output.numpy_dtype.itemsize
    first = np.arange(rows) * reads
    over = in_order(first, first + reads, np.arange(rows) * writes, writes)
    fields: Fields = {"rows": rows, "depth": depth, "units": units}
    return _sums(op, "ek_fully_connected", data, fields, over, backward="backward")


def _grouped(op: Conv2D | DepthwiseConv2D, data: Array, groups: int) -> Lowered:
    """data: (O, KH, KW, C / groups)."""
    fields: Fields = {"window": _window(op, data.shape[1:3]), "groups": groups}
    return _sums(op, "ek_conv2d", data, fields, _over(op, data.shape[1:3], own_channel=False))


def _depthwise(op: Conv2D | DepthwiseConv2D, data: Array) -> Lowered:
    """data: (KH, KW, C)."""
    fields: Fields = {"window": _window(op, data.shape[:2])}
    over = _over(op, data.shape[:2], own_channel=True)
    return _sums(op, "ek_depthwise_conv2d", data.transpose(2, 0, 1), fields, over, in_blocks=True)


def _window(op: Conv2D | DepthwiseConv2D, kernel: Any) -> dict[str, Value]:
    return window(op, kernel, op.stride, op.dilation, (op.padding[0][0], op.padding[1][0]))


def _over(op: Conv2D | DepthwiseConv2D, kernel: Any, *, own_channel: bool) -> Overlap:
    return windows(op.input, op.output, kernel, op.stride, op.dilation, op.padding, own_channel=own_channel)


def _sums(
    op: Any,
    kernel: str,
    data: Array,
    fields: Fields,
    over: Overlap,
    *,
    in_blocks: bool = False,
    backward: str = "window.backward",
) -> Lowered:
    """The one call of a weighted sum. data: weights, outputs first; in_blocks: as int8 they are packed so."""
    dtype = op.output.dtype
    if dtype not in ("s8", "f32") or op.input.dtype != dtype:
        raise Refusal(f"there is no kernel from {op.input.dtype} to {dtype}", "use int8 or float32 throughout")
    made = _float_sums(op, data) if dtype == "f32" else _integer_sums(op, data, in_blocks)
    call = Call(f"{kernel}_{dtype}", HEADER, (op.input, op.output), {**fields, **made}, backward=backward)
    return Lowered((call,), {(op.input, op.output): over})


def _float_sums(op: Any, data: Array) -> dict[str, Value]:
    low, high = op.activation.value
    bias = Table(constant(op, 2)) if len(op.inputs) > 2 else table(np.zeros(len(data)), "f32")
    return {
        "weights": Table(np.ascontiguousarray(data)),
        "finish": {"bias": bias, "low": float(low), "high": float(high)},
    }


def _integer_sums(op: Any, data: Array, in_blocks: bool) -> dict[str, Value]:
    _check_sums(op, data)
    return {
        "weights": table(_blocks(data) if in_blocks else data, "s8"),
        "offset": -op.input.zero_point,
        "requantize": requantize(op, len(data)),
    }


def _check_sums(op: Op, data: Array) -> None:
    """Refuses sums that no int32 holds."""
    low, high = op.input.limits
    farthest = max(high - op.input.zero_point, op.input.zero_point - low)
    if int(np.abs(data.astype(np.int64)).reshape(len(data), -1).sum(axis=1).max()) * farthest > INT32_MAX:
        raise Refusal("its sums can exceed 32 bits", "split it into several layers")


def _blocks(data: Array) -> Array:
    """(C, KH, KW) → for each block of channels its (KH, KW, channels of the block), one after the other."""
    return np.concatenate([data[c : c + BLOCK].transpose(1, 2, 0).reshape(-1) for c in range(0, len(data), BLOCK)])


def constant(op: Op, index: int) -> Array:
    """The numbers of an input that must be constant."""
    data = op.inputs[index].data
    if data is None:
        raise Refusal(f"{op.inputs[index].name} is computed at run time", "use constant weights")
    return data


def requantize(op: Any, channels: int) -> dict[str, Value]:
    """Fields of ek_requantize."""
    factors, zero = weighted_sum_factors(op, channels), op.output.zero_point
    low, high = op.activation.limits(op.output)
    bias = constant(op, 2) if len(op.inputs) > 2 else np.zeros(channels)
    return {
        "bias": table(bias.astype(np.int64).astype(np.int32), "s32"),
        "multipliers": table([f.mantissa for f in factors], "s32"),
        "shifts": table([f.shift for f in factors], "s8"),
        "low": low - zero,
        "high": high - zero,
        "zero": zero,
    }


ROWS: dict[type[Op], Row] = {
    Conv2D: conv_2d,
    DepthwiseConv2D: depthwise_conv_2d,
    TransposeConv: transpose_conv,
    FullyConnected: fully_connected,
}

"""Rows of operators that move or restore numbers without computing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from edgekit.emitters.tflite.axes import into, sizes_of, viewed
from edgekit.emitters.tflite.writer import Writer
from edgekit.ops.quantization import Dequantize, Quantize
from edgekit.ops.shape import Reshape, Transpose
from edgekit.program import Tensor
from edgekit.tflite.flatbuffer import Table

MOST_AXES = 5  # of TFLite Micro's TRANSPOSE


def reshape(op: Reshape, writer: Writer) -> None:
    shape = np.array(op.output.shape, np.int32)
    options = Table("ReshapeOptions", new_shape=shape)
    writer.operator("RESHAPE", (op.input, writer.constant("shape", shape)), op.outputs, options)


def transpose(op: Transpose, writer: Writer) -> None:
    """With more axes than TFLite Micro takes, axes that stay together become one; one is moved after the other where
    that is not enough."""
    shape, order = op.input.shape, op.order
    if len(shape) <= MOST_AXES:
        _transpose(writer, op.input, op.output, order)
        return
    groups = _runs([axis for axis in order if shape[axis] != 1])
    held = sorted(groups)
    x = viewed(writer, op.input, sizes_of(shape, held))
    moved = [held.index(group) for group in groups]
    into(writer, op.output, sizes_of(shape, groups), lambda y: _in_steps(writer, x, y, moved))


def _runs(order: Sequence[int]) -> list[list[int]]:
    """Axes that follow each other before and after."""
    runs: list[list[int]] = []
    for axis in order:
        if runs and axis == runs[-1][-1] + 1:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    return runs or [[0]]


def _in_steps(writer: Writer, x: Tensor, y: Tensor, order: Sequence[int]) -> None:
    """One TRANSPOSE, or one for each axis that is not where it belongs."""
    if len(order) <= MOST_AXES:
        _transpose(writer, x, y, order)
        return
    left = list(range(len(order)))  # axes in the order in which `x` now has them
    for place, axis in enumerate(order):
        at = left.index(axis)
        if at == place:
            continue
        left.insert(place, left.pop(at))
        sizes = [math.prod(x.shape[a:b]) for a, b in ((0, place), (place, at), (at, at + 1), (at + 1, len(order)))]
        shape = (*x.shape[:place], x.shape[at], *x.shape[place:at], *x.shape[at + 1 :])
        made = y if left == list(order) else writer.between(f"{y.name}_step", shape, x.dtype, x.quant)
        source, swapped = viewed(writer, x, sizes), (sizes[0], sizes[2], sizes[1], sizes[3])
        into(writer, made, swapped, partial(_swap, writer, source))
        if made is y:
            return
        x = made


def _swap(writer: Writer, x: Tensor, y: Tensor) -> None:
    _transpose(writer, x, y, (0, 2, 1, 3))


def _transpose(writer: Writer, x: Tensor, y: Tensor, order: Sequence[int]) -> None:
    numbers = writer.constant("order", np.array(order, np.int32))
    version = 1 if x.dtype == "f32" else 2
    writer.operator("TRANSPOSE", (x, numbers), (y,), Table("TransposeOptions"), version=version)


def quantize(op: Quantize, writer: Writer) -> None:
    version = 1 if op.input.dtype == "f32" else 2
    writer.operator("QUANTIZE", op.inputs, op.outputs, Table("QuantizeOptions"), version=version)


def dequantize(op: Dequantize, writer: Writer) -> None:
    writer.operator("DEQUANTIZE", op.inputs, op.outputs, Table("DequantizeOptions"), version=2)

"""Fewer axes for operators that TFLite Micro limits: neighbours that an operator treats alike become one axis.

Axes of size 1 vanish, runs of untouched axes join. The numbers stay where they are, so a RESHAPE before and behind the
operator is all it takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

import numpy as np

from edgekit.emitters.tflite.writer import Writer
from edgekit.program import Tensor
from edgekit.tflite.flatbuffer import Table

Group = list[int]


def grouped(shape: Sequence[int], touched: Collection[int], *, join_touched: bool = False) -> list[Group]:
    """Axes that become one. join_touched: neighbours that are touched join too (reductions)."""
    groups: list[Group] = []
    for axis, size in enumerate(shape):
        if size == 1 and axis not in touched:
            continue
        before = groups[-1][-1] if groups else None
        alike = before is not None and (before in touched) == (axis in touched)
        if alike and (axis not in touched or join_touched):
            groups[-1].append(axis)
        else:
            groups.append([axis])
    return groups or [[0]]


def sizes_of(shape: Sequence[int], groups: Sequence[Group]) -> tuple[int, ...]:
    return tuple(math.prod(shape[axis] for axis in group) for group in groups)


def viewed(writer: Writer, x: Tensor, shape: Sequence[int]) -> Tensor:
    """The numbers of `x` under another shape."""
    if x.shape == tuple(shape):
        return x
    made = writer.between(f"{x.name}_view", shape, x.dtype, x.quant)
    reshape(writer, x, made)
    return made


def into(writer: Writer, y: Tensor, shape: Sequence[int], emit: Callable[[Tensor], None]) -> None:
    """`emit` writes a tensor of `shape`, whose numbers `y` then holds."""
    if y.shape == tuple(shape):
        emit(y)
        return
    made = writer.between(f"{y.name}_flat", shape, y.dtype, y.quant)
    emit(made)
    reshape(writer, made, y)


def reshape(writer: Writer, x: Tensor, y: Tensor) -> None:
    shape = np.array(y.shape, np.int32)
    writer.operator("RESHAPE", (x, writer.constant("shape", shape)), (y,), Table("ReshapeOptions", new_shape=shape))

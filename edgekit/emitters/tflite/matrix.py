"""The row of stacks of matrices. Axes in front that both inputs have become one where there are too many."""

from __future__ import annotations

import math

from edgekit.emitters.tflite.axes import into, viewed
from edgekit.emitters.tflite.writer import Writer
from edgekit.ops.matrix import BatchMatMul
from edgekit.program import Tensor
from edgekit.tflite.flatbuffer import Table

MOST_AXES = 5


def batch_mat_mul(op: BatchMatMul, writer: Writer) -> None:
    a, b = op.inputs
    if len(op.output.shape) <= MOST_AXES or a.shape[:-2] != b.shape[:-2]:
        _multiply(op, writer, a, b, op.output)
        return
    left, right = (viewed(writer, t, (math.prod(t.shape[:-2]), *t.shape[-2:])) for t in (a, b))
    y = op.output
    into(writer, y, (math.prod(y.shape[:-2]), *y.shape[-2:]), lambda made: _multiply(op, writer, left, right, made))


def _multiply(op: BatchMatMul, writer: Writer, a: Tensor, b: Tensor, y: Tensor) -> None:
    options = Table("BatchMatMulOptions", adj_x=op.adj_x, adj_y=op.adj_y)
    writer.operator("BATCH_MATMUL", (a, b), (y,), options, version=1 if y.dtype == "f32" else 2)

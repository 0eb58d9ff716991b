"""Rows of reductions. TFLite Micro has room for 5 axes and 2 reduced ones: neighbours become one axis before."""

from __future__ import annotations

import numpy as np

from edgekit.emitters.tflite.axes import grouped, into, sizes_of, viewed
from edgekit.emitters.tflite.writer import TYPES, Writer
from edgekit.ops.reduction import ArgMax, ArgMin, Mean, ReduceMax, ReduceMin, ReduceProd, Reduction, Sum, reduced
from edgekit.program import Op, Tensor
from edgekit.tflite.flatbuffer import Table

BUILTINS: dict[type[Op], str] = {
    Mean: "MEAN",
    Sum: "SUM",
    ReduceMax: "REDUCE_MAX",
    ReduceMin: "REDUCE_MIN",
    ReduceProd: "REDUCE_PROD",
}
MOST_AXES = 5
MOST_REDUCED = 2


def reduction(op: Reduction, writer: Writer) -> None:
    shape, axes = op.input.shape, op.axes
    if len(shape) <= MOST_AXES and len(axes) <= MOST_REDUCED:
        _reduce(op, writer, op.input, op.output, axes)
        return
    groups = grouped(shape, axes, join_touched=True)
    flat = sizes_of(shape, groups)
    fewer = tuple(i for i, group in enumerate(groups) if group[0] in axes)
    x = viewed(writer, op.input, flat)
    into(writer, op.output, reduced(flat, fewer, kept=True), lambda y: _reduce(op, writer, x, y, fewer))


def _reduce(op: Reduction, writer: Writer, x: Tensor, y: Tensor, axes: tuple[int, ...]) -> None:
    along = writer.constant("axes", np.array(axes, np.int32))
    options = Table("ReducerOptions", keep_dims=len(y.shape) == len(x.shape))
    writer.operator(BUILTINS[type(op)], (x, along), (y,), options, version=1 if x.dtype == "f32" else 2)


def arg_max(op: ArgMax, writer: Writer) -> None:
    builtin, options = ("ARG_MIN", "ArgMinOptions") if isinstance(op, ArgMin) else ("ARG_MAX", "ArgMaxOptions")
    bare = reduced(op.input.shape, (op.axis,), kept=False)
    axis = writer.constant("axis", np.array(op.axis, np.int32))
    made = Table(options, output_type=TYPES[op.output.dtype])
    version = 1 if op.input.dtype == "f32" else 2
    into(writer, op.output, bare, lambda y: writer.operator(builtin, (op.input, axis), (y,), made, version=version))

"""Rows of functions along the last axis. More than four axes become two, which is all that some kernels take."""

from __future__ import annotations

import math

import numpy as np

from edgekit.emitters.tflite.writer import Writer
from edgekit.ops.normalising import L2Normalization, LogSoftmax, Softmax
from edgekit.program import Op, Tensor
from edgekit.tflite.flatbuffer import Table

MOST_AXES = 4


def softmax(op: Softmax, writer: Writer) -> None:
    version = {"f32": 1, "s8": 2, "s16": 3}[op.output.dtype]
    _along_last("SOFTMAX", op, writer, Table("SoftmaxOptions", beta=float(np.float32(op.beta))), version)


def log_softmax(op: LogSoftmax, writer: Writer) -> None:
    _along_last("LOG_SOFTMAX", op, writer, Table("LogSoftmaxOptions"), 1 if op.output.dtype == "f32" else 2)


def l2_normalization(op: L2Normalization, writer: Writer) -> None:
    _along_last("L2_NORMALIZATION", op, writer, Table("L2NormOptions"), 1 if op.output.dtype == "f32" else 2)


def _along_last(builtin: str, op: Op, writer: Writer, options: Table, version: int) -> None:
    x, y = op.input, op.output
    if len(x.shape) <= MOST_AXES:
        writer.operator(builtin, (x,), (y,), options, version=version)
        return
    rows = (math.prod(x.shape[:-1]), x.shape[-1])
    flat, made = (writer.between(f"{t.name}_rows", rows, t.dtype, t.quant) for t in (x, y))
    _reshape(x, flat, writer)
    writer.operator(builtin, (flat,), (made,), options, version=version)
    _reshape(made, y, writer)


def _reshape(x: Tensor, y: Tensor, writer: Writer) -> None:
    shape = np.array(y.shape, np.int32)
    options = Table("ReshapeOptions", new_shape=shape)
    writer.operator("RESHAPE", (x, writer.constant("shape", shape)), (y,), options)

"""Rows of operators that move or restore numbers without computing."""

from __future__ import annotations

import numpy as np

from edgekit.emitters.tflite.writer import Writer
from edgekit.ops.quantization import Dequantize, Quantize
from edgekit.ops.shape import Reshape, Transpose
from edgekit.tflite.flatbuffer import Table


def reshape(op: Reshape, writer: Writer) -> None:
    shape = np.array(op.output.shape, np.int32)
    options = Table("ReshapeOptions", new_shape=shape)
    writer.operator("RESHAPE", (op.input, writer.constant("shape", shape)), op.outputs, options)


def transpose(op: Transpose, writer: Writer) -> None:
    order = writer.constant("order", np.array(op.order, np.int32))
    version = 1 if op.input.dtype == "f32" else 2
    writer.operator("TRANSPOSE", (op.input, order), op.outputs, Table("TransposeOptions"), version=version)


def quantize(op: Quantize, writer: Writer) -> None:
    version = 1 if op.input.dtype == "f32" else 2
    writer.operator("QUANTIZE", op.inputs, op.outputs, Table("QuantizeOptions"), version=version)


def dequantize(op: Dequantize, writer: Writer) -> None:
    writer.operator("DEQUANTIZE", op.inputs, op.outputs, Table("DequantizeOptions"), version=2)

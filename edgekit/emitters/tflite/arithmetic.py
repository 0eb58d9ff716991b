"""Rows of arithmetic on two values."""

from __future__ import annotations

from edgekit.emitters.tflite.writer import ACTIVATIONS, Writer
from edgekit.ops.arithmetic import Add, Binary, Sub
from edgekit.tflite.flatbuffer import Table


def add(op: Add, writer: Writer) -> None:
    _binary(op, writer, "ADD", "AddOptions")


def sub(op: Sub, writer: Writer) -> None:
    _binary(op, writer, "SUB", "SubOptions")


def _binary(op: Binary, writer: Writer, builtin: str, options: str) -> None:
    made = Table(options, fused_activation_function=ACTIVATIONS[op.activation])
    writer.operator(builtin, op.inputs, op.outputs, made, version=1 if op.output.dtype == "f32" else 2)

"""Rows of arithmetic on two values."""

from __future__ import annotations

from edgekit.emitters.onnx.writer import Writer
from edgekit.ops.arithmetic import Binary


def binary(op_type: str):  # type: ignore[no-untyped-def]
    """The row of a node that broadcasts its two inputs."""

    def row(op: Binary, writer: Writer) -> None:
        values, order = writer.aligned(*op.inputs)
        writer.answer(op.output, writer.node(op_type, *values, name=op.name), order, op.activation)

    return row

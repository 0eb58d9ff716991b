"""The row of BatchMatMul."""

from __future__ import annotations

from edgekit.emitters.onnx.writer import Writer
from edgekit.ops.matrix import BatchMatMul
from edgekit.ops.reading import Order, plain


def batch_mat_mul(op: BatchMatMul, writer: Writer) -> None:
    """Exchanged axes are another order of the input: a Transpose only where it is not at hand so."""
    a = writer.value(op.inputs[0], _order(len(op.inputs[0].shape), op.adj_x))
    b = writer.value(op.inputs[1], _order(len(op.inputs[1].shape), op.adj_y))
    writer.answer(op.output, writer.node("MatMul", a, b, name=op.name))


def _order(rank: int, exchanged: bool) -> Order:
    return (*range(rank - 2), rank - 1, rank - 2) if exchanged else plain(rank)

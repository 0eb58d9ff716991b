"""onnx_ir.Model → bytes (the same graph gives the same bytes), and what its inputs and outputs are."""

from __future__ import annotations

import onnx_ir as ir

from edgekit.errors import UnsupportedError
from edgekit.graph.shapes import sizes
from edgekit.model import ValueSpec


def to_bytes(model: ir.Model) -> bytes:
    """One self-contained ONNX file: weights inside."""
    content: bytes = ir.to_proto(model).SerializeToString(deterministic=True)
    return content


def value_specs(model: ir.Model) -> tuple[tuple[ValueSpec, ...], tuple[ValueSpec, ...]]:
    """Inputs and outputs of a graph; UnsupportedError where one of them has no static shape."""
    return tuple(_spec(v) for v in model.graph.inputs), tuple(_spec(v) for v in model.graph.outputs)


def _spec(value: ir.Value) -> ValueSpec:
    shape = sizes(value)
    if shape is None or value.dtype is None:
        raise UnsupportedError(f'"{value.name}" has no static shape', hint="make it fixed in the model")
    return ValueSpec(value.name or "", shape, str(value.dtype.numpy()))

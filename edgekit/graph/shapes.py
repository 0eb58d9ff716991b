"""Shapes of the values of an onnx_ir.Model: inferred by ONNX's own inference, and required to be static."""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir
from onnx_ir.passes import common

from edgekit.errors import ModelError, UnsupportedError


def sizes(value: ir.Value) -> tuple[int, ...] | None:
    """The shape of a value, or None where a dimension is not known."""
    if value.shape is None or not all(isinstance(d, int) for d in value.shape):
        return None
    return tuple(int(d) for d in value.shape.numpy())


def infer_shapes(model: ir.Model) -> ir.Model:
    """Types and shapes of all values. Raises ModelError where the graph contradicts itself."""
    try:
        return common.ShapeInferencePass(check_type=True, strict_mode=True, data_prop=True)(model).model
    except Exception as e:  # the C++ checker's own exceptions
        reason = next((line for line in str(e).splitlines() if line.strip()), type(e).__name__)[:300]
        raise ModelError(f"the graph contradicts itself: {reason}", hint="export the model again") from e


def require_static(model: ir.Model) -> None:
    """Raises UnsupportedError naming the values whose shape is not static."""
    open_values = [
        f'{v.name} (of node "{n.name}", {n.op_type})'
        for n in model.graph
        for v in n.outputs
        if v.name and sizes(v) is None
    ]
    if open_values:
        raise UnsupportedError(
            f"shapes depend on data: {listed(open_values)}",
            hint="the memory of a device is planned before it runs: make these shapes fixed in the model",
        )


def listed(names: Iterable[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    found = list(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more

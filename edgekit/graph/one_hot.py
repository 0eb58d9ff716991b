"""A one-hot vector times a matrix is a row of that matrix: Equal with 0, 1, 2 ..., Cast, MatMul become one Gather.

What is no number of a row has the row of zeros, as before. Left as they are: other comparisons, matrices that are
computed, more than LARGEST rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir

from edgekit.graph.operands import constant
from edgekit.graph.quant_params import Array
from edgekit.graph.rewriting import Place
from edgekit.graph.shapes import sizes

LARGEST = 1 << 16
INTEGERS = (ir.DataType.INT32, ir.DataType.INT64)


def _row(place: Place) -> ir.Value | None:
    """MatMul(one-hot of x, weights) = a row of the weights with zeros before and behind, for x within -1 and their
    number."""
    indices, weights = _compared(place.node.inputs[0]), constant(place.node.inputs[1])
    if indices is None or weights is None or weights.ndim != 2 or weights.dtype != np.float32:
        return None
    shape, kind = sizes(indices), np.int32 if indices.dtype is ir.DataType.INT32 else np.int64
    assert shape is not None
    flat = place.op("Reshape", indices, place.integers(shape[:-1], "indices_shape"), name="indices")
    above = place.op("Max", flat, place.constant(np.array(-1, kind), "none_below"), name="above")
    within = place.op("Min", above, place.constant(np.array(len(weights), kind), "none_above"), name="within")
    position = place.op("Add", within, place.constant(np.array(1, kind), "first"), name="position")
    return place.op("Gather", place.constant(_bordered(weights), "rows"), position, axis=0, name="row")


def _bordered(weights: Array) -> Array:
    """Rows of zeros before and behind."""
    return np.pad(weights, ((1, 1), (0, 0)))


def _compared(value: ir.Value | None) -> ir.Value | None:
    """x (..., 1) where `value` is Cast(x == 0, 1, 2 ...), and nothing else reads the comparison."""
    cast = _maker(value, "Cast")
    equal = None if cast is None else _maker(cast.inputs[0], "Equal")
    if equal is None:
        return None
    for x, numbers in (tuple(equal.inputs), tuple(equal.inputs)[::-1]):
        shape, known = None if x is None else sizes(x), constant(numbers)
        if x is not None and shape and shape[-1] == 1 and known is not None and x.dtype in INTEGERS:
            row = known.reshape(-1)
            counted = known.shape[-1:] == row.shape and row.size <= LARGEST and np.array_equal(row, np.arange(row.size))
            return x if counted and constant(x) is None else None
    return None


def _maker(value: ir.Value | None, op_type: str) -> ir.Node | None:
    """The node that makes a value for one reader, where it is of this type."""
    node = None if value is None or value.is_graph_output() or len(value.uses()) != 1 else value.producer()
    return node if node is not None and node.op_type == op_type and node.domain == "" else None


FORMS: Mapping[str, Callable[[Place], ir.Value | None]] = {"MatMul": _row}

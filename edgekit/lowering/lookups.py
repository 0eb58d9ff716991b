"""Tables of 256 entries as integers of an ONNX graph hold them: Gather(table, Cast(stored) + 128).

The ONNX emitter writes so what no single node computes.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgekit.graph.int8_spec import attribute, constant
from edgekit.program.tensor import Array

ENTRIES, OFFSET = 256, 128


def lookup_of(value: ir.Value) -> tuple[ir.Value, Array] | None:
    """(the int8 value that is looked up, the table) where `value` is such a Gather, else None."""
    gather = value.producer()
    if gather is None or gather.op_type != "Gather" or attribute(gather, "axis", 0) != 0:
        return None
    table = constant(gather.inputs[0])
    wide = _less_offset(gather.inputs[1])
    cast = None if wide is None else wide.producer()
    source = cast.inputs[0] if cast is not None and cast.op_type == "Cast" else None
    if table is None or table.dtype != np.int8 or table.shape != (ENTRIES,) or source is None:
        return None
    return (source, table) if source.dtype is ir.DataType.INT8 else None


def _less_offset(index: ir.Value | None) -> ir.Value | None:
    """x of x + 128."""
    add = None if index is None else index.producer()
    if add is None or add.op_type != "Add":
        return None
    offset = constant(add.inputs[1])
    return add.inputs[0] if offset is not None and offset.size == 1 and offset.item() == OFFSET else None

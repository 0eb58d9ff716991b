"""Functions of one int8 value as one table: groups of nodes of an ONNX graph (edgekit.graph.tables), and what the
TFLite emitter writes for a Lookup, read back.

Groups count where their ends are stored as int8 with one scale; other groups are lowered node by node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import onnx_ir as ir

from edgekit.graph import quant_params as activations
from edgekit.graph.tables import TableGroup, table_groups
from edgekit.lowering.sinks import sink_of
from edgekit.lowering.stored import Stored, params_of
from edgekit.ops.arithmetic import Add
from edgekit.ops.functions import Lookup
from edgekit.ops.quantization import Cast
from edgekit.ops.slicing import Gather
from edgekit.program import Op, Program, QuantParams, Tensor
from edgekit.program.tensor import Array


def stored_groups(model: ir.Model) -> Mapping[ir.Node, TableGroup]:
    """Node → the group that it is in."""
    if not any(node.op_type == "DequantizeLinear" for node in model.graph):
        return {}
    return {node: group for group in table_groups(model) if _between_int8(group) for node in group.nodes}


def table_of(group: TableGroup, source: QuantParams | None, result: QuantParams | None) -> Array:
    """The int8 answers for -128..127."""
    assert source is not None and result is not None, f"{group.name} is not between integers"
    ends = (activations.QuantParams(quant.scale, quant.zero_point) for quant in (source, result))
    return group.table(*ends)


ENTRIES, OFFSET = 256, 128


def join_lookups(program: Program) -> Program:
    """GATHER of a constant table by CAST(x) + 128 is a Lookup."""
    makers = {t: op for op in program.ops for t in op.outputs}
    return replace(program, ops=tuple(_lookup(op, makers) or op for op in program.ops))


def _lookup(op: Op, makers: Mapping[Tensor, Op]) -> Lookup | None:
    if not isinstance(op, Gather) or op.input.data is None:
        return None
    table, source = op.input, _less_offset(op.inputs[1], makers)
    if table.dtype != "s8" or table.shape != (ENTRIES,) or source is None or source.shape != op.output.shape:
        return None
    return Lookup(name=op.name, inputs=(source,), outputs=op.outputs, function="table", table=op.input.data)


def _less_offset(index: Tensor, makers: Mapping[Tensor, Op]) -> Tensor | None:
    """The int8 value x where `index` is Cast(x) + 128."""
    add = makers.get(index)
    if not isinstance(add, Add):
        return None
    offsets = [t.data for t in add.inputs if t.data is not None and t.data.size == 1 and t.data.item() == OFFSET]
    casts = [op for t in add.inputs if isinstance(op := makers.get(t), Cast) and op.input.dtype == "s8"]
    return casts[0].input if offsets and casts else None


def _between_int8(group: TableGroup) -> bool:
    producers = [source.producer() for source in group.sources]
    sources = [params_of(p) for p in producers if p is not None and p.op_type == "DequantizeLinear"]
    return len(sources) == len(producers) and all(map(_is_int8, (*sources, sink_of(group.nodes[-1], 0).stored)))


def _is_int8(stored: Stored | None) -> bool:
    return stored is not None and stored.dtype == "s8" and stored.quant.per_tensor

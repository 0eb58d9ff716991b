"""Groups of nodes that are one function of one int8 value (edgekit.graph.tables) → the table of 256 entries.

Groups count where their ends are stored as int8 with one scale; other groups are lowered node by node.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgekit.graph import quant_params as activations
from edgekit.graph.tables import TableGroup, table_groups
from edgekit.lowering.sinks import sink_of
from edgekit.lowering.stored import Stored, params_of
from edgekit.program import QuantParams
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


def _between_int8(group: TableGroup) -> bool:
    producers = [source.producer() for source in group.sources]
    sources = [params_of(p) for p in producers if p is not None and p.op_type == "DequantizeLinear"]
    return len(sources) == len(producers) and all(map(_is_int8, (*sources, sink_of(group.nodes[-1], 0).stored)))


def _is_int8(stored: Stored | None) -> bool:
    return stored is not None and stored.dtype == "s8" and stored.quant.per_tensor

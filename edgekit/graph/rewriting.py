"""New nodes in the place of old ones: what every pass needs that takes an operator apart.

New nodes and constants are named after the node that they replace (`encoder.norm` → `encoder.norm.mean`), so that a
layer stays recognisable; the values that were there keep their names. Shapes are inferred afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgekit.graph.constants import add_constant, value_names
from edgekit.graph.naming import Names
from edgekit.graph.quant_params import Array


class Rewriter:
    """Knows the names that are taken in a graph, and hands out places in it."""

    def __init__(self, model: ir.Model) -> None:
        self.graph = model.graph
        self.nodes = Names({node.name for node in self.graph if node.name})
        self.values = Names(value_names(self.graph))

    def at(self, node: ir.Node) -> Place:
        """The place of `node`."""
        return Place(self, node)


class Place:
    """The place of one node: what is made here comes before it and is named after it."""

    def __init__(self, rewriter: Rewriter, node: ir.Node) -> None:
        self._rewriter, self.node = rewriter, node
        self.name = node.name or node.op_type.lower()

    def op(self, op_type: str, *inputs: ir.Value | None, name: str, **attributes: object) -> ir.Value:
        """A new node `<layer>.<name>` with one output, which comes back."""
        return self.ops(op_type, *inputs, name=name, outputs=1, **attributes)[0]

    def ops(
        self, op_type: str, *inputs: ir.Value | None, name: str, outputs: int, **attributes: object
    ) -> Sequence[ir.Value]:
        """A new node with several outputs."""
        full = self._rewriter.nodes.new(f"{self.name}.{name}" if name else self.name)
        node = ir.node(op_type, inputs, attributes, num_outputs=outputs, name=full)
        for i, value in enumerate(node.outputs):
            value.name = self._rewriter.values.new(full if i == 0 else f"{full}.{i}")
            value.type = ir.TensorType(ir.DataType.FLOAT)
        self._rewriter.graph.insert_before(self.node, node)
        return node.outputs

    def constant(self, array: Array, name: str) -> ir.Value:
        """A new initializer `<layer>.<name>`."""
        return add_constant(self._rewriter.graph, self._rewriter.values.new(f"{self.name}.{name}"), array, set())

    def number(self, value: float, name: str) -> ir.Value:
        """A new float32 initializer that is one number."""
        return self.constant(np.asarray(value, np.float32), name)

    def integers(self, values: Sequence[int], name: str) -> ir.Value:
        """A new int64 initializer: axes, a shape, sizes."""
        return self.constant(np.asarray(values, np.int64), name)

    def replace(self, *results: ir.Value | None) -> None:
        """Whoever read the outputs of the node reads `results`, in order; the node goes."""
        for old, new in zip(self.node.outputs, results, strict=True):
            if new is not None:
                take_over(self._rewriter.graph, old, new)
        self._rewriter.graph.remove(self.node, safe=True)


def take_over(graph: ir.Graph, old: ir.Value, new: ir.Value) -> None:
    """`new`, computed by a node of its own, replaces `old` everywhere, name and graph outputs included."""
    for consumer, i in tuple(old.uses()):
        consumer.replace_input_with(i, new)
    for i, output in enumerate(graph.outputs):
        if output is old:
            graph.outputs[i] = new
    new.shape, new.type = old.shape, old.type
    name, old.name = old.name, f"{old.name}_replaced"
    new.name = name

"""A QDQ graph (ours or another quantizer's) or a float graph with static shapes → Program.

Q and DQ become the types and scales of tensors, NCHW becomes NHWC, activations are fused; inputs and outputs that the
graph quantizes at its border are integers in the program. Where the graph gives an operator other scales than its
integer form allows (Concat, Softmax ...), a requantization is put in. Refused, all nodes at once: operators without a
form here, weights with zero points, control flow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import onnx_ir as ir

from edgekit.errors import UnsupportedError, UnsupportedOpError
from edgekit.graph.tables import TableGroup
from edgekit.lowering.call import Call
from edgekit.lowering.forms import Form, transposed
from edgekit.lowering.layouts import preferred_order
from edgekit.lowering.renaming import with_outputs
from edgekit.lowering.sinks import SAME_DATA, sink_of
from edgekit.lowering.squares import join_squares
from edgekit.lowering.stored import numbers_of, params_of, stored_values
from edgekit.lowering.tables import stored_groups, table_of
from edgekit.lowering.tidy import tidy
from edgekit.lowering.values import Values, dtype_of, plain_name, shape_of
from edgekit.ops import ONNX
from edgekit.ops.functions import Lookup
from edgekit.ops.quantization import Quantize
from edgekit.ops.reading import OnnxCall, Order, Refusal, channels_last, plain
from edgekit.program import Program, Tensor

BORDERS = ("QuantizeLinear", "DequantizeLinear")


def from_onnx(model: ir.Model, name: str) -> Program:
    """Lower a graph. Raises UnsupportedOpError naming every node that has no form in a program, ModelError."""
    values = Values({v.name or "" for v in model.graph.outputs})
    lowering = _Lowering(model.graph, model.opset_imports.get("", 0), values, groups=stored_groups(model))
    program = lowering.lower(name)
    return tidy(join_squares(program))


@dataclass
class _Lowering:
    graph: ir.Graph
    opset: int
    values: Values
    refusals: list[tuple[ir.Node, Refusal]] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    groups: Mapping[ir.Node, TableGroup] = field(default_factory=dict)

    def lower(self, name: str) -> Program:
        inputs = self._ends("input", self.graph.inputs, self._input)
        for node in self.graph:
            self._node(node)
        if self.refusals:
            raise _refused(self.refusals)
        outputs = self._ends("output", self.graph.outputs, self._output)
        program = Program(name, inputs, outputs, tuple(self.values.ops), orders=self.orders)
        return with_outputs(program, [v.name or "" for v in self.graph.outputs])

    # --- borders

    def _ends(
        self, what: str, values: Sequence[ir.Value], tensor_of: Callable[[ir.Value], Tensor]
    ) -> tuple[Tensor, ...]:
        """The tensors of the graph's inputs or outputs. Raises UnsupportedError for one that has none."""
        made = []
        for value in values:
            try:
                made.append(tensor_of(value))
            except Refusal as e:
                raise UnsupportedError(f'{what} "{value.name}": {e.reason}', hint=e.hint) from e
        return tuple(made)

    def _input(self, value: ir.Value) -> Tensor:
        """An input of the program: integers where the graph quantizes it first."""
        shape = shape_of(value)
        order = preferred_order(value)
        quantizers = [n for n in value.consumers() if n.op_type == "QuantizeLinear"]
        held = tuple(shape[axis] for axis in order)
        if order != plain(len(order)):
            self.orders[value.name or ""] = order
        if quantizers and len(quantizers) == len(value.consumers()) and not value.is_graph_output():
            stored = params_of(quantizers[0])
            tensor = Tensor(self.values.unique(value.name), held, stored.dtype, stored.quant)
            self.values.forms[quantizers[0].outputs[0]] = Form(tensor, order)
            for other in quantizers[1:]:
                self.values.forms[other.outputs[0]] = self.values.requantized(Form(tensor, order), params_of(other))
            return tensor
        tensor = Tensor(self.values.unique(value.name), held, dtype_of(value))
        self.values.forms[value] = Form(tensor, order)
        return tensor

    def _output(self, value: ir.Value) -> Tensor:
        """The tensor of a graph output: integers where the graph dequantizes it last."""
        form = self.values.held(value) or self.values.also_stored(value) or self.values.form_of(value)
        rank = len(form.order)
        if form.inner is not None or form.order not in (plain(rank), channels_last(rank)):
            return self.values.ordered(form, plain(rank))
        if form.order != plain(rank):
            self.orders[value.name or ""] = form.order
        return form.tensor

    # --- nodes

    def _node(self, node: ir.Node) -> None:
        if (
            node in self.values.fused
            or self._inside_group(node)
            or all(v in self.values.forms for v in self._answers(node))
        ):
            return
        try:
            if node.op_type in BORDERS:
                self._border(node)
            elif self._at_hand(node):
                self._lower_node(node)
            elif node not in self.groups:
                self._reader(node)  # behind a node that was refused: whether it is known is all that can be said
        except Refusal as e:
            self.refusals.append((node, e))
            self._stand_in(node)

    def _stand_in(self, node: ir.Node) -> None:
        """As if a refused node had answered, so that what is behind it is looked at too."""
        if node.op_type in BORDERS:
            return
        with suppress(Refusal):
            call = Call(self.values, node, self.opset)
            for k, value in enumerate(node.outputs):
                if value.uses() or value.is_graph_output():
                    call.output(k)
            call.finish()

    def _at_hand(self, node: ir.Node) -> bool:
        """Whether all that a node, or its group, reads is known."""
        read = self.groups[node].sources if node in self.groups else node.inputs
        return all(v is None or self.values.known(v) for v in read)

    def _answers(self, node: ir.Node) -> list[ir.Value]:
        return [v for v in node.outputs if v.uses() or v.is_graph_output()]

    def _lower_node(self, node: ir.Node) -> None:
        if node in self.groups:
            self._table(self.groups[node])
            return
        reader = self._reader(node)
        if reader is None:
            self._same_data(node)
            return
        call = Call(self.values, node, self.opset)
        reader(call)
        call.finish()

    def _inside_group(self, node: ir.Node) -> bool:
        return node in self.groups and node is not self.groups[node].nodes[-1]

    def _table(self, group: TableGroup) -> None:
        """A table instead of all nodes of a group."""
        source, sink = self.values.held(group.sources[0]), sink_of(group.nodes[-1], 0)
        assert source is not None and sink.stored is not None, f"{group.name} has no int8 ends"
        made = self.values.tensor(plain_name(sink.values[-1]), source.tensor.shape, "s8", sink.stored.quant)
        function = "_".join(node.op_type.lower() for node in group.nodes)
        table = table_of(group, source.tensor.quant, sink.stored.quant)
        self.values.ops.append(
            Lookup(name=group.name, inputs=(source.tensor,), outputs=(made,), function=function, table=table)
        )
        self.values.answer(sink, Form(made, source.order, source.inner))

    def _reader(self, node: ir.Node) -> Callable[[OnnxCall], None] | None:
        """What reads a node; None where it only moves data. Raises Refusal for operators without a form."""
        if node.op_type in SAME_DATA:
            return None
        if node.domain not in ("", "ai.onnx") or node.op_type not in ONNX:
            raise Refusal("it has no integer form here", "replace it in the model by operators of docs/operators.md")
        return ONNX[node.op_type]

    def _border(self, node: ir.Node) -> None:
        source, result = node.inputs[0], node.outputs[0]
        if (
            node.op_type == "DequantizeLinear"
            or result in self.values.forms
            or source is None
            or not self.values.known(source)
        ):
            return
        stored = params_of(node)
        numbers = numbers_of(source)
        if numbers is not None:
            data = stored_values(numbers.real, stored)
            self.values.forms[result] = Form(self.values.constant(result.name, data, stored.quant), plain(data.ndim))
            return
        held = self.values.held(source) or self.values.also_stored(source)
        if held is not None:
            self.values.forms[result] = self.values.requantized(held, stored)
            return
        form = self.values.form_of(source)
        tensor = self.values.tensor(plain_name(result), form.tensor.shape, stored.dtype, stored.quant)
        self.values.ops.append(Quantize(name=node.name or "", inputs=(form.tensor,), outputs=(tensor,)))
        self.values.forms[result] = Form(tensor, form.order, form.inner)

    def _same_data(self, node: ir.Node) -> None:
        """Reshape, Transpose and their like: another form of the same tensor, an operation only where need be."""
        source, result = node.inputs[0], node.outputs[0]
        assert source is not None
        sink = sink_of(node, 0)
        form = self.values.held(source) or self.values.form_of(source)
        if sink.stored is not None:
            form = self.values.requantized(form, sink.stored)
        if node.op_type == "Transpose":
            rank = len(form.order)
            permutation = [int(n) for n in node.attributes["perm"].as_ints()] if "perm" in node.attributes else []
            self.values.answer(
                sink, transposed(self.values.without_inner(form), tuple(permutation or range(rank)[::-1]))
            )
        elif node.op_type == "Identity":
            self.values.answer(sink, form)
        else:
            self.values.answer(sink, self.values.reshape(form, shape_of(result), result.name or node.name or ""))


def _refused(refusals: Sequence[tuple[ir.Node, Refusal]]) -> UnsupportedOpError:
    nodes = [f'"{n.name or "no name"}" ({n.op_type}): {e.reason}' for n, e in refusals]
    hints = list(dict.fromkeys(e.hint for _, e in refusals if e.hint))
    return UnsupportedOpError(nodes, hint="; ".join(hints[:5]))

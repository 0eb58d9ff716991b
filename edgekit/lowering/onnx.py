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
from typing import Any

import numpy as np
import onnx_ir as ir

from edgekit.errors import UnsupportedError, UnsupportedOpError
from edgekit.graph.operands import constant
from edgekit.graph.shapes import sizes
from edgekit.graph.tables import TableGroup
from edgekit.lowering.forms import Form, first_axis_kept, transposed
from edgekit.lowering.layouts import preferred_order
from edgekit.lowering.lookups import lookup_of
from edgekit.lowering.renaming import with_outputs
from edgekit.lowering.sinks import SAME_DATA, Sink, sink_of
from edgekit.lowering.squares import join_squares
from edgekit.lowering.stored import Stored, numbers_of, params_of, stored_constant, stored_values
from edgekit.lowering.tables import stored_groups, table_of
from edgekit.lowering.tidy import tidy
from edgekit.ops import ONNX
from edgekit.ops.fully_connected import bias_params
from edgekit.ops.functions import Lookup
from edgekit.ops.orders import Shape, extended, moves_only_units, reshaped
from edgekit.ops.quantization import Dequantize, Quantize
from edgekit.ops.reading import OnnxCall, Order, Refusal, channels_last, plain
from edgekit.ops.shape import Reshape, Transpose
from edgekit.program import Activation, Op, Program, QuantParams, Tensor
from edgekit.program.tensor import DTYPE_OF, Array

BORDERS = ("QuantizeLinear", "DequantizeLinear")


def from_onnx(model: ir.Model, name: str) -> Program:
    """Lower a graph. Raises UnsupportedOpError naming every node that has no form in a program, ModelError."""
    lowering = _Lowering(model.graph, model.opset_imports.get("", 0), groups=stored_groups(model))
    program = lowering.lower(name)
    return tidy(join_squares(program))


@dataclass
class _Lowering:
    graph: ir.Graph
    opset: int
    ops: list[Op] = field(default_factory=list)
    forms: dict[ir.Value, Form] = field(default_factory=dict)  # by float value, or by the output of its QuantizeLinear
    names: set[str] = field(default_factory=set)
    made: dict[tuple[Tensor, object], Tensor] = field(default_factory=dict)  # reordered or requantized copies
    refusals: list[tuple[ir.Node, Refusal]] = field(default_factory=list)
    sinks: dict[ir.Node, Sink] = field(default_factory=dict)
    fused: set[ir.Node] = field(default_factory=set)
    orders: dict[str, Order] = field(default_factory=dict)
    groups: Mapping[ir.Node, TableGroup] = field(default_factory=dict)

    def lower(self, name: str) -> Program:
        self.names.update(v.name or "" for v in self.graph.outputs)
        inputs = self._ends("input", self.graph.inputs, self._input)
        for node in self.graph:
            self._node(node)
        if self.refusals:
            raise _refused(self.refusals)
        outputs = self._ends("output", self.graph.outputs, self._output)
        program = Program(name, inputs, outputs, tuple(self.ops), orders=self.orders)
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
        shape = _shape(value)
        order = preferred_order(value)
        quantizers = [n for n in value.consumers() if n.op_type == "QuantizeLinear"]
        held = tuple(shape[axis] for axis in order)
        if order != plain(len(order)):
            self.orders[value.name or ""] = order
        if quantizers and len(quantizers) == len(value.consumers()) and not value.is_graph_output():
            stored = params_of(quantizers[0])
            tensor = Tensor(self._unique(value.name), held, stored.dtype, stored.quant)
            self.forms[quantizers[0].outputs[0]] = Form(tensor, order)
            for other in quantizers[1:]:
                self.forms[other.outputs[0]] = self._requantized(Form(tensor, order), params_of(other))
            return tensor
        tensor = Tensor(self._unique(value.name), held, _dtype(value))
        self.forms[value] = Form(tensor, order)
        return tensor

    def _output(self, value: ir.Value) -> Tensor:
        """The tensor of a graph output: integers where the graph dequantizes it last."""
        form = self.held(value) or self._also_stored(value) or self.form_of(value)
        rank = len(form.order)
        if form.inner is not None or form.order not in (plain(rank), channels_last(rank)):
            return self.ordered(form, plain(rank))
        if form.order != plain(rank):
            self.orders[value.name or ""] = form.order
        return form.tensor

    # --- nodes

    def _node(self, node: ir.Node) -> None:
        if node in self.fused or self._inside_group(node) or all(v in self.forms for v in self._answers(node)):
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
            call = Call(self, node)
            for k, value in enumerate(node.outputs):
                if value.uses() or value.is_graph_output():
                    call.output(k)
            call.finish()

    def _at_hand(self, node: ir.Node) -> bool:
        """Whether all that a node, or its group, reads is known."""
        read = self.groups[node].sources if node in self.groups else node.inputs
        return all(v is None or self._known(v) for v in read)

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
        call = Call(self, node)
        reader(call)
        call.finish()

    def _inside_group(self, node: ir.Node) -> bool:
        return node in self.groups and node is not self.groups[node].nodes[-1]

    def _table(self, group: TableGroup) -> None:
        """A table instead of all nodes of a group."""
        source, sink = self.held(group.sources[0]), self.sink(group.nodes[-1], 0)
        assert source is not None and sink.stored is not None, f"{group.name} has no int8 ends"
        made = self.tensor(_plain_name(sink.values[-1]), source.tensor.shape, "s8", sink.stored.quant)
        function = "_".join(node.op_type.lower() for node in group.nodes)
        table = table_of(group, source.tensor.quant, sink.stored.quant)
        self.ops.append(
            Lookup(name=group.name, inputs=(source.tensor,), outputs=(made,), function=function, table=table)
        )
        self.answer(sink, Form(made, source.order, source.inner))

    def _reader(self, node: ir.Node) -> Callable[[OnnxCall], None] | None:
        """What reads a node; None where it only moves data. Raises Refusal for operators without a form."""
        if node.op_type in SAME_DATA:
            return None
        if node.domain not in ("", "ai.onnx") or node.op_type not in ONNX:
            raise Refusal("it has no integer form here", "replace it in the model by operators of docs/operators.md")
        return ONNX[node.op_type]

    def _border(self, node: ir.Node) -> None:
        source, result = node.inputs[0], node.outputs[0]
        if node.op_type == "DequantizeLinear" or result in self.forms or source is None or not self._known(source):
            return
        stored = params_of(node)
        numbers = numbers_of(source)
        if numbers is not None:
            data = stored_values(numbers.real, stored)
            self.forms[result] = Form(self.constant(result.name, data, stored.quant), plain(data.ndim))
            return
        held = self.held(source) or self._also_stored(source)
        if held is not None:
            self.forms[result] = self._requantized(held, stored)
            return
        form = self.form_of(source)
        tensor = self.tensor(_plain_name(result), form.tensor.shape, stored.dtype, stored.quant)
        self.ops.append(Quantize(name=node.name or "", inputs=(form.tensor,), outputs=(tensor,)))
        self.forms[result] = Form(tensor, form.order, form.inner)

    def _same_data(self, node: ir.Node) -> None:
        """Reshape, Transpose and their like: another form of the same tensor, an operation only where need be."""
        source, result = node.inputs[0], node.outputs[0]
        assert source is not None
        sink = self.sink(node, 0)
        form = self.held(source) or self.form_of(source)
        if sink.stored is not None:
            form = self._requantized(form, sink.stored)
        if node.op_type == "Transpose":
            rank = len(form.order)
            permutation = [int(n) for n in node.attributes["perm"].as_ints()] if "perm" in node.attributes else []
            self.answer(sink, transposed(self._without_inner(form), tuple(permutation or range(rank)[::-1])))
        elif node.op_type == "Identity":
            self.answer(sink, form)
        else:
            self.answer(sink, self._reshape(form, _shape(result), result.name or node.name or ""))

    def _reshape(self, form: Form, wanted: Shape, name: str) -> Form:
        if form.shape == wanted:
            return form
        form = self._without_inner(form)
        known = reshaped(form.order, form.shape, wanted)
        if known is not None:
            shape, order = known
            return Form(self._viewed(form.tensor, shape, name), order)
        if first_axis_kept(form.order, form.shape, wanted):
            inner = (form.shape[1:], tuple(axis - 1 for axis in form.order[1:]))
            return Form(self._viewed(form.tensor, wanted, name), (0, 1), inner)
        tensor = self.ordered(form, plain(len(form.order)))
        return Form(self._viewed(tensor, wanted, name), plain(len(wanted)))

    def _viewed(self, tensor: Tensor, shape: Shape, name: str) -> Tensor:
        """The numbers of `tensor` under another shape."""
        if tensor.shape == shape:
            return tensor
        if tensor.data is not None:
            return self.constant(name, tensor.data.reshape(shape), _viewed_params(tensor.quant))
        made = self.tensor(name, shape, tensor.dtype, tensor.quant)
        self.ops.append(Reshape(name=made.name, inputs=(tensor,), outputs=(made,)))
        return made

    def _without_inner(self, form: Form) -> Form:
        """The form with its last axis in the value's own order."""
        if form.inner is None:
            return form
        sizes_, order = form.inner
        first = form.tensor.shape[0]
        spread = self._viewed(form.tensor, (first, *(sizes_[axis] for axis in order)), f"{form.tensor.name}_spread")
        back = Form(spread, (0, *(axis + 1 for axis in order)))
        tensor = self.ordered(back, plain(len(back.order)))
        return Form(self._viewed(tensor, form.tensor.shape, f"{form.tensor.name}_plain"), plain(2))

    # --- values

    def _known(self, value: ir.Value) -> bool:
        known = constant(value) is not None or value in self.forms or self.held(value) is not None
        return known or self._also_stored(value) is not None

    def _also_stored(self, value: ir.Value) -> Form | None:
        """The integers of a float value that is quantized for some of its readers, and read as it is by others."""
        found = (self.forms.get(n.outputs[0]) for n in value.consumers() if n.op_type == "QuantizeLinear")
        return next((form for form in found if form is not None), None)

    def held(self, value: ir.Value) -> Form | None:
        """The stored integers that a float value stands for: it is dequantized, or quantized further on."""
        if value in self.forms and value.dtype is ir.DataType.FLOAT and self.forms[value].tensor.quant is not None:
            return self.forms[value]
        producer = value.producer()
        if producer is None or producer.op_type != "DequantizeLinear":
            return None
        source = producer.inputs[0]
        assert source is not None
        if source in self.forms:
            form = self.forms[source]
            stored = params_of(producer)
            return form if form.tensor.quant is not None else self._typed(source, stored)
        return self._constant_form(value) if constant(source) is not None else None

    def _typed(self, value: ir.Value, stored: Stored) -> Form:
        """Integers of the graph that a DequantizeLinear gives a scale: a table looked up; nothing else is."""
        found, plain_form = lookup_of(value), self.forms[value]
        source = None if found is None else self.forms.get(found[0])
        if found is None or source is None or source.tensor.quant is None:
            tensor = plain_form.tensor
            raise Refusal(f'the integers "{tensor.name}" ({tensor.dtype}) get their scale from a DequantizeLinear only')
        made = self.tensor(_plain_name(value), source.tensor.shape, stored.dtype, stored.quant)
        name = value.producer().name if value.producer() is not None else ""  # type: ignore[union-attr]
        self.ops.append(
            Lookup(name=name or "", inputs=(source.tensor,), outputs=(made,), function="table", table=found[1])
        )
        self.forms[value] = Form(made, source.order, source.inner)
        return self.forms[value]

    def form_of(self, value: ir.Value) -> Form:
        """A value as it computes: float where it is dequantized."""
        held = self.held(value) or (None if value in self.forms else self._also_stored(value))
        if value in self.forms and held is None:
            return self.forms[value]
        if held is not None and not held.tensor.constant:
            key = (held.tensor, "real")
            if key not in self.made:
                made = self.tensor(value.name, held.tensor.shape, "f32", None)
                name = value.producer().name if value.producer() is not None else ""  # type: ignore[union-attr]
                self.ops.append(Dequantize(name=name or "", inputs=(held.tensor,), outputs=(made,)))
                self.made[key] = made
            return Form(self.made[key], held.order, held.inner)
        numbers = numbers_of(value)
        assert numbers is not None, f"{value.name} is not known yet"
        return Form(self.constant(value.name, numbers.real), plain(numbers.real.ndim))

    def _constant_form(self, value: ir.Value) -> Form:
        numbers = numbers_of(value)
        assert numbers is not None
        key = (value, "constant")
        if key not in self.made:  # type: ignore[comparison-overlap]
            self.made[key] = self.constant(value.name, numbers.stored, numbers.quant)  # type: ignore[index]
        return Form(self.made[key], plain(numbers.stored.ndim))  # type: ignore[index]

    def _requantized(self, form: Form, wanted: Stored) -> Form:
        tensor = form.tensor
        if tensor.dtype == wanted.dtype and tensor.quant == wanted.quant:
            return form
        key = (tensor, wanted)
        if key not in self.made:
            made = self.tensor(f"{tensor.name}_requantized", tensor.shape, wanted.dtype, wanted.quant)
            self.ops.append(Quantize(name=made.name, inputs=(tensor,), outputs=(made,)))
            self.made[key] = made
        return Form(self.made[key], form.order, form.inner)

    def ordered(self, form: Form, order: Order) -> Tensor:
        """The tensor of a form with its axes in `order`; a transpose is appended where there is none yet."""
        if form.inner is not None:
            form = self._without_inner(form)
        if form.order == order:
            return form.tensor
        permutation = tuple(form.order.index(axis) for axis in order)
        shape = tuple(form.tensor.shape[axis] for axis in permutation)
        key = (form.tensor, permutation)
        if key not in self.made:
            self.made[key] = self._transposed(form.tensor, permutation, shape)
        return self.made[key]

    def _transposed(self, tensor: Tensor, permutation: Order, shape: Shape) -> Tensor:
        name = f"{tensor.name}_{'x'.join(map(str, permutation))}"
        if tensor.data is not None:
            quant = tensor.quant
            if quant is not None and quant.axis is not None:
                quant = QuantParams(quant.scales, quant.zero_points, permutation.index(quant.axis))
            return self.constant(name, np.ascontiguousarray(tensor.data.transpose(permutation)), quant)
        if moves_only_units(tensor.shape, permutation):
            return self._viewed(tensor, shape, name)
        made = self.tensor(name, shape, tensor.dtype, tensor.quant)
        self.ops.append(Transpose(name=made.name, inputs=(tensor,), outputs=(made,), order=permutation))
        return made

    def sink(self, node: ir.Node, k: int) -> Sink:
        return sink_of(node, k)

    def answer(self, sink: Sink, form: Form) -> None:
        """Everybody who reads the value that ends in `sink` now finds it in this form."""
        for value in sink.values:
            self.forms[value] = form
        self.fused.update(sink.fused)

    def tensor(self, name: str | None, shape: Shape, dtype: str, quant: QuantParams | None) -> Tensor:
        return Tensor(self._unique(name), tuple(shape), dtype, quant)

    def constant(self, name: str | None, data: Array, quant: QuantParams | None = None) -> Tensor:
        if data.dtype == np.int64 and np.array_equal(data, data.astype(np.int32)):
            data = data.astype(np.int32)
        dtype = DTYPE_OF.get(np.dtype(data.dtype))
        if dtype is None:
            raise Refusal(f'constant "{name}" is {data.dtype}', f"allowed: {', '.join(DTYPE_OF.values())}")
        return Tensor(
            self._unique(name), tuple(data.shape), dtype, quant, np.ascontiguousarray(data).reshape(data.shape)
        )

    def _unique(self, name: str | None) -> str:
        base = name or "tensor"
        made, i = base, 1
        while made in self.names:
            made, i = f"{base}_{i}", i + 1
        self.names.add(made)
        return made


class Call:
    """One node as its operator sees it (the OnnxCall of edgekit.ops.reading)."""

    def __init__(self, lowering: _Lowering, node: ir.Node) -> None:
        self._lowering, self._node = lowering, node
        self.name, self.op_type = node.name or node.op_type, node.op_type
        self._sinks = [lowering.sink(node, k) for k in range(len(node.outputs))]
        self.integer = self._is_integer()
        self.activation = self._sinks[0].activation if self._sinks else Activation.NONE
        self._answers: dict[int, Form] = {}

    def _is_integer(self) -> bool:
        floats = [
            s for s, v in zip(self._sinks, self._node.outputs, strict=True)
            if v.dtype is ir.DataType.FLOAT and (v.uses() or v.is_graph_output())
        ]  # fmt: skip
        read = [v for v in self._node.inputs if v is not None and v.dtype is ir.DataType.FLOAT]
        stored = [constant(v) is not None or self._lowering.held(v) is not None for v in read]
        return all(s.stored is not None for s in floats) and all(stored) and bool(floats or read)

    def attribute(self, name: str, default: Any) -> Any:
        found = self._node.attributes.get(name)
        if found is None:
            return default
        value = found.value
        return value.decode() if isinstance(value, bytes) else value

    def has(self, i: int) -> bool:
        return i < len(self._node.inputs) and self._node.inputs[i] is not None

    def count(self) -> int:
        return len(self._node.inputs)

    def outputs(self) -> int:
        return sum(1 for v in self._node.outputs if v.uses() or v.is_graph_output())

    def used(self) -> list[int]:
        return [k for k, v in enumerate(self._node.outputs) if v.uses() or v.is_graph_output()]

    def output_count(self) -> int:
        return len(self._node.outputs)

    def shape(self, i: int) -> Shape:
        return _shape(self._value(i))

    def output_shape(self, k: int = 0) -> Shape:
        return _shape(self._node.outputs[k])

    def constant(self, i: int) -> Array | None:
        return constant(self._value(i)) if self.has(i) else None

    def numbers(self, i: int) -> list[int] | None:
        if not self.has(i):
            return None
        found = constant(self._value(i))
        if found is None:
            raise Refusal(f"its input {i} is computed at run time", "make it a constant in the model")
        return [int(n) for n in found.reshape(-1)]

    def real(self, i: int) -> Array | None:
        found = numbers_of(self._value(i)) if self.has(i) else None
        return None if found is None else found.real

    def order(self, i: int) -> Order:
        form = self._form(i)
        return form.order if form.inner is None else plain(len(form.order))

    def input(self, i: int, order: Order | None = None, *, quant: QuantParams | None = None) -> Tensor:
        form = self._form(i, quant)
        if quant is not None and form.tensor.quant != quant and form.tensor.dtype != "b8":
            form = self._requantized(form, quant)
        return self._lowering.ordered(form, order if order is not None else plain(len(form.order)))

    def aligned(self, *positions: int, quant: QuantParams | None = None) -> tuple[tuple[Tensor, ...], Order]:
        rank = max(len(self.shape(i)) for i in positions)
        leaders = [i for i in positions if len(self.shape(i)) == rank]
        leader = next((i for i in leaders if constant(self._value(i)) is None), None)
        order = self.order(leader) if leader is not None else plain(rank)
        return tuple(self._aligned(i, rank, order, quant) for i in positions), order

    def _aligned(self, i: int, rank: int, order: Order, quant: QuantParams | None) -> Tensor:
        shape = self.shape(i)
        if len(shape) == rank:
            return self.input(i, order, quant=quant)
        tensor = self._lowering._viewed(self.input(i, quant=quant), extended(shape, rank), f"{self.name}_input{i}")
        return self._lowering.ordered(Form(tensor, plain(rank)), order)

    def features(self, i: int) -> tuple[Tensor, Array | None]:
        form = self._form(i)
        if form.inner is not None:
            return form.tensor, form.feature_order()
        return self.input(i), None

    def weights(self, i: int) -> Tensor:
        value = self._value(i)
        numbers = numbers_of(value)
        if numbers is None:
            raise Refusal("its weights are computed at run time", "make them constants in the model")
        if not self.integer:
            return self._lowering.constant(f"{self.name}_weights", numbers.real)
        if numbers.quant is None:
            raise Refusal("its weights are float between integer values", "quantize its weights too")
        if any(numbers.quant.zero_points):
            raise Refusal("its weights have zero points", "quantize weights symmetrically (zero point 0)")
        return self._lowering.constant(f"{self.name}_weights", numbers.stored, numbers.quant)

    def bias(self, i: int, source: Tensor, weights: Tensor) -> Tensor | None:
        value = self._node.inputs[i] if self.has(i) else self._sinks[0].bias
        if value is None:
            return None
        numbers = numbers_of(value)
        if numbers is None:
            raise Refusal("its bias is computed at run time", "make it a constant in the model")
        flat = numbers.real.reshape(-1)
        name = f"{self.name}_bias"
        if not self.integer:
            return self._lowering.constant(name, self._per_output(flat))
        quant = bias_params(source, weights)
        assert quant is not None
        if numbers.quant is not None and numbers.stored.dtype == np.int32 and _equal_scales(numbers.quant, quant):
            return self._lowering.constant(name, self._per_output(numbers.stored.reshape(-1)), quant)
        steps = np.rint(self._per_output(flat).astype(np.float64) / np.asarray(quant.scales))
        return self._lowering.constant(name, np.clip(steps, -(2**31 - 1), 2**31 - 1).astype(np.int32), quant)

    def _per_output(self, flat: Array) -> Array:
        shape = self.output_shape()
        channels = shape[-1] if self.op_type in ("Gemm", "MatMul") else shape[1]
        if flat.size not in (1, channels):
            raise Refusal(f"its bias has {flat.size} numbers, wanted one for each of {channels} outputs")
        return np.broadcast_to(flat, (channels,))

    def output_quant(self, k: int = 0) -> QuantParams | None:
        stored = self._sinks[k].stored
        return stored.quant if stored is not None and self.integer else None

    def output(
        self, k: int = 0, order: Order | None = None, *, quant: QuantParams | None = None, dtype: str | None = None
    ) -> Tensor:
        value, sink = self._node.outputs[k], self._sinks[k]
        shape = _shape(value)
        order = order if order is not None else plain(len(shape))
        held = tuple(shape[axis] for axis in order)
        stored = sink.stored if self.integer else None
        if value.dtype is not ir.DataType.FLOAT:
            tensor = self._lowering.tensor(value.name, held, dtype or _dtype(value), None)
        elif stored is None:
            tensor = self._lowering.tensor(_plain_name(sink.values[-1]), held, "f32", None)
        else:
            tensor = self._lowering.tensor(_plain_name(sink.values[-1]), held, stored.dtype, quant or stored.quant)
        self._answers[k] = Form(tensor, order)
        return tensor

    def between(
        self, name: str, shape: Sequence[int], like: Tensor | None = None, *, quant: QuantParams | None = None
    ) -> Tensor:
        like = like or self._lowering.forms.get(self._node.inputs[0], self._form(0)).tensor  # type: ignore[arg-type]
        return self._lowering.tensor(name, tuple(shape), like.dtype, quant or like.quant)

    def stored(self, name: str, data: Array, quant: QuantParams | None = None) -> Tensor:
        return self._lowering.constant(name, data, quant)

    def through(self, *, quant: QuantParams | None = None) -> tuple[Tensor, Tensor]:
        form = self._form(0)
        made = self.output(0, form.order, quant=quant)
        self._answers[0] = Form(made, form.order, form.inner)
        return form.tensor, made

    def table(self) -> Array:
        sources = tuple(v for v in self._node.inputs if v is not None and constant(v) is None)
        group = TableGroup((self._node,), sources, self._node.outputs[0], self._lowering.opset)
        return table_of(group, self._form(0).tensor.quant, self.output_quant())

    def add(self, op: Op) -> None:
        self._lowering.ops.append(op)

    def finish(self) -> None:
        """Make the answers known, requantized where the graph stores other parameters than the operator gives."""
        for k, form in self._answers.items():
            sink = self._sinks[k]
            if not self.integer and not sink.fused:
                self._lowering.forms[self._node.outputs[k]] = form  # float readers beside a QuantizeLinear
            if sink.stored is not None and (form.tensor.quant is not None or form.tensor.dtype == "f32"):
                form = self._lowering._requantized(form, sink.stored)
            self._lowering.answer(sink, form)

    def _value(self, i: int) -> ir.Value:
        value = self._node.inputs[i]
        assert value is not None
        return value

    def _form(self, i: int, quant: QuantParams | None = None) -> Form:
        value = self._value(i)
        held = self._lowering.held(value) if self.integer else None
        if held is not None:
            return held
        numbers = numbers_of(value) if self.integer else None
        if numbers is not None and numbers.real.dtype == np.float32:
            stored, params = stored_constant(numbers.real, quant)  # a float constant between integers
            return Form(self._lowering.constant(value.name, stored, params), plain(stored.ndim))
        return self._lowering.form_of(value)

    def _requantized(self, form: Form, quant: QuantParams) -> Form:
        if form.tensor.data is not None and form.tensor.quant is not None:
            old = form.tensor.quant
            real = (form.tensor.data.astype(np.float32) - old.zero_point) * np.float32(old.scale)
            steps = np.rint(real / np.float32(quant.scale)) + quant.zero_point
            low, high = form.tensor.limits
            data = np.clip(steps, low, high).astype(form.tensor.numpy_dtype)
            return Form(self._lowering.constant(form.tensor.name, data, quant), form.order, form.inner)
        return self._lowering._requantized(form, Stored(form.tensor.dtype, quant))


def _equal_scales(a: QuantParams, b: QuantParams) -> bool:
    return len(a.scales) in (1, len(b.scales)) and bool(np.allclose(a.scales, b.scales, rtol=1e-5, atol=0.0))


def _viewed_params(quant: QuantParams | None) -> QuantParams | None:
    if quant is not None and quant.axis is not None:
        raise Refusal("a constant with one scale per channel is reshaped")
    return quant


def _shape(value: ir.Value | None) -> Shape:
    found = None if value is None else sizes(value)
    if found is None:
        raise Refusal(f'the shape of "{value.name if value is not None else ""}" is not known')
    return tuple(found)


def _dtype(value: ir.Value) -> str:
    """Its type in the program: 64-bit integers are 32-bit ones, the only indices that microcontrollers' kernels take."""
    known = DTYPE_OF.get(np.dtype(value.dtype.numpy())) if value.dtype is not None else None
    if known is None:
        raise Refusal(f'"{value.name}" is of type {value.dtype}', f"allowed: {', '.join(DTYPE_OF.values())}")
    return "s32" if known == "s64" else known


def _plain_name(value: ir.Value) -> str:
    name = value.name or "value"
    for suffix in ("_dequantized", "_quantized", "_QuantizeLinear_Output", "_DequantizeLinear_Output"):
        name = name.removesuffix(suffix)
    return name


def _refused(refusals: Sequence[tuple[ir.Node, Refusal]]) -> UnsupportedOpError:
    nodes = [f'"{n.name or "no name"}" ({n.op_type}): {e.reason}' for n, e in refusals]
    hints = list(dict.fromkeys(e.hint for _, e in refusals if e.hint))
    return UnsupportedOpError(nodes, hint="; ".join(hints[:5]))

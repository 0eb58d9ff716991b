"""A float graph and the range of each value become a QDQ graph that is legal for TFLite int8 by construction.

The plan (`parameters`) is carried out on a copy: QuantizeLinear and DequantizeLinear around every int8 value, int8
weights and int32 biases behind a DequantizeLinear, folded activations removed. Inputs and outputs of the graph stay
float32; node names stay, so that a layer is recognised. Refused: weights that are not finite, opsets without
per-channel scales.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from edgekit.errors import ModelError
from edgekit.graph.constants import add_constant, value_names
from edgekit.graph.int8_spec import Rule
from edgekit.graph.masks import masks
from edgekit.graph.naming import Names
from edgekit.graph.operands import Slot, constant
from edgekit.graph.parameters import Plan, finite, layer_rules, plan_parameters
from edgekit.graph.quant_params import Array, QuantParams, Range, quantize_bias, quantize_weights, weight_scales
from edgekit.graph.rewriting import take_over
from edgekit.graph.saturation import useful_ranges, within

MIN_OPSET = 13  # the first with one scale per channel
# suffixes of an int8 value, of the float value that stands for it, and of the nodes that make them
QUANTIZED, DEQUANTIZED, QUANTIZED_BY, DEQUANTIZED_BY = "_quantized", "_dequantized", "_quantize", "_dequantize"


@dataclass(frozen=True)
class LayerPlan:
    """What became of one node of the float graph. reason: why it stays float, or where it was folded into."""

    name: str
    op: str
    quantized: bool
    reason: str | None = None


@dataclass(frozen=True)
class Quantized:
    """A QDQ graph and what became of each layer."""

    model: ir.Model
    layers: tuple[LayerPlan, ...]


def quantize(model: ir.Model, ranges: Mapping[str, Range]) -> Quantized:
    """Quantize a simplified float graph; `ranges` are those of `calibration.observe`. The given graph is not changed.

    Raises ModelError for weights that are not finite, UnsupportedError never: what int8 cannot do stays float, with a
    reason in `layers`.
    """
    opset = model.opset_imports.get("", 0)
    if opset < MIN_OPSET:
        raise ModelError(
            f"the graph has opset {opset}: int8 needs {MIN_OPSET} or newer", hint="export it again, opset 20"
        )
    copy = prepared(model)
    plan = plan_parameters(copy, _useful(copy, _with_bounded_masks(copy, ranges)))
    layers = tuple(_layer(node, plan) for node in copy.graph)
    _Rewriting(copy.graph, plan).carry_out()
    return Quantized(copy, layers)


def float_layers(model: ir.Model) -> tuple[LayerPlan, ...]:
    """The layers of a float graph that `quantize` would leave in float32, with the reasons; known before calibration.

    Nodes that work on integers and flags only are none of them.
    """
    copy = prepared(model)
    _, reasons = layer_rules(copy)
    floats = (node for node in copy.graph if node.name in reasons and _is_float(node))
    return tuple(LayerPlan(node.name or "", node.op_type, False, reasons[node.name or ""]) for node in floats)


def _is_float(node: ir.Node) -> bool:
    types = {v.dtype for v in (*node.inputs, *node.outputs) if v is not None}
    return any(t is None or t.is_floating_point() for t in types)


def prepared(model: ir.Model) -> ir.Model:
    """A copy with a unique name for every node and division by a constant turned into multiplication."""
    copy = ir.serde.deserialize_model(ir.serde.serialize_model(model))
    taken: set[str] = set()
    for i, node in enumerate(copy.graph):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{i}"
        taken.add(node.name)
    for node in list(copy.graph):
        _multiply_by_reciprocal(copy.graph, node)
    return copy


def _with_bounded_masks(model: ir.Model, ranges: Mapping[str, Range]) -> Mapping[str, Range]:
    """The ranges without what masks add to them; the masks of `model` are replaced by ones that int8 can hold."""
    changed = dict(ranges)
    for mask in list(masks(model)):
        numbers, changed[mask.sum_name] = mask.bounded(ranges[mask.value.name or ""], ranges[mask.sum_name])
        bounded = add_constant(model.graph, f"{mask.node.name}_bounded", numbers, value_names(model.graph))
        mask.node.replace_input_with(mask.position, bounded)
    return changed


def _useful(model: ir.Model, ranges: Mapping[str, Range]) -> Mapping[str, Range]:
    """The ranges, ended where the functions that read a value saturate."""
    useful = useful_ranges(model)
    return {name: within(seen, useful[name]) if name in useful else seen for name, seen in ranges.items()}


def _multiply_by_reciprocal(graph: ir.Graph, node: ir.Node) -> None:
    divisor = node.inputs[1] if node.op_type == "Div" else None
    numbers = constant(divisor)
    if divisor is None or numbers is None or numbers.dtype != np.float32 or not np.all(numbers):
        return
    inverse = add_constant(graph, f"{divisor.name}_inverse", np.reciprocal(finite(divisor)), value_names(graph))
    product = ir.node("Mul", [node.inputs[0], inverse], name=node.name, num_outputs=1)
    graph.insert_after(node, product)
    take_over(graph, node.outputs[0], product.outputs[0])
    graph.remove(node, safe=True)


def _layer(node: ir.Node, plan: Plan) -> LayerPlan:
    name = node.name or ""
    if name in plan.folded:
        return LayerPlan(name, node.op_type, True, f'folded into "{plan.folded[name]}"')
    return LayerPlan(name, node.op_type, name not in plan.reasons, plan.reasons.get(name))


@dataclass
class _Rewriting:
    """Carries a plan out on `graph`, in place."""

    graph: ir.Graph
    plan: Plan
    _made: dict[tuple[ir.Value, bytes], ir.Value] = field(default_factory=dict)
    _numbers: dict[str, ir.Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._values = Names(value_names(self.graph))
        self._nodes = Names({node.name for node in self.graph if node.name})

    def carry_out(self) -> None:
        rules = {n: rule for n in self.graph if (rule := self.plan.rules.get(n.name or "")) is not None}
        self._remove_folded(list(rules))
        rules = {n: rule for n, rule in rules.items() if n.name not in self.plan.folded}
        for node, rule in rules.items():  # before the activations: the bias needs its input's parameters by value name
            self._quantize_weights(node, rule)
        for value in self._stored_values(rules):
            self._quantize_value(value, rules)
        for node, rule in rules.items():
            self._quantize_operands(node, rule)
        self._drop_unused_initializers()

    def _remove_folded(self, nodes: list[ir.Node]) -> None:
        for node in nodes:
            if node.name in self.plan.folded:
                kept, old = node.inputs[0], node.outputs[0]
                assert kept is not None
                take_over(self.graph, old, kept)
                self.graph.remove(node, safe=True)

    def _stored_values(self, rules: Mapping[ir.Node, Rule]) -> list[ir.Value]:
        found: dict[ir.Value, None] = {}
        for node, rule in rules.items():
            found.update({v: None for _, v in rule.activation_inputs(node) if v.name in self.plan.values})
            found.update({v: None for v in node.outputs if v.name in self.plan.values})
        return list(found)

    def _quantize_value(self, value: ir.Value, rules: Mapping[ir.Node, Rule]) -> None:
        """Store `value` as int8. What computes it in float keeps feeding other float nodes unrounded."""
        name, producer = value.name, value.producer()
        assert name is not None
        float_source = producer is None or producer not in rules
        readers = [(n, i) for n, i in value.uses() if n in rules or not float_source]
        pair = self._pair(value, self.plan.values[name], name)
        if producer is None:
            self.graph.insert_before(self.graph[0], pair)
        else:
            self.graph.insert_after(producer, pair)
        for node, i in readers:
            node.replace_input_with(i, pair[1].outputs[0])
        if not float_source:
            self._replace_graph_output(value, pair[1].outputs[0])

    def _replace_graph_output(self, value: ir.Value, stored: ir.Value) -> None:
        for i, output in enumerate(self.graph.outputs):
            if output is value:
                self.graph.outputs[i] = stored
                name, value.name = value.name, f"{value.name}_float"
                stored.name = name

    def _pair(self, value: ir.Value, params: QuantParams, name: str) -> tuple[ir.Node, ir.Node]:
        """QuantizeLinear and DequantizeLinear of `value`, not yet in the graph."""
        parameters = self._parameters(params)
        q = ir.node(
            "QuantizeLinear", [value, *parameters], num_outputs=1, name=self._nodes.new(f"{name}{QUANTIZED_BY}")
        )
        q.outputs[0].name, q.outputs[0].shape = self._values.new(f"{name}{QUANTIZED}"), value.shape
        q.outputs[0].type = ir.TensorType(ir.DataType.INT8)
        return q, self._dequantizer([q.outputs[0], *parameters], {}, name)

    def _dequantizer(self, inputs: Sequence[ir.Value], attributes: Mapping[str, int], name: str) -> ir.Node:
        dq = ir.node(
            "DequantizeLinear", inputs, attributes, num_outputs=1, name=self._nodes.new(f"{name}{DEQUANTIZED_BY}")
        )
        dq.outputs[0].name, dq.outputs[0].shape = self._values.new(f"{name}{DEQUANTIZED}"), inputs[0].shape
        dq.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
        return dq

    def _parameters(self, params: QuantParams) -> tuple[ir.Value, ir.Value]:
        """Scale and zero point as initializers, one of each number."""
        scale = np.asarray(params.scale, np.float32)
        return (
            self._number(f"scale_{scale.view(np.uint32).item():08x}", scale),
            self._number(f"zero_point_{params.zero_point}", np.asarray(params.zero_point, np.int8)),
        )

    def _number(self, name: str, number: Array) -> ir.Value:
        """The initializer that holds a scale or zero point; made at its first use."""
        if name not in self._numbers:
            self._numbers[name] = self._initializer(name, number)
        return self._numbers[name]

    def _initializer(self, name: str, array: Array) -> ir.Value:
        return add_constant(self.graph, self._values.new(name), array, set())

    def _quantize_operands(self, node: ir.Node, rule: Rule) -> None:
        """Constant operands become int8 initializers, inputs of other parameters are requantized."""
        for i, value in list(rule.activation_inputs(node)):
            slot = (node.name or "", i)
            if slot in self.plan.constants:
                params = self.plan.constants[slot]
                scale, stored = np.asarray(params.scale, np.float32), params.quantize(finite(value))
                self._attach(node, i, stored, scale, None, f"{node.name}_operand{i}", params.zero_point)
            elif slot in self.plan.requantized:
                pair = self._pair(value, self.plan.requantized[slot], f"{node.name}_input{i}")
                self.graph.insert_before(node, pair)
                node.replace_input_with(i, pair[1].outputs[0])

    def _quantize_weights(self, node: ir.Node, rule: Rule) -> None:
        weight, source, slot = rule.weight_of(node), node.inputs[0], rule.bias(node)
        if weight is None or rule.weight is None or source is None:
            return
        source_params = self.plan.values[source.name or ""]
        axis, numbers = rule.weight_axis(node), finite(weight)
        channels = numbers.shape[axis] if axis is not None else _outputs(node)
        offsets = None if slot is None else _bias(slot, channels)
        scales = weight_scales(numbers, axis, bias=offsets, input_scale=source_params.scale)
        stored = quantize_weights(numbers, scales, axis)
        self._attach_shared((node, rule.weight), stored, scales, axis, f"{node.name}_weight")
        if slot is not None and offsets is not None:
            units = np.asarray(np.float32(source_params.scale) * scales)
            self._attach_shared(slot, quantize_bias(offsets, units), units, _bias_axis(axis), f"{node.name}_bias")

    def _attach_shared(self, slot: Slot, stored: Array, scales: Array, axis: int | None, name: str) -> None:
        """As `_attach`; nodes that share a weight or bias (the steps of a recurrent layer) share its integers too."""
        node, position = slot
        value = node.inputs[position]
        assert value is not None
        key = (value, scales.tobytes())
        if key in self._made:
            node.replace_input_with(position, self._made[key])
        else:
            self._made[key] = self._attach(node, position, stored, scales, axis, name)

    def _attach(
        self, node: ir.Node, i: int, stored: Array, scales: Array, axis: int | None, name: str, zero_point: int = 0
    ) -> ir.Value:
        """Input `i` of `node` becomes the initializer `stored` behind a DequantizeLinear, whose output comes back.

        Scale and zero point are its own: ONNX Runtime's x64quantprecision fails to load a graph where the zero point of
        a constant is also used elsewhere.
        """
        inputs = [
            self._initializer(f"{name}{QUANTIZED}", stored),
            self._initializer(f"{name}_scale", scales),
            self._initializer(f"{name}_zero_point", np.full(scales.shape, zero_point, stored.dtype)),
        ]
        dq = self._dequantizer(inputs, {} if axis is None else {"axis": axis}, name)
        self.graph.insert_before(node, dq)
        node.replace_input_with(i, dq.outputs[0])
        return dq.outputs[0]

    def _drop_unused_initializers(self) -> None:
        for name, value in list(self.graph.initializers.items()):
            if not value.uses() and not value.is_graph_output():
                del self.graph.initializers[name]


def _bias(slot: Slot, channels: int) -> Array:
    node, position = slot
    value = node.inputs[position]
    assert value is not None
    return np.broadcast_to(finite(value).reshape(-1), (channels,))


def _outputs(node: ir.Node) -> int:
    """Channels of a node's output where its weight has one scale for all."""
    shape = node.outputs[0].shape
    channels = None if shape is None else shape[-1 if node.op_type in ("Gemm", "MatMul") else 1]
    assert isinstance(channels, int), "shapes are static after simplification"
    return channels


def _bias_axis(weight_axis: int | None) -> int | None:
    return None if weight_axis is None else 0

"""Which tensors live when: the layers of a float or QDQ graph and the memory their activations need in an order.

A QDQ graph is read as an integer runtime executes it: an operator of the int8 table between DQ and Q nodes is one layer
on int8 tensors. Where a node stays float, and at the border of the graph, Q and DQ are layers that convert. Nodes that
only change a shape share the bytes of their input. Weights are not activations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgekit.graph.int8_spec import Output, Rule, rules_of
from edgekit.profiling.macs import COUNTED, sizes

VIEWS = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity")
UNARY = ("Relu", "Clip", "LeakyRelu", "PRelu", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid")
IN_PLACE = (*UNARY, "Add", "Sub", "Mul", "Div")
CLAMPS = ("Relu", "Clip")
STORAGE_NODES = ("QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True)
class Tensor:
    """An activation in memory."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int


@dataclass(frozen=True)
class Layer:
    """One step of the execution: reads `inputs`, writes `outputs` (indices into Network.tensors)."""

    name: str
    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    macs: int
    weights_bytes: int
    output_shape: tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """Layers in the order of the graph, and the tensors between them."""

    tensors: tuple[Tensor, ...]
    layers: tuple[Layer, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    weights_bytes: int


@dataclass(frozen=True)
class Peak:
    """The most bytes that live at once, while `layer` (an index) runs, and the tensors that are it."""

    bytes: int
    layer: int
    tensors: tuple[int, ...]


def read_network(model: ir.Model, *, float_border: bool = True) -> Network:
    """The layers and activations of a graph with static shapes.

    float_border: whether quantized inputs and outputs come as float and are converted inside (ONNX Runtime), or are
    int8 already (generated C).
    """
    return _Reader(model, float_border).network()


def live_tensors(network: Network, order: Sequence[int] | None = None) -> Iterator[tuple[int, ...]]:
    """For each layer, in the order given, the tensors that exist while it runs (its inputs and outputs included)."""
    order = range(len(network.layers)) if order is None else order
    last = _last_uses(network, order)
    alive = set(network.inputs)
    for step, index in enumerate(order):
        layer = network.layers[index]
        alive |= set(layer.outputs)
        yield tuple(sorted(alive))
        alive = {t for t in alive if last.get(t, -1) > step or t in network.outputs}


def peak(network: Network, order: Sequence[int] | None = None) -> Peak:
    """The peak of live bytes in an order; (0, ...) for a network without activations."""
    indices = range(len(network.layers)) if order is None else order
    steps = zip(indices, live_tensors(network, order), strict=True)
    found = [Peak(_bytes(network, live), i, live) for i, live in steps]
    return max(found, key=lambda p: p.bytes, default=Peak(0, 0, ()))


def in_place_peak(network: Network, order: Sequence[int]) -> Peak:
    """The peak when elementwise layers write over an input that dies in them: what the best runtime can do."""
    last = _last_uses(network, order)
    found = []
    for step, (index, live) in enumerate(zip(order, live_tensors(network, order), strict=True)):
        layer = network.layers[index]
        saved = 0
        if layer.op in IN_PLACE and len(layer.outputs) == 1:
            size = network.tensors[layer.outputs[0]].bytes
            dying = [t for t in layer.inputs if last.get(t) == step and t not in network.outputs]
            saved = size if any(network.tensors[t].bytes >= size for t in dying) else 0
        found.append(Peak(_bytes(network, live) - saved, index, live))
    return max(found, key=lambda p: p.bytes, default=Peak(0, 0, ()))


def _bytes(network: Network, live: Sequence[int]) -> int:
    return sum(network.tensors[t].bytes for t in live)


def _last_uses(network: Network, order: Sequence[int]) -> dict[int, int]:
    return {t: step for step, index in enumerate(order) for t in network.layers[index].inputs}


class _Reader:
    """One walk over a graph."""

    def __init__(self, model: ir.Model, float_border: bool) -> None:
        self.graph = model.graph
        self.float_border = float_border
        self.tensors: list[Tensor] = []
        self.index: dict[ir.Value, int] = {}
        self.int8: dict[ir.Node, bool] = {}
        self.rules = rules_of(model)

    def network(self) -> Network:
        given = [v for v in self.graph.inputs if v.name not in self.graph.initializers]
        inputs = tuple(dict.fromkeys(self._tensor(s) for v in given for s in self._at_border(v)))
        layers = tuple(layer for node in self.graph if (layer := self._layer(node)) is not None)
        outputs = tuple(dict.fromkeys(self._output_tensor(v) for v in self.graph.outputs))
        return Network(tuple(self.tensors), layers, inputs, outputs, self._all_weights())

    def _at_border(self, value: ir.Value) -> list[ir.Value]:
        """A graph input as the caller gives it: int8 where all its readers quantize it and the border is not float."""
        quantized = self._quantized(value)
        return quantized if quantized and not self.float_border else [value]

    def _output_tensor(self, value: ir.Value) -> int:
        producer = value.producer()
        if not self.float_border and producer is not None and producer.op_type == "DequantizeLinear":
            return self._tensor(producer.inputs[0])
        return self._tensor(value)

    def _layer(self, node: ir.Node) -> Layer | None:
        if all(self._is_constant(v) for v in node.inputs) or self._fused(node) or self._inside(node):
            return None
        if node.op_type == "QuantizeLinear":
            return self._quantize(node)
        if node.op_type == "DequantizeLinear":
            return self._dequantize(node)
        if node.op_type in VIEWS and node.inputs[0] is not None:
            source = self._read(node, node.inputs[0])
            self.index |= dict.fromkeys(self._stored(node.outputs[0]), source)
            return None
        parts = self._parts(node)
        read = [v for part in parts for v in part.inputs if v is not None and not self._is_constant(v)]
        inputs = tuple(dict.fromkeys(self._read(node, v) for v in read if v.producer() not in parts))
        written = [v for v in node.outputs if v.name]  # an optional output that is left out has no name and no shape
        outputs = tuple(dict.fromkeys(self._tensor(s) for v in written for s in self._stored(v)))
        main = next((part for part in parts if part.op_type in COUNTED), node)
        macs = sum(COUNTED[part.op_type](part) for part in parts if part.op_type in COUNTED)
        weights = sum(self._weights(part) for part in parts)
        return Layer(main.name or main.op_type, main.op_type, inputs, outputs, macs, weights, sizes(written[0]))

    def _inside(self, node: ir.Node) -> bool:
        """A node whose output an int8 runtime never stores: inside a table group, or a MatMul before its bias."""
        rule = self.rules.get(node)
        return isinstance(rule, Rule) and not rule.stores and self._runs_int8(node)

    def _parts(self, node: ir.Node) -> list[ir.Node]:
        """The nodes that run as one layer with `node`, the last of them."""
        before = (v.producer() for v in node.inputs if v is not None)
        inner = (part for p in before if p is not None and self._inside(p) for part in self._parts(p))
        return list(dict.fromkeys((node, *inner)))

    def _quantize(self, node: ir.Node) -> Layer | None:
        """Q behind an int8 layer is part of that layer, Q of an input may be the caller's; any other converts."""
        source = node.inputs[0]
        assert source is not None
        producer = source.producer()
        if producer is None and self._at_border(source) != [source]:
            return None
        if producer is not None and self._runs_int8(producer):
            return None
        if producer is not None and producer.op_type == "DequantizeLinear":
            source = producer.inputs[0]
        return self._conversion(node, source)

    def _dequantize(self, node: ir.Node) -> Layer | None:
        """DQ is a layer where a node that stays float reads it, or the caller does."""
        value = node.outputs[0]
        in_float = [n for n in value.consumers() if n.op_type != "QuantizeLinear" and not self._runs_int8(n)]
        if in_float or (value.is_graph_output() and self.float_border):
            return self._conversion(node, node.inputs[0])
        return None

    def _conversion(self, node: ir.Node, source: ir.Value | None) -> Layer:
        before, after = self._tensor(source), self._tensor(node.outputs[0])
        return Layer(node.name or node.op_type, node.op_type, (before,), (after,), 0, 0, sizes(node.outputs[0]))

    def _runs_int8(self, node: ir.Node) -> bool:
        """Whether the int8 table knows the operator, its activations come from DQ and all its outputs go to Q."""
        if node not in self.int8:
            self.int8[node] = self._fused(node) or self._between(node)
        return self.int8[node]

    def _between(self, node: ir.Node) -> bool:
        rule = self.rules.get(node)
        if not isinstance(rule, Rule):
            return False
        if not rule.stores:
            return self._runs_int8(node.outputs[0].consumers()[0])
        read = [v for _, v in rule.activation_inputs(node) if not self._is_constant(v)]
        producers = [v.producer() for v in read]
        behind = all(p is not None and p.op_type == "DequantizeLinear" for p in producers)
        return behind and all(self._quantized(v) for v in node.outputs if v.name)

    def _quantized(self, value: ir.Value) -> list[ir.Value]:
        """The outputs of the Q nodes that read a value, also behind one clamp; none where anybody reads it as float."""
        readers = value.consumers()
        if value.is_graph_output():
            return []
        if len(readers) == 1 and readers[0].op_type in CLAMPS and value.producer() is not None:
            value = readers[0].outputs[0]
            readers = value.consumers()
        if value.is_graph_output() or not all(n.op_type == "QuantizeLinear" for n in readers):
            return []
        return [n.outputs[0] for n in readers]

    def _fused(self, node: ir.Node) -> bool:
        """A clamp between an int8 layer and its Q is part of that layer."""
        rule = self.rules.get(node)
        if node.op_type not in CLAMPS or node.inputs[0] is None or getattr(rule, "output", None) is not Output.SAME:
            return False
        before = node.inputs[0].producer()
        if before is None or before.op_type in (*CLAMPS, *STORAGE_NODES):
            return False
        return len(before.outputs) == 1 and len(before.outputs[0].uses()) == 1 and self._runs_int8(before)

    def _stored(self, value: ir.Value) -> list[ir.Value]:
        """The values in which a node's output lies in memory: what its Q nodes give if it runs in int8, else itself."""
        producer = value.producer()
        return self._quantized(value) if producer is not None and self._runs_int8(producer) else [value]

    def _read(self, node: ir.Node, value: ir.Value) -> int:
        """The tensor that a node reads for an input: the one before DQ if it runs in int8."""
        producer = value.producer()
        if producer is not None and producer.op_type == "DequantizeLinear" and self._runs_int8(node):
            return self._tensor(producer.inputs[0])
        return self._tensor(value)

    def _tensor(self, value: ir.Value | None) -> int:
        """Index of the tensor that holds `value`."""
        assert value is not None
        if value not in self.index:
            self.index[value] = len(self.tensors)
            shape = sizes(value)
            dtype = value.dtype or ir.DataType.FLOAT
            size = math.ceil(math.prod(shape) * dtype.itemsize)
            self.tensors.append(Tensor(value.name or "", shape, str(dtype).lower(), size))
        return self.index[value]

    def _is_constant(self, value: ir.Value | None) -> bool:
        if value is None or value.const_value is not None:
            return True
        producer = value.producer()
        return producer is not None and producer.op_type in STORAGE_NODES and self._is_constant(producer.inputs[0])

    def _weights(self, node: ir.Node) -> int:
        return sum(self._constant_bytes(v) for v in node.inputs if v is not None and self._is_constant(v))

    def _constant_bytes(self, value: ir.Value) -> int:
        if value.const_value is not None:
            return value.const_value.nbytes
        producer = value.producer()
        assert producer is not None
        return sum(v.const_value.nbytes for v in producer.inputs if v is not None and v.const_value is not None)

    def _all_weights(self) -> int:
        tensors = [v.const_value for v in self.graph.initializers.values()]
        return sum(t.nbytes for t in tensors if t is not None)

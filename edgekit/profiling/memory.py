"""Which tensors live when: the layers of a float or QDQ graph and the memory their activations need in an order.

A QDQ graph is read as an integer runtime executes it: Q and DQ nodes are no layers, a value between them is one int8
tensor. Nodes that only change a shape share the bytes of their input. Weights are not activations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgekit.profiling.macs import COUNTED, sizes

VIEWS = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity")
UNARY = ("Relu", "Clip", "LeakyRelu", "PRelu", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid")
IN_PLACE = (*UNARY, "Add", "Sub", "Mul", "Div")
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

    def network(self) -> Network:
        given = [v for v in self.graph.inputs if v.name not in self.graph.initializers]
        inputs = tuple(dict.fromkeys(self._tensor(s) for v in given for s in self._at_border(v)))
        layers = tuple(layer for node in self.graph if (layer := self._layer(node)) is not None)
        outputs = tuple(dict.fromkeys(self._output_tensor(v) for v in self.graph.outputs))
        return Network(tuple(self.tensors), layers, inputs, outputs, self._all_weights())

    def _at_border(self, value: ir.Value) -> list[ir.Value]:
        return [value] if self.float_border else self._stored(value)

    def _output_tensor(self, value: ir.Value) -> int:
        producer = value.producer()
        if not self.float_border and producer is not None and producer.op_type == "DequantizeLinear":
            assert producer.inputs[0] is not None
            return self._tensor(producer.inputs[0])
        return self._tensor(value)

    def _layer(self, node: ir.Node) -> Layer | None:
        if node.op_type == "QuantizeLinear":
            return self._requantize(node)
        if node.op_type == "DequantizeLinear" or all(self._is_constant(v) for v in node.inputs):
            return None
        if node.op_type in VIEWS and node.inputs[0] is not None:
            source = self._tensor(node.inputs[0])
            for value in self._stored(node.outputs[0]):
                self.index[value] = source
            return None
        read = [v for v in node.inputs if v is not None and not self._is_constant(v)]
        inputs = tuple(dict.fromkeys(self._tensor(v) for v in read))
        outputs = tuple(dict.fromkeys(self._tensor(s) for v in node.outputs for s in self._stored(v)))
        macs = COUNTED[node.op_type](node) if node.op_type in COUNTED else 0
        name = node.name or node.op_type
        return Layer(name, node.op_type, inputs, outputs, macs, self._weights(node), sizes(node.outputs[0]))

    def _requantize(self, node: ir.Node) -> Layer | None:
        """Q of a graph input, or of another int8 tensor, copies; Q behind a layer is part of that layer."""
        source = node.inputs[0]
        assert source is not None
        producer = source.producer()
        if producer is not None and producer.op_type != "DequantizeLinear":
            return None
        if producer is None and not self.float_border and self._stored(source)[0] is not source:
            return None
        before, after = self._tensor(source), self._tensor(node.outputs[0])
        name = node.name or f"quantize {source.name}"
        return Layer(name, node.op_type, (before,), (after,), 0, 0, sizes(node.outputs[0]))

    def _stored(self, value: ir.Value) -> list[ir.Value]:
        """The values in which a node's output lies in memory: what its Q nodes give; itself where others read it."""
        users = value.consumers()
        quantized = [n.outputs[0] for n in users if n.op_type == "QuantizeLinear"]
        if len(quantized) == len(users) and quantized and not value.is_graph_output():
            return quantized
        return [value, *quantized]

    def _tensor(self, value: ir.Value) -> int:
        """Index of the tensor that holds `value`; a DQ reads the tensor before it, except at the graph's border."""
        producer = value.producer()
        if producer is not None and producer.op_type == "DequantizeLinear" and not value.is_graph_output():
            assert producer.inputs[0] is not None
            return self._tensor(producer.inputs[0])
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

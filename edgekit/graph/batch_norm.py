"""BatchNormalization after a convolution or a linear layer moves into that layer's weights and bias.

Left as it is: training mode, statistics or weights that are computed, and layers whose output is used elsewhere too.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgekit.graph.constants import add_constant, value_names
from edgekit.graph.quant_params import Array

LAYERS = ("Conv", "ConvTranspose", "Gemm")


def fold_batch_norm(model: ir.Model) -> ir.Model:
    """BatchNormalization becomes part of the layer before it: y = factor * layer(x) + shift, per output channel."""
    taken = value_names(model.graph)
    for node in list(model.graph):
        if node.op_type == "BatchNormalization":
            layer = layer_before(node)
            if layer is not None and _is_constant(node):
                take_up(model.graph, layer, node, *_factor_and_shift(node), taken)
    return model


def layer_before(node: ir.Node) -> ir.Node | None:
    """The layer that can take up what `node` makes of its result, or None."""
    source = node.inputs[0]
    layer = None if source is None else source.producer()
    if source is None or layer is None or layer.op_type not in LAYERS or layer.domain != "":
        return None
    alone = len(source.uses()) == 1 and not source.is_graph_output()
    constant = all(v is None or v.const_value is not None for v in layer.inputs[1:])
    # Gemm's factors alpha and beta would have to be taken along; no exporter writes a layer with them.
    plain = all(layer.attributes[k].as_float() == 1.0 for k in ("alpha", "beta") if k in layer.attributes)
    return layer if alone and constant and plain else None


def take_up(graph: ir.Graph, layer: ir.Node, node: ir.Node, factor: Array, shift: Array, taken: set[str]) -> None:
    """The layer computes factor * layer(x) + shift, per output channel, and takes the place of `node`."""
    weight_value = layer.inputs[1]
    bias_value = layer.inputs[2] if len(layer.inputs) > 2 else None
    assert weight_value is not None and weight_value.const_value is not None
    bias = np.zeros_like(factor) if bias_value is None else _numbers(bias_value)
    exact_type = weight_value.const_value.numpy().dtype
    name = weight_value.name or "weight"
    weight = np.asarray(_scaled(layer, _numbers(weight_value), factor), exact_type)
    shifted = np.asarray(bias * factor + shift, exact_type)
    layer.resize_inputs(3)
    layer.replace_input_with(1, add_constant(graph, name, weight, taken))
    layer.replace_input_with(2, add_constant(graph, _bias_name(name), shifted, taken))
    _take_over(graph, layer, node)


def _is_constant(node: ir.Node) -> bool:
    """Whether its statistics and weights are constants, and nobody asks it for more than its result."""
    extra = any(v.uses() or v.is_graph_output() for v in node.outputs[1:])
    known = all(v is None or v.const_value is not None for v in node.inputs[1:])
    return known and not extra and not _integer(node, "training_mode", 0)


def _factor_and_shift(node: ir.Node) -> tuple[Array, Array]:
    gamma, beta, mean, variance = (_numbers(v) for v in node.inputs[1:5])
    epsilon = node.attributes["epsilon"].as_float() if "epsilon" in node.attributes else 1e-5
    with np.errstate(all="ignore"):  # what is not finite then is refused at the end, by name
        factor = gamma / np.sqrt(variance + epsilon)
        return factor, beta - mean * factor


def _scaled(layer: ir.Node, weight: Array, factor: Array) -> Array:
    """Weights times one factor per output channel."""
    rank = weight.ndim
    if layer.op_type == "Conv" or (layer.op_type == "Gemm" and _integer(layer, "transB", 0)):
        return np.multiply(weight, factor.reshape(-1, *[1] * (rank - 1)))
    if layer.op_type == "Gemm":
        return np.multiply(weight, factor)
    groups = _integer(layer, "group", 1)  # ConvTranspose: (input channels, output channels of a group, *kernel)
    parts = weight.reshape(groups, -1, *weight.shape[1:])
    along = factor.reshape(groups, 1, -1, *[1] * (rank - 2))
    return np.multiply(parts, along).reshape(weight.shape)


def _take_over(graph: ir.Graph, layer: ir.Node, node: ir.Node) -> None:
    """The layer now computes what the node did, under its name."""
    result, source = node.outputs[0], layer.outputs[0]
    result.replace_all_uses_with(source, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    source.name = result.name


def _bias_name(weight: str) -> str:
    return f"{weight.removesuffix('.weight')}.bias"


def _numbers(value: ir.Value | None) -> Array:
    assert value is not None and value.const_value is not None
    return value.const_value.numpy().astype(np.float64)


def _integer(node: ir.Node, key: str, default: int) -> int:
    return node.attributes[key].as_int() if key in node.attributes else default

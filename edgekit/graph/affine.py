"""Constant factors and offsets per channel move into the linear layer before or behind them: one operator and one
rounding less each.

Before: a convolution, a transposed convolution or a Gemm that nothing else reads takes up a Mul or Add of one number
per output channel. Behind: a Mul or Add along the last axis that only MatMul and Gemm with constant weights read moves
into their weights and biases, past means and selections along other axes.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgekit.graph.batch_norm import layer_before, take_up
from edgekit.graph.constants import value_names
from edgekit.graph.operands import Slot, added_bias, attribute, constant
from edgekit.graph.quant_params import Array
from edgekit.graph.rewriting import Place, Rewriter
from edgekit.graph.shapes import sizes

SELECTORS = ("ReduceMean", "Gather", "Slice")


def fold_affine(model: ir.Model) -> ir.Model:
    """Mul and Add by constants become part of their neighbours. Needs known shapes, keeps them."""
    rewriter = Rewriter(model)
    for node in list(model.graph):
        if node.op_type in ("Mul", "Add"):
            _into_layer_before(rewriter, node)
    for node in reversed(list(model.graph)):
        if node.op_type in ("Mul", "Add"):
            _into_layers_behind(rewriter, node)
    return model


def _into_layer_before(rewriter: Rewriter, node: ir.Node) -> None:
    layer, numbers = layer_before(node), constant(node.inputs[1])
    result = sizes(node.outputs[0])
    if layer is None or numbers is None or result is None or len(result) < 2:
        return
    along = _along(numbers, 1, result)
    if along is not None and sizes(layer.outputs[0]) == result:
        factor, shift = (along, 0.0) if node.op_type == "Mul" else (1.0, along)
        channels = np.ones(result[1])
        take_up(rewriter.graph, layer, node, factor * channels, shift * channels, value_names(rewriter.graph))


def _into_layers_behind(rewriter: Rewriter, node: ir.Node) -> None:
    x, value, numbers = node.inputs[0], node.outputs[0], constant(node.inputs[1])
    shape, readers = sizes(value), tuple(value.uses())
    if x is None or numbers is None or constant(x) is not None or not shape or sizes(x) != shape:
        return
    along = _along(numbers, len(shape) - 1, shape)
    if along is None or value.is_graph_output() or not readers or shape[-1] < 0:
        return
    along = np.broadcast_to(along, shape[-1:]).astype(np.float64)
    if all(_takes_up(reader, position) for reader, position in readers):
        for reader, _ in readers:
            _absorb(rewriter.at(reader), x, along, node.op_type)
        rewriter.graph.remove(node, safe=True)
    elif len(readers) == 1 and _selects(*readers[0]):
        moved = _behind(rewriter.at(readers[0][0]), node)
        rewriter.graph.remove(node, safe=True)
        _into_layers_behind(rewriter, moved)


def _along(numbers: Array, axis: int, shape: tuple[int, ...]) -> Array | None:
    """The numbers along one axis of `shape`, or one for all; None where they vary along others."""
    if numbers.ndim > len(shape) or numbers.dtype != np.float32:
        return None
    extents = (1,) * (len(shape) - numbers.ndim) + numbers.shape
    alone = all(extent == 1 for i, extent in enumerate(extents) if i != axis)
    return numbers.reshape(-1) if alone and numbers.size in (1, shape[axis]) else None


def _takes_up(reader: ir.Node, position: int) -> bool:
    """Whether a reader is a linear layer whose constants can be changed."""
    weights = constant(reader.inputs[1]) if position == 0 and reader.op_type in ("MatMul", "Gemm") else None
    if weights is None or weights.ndim != 2:
        return False
    plain = attribute(reader, "alpha", 1.0) == 1.0 and attribute(reader, "beta", 1.0) == 1.0
    known = len(reader.inputs) < 3 or reader.inputs[2] is None or constant(reader.inputs[2]) is not None
    return plain and known and not attribute(reader, "transA", 0)


def _absorb(place: Place, x: ir.Value, along: Array, op: str) -> None:
    """layer(x * along) or layer(x + along) becomes layer'(x)."""
    layer = place.node
    weights = constant(layer.inputs[1])
    assert weights is not None
    turned = bool(attribute(layer, "transB", 0))
    layer.replace_input_with(0, x)
    if op == "Mul":
        factor = along if turned else along[:, None]
        layer.replace_input_with(1, place.constant((weights * factor).astype(np.float32), "weight"))
    else:
        _shift(place, along @ (weights.T if turned else weights))


def _shift(place: Place, offsets: Array) -> None:
    """Add `offsets`, one per output, to the bias of a layer, which may have none yet."""
    layer = place.node
    slot: Slot | None = added_bias(layer) if layer.op_type == "MatMul" else None
    if layer.op_type == "Gemm":
        layer.resize_inputs(3)
        slot = (layer, 2)
    if slot is None:
        product = place.op("MatMul", *layer.inputs, name="product")
        place.replace(place.op("Add", product, place.constant(offsets.astype(np.float32), "bias"), name="bias"))
        return
    node, position = slot
    before = constant(node.inputs[position])
    total = (0.0 if before is None else before.reshape(-1)) + offsets
    node.replace_input_with(position, place.constant(total.astype(np.float32), "bias"))


def _selects(reader: ir.Node, position: int) -> bool:
    """Whether a reader averages or selects along other axes than the last, and keeps the last where it is."""
    if position or reader.op_type not in SELECTORS or reader.outputs[0].is_graph_output():
        return False
    before, after = sizes(reader.inputs[0]) if reader.inputs[0] is not None else None, sizes(reader.outputs[0])
    axes = _axes(reader, len(before or ()))
    return bool(before and after and axes) and len(before or ()) - 1 not in axes


def _axes(reader: ir.Node, rank: int) -> list[int]:
    """The axes along which a reader averages or selects; empty where they are unknown."""
    if reader.op_type == "Gather":
        return [int(attribute(reader, "axis", 0)) % rank]
    position = 1 if reader.op_type == "ReduceMean" else 3
    axes = constant(reader.inputs[position]) if len(reader.inputs) > position else None
    return [] if axes is None else [int(axis) % rank for axis in axes.reshape(-1)]


def _behind(place: Place, node: ir.Node) -> ir.Node:
    """The Mul or Add `node` before the place's node comes behind it; the node that does it there."""
    settings = {name: a.value for name, a in place.node.attributes.items()}
    numbers = constant(node.inputs[1])
    assert numbers is not None
    chosen = place.op(place.node.op_type, node.inputs[0], *place.node.inputs[1:], name="", **settings)
    chosen.shape = place.node.outputs[0].shape
    flat = place.constant(numbers.reshape(-1), (node.name or "affine").rsplit(".", 1)[-1])
    moved = place.op(node.op_type, chosen, flat, name=(node.name or "affine").rsplit(".", 1)[-1])
    made = moved.producer()
    assert made is not None
    place.replace(moved)
    return made

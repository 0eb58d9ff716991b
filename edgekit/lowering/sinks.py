"""Where the result of a node ends: behind a fused bias and activation, in a QuantizeLinear or as a float value."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgekit.graph.operands import constant
from edgekit.lowering.stored import Stored, params_of
from edgekit.program import Activation

SAME_DATA = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose")
FUSE_ACTIVATION = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Sub", "Mul", "MaxPool", "AveragePool")
LONGEST_CHAIN = 8


@dataclass(frozen=True)
class Sink:
    """values: those under which the result is known, the last one being what is stored; fused: nodes that are part of
    the operation."""

    values: tuple[ir.Value, ...]
    stored: Stored | None
    activation: Activation = Activation.NONE
    bias: ir.Value | None = None
    fused: tuple[ir.Node, ...] = ()


def sink_of(node: ir.Node, k: int) -> Sink:
    """The sink of output `k` of a node."""
    value = node.outputs[k]
    bias, fused, activation = None, [], Activation.NONE
    fuses = node.op_type in FUSE_ACTIVATION
    if node.op_type == "MatMul":
        weights = constant(node.inputs[1])
        fuses = weights is not None and weights.ndim == 2  # else it is no fully connected layer
    if node.op_type == "MatMul" and fuses and (add := _only(value, "Add")):
        operand = add.inputs[1] if add.inputs[0] is value else add.inputs[0]
        if operand is not None and _is_bias(operand, node):
            bias, value = operand, add.outputs[0]
            fused.append(add)
    if fuses:
        for _ in range(LONGEST_CHAIN):
            clamp = _only(value, "Relu") or _only(value, "Clip")
            found = None if clamp is None else _activation(clamp)
            if clamp is None or found is None or activation is not Activation.NONE:
                break
            activation, value = found, clamp.outputs[0]
            fused.append(clamp)
    quantizers = [n for n in value.consumers() if n.op_type == "QuantizeLinear"]
    if not quantizers:
        return Sink((value,), _stored_ahead(value), activation, bias, tuple(fused))
    stored = params_of(quantizers[0])
    same = [n.outputs[0] for n in quantizers if params_of(n) == stored]
    return Sink(tuple(same), stored, activation, bias, tuple(fused))


def _stored_ahead(value: ir.Value) -> Stored | None:
    """How a value is stored that is only reshaped or transposed before it is quantized."""
    for _ in range(LONGEST_CHAIN):
        mover = next((node for op_type in SAME_DATA if (node := _only(value, op_type))), None)
        if mover is None:
            return None
        value = mover.outputs[0]
        quantizers = [n for n in value.consumers() if n.op_type == "QuantizeLinear"]
        if quantizers:
            return params_of(quantizers[0])
    return None


def _only(value: ir.Value, op_type: str) -> ir.Node | None:
    """The only reader of a value, where it is of this type."""
    consumers = value.consumers()
    alone = len(consumers) == 1 and len(value.uses()) == 1 and not value.is_graph_output()
    return consumers[0] if alone and consumers[0].op_type == op_type else None


def _is_bias(operand: ir.Value, node: ir.Node) -> bool:
    numbers = constant(operand)
    shape = node.outputs[0].shape
    return (
        numbers is not None and shape is not None and numbers.size in (1, shape[-1])
        and (numbers.size == 1 or numbers.shape[-1] == numbers.size)
    )  # fmt: skip


def _activation(clamp: ir.Node) -> Activation | None:
    if clamp.op_type == "Relu":
        return Activation.RELU
    bounds = [None if v is None else constant(v) for v in clamp.inputs[1:3]]
    low, high = (*bounds, None, None)[:2]
    pair = (float("-inf") if low is None else float(low.item()), float("inf") if high is None else float(high.item()))
    return next((a for a in Activation if a.value == pair), None)

"""Multiply-accumulates of each node of a float or QDQ graph with static shapes.

Q and DQ nodes are not layers and count nothing. Operators that multiply nothing count 0; operators of which nobody said
how many they need are listed by name, so that a total is never silently too small.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import onnx_ir as ir


@dataclass(frozen=True)
class MacCount:
    """MACs by node name, their sum, and the operators that were not counted."""

    by_node: dict[str, int]
    unknown: tuple[str, ...]

    @property
    def total(self) -> int:
        return sum(self.by_node.values())


def count_macs(model: ir.Model) -> MacCount:
    """MACs for one inference with the graph's own shapes (its batch included)."""
    counts, unknown = {}, []
    for node in model.graph:
        if node.op_type in COUNTED:
            counts[node.name or ""] = COUNTED[node.op_type](node)
        elif node.op_type not in FREE:
            unknown.append(f"{node.op_type} ({node.name})")
    return MacCount(counts, tuple(unknown))


def sizes(value: ir.Value | None) -> tuple[int, ...]:
    """The static shape of a value."""
    assert value is not None and value.shape is not None, "profiling needs static shapes"
    return tuple(int(d) for d in value.shape.numpy())


def _convolution(node: ir.Node) -> int:
    """Each output element: input channels of its group times the kernel. Weights are (out, in/group, *kernel)."""
    return math.prod(sizes(node.outputs[0])) * math.prod(sizes(node.inputs[1])[1:])


def _transposed_convolution(node: ir.Node) -> int:
    """Each input element is spread over out/group channels and the kernel. Weights are (in, out/group, *kernel)."""
    return math.prod(sizes(node.inputs[0])) * math.prod(sizes(node.inputs[1])[1:])


def _gemm(node: ir.Node) -> int:
    transposed = "transA" in node.attributes and node.attributes["transA"].as_int()
    left = sizes(node.inputs[0])
    return math.prod(sizes(node.outputs[0])) * left[0 if transposed else 1]


def _matmul(node: ir.Node) -> int:
    return math.prod(sizes(node.outputs[0])) * sizes(node.inputs[0])[-1]


def _recurrent(gates: int) -> Callable[[ir.Node], int]:
    """X is (steps, batch, in), W (directions, gates*hidden, in), R (directions, gates*hidden, hidden)."""

    def count(node: ir.Node) -> int:
        steps, batch, inputs = sizes(node.inputs[0])
        directions, rows, hidden = sizes(node.inputs[2])
        assert rows == gates * hidden
        return steps * batch * directions * rows * (inputs + hidden)

    return count


COUNTED: dict[str, Callable[[ir.Node], int]] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "LSTM": _recurrent(4),
    "GRU": _recurrent(3),
    "RNN": _recurrent(1),
}
# These multiply nothing, or so little that a count would mislead (elementwise, pooling, moving data).
# fmt: off
FREE = frozenset((
    "Abs", "Add", "And", "ArgMax", "ArgMin", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Clip", "Concat",
    "Constant", "ConstantOfShape", "Cos", "CumSum", "DepthToSpace", "DequantizeLinear", "Div", "Dropout", "Elu",
    "Equal", "Erf", "Exp", "Expand", "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Gelu",
    "GlobalAveragePool", "GlobalMaxPool", "Greater", "GreaterOrEqual", "GroupNormalization", "HardSigmoid",
    "HardSwish", "Identity", "InstanceNormalization", "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log",
    "LogSoftmax", "LpPool", "Max", "MaxPool", "Min", "Mish", "Mod", "Mul", "Neg", "NonZero", "Not", "OneHot", "Or",
    "PRelu", "Pad", "Pow", "QuantizeLinear", "RMSNormalization", "Range", "Reciprocal", "ReduceL1", "ReduceL2",
    "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Resize",
    "Round", "ScatterElements", "ScatterND", "Selu", "Shape", "Sigmoid", "Sign", "Sin", "Size", "Slice", "Softmax",
    "Softplus", "Softsign", "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Swish", "Tanh", "Tile", "TopK",
    "Transpose", "Trilu", "Unsqueeze", "Where", "Xor",
))
# fmt: on

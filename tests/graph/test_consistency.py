"""consistency: each kind of operand that contradicts its operator has its message; sound graphs pass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
from int8_nets import Net, classifier, quantized

from edgekit.errors import ModelError
from edgekit.graph.consistency import require_consistent, require_filled
from edgekit.graph.simplify import check_quantized, simplify


def ones(net: Net, *shape: int) -> str:
    return net.constant(np.ones(shape, np.float32))


def convolution(net: Net, *, weights=(4, 2, 3, 3), bias=(4,), **attributes) -> str:
    return net.op("Conv", net.input("x", 1, 2, 6, 6), ones(net, *weights), ones(net, *bias), **attributes)


def transposed(net: Net, bias: int) -> str:
    return net.op("ConvTranspose", net.input("x", 1, 2, 6, 6), ones(net, 2, 3, 2, 2), ones(net, bias))


def gemm(net: Net, *bias: int) -> str:
    return net.op("Gemm", net.input("x", 2, 3), ones(net, 3, 4), ones(net, *bias))


def lstm(net: Net, *, rows: int = 16, hidden: int = 4, bias: int = 32) -> str:
    x, w = net.input("x", 3, 1, 5), ones(net, 1, rows, 5)
    return net.op("LSTM", x, w, ones(net, 1, rows, hidden), ones(net, 1, bias), outputs=3, hidden_size=4)[1]


def normalized(net: Net, channels: int) -> str:
    return net.op("InstanceNormalization", net.input("x", 1, 3, 4, 4), ones(net, 3), ones(net, channels))


def layer_normalized(net: Net, *scale: int) -> str:
    return net.op("LayerNormalization", net.input("x", 1, 3, 4), ones(net, *scale), axis=-1)


def dequantized(net: Net, scales: int, zeros: int, axis: int = 0) -> str:
    weights = net.constant(np.ones((4, 3), np.int8))
    pair = (ones(net, scales), net.constant(np.zeros(zeros, np.int8)))
    return net.op("Add", net.input("x", 4, 3), net.op("DequantizeLinear", weights, *pair, axis=axis))


SOUND: dict[str, Callable[[Net], str]] = {
    "convolution": convolution,
    "grouped": lambda n: convolution(n, weights=(4, 1, 3, 3), group=2),
    "transposed": lambda n: transposed(n, 3),
    "gemm": lambda n: gemm(n, 4),
    "gemm of a scalar": lambda n: gemm(n, 1, 1),
    "lstm": lstm,
    "instance normalization": lambda n: normalized(n, 3),
    "layer normalization": lambda n: layer_normalized(n, 4),
    "slice": lambda n: cut(n, np.array([1])),
    "gather": lambda n: gathered(n, -4),
    "scales per channel": lambda n: dequantized(n, 4, 4),
}


def reshaped(net: Net) -> str:
    return net.op("Reshape", net.input("x", 2, 3), net.constant(np.array([2, 2])))


def cut(net: Net, starts: np.ndarray) -> str:
    return net.op("Slice", net.input("x", 4, 3), net.constant(starts), net.constant(np.array([4])))


def gathered(net: Net, index: int) -> str:
    return net.op("Gather", net.input("x", 4, 3), net.constant(np.array([0, index])), axis=0)


CONTRADICTIONS: dict[str, tuple[Callable[[Net], str], str]] = {
    "bias of a convolution": (lambda n: convolution(n, bias=(5,)), "input 2 has shape [5], wanted [4]"),
    "kernel_shape": (lambda n: convolution(n, kernel_shape=[3, 2]), "kernel_shape is [3, 2]"),
    "bias of a transposed one": (lambda n: transposed(n, 2), "input 2 has shape [2], wanted [3]"),
    "bias of a gemm": (lambda n: gemm(n, 5), "broadcast to [2, 4]"),
    "rows of an lstm": (lambda n: lstm(n, rows=12), "[1, 12, 5], wanted [1, 16, 5]"),
    "bias of an lstm": (lambda n: lstm(n, bias=16), "[1, 16], wanted [1, 32]"),
    "statistics": (lambda n: normalized(n, 4), "input 2 has shape [4], wanted [3]"),
    "layer normalization": (lambda n: layer_normalized(n, 3), "broadcast to [4]"),
    "as many scales": (lambda n: dequantized(n, 3, 3), "input 1 has shape [3], wanted [4]"),
    "zero points": (lambda n: dequantized(n, 4, 1), "zero point [1]"),
    "axis": (lambda n: dequantized(n, 3, 3, axis=2), "axis 2 is outside of 2 axes"),
    "reshape": (reshaped, "it makes [2, 2] of [2, 3]"),
    "slice": (lambda n: cut(n, np.array([[1]])), "shapes [[1, 1], [1]]: wanted rows of one length"),
    "gather": (lambda n: gathered(n, 4), "indices 0 to 4 lie outside of 4 elements"),
    "order": (lambda n: n.op("Transpose", n.input("x", 2, 3, 4), perm=[1, 0]), "perm [1, 0] is no order of 3 axes"),
    "bounds": (
        lambda n: n.op("Clip", n.input("x", 2), ones(n, 2), ones(n)),
        "input 1 has shape [2], wanted [] or [1]",
    ),
    "not finite": (
        lambda n: n.op("LeakyRelu", n.input("x", 2), alpha=float("nan")),
        "its alpha is not finite",
    ),
    "no text": (
        lambda n: n.op("Pad", n.input("x", 2), n.constant(np.array([1, 1])), mode=b"\xff\xfe"),
        "its mode is no text",
    ),
}


def model(build: Callable[[Net], str]) -> ir.Model:
    """Only onnx's own checks of types and shapes have been made of it."""
    from onnx import TensorProto, helper, shape_inference

    net = Net()
    out = build(net)
    info = helper.make_tensor_value_info(out, TensorProto.FLOAT, None)
    graph = helper.make_graph(net.nodes, "net", net.inputs, [info], net.initializers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return ir.from_proto(shape_inference.infer_shapes(proto, check_type=True, strict_mode=True, data_prop=True))


@pytest.mark.parametrize("name", SOUND)
def test_sound_operands_pass(name: str) -> None:
    graph = model(SOUND[name])
    assert require_consistent(graph) is graph
    require_filled(graph)


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_contradictions_are_named(name: str) -> None:
    build, text = CONTRADICTIONS[name]
    with pytest.raises(ModelError) as caught:
        require_consistent(model(build))
    assert text in caught.value.message and "node" in caught.value.message


def test_all_offenders_at_once() -> None:
    def two(net: Net) -> str:
        y = gemm(net, 5)
        return net.op("Gemm", y, ones(net, 4, 2), ones(net, 3))

    with pytest.raises(ModelError) as caught:
        require_consistent(model(two))
    assert "gemm0" in caught.value.message and "gemm1" in caught.value.message


def test_values_without_numbers() -> None:
    def empty(net: Net) -> str:
        x = net.input("x", 1, 4)
        return net.op("Slice", x, *(net.constant(np.array([i])) for i in (2, 2, 1)))

    with pytest.raises(ModelError, match=r"hold no numbers: \"slice0_out\" \[1, 0\]"):
        simplify(model(empty))


def test_outputs_have_names_of_their_own() -> None:
    graph = model(lambda n: gemm(n, 4))
    graph.graph.outputs.append(graph.graph.outputs[0])
    with pytest.raises(ModelError, match="2 outputs are called"):
        require_consistent(graph)


def test_simplified_and_quantized_graphs_are_checked() -> None:
    with pytest.raises(ModelError, match="contradicts itself"):
        simplify(model(CONTRADICTIONS["bias of a convolution"][0]))
    with pytest.raises(ModelError, match="contradicts itself"):
        check_quantized(model(CONTRADICTIONS["as many scales"][0]))
    check_quantized(quantized(classifier()).model)

"""Sound .onnx files that mutations start from: float and QDQ, of old and new opsets, of each family of operators."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_ir as ir
from graph.hostile_models import doubling_functions, network
from graph.int8_nets import Net, classifier
from onnx import helper

from edgekit.graph.quant_params import Range
from edgekit.graph.quantization import quantize

OPSETS = (7, 13, 20, 23)


def int64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def shapes() -> ir.Model:
    """Everything that moves numbers."""
    net = Net()
    x = net.input("x", 1, 4, 6, 6)
    left, right = net.op("Split", x, outputs=2, axis=1, num_outputs=2)
    cut = net.op(
        "Slice", left, net.constant(int64(0)), net.constant(int64(6)), net.constant(int64(2)), net.constant(int64(2))
    )
    padded = net.op("Pad", cut, net.constant(int64(0, 0, 1, 0, 0, 0, 2, 1)), net.constant(np.float32(0)))
    wide = net.op("Resize", right, "", net.constant(np.array([1, 1, 2, 2], np.float32)), mode="nearest",
                  coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
    folded = net.op("DepthToSpace", x, blocksize=2)
    flat = [net.op("Flatten", v) for v in (padded, wide, folded)]
    joined = net.op("Concat", *flat, axis=1)
    picked = net.op("Gather", joined, net.constant(int64(3, 1, 2, 0)), axis=1)
    turned = net.op("Transpose", net.op("Reshape", picked, net.constant(int64(1, 2, 2))), perm=[0, 2, 1])
    tiled = net.op("Expand", net.op("Unsqueeze", turned, net.constant(int64(1))), net.constant(int64(1, 3, 2, 2)))
    return net.model(net.op("Squeeze", tiled, net.constant(int64(0))))


def functions() -> ir.Model:
    """Functions of one value, some of which become tables."""
    net = Net()
    x = net.input("x", 1, 3, 5)
    y = x
    for name in ("Sigmoid", "Tanh", "Softplus", "Erf", "HardSwish", "Elu", "Abs", "Sqrt", "LeakyRelu", "Exp"):
        y = net.op(name, y)
    y = net.op("Clip", y, net.constant(np.float32(-1)), net.constant(np.float32(2)))
    y = net.op(
        "Div",
        net.op("Mul", y, net.constant(np.float32(3))),
        net.op("Add", net.op("Abs", x), net.constant(np.float32(1))),
    )
    return net.model(net.op("Softmax", net.op("PRelu", y, net.weights(5)), axis=-1))


def attention() -> ir.Model:
    """Products of activations, layer normalization, softmax, GELU."""
    net = Net()
    x = net.input("x", 1, 4, 8)
    y = net.op("LayerNormalization", x, net.weights(8), net.weights(8), axis=-1)
    q, k, v = (net.op("Add", net.op("MatMul", y, net.weights(8, 8)), net.weights(8)) for _ in range(3))
    scores = net.op("Mul", net.op("MatMul", q, net.op("Transpose", k, perm=[0, 2, 1])), net.constant(np.float32(0.35)))
    mixed = net.op("MatMul", net.op("Softmax", scores, axis=-1), v)
    y = net.op("Add", x, mixed)
    return net.model(net.op("ReduceMean", net.op("Gelu", y), net.constant(int64(1)), keepdims=0))


def recurrent(kind: str) -> ir.Model:
    net = Net()
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    x = net.input("x", 3, 1, 5)
    on_x, on_h, bias = net.weights(1, gates * 4, 5), net.weights(1, gates * 4, 4), net.weights(1, gates * 8)
    y, last = net.op(kind, x, on_x, on_h, bias, outputs=3 if kind == "LSTM" else 2, hidden_size=4)[:2]
    return net.model(net.op("Relu", y), net.gemm(net.op("Reshape", last, net.constant(int64(1, 4))), 4, 2))


def upwards() -> ir.Model:
    """Transposed and dilated convolutions, pooling, 1-D."""
    net = Net()
    x = net.input("x", 1, 2, 6, 6)
    down = net.op(
        "AveragePool", net.conv(x, 2, 4, dilations=[2, 2], pads=[2, 2, 2, 2]), kernel_shape=[2, 2], strides=[2, 2]
    )
    up = net.op("ConvTranspose", down, net.weights(4, 2, 2, 2), strides=[2, 2])
    y = net.op("Max", net.op("Add", up, x), net.op("Min", up, x))
    row = net.op("Conv", net.op("Reshape", y, net.constant(int64(1, 2, 36))), net.weights(3, 2, 5), strides=[3])
    return net.model(net.op("GlobalAveragePool", row), net.op("Cast", net.op("ArgMax", row, axis=2, keepdims=0), to=1))


def computed_shapes() -> ir.Model:
    """Sizes that are worked out from constants and shapes, a Where, comparisons and casts."""
    net = Net()
    x = net.input("x", 2, 3, 4)
    first = net.op("Gather", net.op("Shape", x), net.constant(int64(0)), axis=0)
    size = net.op("Concat", net.op("Reshape", first, net.constant(int64(1))), net.constant(int64(-1)), axis=0)
    flat = net.op("Reshape", x, size)
    row = net.op(
        "Cast", net.op("Range", net.constant(np.int64(0)), net.constant(np.int64(12)), net.constant(np.int64(1))), to=1
    )
    above = net.op("Greater", flat, row)
    chosen = net.op("Where", above, flat, row)
    filled = net.op("ConstantOfShape", size_of(net), value=helper.make_tensor("v", 1, [1], [0.5]))
    return net.model(
        net.op("ReduceSum", net.op("Add", chosen, filled), net.constant(int64(1)), keepdims=1),
        net.op("CumSum", flat, net.constant(np.int64(1))),
    )


def size_of(net: Net) -> str:
    return net.constant(int64(2, 12))


def dynamic() -> onnx.ModelProto:
    return network(shape=("batch", 3, 8, 8))


FLOAT: dict[str, Callable[[], ir.Model]] = {
    "classifier": classifier,
    "shapes": shapes,
    "functions": functions,
    "attention": attention,
    "lstm": lambda: recurrent("LSTM"),
    "gru": lambda: recurrent("GRU"),
    "rnn": lambda: recurrent("RNN"),
    "upwards": upwards,
    "computed_shapes": computed_shapes,
}


def in_qdq(model: ir.Model) -> ir.Model:
    """The float graph quantized, with the same range for every value."""
    values = [*model.graph.inputs, *(v for node in model.graph for v in node.outputs)]
    return quantize(model, {v.name or "": Range(-2.0, 3.0) for v in values}).model


def seeds() -> dict[str, bytes]:
    """Every file, by name."""
    protos = {f"opset{n}": network(n) for n in OPSETS}
    protos |= {"constants": network(11, constants=True), "local": doubling_functions(3), "dynamic": dynamic()}
    models = {name: make() for name, make in FLOAT.items()}
    protos |= {name: ir.to_proto(model) for name, model in models.items()}
    protos |= {f"{name}_qdq": ir.to_proto(in_qdq(model)) for name, model in models.items()}
    for opset in OPSETS[1:]:
        protos[f"qdq{opset}"] = ir.to_proto(in_qdq(classifier()))
        protos[f"qdq{opset}"].opset_import[0].version = opset
    return {name: proto.SerializeToString() for name, proto in protos.items()}

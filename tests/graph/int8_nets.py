"""Small float graphs built node by node, with the data they are calibrated on. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper, numpy_helper

from edgekit.graph.calibration import CalibrationData, observe
from edgekit.graph.quantization import Quantized, quantize

OPSET = 20


@dataclass
class Net:
    """Collects nodes; every method returns the name of the value it made."""

    seed: int = 0
    nodes: list = field(default_factory=list)
    initializers: list = field(default_factory=list)
    inputs: list = field(default_factory=list)

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)

    def input(self, name, *shape):
        self.inputs.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
        return name

    def constant(self, array, name=None):
        name = name or f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weights(self, *shape, gain=1.4):
        fan_in = int(np.prod(shape[1:])) or 1
        return self.constant((gain * self.rng.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32))

    def op(self, op_type, *inputs, outputs=1, name=None, **attributes):
        name = name or f"{op_type.lower()}{len(self.nodes)}"
        made = [f"{name}_out{i}" if i else f"{name}_out" for i in range(outputs)]
        self.nodes.append(helper.make_node(op_type, list(inputs), made, name=name, **attributes))
        return made[0] if outputs == 1 else made

    def conv(self, x, cin, cout, kernel=3, group=1, name=None, **attributes):
        w = self.weights(cout, cin // group, kernel, kernel)
        b = self.constant((0.1 * self.rng.standard_normal(cout)).astype(np.float32))
        pads = [kernel // 2] * 4
        return self.op("Conv", x, w, b, name=name, **{"pads": pads, "group": group, **attributes})

    def gemm(self, x, cin, cout, name=None):
        b = self.constant((0.1 * self.rng.standard_normal(cout)).astype(np.float32))
        return self.op("Gemm", x, self.weights(cout, cin), b, name=name, transB=1)

    def model(self, *outputs, opset=OPSET) -> ir.Model:
        infos = [helper.make_tensor_value_info(o, onnx.TensorProto.FLOAT, None) for o in outputs]
        graph = helper.make_graph(self.nodes, "net", self.inputs, infos, self.initializers)
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
        proto = onnx.shape_inference.infer_shapes(proto, strict_mode=True)
        onnx.checker.check_model(proto, full_check=True)
        return ir.from_proto(proto)


def images(samples=48, channels=1, size=12, seed=1):
    """Smooth structure plus a little noise: (samples, 1, channels, size, size)."""
    rng = np.random.default_rng(seed)
    coarse = rng.standard_normal((samples, 1, channels, size // 4, size // 4))
    smooth = np.kron(coarse, np.ones((4, 4)))
    return (smooth + 0.2 * rng.standard_normal((samples, 1, channels, size, size))).astype(np.float32)


def data(array=None, name="x") -> CalibrationData:
    return CalibrationData({name: images() if array is None else array}, "data")


def classifier() -> ir.Model:
    """Residual, depthwise, concatenation of unlike branches, pooling, linear, softmax."""
    net = Net()
    x = net.input("x", 1, 1, 12, 12)
    a = net.op("Relu", net.conv(x, 1, 8, name="stem"))
    d = net.op(
        "Clip", net.conv(a, 8, 8, group=8, name="depthwise"), net.constant(np.float32(0)), net.constant(np.float32(6))
    )
    r = net.op("Relu", net.op("Add", net.conv(d, 8, 8, 1, name="point"), a, name="residual"))
    p = net.op("MaxPool", r, kernel_shape=[2, 2], strides=[2, 2], name="pool")
    wide = net.op(
        "Mul", net.op("Relu", net.conv(p, 8, 4, 1, name="left")), net.constant(np.float32(5.0)), name="louder"
    )
    narrow = net.op("Tanh", net.conv(p, 8, 4, 3, name="right"), name="tanh")
    c = net.op("Concat", wide, narrow, axis=1, name="join")
    m = net.op("ReduceMean", c, net.constant(np.array([2, 3])), keepdims=0, name="mean")
    return net.model(net.op("Softmax", net.gemm(m, 8, 5, name="linear"), axis=-1, name="softmax"))


def quantized(model: ir.Model, calibration: CalibrationData | None = None, observer="minmax") -> Quantized:
    calibration = calibration or data()
    return quantize(model, observe(model, calibration, observer))


def to_bytes(model: ir.Model) -> bytes:
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    return proto.SerializeToString()


def initializers(model: ir.Model) -> dict[str, np.ndarray]:
    return {name: v.const_value.numpy() for name, v in model.graph.initializers.items()}


def node_of(model: ir.Model, name: str) -> ir.Node:
    return next(n for n in model.graph if n.name == name)


def read_parameters(value: ir.Value) -> tuple[float, int]:
    """(scale, zero point) of a value behind DequantizeLinear, or before QuantizeLinear: read without edgekit's code."""
    node = value.producer()
    if node is None or node.op_type != "DequantizeLinear":
        (node,) = (n for n in value.consumers() if n.op_type == "QuantizeLinear")
    scale, zero_point = (v.const_value.numpy() for v in node.inputs[1:3])
    return float(scale), int(zero_point)


def sqnr_db(truth: np.ndarray, got: np.ndarray) -> float:
    truth, got = truth.astype(np.float64), got.astype(np.float64)
    return float(10 * np.log10(np.square(truth).sum() / max(np.square(truth - got).sum(), 1e-300)))

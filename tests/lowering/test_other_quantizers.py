"""Graphs that ONNX Runtime's own quantizer made: repaired where the rules allow it, else refused by name."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from int8_nets import Net
from lowered import lowered, random_data
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

from edgekit.errors import UnsupportedOpError
from edgekit.graph import load
from edgekit.graph.simplify import check_quantized
from edgekit.lowering import from_onnx

logging.getLogger().setLevel(logging.ERROR)  # the quantizer recommends its own pre-processing


def network() -> ir.Model:
    """Branches of unlike range that meet in a Concat, and a Softmax: where the stock quantizer is not TFLite's."""
    net = Net()
    x = net.input("x", 1, 3, 8, 8)
    wide = net.op("Mul", net.op("Relu", net.conv(x, 3, 4)), net.constant(np.float32(4.0)))
    joined = net.op("Concat", wide, net.op("Tanh", net.conv(x, 3, 4)), axis=1, name="join")
    pooled = net.op("MaxPool", joined, kernel_shape=[2, 2], strides=[2, 2])
    mean = net.op("ReduceMean", pooled, net.constant(np.array([2, 3])), keepdims=1)
    linear = net.gemm(net.op("Flatten", mean), 8, 5, name="linear")
    return net.model(net.op("Softmax", linear, axis=-1, name="softmax"))


class Samples(CalibrationDataReader):
    def __init__(self, model: ir.Model) -> None:
        data = random_data(model)
        self._left = iter([data.sample(i) for i in range(data.samples)])

    def get_next(self):
        return next(self._left, None)


def static(tmp_path: Path, **options) -> ir.Model:
    model = network()
    onnx.save(ir.to_proto(model), tmp_path / "float.onnx")
    options = {"per_channel": True} | options
    quantize_static(tmp_path / "float.onnx", tmp_path / "q.onnx", Samples(model), **options)
    return check_quantized(load.static_shapes(load.parse(load.load_onnx(tmp_path / "q.onnx")), {}))


@pytest.mark.parametrize("activations", [QuantType.QInt8, QuantType.QUInt8])
def test_qdq_of_onnx_runtime(tmp_path: Path, activations: QuantType) -> None:
    graph = static(tmp_path, quant_format=QuantFormat.QDQ, activation_type=activations, weight_type=QuantType.QInt8)
    found = lowered(network(), quantized=graph)
    assert found.largest_lsb["tflite-micro"] == 0
    assert found.largest_lsb["litert-reference"] <= 3
    assert found.steps <= 3.01  # of a softmax, behind a requantized concatenation
    assert {t.dtype for op in found.program.ops for t in op.outputs} == {"s8"}
    join = next(op for op in found.program.ops if op.kind == "Concat")
    assert len({t.quant for t in (*join.inputs, *join.outputs)}) == 1
    softmax = next(op for op in found.program.ops if op.kind == "Softmax")
    assert softmax.output.quant is not None and softmax.output.quant.scale == 1 / 256


def test_weights_with_zero_points_are_refused(tmp_path: Path) -> None:
    graph = static(
        tmp_path, quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8, weight_type=QuantType.QUInt8,
        extra_options={"WeightSymmetric": False}, per_channel=False,
    )  # fmt: skip
    with pytest.raises(UnsupportedOpError, match="weights have zero points") as refused:
        from_onnx(graph, "net")
    assert len(refused.value.nodes) == 3 and "symmetrically" in refused.value.hint


def test_dynamic_quantization_is_refused_by_name(tmp_path: Path) -> None:
    onnx.save(ir.to_proto(network()), tmp_path / "float.onnx")
    quantize_dynamic(tmp_path / "float.onnx", tmp_path / "q.onnx")
    graph = load.static_shapes(load.parse(load.load_onnx(tmp_path / "q.onnx")), {})
    with pytest.raises(UnsupportedOpError, match="MatMulInteger"):
        from_onnx(graph, "net")

"""Means, sums and extrema over whatever axes keep the order of axes of their input."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from int8_nets import Net
from lowered import lowered
from onnx import helper

from edgekit.errors import UnsupportedOpError
from edgekit.lowering import from_onnx


def check(found, kinds):
    assert found.largest_lsb["tflite-micro"] == 0
    assert found.steps <= 1.01
    assert found.kinds == kinds, found.program.text()


def axes(net, *numbers):
    return net.constant(np.array(numbers, np.int64))


def convolved(net):
    return net.op("Relu", net.conv(net.input("x", 1, 3, 6, 8), 3, 5))


def test_global_average_pool_is_a_mean_with_its_own_scale():
    net = Net()
    y = net.op("Flatten", net.op("GlobalAveragePool", convolved(net)))
    check(lowered(net.model(net.gemm(y, 5, 4))), ["Conv2D", "Mean", "Reshape", "FullyConnected"])


@pytest.mark.parametrize(
    "op_type, kind", [("ReduceMean", "Mean"), ("ReduceMax", "ReduceMax"), ("ReduceMin", "ReduceMin")]
)
@pytest.mark.parametrize("over", [(2, 3), (1,), (-1,), (1, 2, 3)])
@pytest.mark.parametrize("kept", [0, 1])
def test_reductions(op_type, kind, over, kept):
    net = Net()
    y = net.op(op_type, convolved(net), axes(net, *over), keepdims=kept)
    found = lowered(net.model(net.op("Mul", y, net.constant(np.float32(1.5)))))
    assert [k for k in found.kinds if k != "Transpose"] == ["Conv2D", kind, "Mul"], found.program.text()
    assert found.largest_lsb["tflite-micro"] == 0
    assert found.steps <= 1.01


def test_sum_over_space():
    net = Net()
    y = net.op("ReduceSum", convolved(net), axes(net, 2, 3), keepdims=0)
    found = lowered(net.model(net.gemm(y, 5, 4)))
    assert found.kinds == ["Conv2D", "Sum", "FullyConnected"]
    assert found.largest_lsb["tflite-micro"] == 0
    assert found.largest_lsb["litert"] <= 1


def test_mean_over_tokens_keeps_their_order():
    net = Net()
    y = net.op("MatMul", net.input("x", 1, 7, 6), net.weights(6, 8))
    y = net.op("ReduceMean", y, axes(net, 1), keepdims=0)
    check(lowered(net.model(net.gemm(y, 8, 4))), ["FullyConnected", "Mean", "FullyConnected"])


@pytest.mark.parametrize("kept", [0, 1])
def test_arg_max_of_channels(kept):
    net = Net()
    y = net.op("ArgMax", convolved(net), axis=1, keepdims=kept)
    model = net.model()
    model = with_integer_output(net, y)
    found = lowered(model)
    assert [k for k in found.kinds if k != "Transpose"] == ["Conv2D", "ArgMax"]
    assert found.program.outputs[0].dtype == "s32"
    assert found.largest_lsb["tflite-micro"] == 0


def with_integer_output(net, name):
    import onnx_ir as ir

    info = helper.make_tensor_value_info(name, onnx.TensorProto.INT64, None)
    graph = helper.make_graph(net.nodes, "net", net.inputs, [info], net.initializers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto, strict_mode=True))


def test_the_last_of_equal_elements_is_refused():
    net = Net()
    y = net.op("ArgMax", convolved(net), axis=1, select_last_index=1, name="last")
    with pytest.raises(UnsupportedOpError, match=r'"last" \(ArgMax\)'):
        from_onnx(with_integer_output(net, y), "net")

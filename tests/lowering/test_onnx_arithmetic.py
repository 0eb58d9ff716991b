"""Arithmetic on two values in whatever order of axes they are held, with constants of every shape."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from int8_nets import Net
from lowered import float_gap, lowered, random_data
from onnx import helper

from edgekit.errors import UnsupportedOpError
from edgekit.lowering import from_onnx


def image(net, name="x"):
    return net.input(name, 1, 3, 6, 8)


def numbers(net, *shape):
    return net.constant(net.rng.standard_normal(shape).astype(np.float32))


def check(found, kinds, steps=1.01):
    assert found.kinds == kinds, found.program.text()
    assert found.largest_lsb["tflite-micro"] == 0
    assert found.largest_lsb["litert"] <= 2
    assert found.steps <= steps, found.steps


@pytest.mark.parametrize("op_type", ["Add", "Sub", "Mul"])
@pytest.mark.parametrize("shape", [(), (1,), (8,), (6, 1), (3, 1, 1), (1, 3, 1, 1), (3, 6, 8), (1, 3, 6, 8)], ids=str)
@pytest.mark.parametrize("first", [False, True])
def test_constants(op_type, shape, first):
    net = Net()
    operands = [image(net), numbers(net, *shape)]
    found = lowered(net.model(net.op(op_type, *operands[:: -1 if first else 1])))
    check(found, [op_type])


def test_two_inputs_and_a_chain_in_nhwc_needs_no_transpose():
    net = Net()
    x = net.conv(image(net), 3, 4)
    y = net.conv(image(net, "z"), 3, 4)
    y = net.op("Mul", net.op("Add", x, y), net.op("Sub", x, numbers(net, 4, 1, 1)))
    found = lowered(net.model(net.op("Relu", y)))
    check(found, ["Conv2D", "Conv2D", "Add", "Sub", "Mul"], steps=4)


def test_activations_are_fused():
    for op_type in ("Add", "Sub", "Mul"):
        net = Net()
        y = net.op(op_type, image(net), image(net, "z"))
        y = net.op("Clip", y, net.constant(np.float32(0)), net.constant(np.float32(6)))
        check(lowered(net.model(y)), [op_type])


def test_squeeze_and_excite():
    """A gate of shape (1, C, 1, 1) on a picture: broadcast in NHWC, everything int8."""
    net = Net()
    x = net.op("Relu", net.conv(image(net), 3, 8))
    gate = net.op("GlobalAveragePool", x)
    gate = net.op("Relu", net.conv(gate, 8, 4, 1))
    gate = net.op("HardSigmoid", net.conv(gate, 4, 8, 1), alpha=1 / 6)
    found = lowered(net.model(net.op("Mul", x, gate)))
    check(found, ["Conv2D", "Mean", "Conv2D", "Conv2D", "Lookup", "Mul"], steps=3)


def test_values_of_unlike_rank():
    net = Net()
    x = net.op("MatMul", net.input("x", 1, 5, 6), numbers(net, 6, 6))
    y = net.op("MatMul", net.input("z", 1, 6), numbers(net, 6, 6))
    found = lowered(net.model(net.op("Add", x, y)))
    assert [k for k in found.kinds if k != "Reshape"] == ["FullyConnected", "FullyConnected", "Add"]
    assert found.largest_lsb["tflite-micro"] == 0
    assert found.steps <= 2.01


@pytest.mark.parametrize("op_type", ["Min", "Max"])
def test_extrema_of_several(op_type):
    net = Net()
    y = net.op(op_type, image(net), image(net, "z"), numbers(net, 3, 1, 1))
    found = lowered(net.model(y))
    kind = {"Min": "Minimum", "Max": "Maximum"}[op_type]
    assert [k for k in found.kinds if k != "Quantize"] == [kind, kind], found.program.text()
    assert found.largest_lsb["tflite-micro"] == 0
    assert found.steps <= 1.01


def test_sum_of_several_is_a_chain():
    net = Net()
    y = net.op("Sum", image(net), image(net, "z"), image(net, "w"), name="sum")
    quantized = _with_ends_quantized(net.model(y), 0.05)
    found = lowered(None, random_data(quantized), quantized=quantized)
    check(found, ["Add", "Add"], steps=2.01)


def test_division_by_one_number_is_a_multiplication():
    net = Net()
    quantized = _with_ends_quantized(net.model(net.op("Div", image(net), net.constant(np.float32(-1.7)))), 0.02)
    check(lowered(None, random_data(quantized), quantized=quantized), ["Mul"])
    net = Net()
    quantized = _with_ends_quantized(net.model(net.op("Div", image(net), image(net, "z"), name="div")), 0.02)
    with pytest.raises(UnsupportedOpError, match=r'"div" \(Div\).*no sound int8 division'):
        from_onnx(quantized, "net")


def test_float_constants_between_integers_are_quantized():
    """Other quantizers leave the constants of Add and Mul float."""
    net = Net()
    quantized = _with_ends_quantized(net.model(net.op("Mul", image(net), numbers(net, 3, 1, 1))), 0.02)
    check(lowered(None, random_data(quantized), quantized=quantized), ["Mul"], steps=2.01)


def test_float_graphs():
    for op_type in ("Add", "Sub", "Mul", "Div", "Min", "Max", "Pow"):
        net = Net()
        x = net.op("Exp", net.op("Tanh", net.conv(image(net), 3, 4)))
        y = net.op("Exp", net.op("Tanh", net.conv(image(net, "z"), 3, 4)))
        assert float_gap(net.model(net.op(op_type, x, y))) <= 1e-4


def _with_ends_quantized(model: ir.Model, scale: float) -> ir.Model:
    """Q and DQ of one scale behind every input and before the output, constants left as they are."""
    proto = ir.to_proto(model)
    graph, names = proto.graph, [i.name for i in proto.graph.input]
    params = [
        onnx.numpy_helper.from_array(np.float32(scale), "scale"),
        onnx.numpy_helper.from_array(np.int8(3), "zero"),
    ]
    graph.initializer.extend(params)
    for node in graph.node:
        for i, name in enumerate(node.input):
            if name in names:
                node.input[i] = f"{name}_dq"
    (output,) = graph.output
    graph.node[-1].output[0] = "result"
    before = [
        helper.make_node(op, [source, "scale", "zero"], [made], name=made)
        for name in names
        for op, source, made in (
            ("QuantizeLinear", name, f"{name}_q"),
            ("DequantizeLinear", f"{name}_q", f"{name}_dq"),
        )
    ]
    behind = [
        helper.make_node("QuantizeLinear", ["result", "scale", "zero"], ["result_q"], name="result_q"),
        helper.make_node("DequantizeLinear", ["result_q", "scale", "zero"], [output.name], name="result_dq"),
    ]
    nodes = [*before, *graph.node, *behind]
    del graph.node[:]
    graph.node.extend(nodes)
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto, strict_mode=True))

"""Functions of one value keep the order of axes of their input; what TFLite has no operator for is one table."""

from __future__ import annotations

import numpy as np
import pytest
from int8_nets import Net, quantized
from lowered import float_gap, lowered, random_data

from edgekit.emitters import emit_tflite
from edgekit.errors import UnsupportedOpError
from edgekit.lowering import from_onnx, from_tflite
from edgekit.tflite.model import load


def image(net):
    return net.input("x", 1, 3, 6, 8)


def convolved(net):
    return net.conv(image(net), 3, 5)


def check(found, kinds, steps):
    assert found.kinds == kinds, found.program.text()
    assert found.largest_lsb["tflite-micro"] == 0
    assert found.steps <= steps, found.steps


# operator → (attributes, what it becomes, steps from what ONNX Runtime computes)
ALONE = {
    "Sigmoid": ({}, "Logistic", 1),
    "Tanh": ({}, "Tanh", 1),
    "HardSwish": ({}, "HardSwish", 1),
    "LeakyRelu": ({"alpha": 0.2}, "LeakyRelu", 1),
    "Gelu": ({"approximate": "tanh"}, "Lookup", 0),
    "HardSigmoid": ({"alpha": 0.2}, "Lookup", 0),
    "Celu": ({"alpha": 0.7}, "Lookup", 0),
    "ThresholdedRelu": ({"alpha": 0.5}, "Lookup", 0),
    **{name: ({}, "Lookup", 0) for name in ("Abs", "Exp", "Erf", "Softplus", "Softsign", "Mish", "Selu", "Neg", "Sin")},
    **{name: ({}, "Lookup", 0) for name in ("Sign", "Floor", "Round", "Atan")},
}


@pytest.mark.parametrize("op_type", ALONE)
def test_functions_alone(op_type):
    attributes, kind, steps = ALONE[op_type]
    net = Net()
    check(lowered(net.model(net.op(op_type, image(net), **attributes))), [kind], steps + 0.01)


def test_elu_is_the_operator_that_tflite_has():
    net = Net()
    model = net.model(net.op("Elu", image(net)))
    program = from_onnx(quantized(model, random_data(model)).model, "net")
    assert [op.kind for op in program.ops] == ["Lookup"]
    assert [o.builtin for o in load(emit_tflite(program)).subgraphs[0].operators] == ["ELU"]
    net = Net()
    check(lowered(net.model(net.op("Elu", image(net), alpha=0.5))), ["Lookup"], 0.01)


def silu(net, x):
    return net.op("Mul", x, net.op("Sigmoid", x))


def gelu(net, x):
    root = net.op("Div", x, net.constant(np.float32(2**0.5)))
    half = net.op("Mul", x, net.op("Add", net.op("Erf", root), net.constant(np.float32(1))))
    return net.op("Mul", half, net.constant(np.float32(0.5)))


def inverse_root(net, x):
    squared = net.op("Mul", x, x)
    shifted = net.op("Add", squared, net.constant(np.float32(0.3)))
    return net.op("Div", net.constant(np.float32(1)), net.op("Sqrt", shifted))


def power(net, x):
    return net.op("Pow", net.op("Abs", x), net.constant(np.float32(1.5)))


@pytest.mark.parametrize("function", [silu, gelu, inverse_root, power])
def test_groups_are_one_table(function):
    net = Net()
    check(lowered(net.model(function(net, image(net)))), ["Lookup"], 0.01)


def test_a_table_is_read_back_as_one():
    net = Net()
    found = lowered(net.model(silu(net, convolved(net))))
    builtins = [o.builtin for o in load(found.content).subgraphs[0].operators]
    assert builtins[-3:] == ["CAST", "ADD", "GATHER"]
    again = from_tflite(found.content, "net")
    assert [op.kind for op in again.ops] == [*found.kinds] == ["Conv2D", "Lookup"]
    assert np.array_equal(again.ops[-1].table, found.program.ops[-1].table)


def test_groups_keep_the_order_of_axes_and_what_was_flattened():
    net = Net()
    y = silu(net, convolved(net))
    y = net.op("Softplus", net.op("Flatten", y))
    found = lowered(net.model(net.gemm(y, 5 * 48, 4)))
    assert found.kinds == ["Conv2D", "Lookup", "Reshape", "Lookup", "FullyConnected"]
    assert found.largest_lsb["tflite-micro"] == 0
    assert found.steps <= 3.01  # convolution, table, matrix


def test_clamps_that_nothing_could_fuse():
    """A value that is read with and without its Relu."""
    net = Net()
    x = image(net)
    y = net.op("Relu", x)
    z = net.op("Clip", x, net.constant(np.float32(-0.4)), net.constant(np.float32(0.7)))
    found = lowered(net.model(y, z))
    assert sorted(found.kinds) == ["Clamp", "Clamp"]
    assert found.largest_lsb["tflite-micro"] == 0
    assert found.steps <= 0.51  # a bound between two steps


def test_prelu_by_channel_and_by_one_slope():
    for shape in ((3, 1, 1), (1,)):
        net = Net()
        slope = net.constant(np.abs(net.rng.standard_normal(shape)).astype(np.float32))
        found = lowered(net.model(net.op("PRelu", image(net), slope)))
        assert found.kinds in (["PRelu"], ["Lookup"])
        assert found.largest_lsb["tflite-micro"] == 0
        assert found.steps <= 1.01


def test_float_functions_are_those_that_tflite_has():
    for op_type in ("Sigmoid", "HardSwish", "Exp", "Abs", "Neg", "Sqrt", "Gelu", "Elu", "Relu", "Tanh", "Round"):
        net = Net()
        y = net.op(op_type, net.op("Exp", net.op("Tanh", net.op("LeakyRelu", convolved(net)))))
        assert float_gap(net.model(y)) <= 1e-4
    net = Net()
    with pytest.raises(UnsupportedOpError, match=r"softplus.*no float operator"):
        from_onnx(net.model(net.op("Softplus", image(net), name="softplus")), "net")

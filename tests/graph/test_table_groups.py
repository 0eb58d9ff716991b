"""Table groups: found alike in float and QDQ graphs, stored at their ends; their tables are what the graph computes."""

from __future__ import annotations

import numpy as np
import pytest
from int8_nets import Net, data, images, quantized, read_parameters, sqnr_db, to_bytes

from edgekit.graph.evaluation import Predictor
from edgekit.graph.int8_spec import violations
from edgekit.graph.quant_params import QuantParams
from edgekit.graph.tables import table_groups


def number(net, value):
    return net.constant(np.asarray(value, np.float32))


def softplus_of_torch(net, x):
    return net.op("Where", net.op("Greater", x, number(net, 20)), x, net.op("Softplus", x))


def gelu_by_erf(net, x):
    inner = net.op("Erf", net.op("Div", x, number(net, 2**0.5)))
    return net.op("Mul", net.op("Mul", x, net.op("Add", inner, number(net, 1))), number(net, 0.5))


def gelu_by_tanh(net, x):
    cubed = net.op("Mul", net.op("Pow", x, number(net, 3)), number(net, 0.044715))
    inner = net.op("Tanh", net.op("Mul", net.op("Add", x, cubed), number(net, 0.7978845608)))
    return net.op("Mul", net.op("Mul", x, number(net, 0.5)), net.op("Add", inner, number(net, 1)))


def hard_swish(net, x):
    gate = net.op("Clip", net.op("Add", x, number(net, 3)), number(net, 0), number(net, 6))
    return net.op("Div", net.op("Mul", x, gate), number(net, 6))


def rsqrt(net, x):
    root = net.op("Sqrt", net.op("Add", net.op("Mul", x, x), number(net, 0.1)))
    return net.op("Div", number(net, 1), root)


GROUPS = {
    "softplus": lambda n, x: n.op("Softplus", x),
    "softplus of torch": softplus_of_torch,
    "silu": lambda n, x: n.op("Mul", x, n.op("Sigmoid", x)),
    "mish": lambda n, x: n.op("Mul", x, n.op("Tanh", n.op("Softplus", x))),
    "gelu by erf": gelu_by_erf,
    "gelu by tanh": gelu_by_tanh,
    "hard swish": hard_swish,
    "rsqrt": rsqrt,
    "softsign": lambda n, x: n.op("Div", x, n.op("Add", n.op("Abs", x), number(n, 1))),
    "power": lambda n, x: n.op("Pow", n.op("Abs", x), number(n, 0.7)),
    "logarithm": lambda n, x: n.op("Log", n.op("Add", n.op("Abs", x), number(n, 1))),
    "hard sigmoid": lambda n, x: n.op("HardSigmoid", x),
    "selu, celu": lambda n, x: n.op("Selu", n.op("Celu", x)),
    "thresholded": lambda n, x: n.op("ThresholdedRelu", x, alpha=0.3),
    "temperature": lambda n, x: n.op("Sigmoid", n.op("Mul", x, number(n, 3))),
}


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_is_one_int8_operator(name):
    net = Net()
    model = net.model(GROUPS[name](net, net.conv(net.input("x", 1, 1, 12, 12), 1, 2, name="conv")))
    inner = {n.name for n in model.graph} - {"conv"}
    (group,) = table_groups(model)
    assert {n.name for n in group.nodes} == inner and group.sources[0].name == "conv_out"
    q = quantized(model)
    assert violations(q.model) == () and all(layer.quantized for layer in q.layers)
    assert sum(n.op_type == "QuantizeLinear" for n in q.model.graph) == 3  # input, convolution, group
    (again,) = table_groups(q.model)
    assert len(again.nodes) == len(group.nodes)
    truth, got = (Predictor(to_bytes(m)).predict(images()[:, 0]) for m in (model, q.model))
    assert sqnr_db(truth, got) > 28


@pytest.mark.parametrize("name", GROUPS)
def test_the_table_is_what_the_graph_computes(name):
    net = Net()
    model = net.model(GROUPS[name](net, net.input("x", 1, 256)))
    span = np.linspace(-4, 4, 256, dtype=np.float32)
    q = quantized(model, data(span.reshape(1, 1, 256)))
    (group,) = table_groups(q.model)
    source, result = (QuantParams(*read_parameters(v)) for v in (group.sources[0], group.result))
    table = group.table(source, result)
    every = source.dequantize(np.arange(-128, 128, dtype=np.int8))
    got = Predictor(to_bytes(q.model), optimise=False).run({"x": every.reshape(1, 256)})[0]
    np.testing.assert_array_equal(result.dequantize(table), got.reshape(-1))


def test_where_the_function_has_no_value_the_table_has_that_of_zero():
    net = Net()
    (group,) = table_groups(net.model(net.op("Sqrt", net.input("x", 1, 4))))
    table = group.table(QuantParams(0.1, 0), QuantParams(0.02, -100))
    assert (table[:128] == -100).all() and table[128 + 100] == 58


ALONE = {
    "sigmoid": lambda n, x: n.op("Sigmoid", x),
    "hard swish": lambda n, x: n.op("HardSwish", x),
    "gelu and a folded clamp": lambda n, x: n.op("Relu", n.op("Gelu", x)),
    "arithmetic": lambda n, x: n.op("Add", n.op("Mul", x, number(n, 3)), number(n, 1)),
    "square": lambda n, x: n.op("Mul", x, x),
    "two values": lambda n, x: n.op("Mul", n.op("Sigmoid", x), n.op("Tanh", n.conv(x, 2, 2))),
    "per channel": lambda n, x: n.op("Sigmoid", n.op("Add", x, n.constant(np.ones((2, 1, 1), np.float32)))),
    "read in between": lambda n, x: n.op("Concat", n.op("Mul", x, s := n.op("Sigmoid", x)), s, axis=1),
    "broadcast": lambda n, x: n.op("Mul", x, n.op("Tanh", n.op("ReduceMax", x))),
}


@pytest.mark.parametrize("name", ALONE)
def test_what_is_no_group(name):
    net = Net()
    model = net.model(ALONE[name](net, net.conv(net.input("x", 1, 1, 12, 12), 1, 2)))
    assert table_groups(model) == ()
    q = quantized(model)
    assert table_groups(q.model) == () and violations(q.model) == ()


def test_a_clamp_before_the_group_is_folded_into_the_layer_before_it():
    net = Net()
    x = net.conv(net.input("x", 1, 1, 12, 12), 1, 2, name="conv")
    model = net.model(net.op("Sqrt", net.op("Relu", x, name="relu"), name="sqrt"))
    (group,) = table_groups(model)
    assert [n.name for n in group.nodes] == ["sqrt"]
    assert [layer.reason for layer in quantized(model).layers] == [None, 'folded into "conv"', None]


def test_groups_in_graphs_of_others():
    """One DequantizeLinear per reader, a scalar behind DequantizeLinear, a clamp between the group and its Q."""
    net = Net()
    scale, zero = net.constant(np.float32(0.05)), net.constant(np.int8(3))
    stored = net.op("QuantizeLinear", net.input("x", 1, 4), scale, zero)
    left, right = (net.op("DequantizeLinear", stored, scale, zero) for _ in range(2))
    two = net.op("DequantizeLinear", net.constant(np.int8(43)), scale, zero)
    silu = net.op("Mul", net.op("Mul", left, net.op("Sigmoid", right, name="sigmoid"), name="gate"), two, name="twice")
    q = net.op("QuantizeLinear", net.op("Relu", silu), scale, zero)
    model = net.model(net.op("DequantizeLinear", q, scale, zero))
    (group,) = table_groups(model)
    assert [n.name for n in group.nodes] == ["sigmoid", "gate", "twice"] and len(group.sources) == 2
    x = np.array([-1, 0.5, 3], np.float32)
    np.testing.assert_allclose(group.values(x), 2 * x / (1 + np.exp(-x)), rtol=1e-5)
    assert violations(model) == ()


def test_a_group_that_reads_float_is_none_in_a_qdq_graph():
    net = Net()
    scale, zero = net.constant(np.float32(0.05)), net.constant(np.int8(3))
    x = net.input("x", 1, 4)
    silu = net.op("Mul", x, net.op("Sigmoid", x))
    q = net.op("QuantizeLinear", silu, scale, zero)
    assert table_groups(net.model(net.op("DequantizeLinear", q, scale, zero))) == ()


def test_long_chains_are_no_problem():
    net = Net()
    x = net.input("x", 1, 4)
    for _ in range(600):
        x = net.op("Sin", net.op("Add", x, number(net, 1)))
    groups = table_groups(net.model(x))
    assert sum(len(g.nodes) for g in groups) == 1200 and max(len(g.nodes) for g in groups) <= 32

"""Random graphs: whatever is wired to whatever, the int8 graph is legal, close to float and the same however run."""

from __future__ import annotations

import numpy as np
import pytest
from int8_nets import Net, data, images, quantized, read_parameters, sqnr_db, to_bytes

from edgekit.graph.decompose import for_int8
from edgekit.graph.evaluation import Predictor, parity
from edgekit.graph.int8_spec import violations
from edgekit.graph.simplify import simplify

CHANNELS = 4  # every value is (1, 4, 12, 12), so that anything can follow anything


def scalar(net, number):
    return net.constant(np.float32(number))


ONE = {
    "conv": lambda n, x: n.conv(x, CHANNELS, CHANNELS),
    "depthwise": lambda n, x: n.conv(x, CHANNELS, CHANNELS, group=CHANNELS),
    "relu": lambda n, x: n.op("Relu", x),
    "relu of conv": lambda n, x: n.op("Relu", n.conv(x, CHANNELS, CHANNELS, 1)),
    "relu6 of conv": lambda n, x: n.op("Clip", n.conv(x, CHANNELS, CHANNELS), scalar(n, 0), scalar(n, 6)),
    "hardtanh": lambda n, x: n.op("Clip", x, scalar(n, -1), scalar(n, 1)),
    "tanh": lambda n, x: n.op("Tanh", x),
    "sigmoid": lambda n, x: n.op("Sigmoid", x),
    "max pool": lambda n, x: n.op("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4),
    "average pool": lambda n, x: n.op("AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4),
    "transpose": lambda n, x: n.op("Transpose", x, perm=[0, 1, 3, 2]),
    "halves swapped": lambda n, x: n.op(
        "Concat", *reversed(n.op("Split", x, outputs=2, axis=1, num_outputs=2)), axis=1
    ),
    "float island": lambda n, x: n.op("LRN", x, size=3),
    "silu": lambda n, x: n.op("Mul", x, n.op("Sigmoid", x)),
    "softplus": lambda n, x: n.op("Softplus", x),
    "divided": lambda n, x: n.op("Div", x, scalar(n, 2.5)),
    "shifted": lambda n, x: n.op("Add", x, scalar(n, 0.7)),
    "padded below zero": lambda n, x: n.op(
        "Slice",
        n.op("Pad", x, n.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1])), scalar(n, -1)),
        *(n.constant(np.array(a)) for a in ([0, 0], [12, 12], [2, 3])),
    ),
}
TWO = {
    "add": lambda n, x, y: n.op("Add", x, y),
    "mul": lambda n, x, y: n.op("Mul", n.op("Tanh", x), y),
    "max": lambda n, x, y: n.op("Max", x, y),
    "min": lambda n, x, y: n.op("Min", x, y),
    "join": lambda n, x, y: n.conv(n.op("Concat", x, y, axis=1), 2 * CHANNELS, CHANNELS, 1),
    "relu joined": lambda n, x, y: n.op("Slice", n.op("Concat", n.op("Relu", x), y, axis=1), *channels(n)),
}
SHARED = ("MaxPool", "AveragePool", "Relu", "Clip", "Transpose", "Concat", "Split", "Pad", "Slice", "Max", "Min")
IN_TABLES = ("Sigmoid", "Tanh", "Softplus", "Mul", "Add", "Div", "Relu", "Clip", "Max", "Min")  # where a table has them
FIXED = {"Tanh": (1 / 128, 0), "Sigmoid": (1 / 256, -128)}


def channels(net):
    return [net.constant(np.array(a)) for a in ([2], [2 + CHANNELS], [1])]


def random_net(seed):
    net = Net(seed)
    values = [net.conv(net.input("x", 1, 1, 12, 12), 1, CHANNELS)]
    for _ in range(10):
        picks = [values[i] for i in net.rng.integers(0, len(values), 2)]
        kinds = sorted(ONE) if net.rng.random() < 0.7 else sorted(TWO)
        kind = kinds[net.rng.integers(len(kinds))]
        values.append(ONE[kind](net, picks[0]) if kind in ONE else TWO[kind](net, *picks))
    return net.model(values[-1], values[-2])


def assert_legal(node):
    """The equalities and fixed numbers, read off the graph without edgekit's table."""
    if node.op_type in IN_TABLES and any(v.producer().op_type in IN_TABLES for v in node.inputs if v.producer()):
        return  # the end of a table group
    if node.op_type in IN_TABLES and {n.op_type for n in node.outputs[0].consumers()} <= set(IN_TABLES):
        return  # its beginning
    if node.op_type in SHARED:
        inputs = node.inputs if node.op_type in ("Concat", "Max", "Min") else node.inputs[:1]
        if any(v.producer().op_type == "DequantizeLinear" for v in inputs):
            assert len({read_parameters(v) for v in (*inputs, *node.outputs)}) == 1, node.name
    if node.op_type in FIXED:
        assert read_parameters(node.outputs[0]) == FIXED[node.op_type]


@pytest.mark.parametrize("seed", range(30))
def test_random_graph(seed):
    model = random_net(seed)
    calibration = data(images(16))
    q = quantized(model, calibration)
    assert violations(q.model) == ()
    for node in q.model.graph:
        assert_legal(node)
    assert {layer.op for layer in q.layers if layer.reason and "not in the int8 table" in layer.reason} <= {"LRN"}
    assert all(layer.quantized or layer.reason for layer in q.layers)
    assert parity(to_bytes(q.model), calibration) <= 8  # one LSB of a coarse value is several of a finer one behind it
    unseen = images(16)[:, 0]
    for truth, got in zip(*(Predictor(to_bytes(m)).predict(unseen) for m in (model, q.model)), strict=True):
        assert sqnr_db(truth, got) > 15
        if truth.min() >= 0:
            assert got.min() >= 0


@pytest.mark.parametrize("seed", range(100, 112))
def test_random_graphs_taken_apart_keep_their_answers(seed):
    model = simplify(random_net(seed))
    before, after = (Predictor(to_bytes(m), optimise=False) for m in (model, for_int8(model)))
    for sample in images(3):
        for wanted, got in zip(before.run({"x": sample}), after.run({"x": sample}), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-4)

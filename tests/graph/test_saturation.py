"""Ranges end where the functions that read a value saturate: finer steps, and no answer changes."""

from __future__ import annotations

import numpy as np
import pytest
from int8_nets import Net, data, node_of, quantized, read_parameters

from edgekit.graph.evaluation import layer_sqnr
from edgekit.graph.quant_params import QuantParams, Range
from edgekit.graph.saturation import SATURATING, useful_ranges, within

EXACT = {
    "Sigmoid": (lambda x: 1 / (1 + np.exp(-x)), QuantParams(1 / 256, -128)),
    "Tanh": (np.tanh, QuantParams(1 / 128, 0)),
}


def net_of(op, **attributes):
    net = Net()
    x = net.op("MatMul", net.input("x", 1, 8), net.weights(8, 8), name="before")
    return net.model(net.op(op, x, name="gate", **attributes))


@pytest.mark.parametrize("op", EXACT)
def test_beyond_the_ends_the_stored_answer_no_longer_changes(op):
    exact, params = EXACT[op]
    ends = SATURATING[op](node_of(net_of(op), "gate"))
    beyond = np.linspace(0.01, 50, 500)
    for end, side, stored in ((ends.low, -1, -128), (ends.high, 1, 127)):
        assert set(params.quantize(exact(end + side * beyond))) == {stored}
        assert params.quantize(exact(end - side * 0.05)) != stored


def test_hard_sigmoid_ends_at_three():
    model = net_of("HardSigmoid", alpha=1 / 6, beta=0.5)
    found = useful_ranges(model)["before_out"]
    assert (found.low, found.high) == pytest.approx((-3, 3), abs=1e-5)


def test_only_what_such_functions_alone_read_is_cut():
    net = Net()
    shared, alone = (net.op("MatMul", net.input(n, 1, 8), net.weights(8, 8)) for n in "ab")
    also_output = net.op("Abs", shared)
    model = net.model(net.op("Tanh", shared), net.op("Sigmoid", alone), net.op("Tanh", alone), also_output)
    assert set(useful_ranges(model)) == {alone}
    both = useful_ranges(model)[alone]
    assert both.low < -6 and both.high > 5


def test_ranges_that_lie_beyond_an_end():
    assert within(Range(-9, 1), Range(-3, 3)) == Range(-3, 1)
    assert within(Range(5, 9), Range(-3, 3)) == Range(3, 3)


def test_loud_inputs_of_a_gate_cost_no_steps():
    """100 times what the gate can tell apart: with the observed range, nearly all steps would lie beyond its ends."""
    model = net_of("Sigmoid")
    samples = np.random.default_rng(0).standard_normal((64, 1, 8)).astype(np.float32)
    samples[::8] *= 100
    q = quantized(model, data(samples))
    scale, _ = read_parameters(node_of(q.model, "before").outputs[0])
    assert scale < 12 / 255
    assert layer_sqnr(model, q.model, data(samples))["before"] > 8  # what lies beyond the ends is no noise: else 1

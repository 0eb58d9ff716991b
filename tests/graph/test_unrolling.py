"""Unrolled recurrent layers answer what ONNX Runtime's own operators do, share their weights, and hold in int8."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from int8_nets import Net, data, node_of, quantized, read_parameters, sqnr_db, to_bytes
from onnx import TensorProto, helper

from edgekit.graph.decompose import for_int8
from edgekit.graph.evaluation import Predictor, layer_sqnr
from edgekit.graph.int8_spec import violations
from edgekit.graph.quantization import float_layers
from edgekit.graph.recurrent import GATES
from edgekit.graph.simplify import simplify

BATCH, WIDTH, HIDDEN = 2, 5, 3


def layer(op, *, steps=4, direction="forward", bias=True, initial="none", only_sequence=False, **attributes):
    """A recurrent layer as a graph. initial: none, zero, constant or input."""
    net = Net(7)
    both, gates = 1 + (direction == "bidirectional"), GATES[op]

    def normal(*shape):
        return net.constant(net.rng.standard_normal(shape).astype(np.float32))

    x = net.input("x", steps, BATCH, WIDTH)
    inputs = [x, normal(both, gates * HIDDEN, WIDTH), normal(both, gates * HIDDEN, HIDDEN)]
    inputs += [normal(both, 2 * gates * HIDDEN) if bias else "", ""]
    for name in ("h", "c")[: 2 if op == "LSTM" else 1]:
        states = {
            "none": lambda: "",
            "zero": lambda: net.constant(np.zeros((both, BATCH, HIDDEN), np.float32)),
            "constant": lambda: normal(both, BATCH, HIDDEN),
            "input": lambda name=name: net.input(name, both, BATCH, HIDDEN),
        }
        inputs.append(states[initial]())
    outputs = 3 if op == "LSTM" else 2
    made = net.op(op, *inputs, outputs=outputs, name="rnn", hidden_size=HIDDEN, direction=direction, **attributes)
    return net.model(*made) if not only_sequence else net.model(net.op("Relu", made[0]))


def run(model, sample):
    return Predictor(to_bytes(model), optimise=False).run(sample)


def sample_for(model, seed=1):
    rng = np.random.default_rng(seed)
    return {v.name: rng.standard_normal(v.shape.numpy()).astype(np.float32) for v in model.graph.inputs}


def assert_unrolled(model, op):
    apart, sample = for_int8(model), sample_for(model)
    assert op not in {n.op_type for n in apart.graph}
    for wanted, got in zip(run(model, sample), run(apart, sample), strict=True):
        np.testing.assert_allclose(got, wanted, atol=2e-6)
    return apart


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("op", GATES)
def test_every_form(op, direction):
    resets = ({}, {"linear_before_reset": 1}) if op == "GRU" else ({},)
    for steps, initial, reset in itertools.product((1, 4), ("none", "zero", "constant", "input"), resets):
        for bias, only_sequence in ((True, False), (False, True)):
            model = layer(
                op, steps=steps, direction=direction, bias=bias, initial=initial, only_sequence=only_sequence, **reset
            )
            assert_unrolled(model, op)


@pytest.mark.parametrize("activation", ["Relu", "Sigmoid", "Tanh"])
def test_activations_of_an_rnn(activation):
    assert_unrolled(layer("RNN", activations=[activation]), "RNN")
    assert_unrolled(layer("RNN", direction="bidirectional", activations=["Tanh", activation]), "RNN")


def test_lengths_that_are_all_steps():
    net = Net()
    lengths = net.constant(np.full(BATCH, 4, np.int32))
    x, w, r = net.input("x", 4, BATCH, 2), net.weights(1, 12, 2), net.weights(1, 12, 3)
    assert_unrolled(net.model(net.op("LSTM", x, w, r, "", lengths, hidden_size=3)), "LSTM")


def test_lengths_and_peepholes_that_are_given_are_refused():
    net = Net()
    net.inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, (1,)))
    x, w, r = net.input("x", 4, 1, 2), net.weights(1, 12, 2), net.weights(1, 12, 3)
    lengths = net.op("LSTM", x, w, r, "", "lengths", hidden_size=3, name="lengths")
    peepholes = net.op("LSTM", x, w, r, "", "", "", "", net.weights(1, 9), hidden_size=3, name="peepholes")
    found = {p.name: p.reason for p in float_layers(for_int8(net.model(lengths, peepholes)))}
    assert "sequence lengths are given at run time" in found["lengths"] and "with peepholes" in found["peepholes"]


@pytest.mark.parametrize(("op", "least_db"), [("LSTM", 22), ("GRU", 24), ("RNN", 20)])
def test_int8_is_close_to_float(op, least_db):
    """Random weights of this size make small differences grow; trained layers keep 30 dB and more."""
    reset = {"linear_before_reset": 1} if op == "GRU" else {}
    model = simplify(layer(op, steps=8, direction="bidirectional", **reset))
    draw = np.random.default_rng(5).standard_normal
    samples = data(draw((48, 8, BATCH, WIDTH)).astype(np.float32))
    apart = for_int8(model)
    q = quantized(apart, samples)
    assert float_layers(apart) == () and all(p.quantized for p in q.layers) and violations(q.model) == ()
    exact, rounded = (Predictor(to_bytes(m), optimise=False) for m in (model, q.model))
    unseen = draw((32, 8, BATCH, WIDTH)).astype(np.float32)
    pairs = [zip(exact.run({"x": x}), rounded.run({"x": x}), strict=True) for x in unseen]
    for output in zip(*pairs, strict=True):
        truth, got = (np.stack(side) for side in zip(*output, strict=True))
        assert sqnr_db(truth, got) > least_db
    assert min(layer_sqnr(apart, q.model, samples).values()) > 15


def test_all_steps_share_their_weights():
    """One int8 matrix for all steps, read through one DequantizeLinear; of a GRU one int32 bias too."""
    model = simplify(layer("GRU", steps=6, linear_before_reset=1))
    samples = data(np.random.default_rng(5).standard_normal((48, 6, BATCH, WIDTH)).astype(np.float32))
    q = quantized(for_int8(model), samples).model
    steps = [n for n in q.graph if n.name.endswith(".new.recurrent")]
    assert len(steps) == 5
    assert len({n.inputs[1] for n in steps}) == 1
    biases = [n for n in q.graph if n.name.endswith(".new.recurrent_bias")]
    assert len({n.inputs[1] for n in biases}) == 1
    assert len({read_parameters(n.inputs[0]) for n in steps}) == 1


def test_ranges_before_the_gates_end_where_the_gates_do():
    model = simplify(layer("LSTM", steps=3))
    samples = data(30 * np.random.default_rng(5).standard_normal((32, 3, BATCH, WIDTH)).astype(np.float32))
    q = quantized(for_int8(model), samples).model
    for gate, ends in (("gates", (-6.24, 5.14)), ("cell", (-3.12, 2.57))):
        scale, zero_point = read_parameters(node_of(q, f"rnn.step2.{gate}.total").outputs[0])
        low, high = (-128 - zero_point) * scale, (127 - zero_point) * scale
        assert (low, high) == pytest.approx(ends, abs=0.06)


def test_the_last_step_alone_needs_no_join():
    """torch's `layer(x)[0][:, -1]`: of the backward direction one step is left."""
    net = Net()
    x = net.input("x", 6, 1, 2)
    y = net.op(
        "LSTM", x, net.weights(2, 12, 2), net.weights(2, 12, 3), hidden_size=3, direction="bidirectional", name="rnn"
    )
    y = net.op("Reshape", net.op("Transpose", y, perm=[0, 2, 1, 3]), net.constant(np.array([6, 1, 6])))
    model = net.model(net.op("Gather", net.op("Transpose", y, perm=[1, 0, 2]), net.constant(np.array(-1)), axis=1))
    apart = assert_unrolled(simplify(model), "LSTM")
    names = {n.name for n in apart.graph}
    assert "rnn.step5.hidden" in names and "rnn.back.step5.hidden" in names
    assert "rnn.back.step4.hidden" not in names and "rnn.sequence" not in names


def test_a_choice_of_a_part_or_of_all_is_left():
    net = Net()
    parts = [net.op("Abs", net.input(n, 2, 3)) for n in "ab"]
    joined = net.op("Concat", *parts, axis=0)
    ends = [net.constant(np.array(n)) for n in ([0], [3], [0])]
    model = simplify(
        net.model(net.op("Slice", joined, *ends), net.op("Gather", joined, net.constant(np.array([0, 1, 2, 3]))))
    )
    assert [n.op_type for n in for_int8(model).graph].count("Concat") == 1

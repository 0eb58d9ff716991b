"""Quantized graphs are legal (also asserted without int8_spec), close to float, and never let an activation leak."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from int8_nets import (
    Net,
    classifier,
    data,
    images,
    initializers,
    node_of,
    quantized,
    read_parameters,
    sqnr_db,
    to_bytes,
)

from edgekit.errors import ModelError
from edgekit.graph.calibration import CalibrationData, observe
from edgekit.graph.evaluation import Predictor, parity
from edgekit.graph.int8_spec import violations
from edgekit.graph.quantization import prepared, quantize


@pytest.fixture(scope="module")
def whole():
    model = classifier()
    return model, quantized(model)


def outputs(model, samples):
    answer = Predictor(to_bytes(model)).predict(samples[:, 0])
    return answer if isinstance(answer, tuple) else (answer,)


def test_classifier_is_legal_and_close_to_float(whole):
    model, q = whole
    assert violations(q.model) == ()
    truth, got = outputs(model, images())[0], outputs(q.model, images())[0]
    assert sqnr_db(truth, got) > 30
    assert (truth.argmax(1) == got.argmax(1)).mean() >= 0.95


def test_optimised_equals_unoptimised(whole):
    assert parity(to_bytes(whole[1].model), data()) <= 1.0


def test_every_layer_is_int8(whole):
    model, q = whole
    assert all(layer.quantized for layer in q.layers), [layer for layer in q.layers if not layer.quantized]
    assert {n.name for n in model.graph} == {layer.name for layer in q.layers}
    assert not [n for n in q.model.graph if n.op_type in ("Relu", "Clip")]


def test_border_is_float32_and_names_stay(whole):
    model, q = whole
    for before, after in ((model.graph.inputs, q.model.graph.inputs), (model.graph.outputs, q.model.graph.outputs)):
        assert [(v.name, v.dtype, v.shape) for v in before] == [(v.name, v.dtype, v.shape) for v in after]


def test_given_graph_is_untouched():
    model = classifier()
    before = to_bytes(model)
    quantized(model)
    assert to_bytes(model) == before


def test_concat_has_one_set_of_parameters(whole):
    join = node_of(whole[1].model, "join")
    assert len({read_parameters(v) for v in (*join.inputs, *join.outputs)}) == 1


def test_concat_requantizes_the_branch_that_cannot_join_it(whole):
    """Tanh has fixed parameters; the other branch feeds nothing else, so it takes the Concat's at no cost."""
    join = node_of(whole[1].model, "join")
    own = [v.producer().inputs[0].producer().inputs[0] for v in join.inputs]
    assert [v.producer().op_type for v in own] == ["Mul", "DequantizeLinear"]
    assert read_parameters(own[0]) == read_parameters(join.outputs[0])
    assert read_parameters(node_of(whole[1].model, "tanh").outputs[0]) == (1 / 128, 0)


def test_fixed_outputs(whole):
    assert read_parameters(node_of(whole[1].model, "softmax").outputs[0]) == (1 / 256, -128)


def test_pool_shares(whole):
    pool = node_of(whole[1].model, "pool")
    assert read_parameters(pool.inputs[0]) == read_parameters(pool.outputs[0])


def test_weights_and_biases_are_stored_as_tflite_wants(whole):
    q = whole[1].model
    numbers = initializers(q)
    for name in ("stem", "depthwise", "point", "left", "right", "linear"):
        node = node_of(q, name)
        weights, scales = numbers[f"{name}_weight_quantized"], numbers[f"{name}_weight_scale"]
        assert weights.dtype == np.int8 and weights.min() >= -127 and not numbers[f"{name}_weight_zero_point"].any()
        assert scales.shape == (weights.shape[0],)
        assert np.abs(weights).reshape(len(weights), -1).max(1).tolist() == [127] * len(weights)
        bias, bias_scales = numbers[f"{name}_bias_quantized"], numbers[f"{name}_bias_scale"]
        assert bias.dtype == np.int32 and not numbers[f"{name}_bias_zero_point"].any()
        np.testing.assert_allclose(bias_scales, read_parameters(node.inputs[0])[0] * scales, rtol=1e-6)


def test_no_float_weights_are_left(whole):
    large = {n: a for n, a in initializers(whole[1].model).items() if a.dtype == np.float32 and "scale" not in n}
    assert not large


def test_shapes_are_known_everywhere(whole):
    assert all(v.shape is not None and v.dtype is not None for n in whole[1].model.graph for v in n.outputs)


def test_relu_never_leaks():
    net = Net()
    a = net.op("Relu", net.conv(net.input("x", 1, 1, 12, 12), 1, 4))
    b = net.op("Tanh", net.conv(a, 4, 4))
    both = net.op("Concat", a, b, axis=1)
    q = quantized(net.model(a, both))
    relu, joined = outputs(q.model, 5 * images(seed=9))
    assert relu.min() == 0.0
    assert joined[:, :4].min() == 0.0 and joined[:, 4:].min() < -0.5


def test_relu_stays_a_node_where_its_input_has_another_reader():
    net = Net()
    a = net.conv(net.input("x", 1, 1, 12, 12), 1, 4, name="conv")
    model = net.model(net.op("Add", net.op("Relu", a, name="relu"), net.conv(a, 4, 4)))
    q = quantized(model)
    relu = node_of(q.model, "relu")
    assert read_parameters(relu.inputs[0]) == read_parameters(relu.outputs[0])
    assert violations(q.model) == () and parity(to_bytes(q.model), data()) == 0
    assert sqnr_db(outputs(model, images())[0], outputs(q.model, images())[0]) > 30


def test_relu_stays_where_folding_would_leak():
    """Padding with -1 forces the pad's input below zero, so saturation can no longer be the ReLU."""
    net = Net()
    a = net.op("Relu", net.conv(net.input("x", 1, 1, 12, 12), 1, 4), name="relu")
    padded = net.op("Pad", a, net.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1])), net.constant(np.float32(-1)))
    q = quantized(net.model(padded))
    assert node_of(q.model, "relu") and violations(q.model) == ()
    inner = outputs(q.model, images(seed=3))[0][:, :, 1:-1, 1:-1]
    assert inner.min() == 0.0


def test_padding_that_fixed_parameters_cannot_hold():
    """Sigmoid's parameters start at 0; padding with -1 behind it needs others, so the pad's input is requantized."""
    net = Net()
    a = net.op("Sigmoid", net.conv(net.input("x", 1, 1, 12, 12), 1, 4), name="sigmoid")
    padded = net.op("Pad", a, net.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1])), net.constant(np.float32(-1)))
    q = quantized(net.model(padded))
    assert violations(q.model) == ()
    assert read_parameters(node_of(q.model, "sigmoid").outputs[0]) == (1 / 256, -128)
    assert outputs(q.model, images())[0].min() == pytest.approx(-1, abs=0.01)


def test_clip_is_folded_only_where_saturation_clamps_alike():
    def net_with(low, high):
        net = Net()
        x = net.conv(net.input("x", 1, 1, 12, 12), 1, 4)
        bounds = net.constant(np.float32(low)), net.constant(np.float32(high))
        return net.model(net.op("Clip", x, *bounds, name="clip"))

    folded = quantized(net_with(-1, 1))
    assert [layer.reason for layer in folded.layers] == [None, 'folded into "conv0"']
    above_zero = quantized(net_with(0.5, 1))
    assert [n.name for n in above_zero.model.graph if n.op_type == "Clip"] == ["clip"]
    for q, low in ((folded, -1), (above_zero, 0.5)):
        got = outputs(q.model, 5 * images(seed=4))[0]
        assert low - 0.03 <= got.min() and got.max() <= 1.03  # half a step of int8


def test_layers_outside_the_table_are_islands_and_say_so():
    net = Net()
    a = net.conv(net.input("x", 1, 1, 12, 12), 1, 4)
    s = net.op("LRN", a, size=3, name="island")
    q = quantized(net.model(net.conv(net.op("Mul", a, net.op("Tanh", s)), 4, 2)))
    assert [(layer.name, layer.reason) for layer in q.layers if not layer.quantized] == [
        ("island", 'operator "LRN" is not in the int8 table')
    ]
    island = node_of(q.model, "island")
    assert island.inputs[0].producer().op_type == "DequantizeLinear"
    assert island.outputs[0].consumers()[0].op_type == "QuantizeLinear"
    assert violations(q.model) == ()


def test_movers_between_float_layers_stay_float():
    net = Net()
    x = net.op("Reshape", net.input("x", 1, 1, 12, 12), net.constant(np.array([1, 144])), name="flat")
    q = quantized(net.model(net.op("CumSum", x, net.constant(np.int64(1)))))
    assert [layer.quantized for layer in q.layers] == [False, False]
    assert not [n for n in q.model.graph if n.op_type == "QuantizeLinear"]


def test_float_readers_of_a_float_value_get_it_unrounded():
    net = Net()
    s = net.op("LRN", net.input("x", 1, 1, 12, 12), size=1, name="first")
    q = quantized(net.model(net.op("LRN", s, size=1, name="second"), net.conv(s, 1, 2)))
    assert node_of(q.model, "second").inputs[0].producer().name == "first"


def test_shared_weights_get_parameters_per_use():
    net = Net()
    x = net.input("x", 1, 1, 12, 12)
    w, b = net.weights(1, 1, 3, 3), net.constant(np.ones(1, np.float32))
    first = net.op("Conv", x, w, b, pads=[1] * 4, name="first")
    model = net.model(net.op("Conv", first, w, b, pads=[1] * 4, name="second"))
    q = quantized(model)
    assert violations(q.model) == ()
    assert sqnr_db(outputs(model, images())[0], outputs(q.model, images())[0]) > 30


def test_bias_that_would_overflow_widens_the_weight_scale():
    net = Net()
    w = np.full((2, 1, 1, 1), 1e-9, np.float32)
    x = net.input("x", 1, 1, 12, 12)
    bias = np.array([100.0, -0.5], np.float32)
    model = net.model(net.op("Conv", x, net.constant(w), net.constant(bias), name="conv"))
    q = quantized(model)
    stored = initializers(q.model)["conv_bias_quantized"]
    assert np.abs(stored).max() <= 2**30 and violations(q.model) == ()
    np.testing.assert_allclose(outputs(q.model, images())[0][:, :, 0, 0].mean(0), bias, atol=0.5)


def test_dead_channels_do_no_harm():
    net = Net()
    w = net.rng.standard_normal((4, 1, 3, 3)).astype(np.float32)
    w[1], w[2] = 0, 1e-30
    b = np.array([0.1, 0.7, -0.3, 0.2], np.float32)
    conv = net.op("Conv", net.input("x", 1, 1, 12, 12), net.constant(w), net.constant(b), pads=[1] * 4, name="conv")
    model = net.model(conv)
    q = quantized(model)
    scales = initializers(q.model)["conv_weight_scale"]
    assert scales.min() > scales.max() / 100
    np.testing.assert_allclose(outputs(q.model, images())[0], outputs(model, images())[0], atol=0.1)


def test_a_value_that_is_always_zero():
    net = Net()
    x = net.input("x", 1, 1, 12, 12)
    dead = net.op("Relu", net.op("Add", net.op("Abs", x), net.constant(np.float32(0.0))))
    zeros = net.op("Mul", dead, net.constant(np.float32(0.0)))
    q = quantized(net.model(net.conv(zeros, 1, 2)))
    assert violations(q.model) == () and np.isfinite(outputs(q.model, images())[0]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["weights", "bias", "operand"])
def test_numbers_that_are_not_finite_name_the_initializer(bad, where):
    net = Net()
    parts = {"weights": np.ones((1, 1, 1, 1)), "bias": np.ones(1), "operand": np.ones(())}
    parts[where].flat[0] = bad
    w, b, o = (net.constant(v.astype(np.float32), n) for n, v in parts.items())
    model = net.model(net.op("Mul", net.op("Conv", net.input("x", 1, 1, 12, 12), w, b), o))
    ranges = {name: observe(classifier(), data(), "minmax")["x"] for name in ("x", "conv0_out", "mul1_out")}
    with pytest.raises(ModelError, match=f'initializer "{where}": 1 of 1 numbers are NaN or infinite'):
        quantize(model, ranges)


def test_old_opset_is_refused():
    net = Net()
    model = net.model(net.conv(net.input("x", 1, 1, 12, 12), 1, 1), opset=11)
    with pytest.raises(ModelError, match="opset 11: int8 needs 13"):
        quantized(model)


def test_division_by_a_constant_becomes_a_multiplication():
    net = Net()
    model = net.model(
        net.op("Div", net.conv(net.input("x", 1, 1, 12, 12), 1, 2), net.constant(np.float32(3)), name="d")
    )
    q = quantized(model)
    assert [(layer.name, layer.op) for layer in q.layers][-1] == ("d", "Mul")
    assert sqnr_db(outputs(model, images())[0], outputs(q.model, images())[0]) > 30


def test_division_by_a_constant_with_a_zero_stays():
    net = Net()
    model = net.model(net.op("Div", net.input("x", 1, 1, 12, 12), net.constant(np.zeros((), np.float32))))
    assert [n.op_type for n in prepared(model).graph] == ["Div"]


def test_nodes_without_unique_names_get_them():
    net = Net()
    model = net.model(net.op("Abs", net.op("Abs", net.input("x", 1, 4), name="same"), name="other"))
    for node in model.graph:
        node.name = "same"
    names = [n.name for n in prepared(model).graph]
    assert names[0] == "same" and len(set(names)) == 2


def binary(op):
    def build(net, x):
        return net.op(op, net.conv(x, 1, 4), net.conv(x, 1, 4))

    return build


def unary(op, *constants, **attributes):
    def build(net, x):
        return net.op(op, net.conv(x, 1, 4), *(net.constant(c) for c in constants), **attributes)

    return build


def matmul_constant(net, x):
    flat = net.op("Reshape", x, net.constant(np.array([1, 12, 12])))
    return net.op("Add", net.op("MatMul", flat, net.weights(12, 8)), net.constant(np.ones(8, np.float32)))


def matmul_two(net, x):
    return net.op("MatMul", net.conv(x, 1, 1), net.op("Softmax", net.conv(x, 1, 1), axis=-1))


def gemm(trans_b, bias_shape):
    def build(net, x):
        flat = net.op("Flatten", x)
        w = net.weights(5, 144) if trans_b else net.constant(net.rng.standard_normal((144, 5)).astype(np.float32) / 12)
        return net.op("Gemm", flat, w, net.constant(np.full(bias_shape, 0.3, np.float32)), transB=trans_b)

    return build


def conv_transpose(group):
    def build(net, x):
        w = net.constant(net.rng.standard_normal((4, 2, 2, 2)).astype(np.float32))
        bias = net.constant(net.rng.standard_normal(2 * group).astype(np.float32))
        return net.op("ConvTranspose", net.conv(x, 1, 4), w, bias, strides=[2, 2], group=group)

    return build


def split_join(net, x):
    a, b = net.op("Split", net.op("Relu", net.conv(x, 1, 4)), outputs=2, axis=1, num_outputs=2)
    return net.op("Concat", net.op("Max", a, b), net.op("Min", a, net.constant(np.float32(0.3))), axis=1)


def class_token(net, x):
    tokens = net.op("Reshape", net.conv(x, 1, 4), net.constant(np.array([1, 4, 144])))
    return net.op("Concat", net.constant(np.full((1, 1, 144), 2.0, np.float32)), tokens, axis=1)


def batched_constant(net, x):
    w = net.constant(net.rng.standard_normal((4, 12, 6)).astype(np.float32))
    return net.op("MatMul", net.conv(x, 1, 4), w)


INTS = np.array([1, 4, 6, 24])
OPERATORS = {
    **{op: binary(op) for op in ("Add", "Sub", "Mul", "Min", "Max")},
    **{
        op: unary(op)
        for op in ("Relu", "LeakyRelu", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "Gelu", "Elu", "Abs")
    },
    "PRelu": unary("PRelu", np.full((4, 1, 1), 0.2, np.float32)),
    "Div": unary("Div", np.float32(3)),
    "Softmax": unary("Softmax", axis=-1),
    "LogSoftmax": unary("LogSoftmax", axis=-1),
    "L2Norm": unary("LpNormalization", axis=1),
    "AveragePool": unary("AveragePool", kernel_shape=[2, 2], strides=[2, 2]),
    "GlobalAveragePool": unary("GlobalAveragePool"),
    "ReduceSum": unary("ReduceSum", np.array([2, 3])),
    "ReduceMax": unary("ReduceMax", np.array([2, 3])),
    "Transpose": unary("Transpose", perm=[0, 2, 3, 1]),
    "Reshape": unary("Reshape", INTS),
    "Unsqueeze": unary("Unsqueeze", np.array([0])),
    "Slice": unary("Slice", np.array([1, 2]), np.array([3, 9]), np.array([1, 2])),
    "Gather": unary("Gather", np.array(2), axis=1),
    "Tile": unary("Tile", np.array([1, 2, 1, 1])),
    "DepthToSpace": unary("DepthToSpace", blocksize=2),
    "Pad": unary("Pad", np.array([0, 0, 1, 1, 0, 0, 1, 1])),
    "Resize nearest": unary("Resize", np.zeros(0, np.float32), np.array([1, 1, 2, 2], np.float32)),
    "Resize linear": unary("Resize", np.zeros(0, np.float32), np.array([1, 1, 2, 2], np.float32), mode="linear"),
    "MatMul constant": matmul_constant,
    "MatMul stack": batched_constant,
    "MatMul two activations": matmul_two,
    "Gemm transB": gemm(1, (5,)),
    "Gemm plain, row bias": gemm(0, (1, 5)),
    "Gemm scalar bias": gemm(1, ()),
    "ConvTranspose": conv_transpose(1),
    "ConvTranspose grouped": conv_transpose(2),
    "Split and Concat": split_join,
    "class token": class_token,
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operator(name):
    """Each operator alone: wholly int8, legal, close to float, equal with and without the runtime's optimisations."""
    net = Net()
    model = net.model(OPERATORS[name](net, net.input("x", 1, 1, 12, 12)))
    calibration = data(images(16))
    q = quantized(model, calibration)
    assert all(layer.quantized for layer in q.layers), q.layers
    assert violations(q.model) == ()
    assert parity(to_bytes(q.model), calibration) <= 1
    assert sqnr_db(outputs(model, images(16))[0], outputs(q.model, images(16))[0]) > 25


def test_two_inputs_and_outputs():
    net = Net()
    a = net.conv(net.input("x", 1, 1, 12, 12), 1, 4)
    b = net.conv(net.input("z", 1, 1, 12, 12), 1, 4)
    model = net.model(net.op("Add", a, b), net.op("Concat", a, b, axis=1))
    calibration = CalibrationData({"x": images(), "z": 3 * images(seed=5)}, "data")
    q = quantized(model, calibration)
    assert violations(q.model) == ()
    both = {name: array[:, 0] for name, array in calibration.arrays.items()}
    truth, got = Predictor(to_bytes(model)).predict(both), Predictor(to_bytes(q.model)).predict(both)
    assert all(sqnr_db(t, g) > 30 for t, g in zip(truth, got, strict=True))


def test_file_is_smaller_and_passes_the_onnx_checker(whole):
    model, q = whole
    onnx.checker.check_model(onnx.load_from_string(to_bytes(q.model)), full_check=True)
    weights = sum(a.nbytes for a in initializers(model).values())
    stored = sum(a.nbytes for n, a in initializers(q.model).items() if n.endswith("_weight_quantized"))
    assert stored < weights / 3

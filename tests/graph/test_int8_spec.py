"""The table finds every kind of illegal int8 graph, other quantizers' included, and says why a layer stays float."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from int8_nets import Net, classifier, data, node_of, quantized, to_bytes

from edgekit.graph.int8_spec import RULES, Output, rule_of, violations

COVERED = (
    *(
        "Conv",
        "ConvTranspose",
        "Gemm",
        "MatMul",
        "Add",
        "Sub",
        "Mul",
        "Div",
        "MaxPool",
        "AveragePool",
        "GlobalAveragePool",
    ),
    *("ReduceMean", "ReduceSum", "Concat", "Split", "Slice", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"),
    *("Pad", "Resize", "Relu", "Clip", "LeakyRelu", "PRelu", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "Gelu"),
    *("Softmax", "LogSoftmax", "Min", "Max", "Gather"),
)


def test_the_promised_operators_have_rules():
    assert not set(COVERED) - set(RULES)


def test_tflites_fixed_outputs():
    """Numbers of the TFLite int8 specification."""
    fixed = {op: (r.output.scale, r.output.zero_point) for op, r in RULES.items() if not isinstance(r.output, Output)}
    assert fixed == {
        "Sigmoid": (1 / 256, -128),
        "Softmax": (1 / 256, -128),
        "LogSoftmax": (16 / 256, 127),
        "Tanh": (1 / 128, 0),
        "LpNormalization": (1 / 128, 0),
    }


def test_tflites_equal_parameters():
    same = {op for op, r in RULES.items() if r.output is Output.SAME}
    assert {"Concat", "MaxPool", "AveragePool", "Reshape", "Pad", "Gather", "Resize", "Slice", "Transpose"} <= same
    assert not same & {"Conv", "Gemm", "Add", "Mul", "Sub", "ReduceMean", "ReduceSum", "LeakyRelu"}


def test_a_long_chain_of_clamps_is_looked_through_without_recursion():
    net = Net()
    x = net.input("x", 1, 4)
    for _ in range(2000):
        x = net.op("Relu", x)
    scale, zero = net.constant(np.float32(0.1)), net.constant(np.int8(0))
    q = net.op("QuantizeLinear", x, scale, zero)
    assert violations(net.model(net.op("DequantizeLinear", q, scale, zero))) is not None
    assert quantized(net.model(net.op("Relu", x)), data(np.ones((4, 1, 4), np.float32))).layers


def test_a_vector_as_weight_stays_float():
    net = Net()
    model = net.model(net.op("MatMul", net.input("x", 1, 4), net.weights(4), name="dot"))
    made = quantized(model, data(np.ones((4, 1, 4), np.float32)))
    assert [(p.quantized, p.reason) for p in made.layers] == [(False, "its weight is a vector, not a matrix")]


def lone_node(op, *shapes, constants=(), **attributes):
    net = Net()
    inputs = [net.input(f"i{k}", *shape) for k, shape in enumerate(shapes)]
    inputs += [net.constant(c) for c in constants]
    out = net.op(op, *inputs, outputs=attributes.pop("outputs", 1), **attributes)
    return next(iter(net.model(out if isinstance(out, str) else out[0]).graph))


def lstm(steps=5, **attributes):
    weights = (np.ones((1, 12, 4), np.float32), np.ones((1, 12, 3), np.float32))
    return lone_node("LSTM", (steps, 1, 4), constants=weights, outputs=3, hidden_size=3, **attributes)


ONES = np.ones(4, np.float32)
SCALES = (np.zeros(0, np.float32), np.array([1, 1, 2, 2], np.float32))


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (lstm(), "decompose.for_int8 does that"),
        (lstm(clip=1.0), "recurrent and clips its gates"),
        (lstm(input_forget=1), "couples input and forget gate"),
        (lstm(activations=["Sigmoid", "Tanh", "Relu"]), "unusual activations (Sigmoid, Tanh, Relu)"),
        (lstm(600), "has 600 steps, 512 are unrolled: give it shorter sequences, or one step"),
        (lone_node("Conv", (1, 1, 5, 5), (2, 1, 3, 3)), "weights are computed at run time"),
        (lone_node("Div", (1, 4), (1, 4)), "no int8 division"),
        (lone_node("Resize", (1, 1, 4, 4), constants=SCALES, mode="cubic"), 'mode "cubic"'),
        (lone_node("CumSum", (1, 4), constants=(np.int64(1),)), '"CumSum" is not in the int8 table'),
        (lone_node("Pow", (1, 4), (1, 4)), "exponent is not one constant number"),
        (lone_node("Gemm", (4, 2), constants=(np.ones((4, 3), np.float32),), transA=1), "transA=1"),
        (lone_node("Gemm", (2, 4), constants=(np.ones((4, 3), np.float32),), alpha=0.5), "alpha or beta"),
        (lone_node("LayerNormalization", (2, 4), constants=(ONES,)), "decompose.for_int8 does that"),
        (lone_node("LayerNormalization", (2, 4), (4,)), "weights that are computed at run time"),
        (lone_node("Resize", (1, 1, 4, 4), constants=SCALES, mode="linear", antialias=1), "antialiasing"),
        (lone_node("Resize", (1, 1, 4, 4), constants=SCALES, nearest_mode="ceil"), "half_pixel and ceil"),
        (
            lone_node("Resize", (1, 1, 4, 4), constants=(SCALES[0], np.array([1, 3, 1, 1], np.float32))),
            "height and width only",
        ),
        (
            lone_node("Resize", (1, 1, 4, 4), constants=(SCALES[0], np.array([1, 1, 1.5, 1], np.float32))),
            "whole factors",
        ),
        (ir.node("Conv", [], domain="com.vendor", num_outputs=1), '"com.vendor::Conv"'),
    ],
)
def test_reasons_to_stay_float(node, reason):
    assert reason in rule_of(node)


def stock_quantized(tmp_path, **options):
    """What onnxruntime's own static quantizer makes of the classifier."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.samples = iter([data().sample(i) for i in range(data().samples)])

        def get_next(self):
            return next(self.samples, None)

    (tmp_path / "float.onnx").write_bytes(to_bytes(classifier()))
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantize_static(
            tmp_path / "float.onnx",
            tmp_path / "int8.onnx",
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            **{"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8, **options},
        )
    logging.disable(logging.NOTSET)
    return ir.from_proto(onnx.load(tmp_path / "int8.onnx"))


def test_stock_quantizer_is_not_legal(tmp_path):
    found = violations(stock_quantized(tmp_path))
    concat = [v for v in found if v.node == "join"]
    softmax = [v for v in found if v.node == "softmax"]
    assert concat and all("parameters of the output" in v.rule for v in concat)
    assert [v.rule for v in softmax] == ["output parameters are fixed"]
    assert "0.0039215" in softmax[0].got and "0.00390625" in softmax[0].wanted
    assert not [v for v in found if v.node in ("stem", "depthwise", "point", "residual", "pool", "linear")]


def test_unsigned_activations_of_the_stock_quantizer(tmp_path):
    from onnxruntime.quantization import QuantType

    found = violations(stock_quantized(tmp_path, activation_type=QuantType.QUInt8))
    assert any("uint8" in v.got and v.node == "stem" for v in found)


def test_float_graphs_break_nothing():
    assert violations(classifier()) == ()


def change(model, initializer, edit):
    """Replace the number of one initializer."""
    value = model.graph.initializers[initializer]
    value.const_value = ir.tensor(edit(value.const_value.numpy().copy()), name=initializer)


def first(array, number):
    array.flat[0] = number
    return array


BREAKS = {
    "weights are symmetric": lambda m: change(m, "stem_weight_zero_point", lambda a: first(a, 3)),
    "weights lie in [-127, 127]": lambda m: change(m, "stem_weight_quantized", lambda a: first(a, -128)),
    "bias scale = input scale x weight scale": lambda m: change(
        m, "stem_bias_scale", lambda a: first(a, a.flat[0] * 1.01)
    ),
    "bias is int32 with zero point 0": lambda m: change(m, "stem_bias_zero_point", lambda a: first(a, 1)),
    "output parameters are fixed": lambda m: change(
        m, node_of(m, "softmax").outputs[0].consumers()[0].inputs[1].name, lambda a: np.float32(1 / 255)
    ),
}


@pytest.mark.parametrize("rule", BREAKS)
def test_each_rule_is_checked(rule):
    model = quantized(classifier()).model
    BREAKS[rule](model)
    assert rule in {v.rule for v in violations(model)}


def test_wrong_axis():
    net = Net()
    model = quantized(net.model(net.conv(net.input("x", 1, 1, 12, 12), 1, 1, name="conv"))).model
    weights = node_of(model, "conv").inputs[1].producer()
    change(model, "conv_weight_scale", lambda a: np.repeat(a, 3))
    weights.attributes["axis"] = ir.AttrInt64("axis", 2)
    assert [(v.rule, v.got, v.wanted) for v in violations(model) if "axis" in v.rule] == [
        ("axis of the weight scales", "2", "0")
    ]


def test_half_quantized_nodes():
    model = quantized(classifier()).model
    pool = node_of(model, "pool")
    pool.replace_input_with(0, pool.inputs[0].producer().inputs[0].producer().inputs[0])
    assert ("pool", "float") in {(v.node, v.got) for v in violations(model)}


def test_different_parameters_where_equal_ones_are_wanted():
    model = quantized(classifier()).model
    pool = node_of(model, "pool")
    quantizer = pool.outputs[0].consumers()[0]
    quantizer.replace_input_with(1, node_of(model, "stem").outputs[0].consumers()[0].inputs[1])
    assert any(v.node == "pool" and "parameters of the output" in v.rule for v in violations(model))


def test_a_violation_reads_as_a_sentence():
    model = quantized(classifier()).model
    BREAKS["weights are symmetric"](model)
    assert str(violations(model)[0]) == "stem: weights are symmetric: got zero point [0 3], wanted zero point 0"

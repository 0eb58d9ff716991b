"""Transposed convolutions of every padding: SAME and VALID where TFLite has them, else a part of the whole result."""

from __future__ import annotations

import numpy as np
import pytest
from int8_nets import Net
from lowered import float_gap, lowered

from edgekit.errors import UnsupportedOpError
from edgekit.lowering import from_onnx
from edgekit.tflite.model import load


def upsampled(kernel=3, group=1, size=(4, 5), activation=None, **attributes):
    net = Net()
    y = net.op("Relu", net.conv(net.input("x", 1, 3, *size), 3, 4))
    w = net.constant((0.3 * net.rng.standard_normal((4, 6 // group, kernel, kernel))).astype(np.float32))
    b = net.constant((0.1 * net.rng.standard_normal(6)).astype(np.float32))
    y = net.op("ConvTranspose", y, w, b, group=group, name="up", **attributes)
    return net.model(net.op(activation, y) if activation else y)


def check(found):
    assert found.largest_lsb["tflite-micro"] == 0
    assert found.largest_lsb["litert"] <= 1
    assert found.steps <= 1.01
    assert "Transpose" not in found.kinds, found.program.text()


def builtins(found):
    return [operator.builtin for operator in load(found.content).subgraphs[0].operators]


@pytest.mark.parametrize(
    "geometry, written",
    [
        ({"kernel": 2, "strides": [2, 2]}, ["TRANSPOSE_CONV"]),
        ({"kernel": 4, "strides": [2, 2], "pads": [1, 1, 1, 1]}, ["TRANSPOSE_CONV"]),
        ({"kernel": 3, "strides": [2, 2], "output_padding": [1, 1]}, ["TRANSPOSE_CONV"]),
        ({"kernel": 3, "strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}, ["TRANSPOSE_CONV", "SLICE"]),
        ({"kernel": 3, "strides": [2, 1], "pads": [1, 0, 0, 2]}, ["TRANSPOSE_CONV", "SLICE"]),
        ({"kernel": 3, "strides": [2, 2], "auto_pad": "SAME_UPPER"}, ["TRANSPOSE_CONV"]),
        ({"kernel": 3, "strides": [2, 2], "auto_pad": "SAME_LOWER"}, ["TRANSPOSE_CONV", "SLICE"]),
        ({"kernel": 3, "strides": [2, 2], "output_shape": [8, 10]}, None),
    ],
)
def test_geometry(geometry, written):
    found = lowered(upsampled(**geometry))
    check(found)
    assert found.kinds == ["Conv2D", "TransposeConv"]
    if written is not None:
        assert builtins(found) == ["CONV_2D", *written]


def test_an_activation_is_part_of_it():
    found = lowered(upsampled(kernel=2, strides=[2, 2], activation="Relu"))
    check(found)
    assert found.kinds == ["Conv2D", "TransposeConv"]


def test_groups_are_convolved_apart():
    found = lowered(upsampled(kernel=2, strides=[2, 2], group=2))
    check(found)
    assert found.kinds == ["Conv2D", "Split", "TransposeConv", "TransposeConv", "Concat"]


def test_one_axis():
    net = Net()
    y = net.op("Relu", net.op("Conv", net.input("x", 1, 3, 9), net.weights(4, 3, 3), pads=[1, 1]))
    y = net.op(
        "ConvTranspose",
        y,
        net.constant(net.rng.standard_normal((4, 5, 4)).astype(np.float32)),
        strides=[2],
        pads=[1, 1],
    )
    found = lowered(net.model(y))
    check(found)
    assert found.kinds.count("TransposeConv") == 1


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("strides", [[2, 3], [1, 2]])
def test_floats(auto_pad, strides):
    assert float_gap(upsampled(auto_pad=auto_pad, strides=strides)) < 1e-5
    assert float_gap(upsampled(auto_pad=auto_pad, strides=strides, group=2, kernel=2)) < 1e-5


def test_dilation_is_refused():
    with pytest.raises(UnsupportedOpError, match=r'"up" \(ConvTranspose\): its dilation is not 1'):
        from_onnx(upsampled(dilations=[2, 2]), "net")

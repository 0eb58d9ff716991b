"""Softmax and its like along whatever axis: held last, with a transpose only where it is not last already."""

from __future__ import annotations

import numpy as np
import pytest
from int8_nets import Net
from lowered import float_gap, lowered

from edgekit.errors import UnsupportedOpError
from edgekit.lowering import from_onnx

KINDS = {"Softmax": "Softmax", "LogSoftmax": "LogSoftmax", "LpNormalization": "L2Normalization"}


def check(found, kinds, steps=1.01):
    assert found.kinds == kinds, found.program.text()
    assert found.largest_lsb["tflite-micro"] == 0
    assert found.largest_lsb["litert"] <= 2
    assert found.steps <= steps, found.steps


@pytest.mark.parametrize("op_type", KINDS)
def test_over_classes(op_type):
    net = Net()
    check(lowered(net.model(net.op(op_type, net.input("x", 1, 10)))), [KINDS[op_type]])


@pytest.mark.parametrize("op_type", KINDS)
def test_over_channels_of_a_picture_needs_no_transpose(op_type):
    net = Net()
    x = net.conv(net.input("x", 1, 3, 6, 8), 3, 5)
    found = lowered(net.model(net.op(op_type, x, axis=1)))
    check(found, ["Conv2D", KINDS[op_type]], steps=3)


def test_over_space_and_back():
    net = Net()
    x = net.op("Softmax", net.conv(net.input("x", 1, 3, 6, 8), 3, 5), axis=2)
    found = lowered(net.model(net.op("Relu", net.conv(x, 5, 4))))
    check(found, ["Conv2D", "Transpose", "Softmax", "Transpose", "Conv2D"], steps=4)


def test_long_rows_go_through_sixteen_bits():
    net = Net()
    found = lowered(net.model(net.op("Softmax", net.op("Mul", net.input("x", 1, 600), net.constant(np.float32(8))))))
    check(found, ["Mul", "Softmax", "Quantize"])


def test_norm_of_order_one_is_refused():
    net = Net()
    model = net.model(net.op("LpNormalization", net.input("x", 1, 10), p=1, name="norm"))
    with pytest.raises(UnsupportedOpError, match=r'"norm" \(LpNormalization\): it is a norm of order 1'):
        from_onnx(model, "net")


def test_float_graphs():
    for op_type in KINDS:
        net = Net()
        assert float_gap(net.model(net.op(op_type, net.conv(net.input("x", 1, 3, 6, 8), 3, 5), axis=1))) <= 1e-5

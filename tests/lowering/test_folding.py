"""Passes that fold operations into convolutions: the same integers, and nothing folded that others read."""

from __future__ import annotations

import numpy as np

from edgekit.emitters import emit_tflite
from edgekit.interpreter import run
from edgekit.lowering import from_tflite
from edgekit.lowering.channels import fold_channel_order
from edgekit.lowering.padding import fold_padding
from edgekit.lowering.tidy import fold_constants
from edgekit.ops.convolution import Conv2D
from edgekit.ops.fully_connected import FullyConnected, bias_params
from edgekit.ops.padding import Pad
from edgekit.ops.shape import Reshape
from edgekit.ops.slicing import Gather
from edgekit.program import Program, QuantParams, Tensor

BORDER = ((0, 0), (1, 2), (0, 1), (0, 0))


def value(name, *shape):
    return Tensor(name, shape, "s8", QuantParams.of(0.05, 3))


def weights(name, *shape):
    data = np.random.default_rng(0).integers(-127, 128, shape).astype(np.int8)
    scales = tuple(float(np.float32(0.001 * (k + 1))) for k in range(shape[0]))
    return Tensor(name, shape, "s8", QuantParams(scales, (0,) * shape[0], 0), data)


def convolution(name, x, height, width):
    w = weights(f"{name}_w", 4, 2, 2, x.shape[3])
    b = Tensor(f"{name}_b", (4,), "s32", bias_params(x, w), np.arange(4, dtype=np.int32) * 500)
    return Conv2D(name=name, inputs=(x, w, b), outputs=(value(f"{name}_y", 1, height, width, 4),))


def padded(fill=3):
    x, y = value("x", 1, 4, 5, 3), value("padded", 1, 7, 6, 3)
    return x, Pad(name="pad", inputs=(x,), outputs=(y,), padding=BORDER, fill=fill)


def kinds(program):
    return [op.kind for op in program.ops]


def check_same(one: Program, other: Program):
    x = {"x": np.random.default_rng(1).integers(-128, 128, one.inputs[0].shape).astype(np.int8)}
    truth, got = run(one, x), run(other, x)
    assert all(np.array_equal(truth[name], got[name]) for name in truth)


def test_a_border_goes_into_all_convolutions_that_read_it():
    x, pad = padded()
    first, second = (convolution(name, pad.output, 6, 5) for name in ("first", "second"))
    program = Program("p", (x,), (first.output, second.output), (pad, first, second))
    folded = fold_padding(program)
    assert kinds(folded) == ["Conv2D", "Conv2D"]
    assert folded.ops[0].padding == ((1, 2), (0, 1))
    check_same(program, folded)


def test_a_border_that_is_read_elsewhere_or_not_of_zeros_stays():
    x, pad = padded()
    conv = convolution("conv", pad.output, 6, 5)
    view = Reshape(name="view", inputs=(pad.output,), outputs=(value("v", 1, 42, 3),))
    shown = Program("p", (x,), (conv.output, pad.output), (pad, conv))
    read = Program("p", (x,), (conv.output, view.output), (pad, conv, view))
    x, other = padded(fill=-128)
    conv = convolution("conv", other.output, 6, 5)
    for program in (shown, read, Program("p", (x,), (conv.output,), (other, conv))):
        assert kinds(fold_padding(program)) == kinds(program)


def test_a_written_padding_is_read_back_as_one():
    x, pad = padded()
    conv = convolution("conv", pad.output, 6, 5)
    folded = fold_padding(Program("p", (x,), (conv.output,), (pad, conv)))
    again = from_tflite(emit_tflite(folded), "again")
    assert kinds(again) == ["Conv2D"]
    assert again.ops[0].padding == ((1, 2), (0, 1))


def reordered(axis, maker, y):
    indices = Tensor("i", (4,), "s32", None, np.array([2, 0, 3, 1], np.int32))
    return Gather(name="gather", inputs=(maker.output, indices), outputs=(y,), axis=axis)


def test_channels_in_another_order_are_made_in_that_order():
    x = value("x", 1, 4, 5, 3)
    conv = convolution("conv", x, 3, 4)
    gather = reordered(3, conv, value("y", 1, 3, 4, 4))
    program = Program("p", (x,), gather.outputs, (conv, gather))
    folded = fold_channel_order(program)
    assert kinds(folded) == ["Conv2D"]
    check_same(program, folded)
    shown = Program("p", (x,), (*program.outputs, conv.output), (conv, gather))
    assert kinds(fold_channel_order(shown)) == ["Conv2D", "Gather"]


def test_features_of_a_matrix_too_and_other_axes_not():
    x = value("x", 4, 6)
    layer = FullyConnected(name="fc", inputs=(x, weights("w", 4, 6)), outputs=(value("h", 4, 4),))
    for axis, wanted in ((1, ["FullyConnected"]), (0, ["FullyConnected", "Gather"])):
        gather = reordered(axis, layer, value("y", 4, 4))
        program = Program("p", (x,), gather.outputs, (layer, gather))
        folded = fold_channel_order(program)
        assert kinds(folded) == wanted
        check_same(program, folded)


def test_operations_on_constants_are_worked_out():
    x, w = value("x", 1, 24), weights("w", 2, 3, 4)
    plain = Tensor("w", w.shape, "s8", QuantParams.of(0.01), w.data)
    view = Reshape(name="view", inputs=(plain,), outputs=(Tensor("matrix", (1, 24), "s8", QuantParams.of(0.01)),))
    layer = FullyConnected(name="fc", inputs=(x, view.output), outputs=(value("y", 1, 1),))
    program = Program("p", (x,), layer.outputs, (view, layer))
    assert kinds(fold_constants(program)) == ["FullyConnected"]
    check_same(program, fold_constants(program))

"""Convolutions and fully connected layers of random geometry are the same integers in TFLite Micro."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from runtimes_of_cases import check, program_of, tensor

from edgekit.ops.convolution import Conv2D, DepthwiseConv2D, output_size
from edgekit.ops.fully_connected import FullyConnected, bias_params
from edgekit.ops.transposed_convolution import TransposeConv, whole_size
from edgekit.program import Activation, QuantParams, Tensor

SETTINGS = settings(max_examples=25, deadline=None, derandomize=True)


def weights_and_bias(rng, x: Tensor, shape, axis: int, scale=0.01):
    channels = shape[axis]
    scales = tuple(float(np.float32(s)) for s in scale * rng.uniform(0.5, 2.0, channels))
    quant = QuantParams(scales, (0,) * channels, axis if channels > 1 else None)
    data = rng.integers(-127, 128, shape).astype(np.int8)
    w = Tensor("w", tuple(shape), "s8", quant, data)
    bias = rng.integers(-2000, 2001, channels).astype(np.int32)
    return w, Tensor("b", (channels,), "s32", bias_params(x, w), bias)


@st.composite
def convolutions(draw):
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = draw(st.sampled_from([(1, 1), (2, 2), (1, 2)]))
    if stride != (1, 1):
        dilation = (1, 1)
    padding = draw(st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 2))
    span = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = tuple(draw(st.integers(max(1, s - sum(p)), s + 6)) for s, p in zip(span, padding, strict=True))
    channels, depthwise = draw(st.integers(1, 5)), draw(st.booleans())
    x = tensor("x", (1, *size, channels), 0.05, draw(st.integers(-128, 127)))
    out = tuple(output_size(*a) for a in zip(size, kernel, stride, dilation, padding, strict=True))
    multiplier = draw(st.integers(1, 3)) if depthwise else draw(st.integers(1, 6))
    filters = channels * multiplier if depthwise else multiplier
    shape = (1, *kernel, filters) if depthwise else (filters, *kernel, channels)
    w, b = weights_and_bias(rng, x, shape, 3 if depthwise else 0)
    y = tensor("y", (1, *out, filters), 0.05 * 0.5, draw(st.integers(-128, 127)))
    common = {"name": "op", "inputs": (x, w, b), "outputs": (y,), "stride": stride, "dilation": dilation}
    if depthwise:
        return DepthwiseConv2D(**common, padding=padding, multiplier=multiplier)
    return Conv2D(**common, padding=padding)


@SETTINGS
@given(convolutions())
def test_convolution(op):
    check(program_of(op))


@st.composite
def transposed_convolutions(draw):
    """Outputs that SAME gives, that VALID gives, and those that are cut out of the whole result."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    size, kernel = (draw(st.tuples(st.integers(1, n), st.integers(1, n))) for n in (5, 4))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    whole = [whole_size(*a) for a in zip(size, kernel, stride, strict=True)]
    crop = tuple(draw(st.integers(0, min(k - 1, w - 1))) for k, w in zip(kernel, whole, strict=True))
    ends = [draw(st.integers(max(c + 1, w - 2), w + s - 1)) for c, w, s in zip(crop, whole, stride, strict=True)]
    channels, filters = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    x = tensor("x", (draw(st.integers(1, 2)), *size, channels), 0.05, draw(st.integers(-128, 127)))
    w, b = weights_and_bias(rng, x, (filters, *kernel, channels), 0)
    out = [e - c for e, c in zip(ends, crop, strict=True)]
    y = tensor("y", (x.shape[0], *out, filters), 0.05 * 0.5, draw(st.integers(-128, 127)))
    operands = (x, w, b) if draw(st.booleans()) else (x, w)
    activation = draw(st.sampled_from([Activation.NONE, Activation.RELU, Activation.RELU6]))
    return TransposeConv(name="op", inputs=operands, outputs=(y,), stride=stride, crop=crop, activation=activation)


@SETTINGS
@given(transposed_convolutions())
def test_transposed_convolution(op):
    check(program_of(op))


@SETTINGS
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 12), st.integers(-128, 127), st.booleans())
def test_fully_connected(seed, depth, outputs, zero_point, per_tensor):
    rng = np.random.default_rng(seed)
    x = tensor("x", (1, depth), 0.05, zero_point)
    w, b = weights_and_bias(rng, x, (outputs, depth), 0)
    if per_tensor:
        w = Tensor("w", w.shape, "s8", QuantParams.of(w.quant.scales[0]), w.data)
        b = Tensor("b", b.shape, "s32", bias_params(x, w), b.data)
    y = tensor("y", (1, outputs), 0.05, int(rng.integers(-128, 128)))
    check(program_of(FullyConnected(name="op", inputs=(x, w, b), outputs=(y,))))

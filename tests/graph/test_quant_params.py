"""The arithmetic of scales and zero points, on arbitrary ranges and numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgekit.graph.quant_params import (
    BIAS_MAX,
    Range,
    activation_params,
    quantize_bias,
    quantize_weights,
    weight_scales,
)

calmly = settings(deadline=None)  # the machine may be busy
bounds = st.floats(-1e6, 1e6, width=32)
ranges = st.tuples(bounds, bounds).map(lambda pair: Range(min(pair), max(pair)))


@calmly
@given(ranges)
@example(Range(0.0, 0.0))
@example(Range(-1e-30, 1e-30))
@example(Range(3.0, 5.0))
def test_zero_is_exact(values):
    params = activation_params(values)
    assert -128 <= params.zero_point <= 127 and params.scale > 0 and params.scale == np.float32(params.scale)
    assert params.dequantize(params.quantize(np.zeros(1)))[0] == 0.0


@calmly
@given(ranges, st.floats(0, 1))
@example(Range(-1.0, 1.0), 0.0)
def test_round_trip_errs_by_at_most_half_a_step(values, where):
    params = activation_params(values)
    real = np.float32(values.low + where * (values.high - values.low))
    error = abs(float(params.dequantize(params.quantize(real))) - float(real))
    assert error <= params.scale * (0.5 + 1e-3)


@calmly
@given(ranges)
def test_whole_range_is_held(values):
    params = activation_params(values)
    slack = params.scale * 0.51
    assert params.low <= min(values.low, 0) + slack and params.high >= max(values.high, 0) - slack


@pytest.mark.parametrize("bad", [(np.nan, 1), (0, np.inf), (2, 1)])
def test_ranges_that_make_no_sense(bad):
    with pytest.raises(ValueError, match="finite bounds in ascending order"):
        Range(*bad)


@calmly
@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 0, 1, 3]), st.floats(1e-6, 1e6))
def test_weights_are_symmetric_and_round_to_half_a_step(seed, axis, size):
    weights = (size * np.random.default_rng(seed).standard_normal((3, 4, 2, 5))).astype(np.float32)
    scales = weight_scales(weights, axis)
    stored = quantize_weights(weights, scales, axis)
    assert scales.shape == (() if axis is None else (weights.shape[axis],))
    assert stored.min() >= -127
    along = scales if axis is None else scales.reshape([-1 if i == axis else 1 for i in range(4)])
    assert np.all(np.abs(stored * along - weights) <= along * 0.501)


@calmly
@given(st.floats(1e-12, 1e3), st.floats(-1e6, 1e6), st.floats(1e-9, 1e3))
def test_bias_never_overflows(weight, bias, input_scale):
    weights, biases = np.array([[weight], [1.0]], np.float32), np.array([bias, 0.0])
    scales = weight_scales(weights, 0, bias=biases, input_scale=input_scale)
    units = np.float32(input_scale) * scales
    stored = quantize_bias(biases, units)
    assert np.abs(stored.astype(np.int64)).max() <= BIAS_MAX * 1.001
    assert abs(stored[0] * float(units[0]) - bias) <= float(units[0]) * 0.51 + abs(bias) * 1e-6


def test_channels_of_zeros_borrow_a_scale():
    assert weight_scales(np.zeros((2, 3)), 0).min() > 0
    scales = weight_scales(np.array([[0.0, 0.0], [127.0, 1.0]]), 0)
    assert scales.tolist() == [1.0, 1.0]

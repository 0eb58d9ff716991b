"""Each observer does what it says, on distributions where the right answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.graph.observers import OBSERVERS, Histogram, entropy_range, mse_range, percentile_range
from edgekit.graph.quant_params import Range, activation_params


def histogram(values, chunks=7) -> Histogram:
    made = Histogram.over(Range(float(values.min()), float(values.max())))
    for part in np.array_split(values, chunks):
        made.add(part)
    return made


@pytest.fixture(scope="module")
def heavy_tail():
    rng = np.random.default_rng(0)
    return np.concatenate([rng.standard_normal(200_000), [400.0, -150.0]]).astype(np.float32)


def error_of(values, held: Range):
    params = activation_params(held)
    return float(np.square(params.dequantize(params.quantize(values)) - values).mean())


def test_histogram_counts_everything_once(heavy_tail):
    made = histogram(np.concatenate([heavy_tail, np.zeros(5, np.float32)]))
    assert made.counts.sum() == heavy_tail.size and made.zeros == 5


def test_percentile_holds_its_share(heavy_tail):
    held = percentile_range(histogram(heavy_tail))
    inside = ((heavy_tail >= held.low) & (heavy_tail <= held.high)).mean()
    assert inside >= 0.9999 and held.high < 10 and held.low > -10


def test_percentile_keeps_all_of_few_values():
    values = np.linspace(-3, 5, 100, dtype=np.float32)
    held = percentile_range(histogram(values))
    assert (held.low, held.high) == (-3, 5)


def test_percentile_counts_zeros():
    values = np.concatenate([np.zeros(10**6), np.linspace(0.5, 8, 30)]).astype(np.float32)
    assert percentile_range(histogram(values)).high < 0.5


def test_mse_finds_the_clipping_of_least_error():
    values = np.random.default_rng(1).laplace(size=100_000).astype(np.float32)
    full = Range(float(values.min()), float(values.max()))
    held = mse_range(histogram(values))
    shrunk = [Range(full.low * k, full.high * k) for k in np.linspace(0.05, 1, 60)]
    best = min(error_of(values, r) for r in shrunk)
    assert error_of(values, held) < 0.9 * error_of(values, full)
    assert error_of(values, held) < 1.1 * best


def test_mse_does_not_clip_an_even_distribution():
    values = np.random.default_rng(2).uniform(-1, 1, 50_000).astype(np.float32)
    held = mse_range(histogram(values))
    assert held.high > 0.95 and held.low < -0.95


def test_entropy_cuts_the_tail_and_keeps_the_body(heavy_tail):
    held = entropy_range(histogram(heavy_tail))
    assert 2 < held.high < 40 and -40 < held.low < -2
    assert error_of(heavy_tail[:-2], held) < error_of(heavy_tail[:-2], Range(-150, 400)) / 50


def test_entropy_does_not_clip_an_even_distribution():
    values = np.random.default_rng(2).uniform(0, 1, 50_000).astype(np.float32)
    assert entropy_range(histogram(values)).high > 0.95


@pytest.mark.parametrize("name", OBSERVERS)
@pytest.mark.parametrize("value", [0.0, 3.5, -2.0])
def test_constant_values(name, value):
    range_of = OBSERVERS[name].range_of
    if range_of is not None:
        assert range_of(histogram(np.full(10, value, np.float32))) == Range(value, value)


@pytest.mark.parametrize("name", [n for n in OBSERVERS if OBSERVERS[n].range_of])
def test_one_sided_values_stay_one_sided(name):
    values = np.maximum(np.random.default_rng(3).standard_normal(20_000), 0).astype(np.float32)
    held = OBSERVERS[name].range_of(histogram(values))
    assert held.low == 0.0 and 2 < held.high <= values.max()

"""From what a value did on the calibration data to the range that int8 should hold.

    minmax      everything that was seen
    percentile  all but 0.01 % of the values (the rarest at either end are saturated)
    entropy     the clipping that loses the least information (Kullback-Leibler divergence of the distributions)
    mse         the clipping with the smallest expected squared error of rounding and saturation together

Histograms count exact zeros apart from their bins: zero is always exactly representable, and after a ReLU half of all
values are zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.graph.quant_params import Array, Range, activation_params

BINS = 2048
KEPT = 0.9999  # share of the values that "percentile" holds
CANDIDATES = 96  # clippings that "entropy" and "mse" try, from the full range down to SHORTEST of it
SHORTEST = 0.02
LEVELS = 255


@dataclass
class Histogram:
    """How often a value fell into each of BINS equal bins over low..high; filled by `add`, sample by sample."""

    low: float
    high: float
    counts: npt.NDArray[np.int64]
    zeros: int = 0

    @classmethod
    def over(cls, values: Range) -> Histogram:
        return cls(values.low, values.high, np.zeros(BINS, np.int64))

    def add(self, array: Array) -> None:
        nonzero = array[array != 0.0]
        self.zeros += int(array.size - nonzero.size)
        if self.high > self.low:
            self.counts += np.histogram(nonzero, bins=BINS, range=(self.low, self.high))[0]

    @property
    def range(self) -> Range:
        return Range(self.low, self.high)

    @property
    def edges(self) -> npt.NDArray[np.float64]:
        return np.linspace(self.low, self.high, BINS + 1)

    @property
    def centres(self) -> npt.NDArray[np.float64]:
        edges = self.edges
        return (edges[:-1] + edges[1:]) / 2

    @property
    def empty(self) -> bool:
        return self.high <= self.low or not self.counts.any()


@dataclass(frozen=True)
class Observer:
    """range_of: histogram → range; None when the extremes alone decide and no histogram is needed."""

    range_of: Callable[[Histogram], Range] | None


def percentile_range(histogram: Histogram) -> Range:
    """The range that holds KEPT of all values, half of the rest beyond either end."""
    if histogram.empty:
        return histogram.range
    counts = _with_zeros(histogram)
    below = np.cumsum(counts)
    cut = below[-1] * (1 - KEPT) / 2
    first = int(np.searchsorted(below, cut, side="right"))
    last = int(np.searchsorted(below, below[-1] - cut, side="left"))
    edges = histogram.edges
    return Range(float(edges[first]), float(edges[min(last, BINS - 1) + 1]))


def mse_range(histogram: Histogram) -> Range:
    """The clipping with the smallest expected squared error."""
    return _best(histogram, _squared_error)


def entropy_range(histogram: Histogram) -> Range:
    """The clipping with the smallest Kullback-Leibler divergence between the values and their int8 form."""
    return _best(histogram, _divergence)


OBSERVERS: Mapping[str, Observer] = {
    "minmax": Observer(None),
    "percentile": Observer(percentile_range),
    "entropy": Observer(entropy_range),
    "mse": Observer(mse_range),
}


def _best(histogram: Histogram, loss: Callable[[Histogram, Range], float]) -> Range:
    """The candidate of least loss; of equals the widest. The further end is drawn in first, then both."""
    if histogram.empty:
        return histogram.range
    reach = max(abs(histogram.low), abs(histogram.high))
    limits = reach * np.geomspace(1.0, SHORTEST, CANDIDATES)
    candidates = [_clipped(histogram, float(limit)) for limit in limits]
    losses = [loss(histogram, c) for c in candidates]
    return candidates[int(np.argmin(losses))]


def _clipped(histogram: Histogram, limit: float) -> Range:
    low, high = max(histogram.low, -limit), min(histogram.high, limit)
    return Range(min(low, high), max(low, high))


def _with_zeros(histogram: Histogram) -> npt.NDArray[np.int64]:
    counts: npt.NDArray[np.int64] = histogram.counts.copy()
    place = int((0.0 - histogram.low) / (histogram.high - histogram.low) * BINS)
    counts[min(max(place, 0), BINS - 1)] += histogram.zeros
    return counts


def _squared_error(histogram: Histogram, candidate: Range) -> float:
    params = activation_params(candidate)
    centres = histogram.centres
    held = np.clip(np.rint(centres / params.scale), -128 - params.zero_point, 127 - params.zero_point) * params.scale
    return float(histogram.counts @ np.square(centres - held))


def _divergence(histogram: Histogram, candidate: Range) -> float:
    """KL(P || Q): P = the values, tails piled onto the outermost kept bins; Q = the kept bins seen in LEVELS steps."""
    inside, tails = _split(histogram, candidate)
    p = inside.copy()
    p[0] += tails[0]
    p[-1] += tails[1]
    level = np.arange(inside.size) * LEVELS // max(inside.size, LEVELS)
    occupied = inside > 0
    mass = np.bincount(level, weights=inside, minlength=LEVELS)
    bins = np.bincount(level, weights=occupied, minlength=LEVELS)
    q = np.where(occupied, (mass / np.maximum(bins, 1))[level], 0.0)
    return _kullback_leibler(p, q)


def _split(histogram: Histogram, candidate: Range) -> tuple[npt.NDArray[np.float64], tuple[float, float]]:
    centres, counts = histogram.centres, histogram.counts.astype(np.float64)
    below, above = centres < candidate.low, centres > candidate.high
    inside = counts[~(below | above)]
    return (inside if inside.size else np.zeros(1)), (float(counts[below].sum()), float(counts[above].sum()))


def _kullback_leibler(p: npt.NDArray[np.float64], q: npt.NDArray[np.float64]) -> float:
    if not q.any():
        return float("inf")
    tiny = 1e-9  # a bin that P holds and Q does not (a tail on an empty bin) costs much, yet not infinitely much
    p, q = p / p.sum(), q / q.sum()
    there = p > 0
    return float(np.sum(p[there] * np.log(p[there] / np.maximum(q[there], tiny))))

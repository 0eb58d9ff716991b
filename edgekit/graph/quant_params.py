"""The arithmetic of int8: ranges become scales and zero points, real values become integers and back.

Activations are asymmetric int8 with one scale per value and zero exactly representable; weights are symmetric int8 in
[-127, 127]; biases are int32 in units of (input scale x weight scale). Scales are float32, as ONNX and TFLite store
them. Ranges that are not finite are refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

INT8_MIN, INT8_MAX = -128, 127
WEIGHT_MAX = 127  # -128 is not used: kernels rely on symmetric weights
BIAS_MAX = 1 << 30  # a quarter of the int32 range stays free on either side for the accumulated products
# A dead value still gets a scale whose inverse and products are ordinary numbers; TFLite Micro aborts on a Softmax
# whose input has a scale of 2^-26 or less.
ACTIVATION_SCALE_FLOOR = 2.0**-24
WEIGHT_SCALE_FLOOR = 2.0**-60
DEAD_CHANNEL = 2.0**-20  # a channel this much smaller than the largest one cannot be heard in the output

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Range:
    """The real values low..high that a value takes; both finite, low <= high."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ValueError(f"range {self.low}..{self.high}: wanted finite bounds in ascending order")

    def union(self, other: Range) -> Range:
        return Range(min(self.low, other.low), max(self.high, other.high))


@dataclass(frozen=True)
class QuantParams:
    """One int8 value type: real = (q - zero_point) * scale, q in -128..127."""

    scale: float
    zero_point: int

    @property
    def low(self) -> float:
        """The smallest real value that can be held."""
        return (INT8_MIN - self.zero_point) * self.scale

    @property
    def high(self) -> float:
        """The largest real value that can be held."""
        return (INT8_MAX - self.zero_point) * self.scale

    def holds(self, values: Range) -> bool:
        """Whether these values can be held, to one step."""
        return self.low - self.scale <= values.low and values.high <= self.high + self.scale

    def quantize(self, real: npt.ArrayLike) -> npt.NDArray[np.int8]:
        """Nearest int8 (ties to even, as QuantizeLinear does), saturated at the ends."""
        steps = np.rint(np.asarray(real, np.float32) / np.float32(self.scale)) + self.zero_point
        stored: npt.NDArray[np.int8] = np.clip(steps, INT8_MIN, INT8_MAX).astype(np.int8)
        return stored

    def dequantize(self, q: npt.NDArray[np.int8]) -> npt.NDArray[np.float32]:
        real: npt.NDArray[np.float32] = (q.astype(np.float32) - self.zero_point) * np.float32(self.scale)
        return real


def activation_params(values: Range) -> QuantParams:
    """Asymmetric int8 for a range; zero is always inside and exactly representable (padding and ReLU need it)."""
    low, high = min(values.low, 0.0), max(values.high, 0.0)
    scale = float(np.float32(max((high - low) / (INT8_MAX - INT8_MIN), ACTIVATION_SCALE_FLOOR)))
    zero_point = round(INT8_MIN - low / scale)
    return QuantParams(scale, min(max(zero_point, INT8_MIN), INT8_MAX))


def weight_scales(
    weights: Array, axis: int | None, *, bias: Array | None = None, input_scale: float = 1.0
) -> npt.NDArray[np.float32]:
    """Symmetric int8 scales: shape (channels,) along `axis`, or () when `axis` is None.

    A dead channel (all zero, or far below the others) borrows a harmless scale, and a scale grows where `bias` would
    otherwise overflow int32 in units of input_scale x weight scale.
    """
    magnitudes = np.abs(weights.astype(np.float64))
    largest = magnitudes.max(axis=_others(weights, axis)) if weights.size else np.zeros(())
    scales = largest / WEIGHT_MAX
    loudest = float(scales.max(initial=0.0)) or 1.0 / WEIGHT_MAX
    scales = np.where(scales < loudest * DEAD_CHANNEL, loudest, scales)
    if bias is not None:
        scales = np.maximum(scales, _bias_peak(bias, axis) / (BIAS_MAX * input_scale))
    return np.maximum(scales, WEIGHT_SCALE_FLOOR).astype(np.float32)


def quantize_weights(weights: Array, scales: npt.NDArray[np.float32], axis: int | None) -> npt.NDArray[np.int8]:
    """Weights in [-127, 127], zero point 0."""
    steps = np.rint(weights.astype(np.float64) / _along(scales, axis, weights.ndim))
    return np.clip(steps, -WEIGHT_MAX, WEIGHT_MAX).astype(np.int8)


def quantize_bias(bias: Array, scales: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """int32 bias in units of `scales` = input scale x weight scale, shape () or (channels,)."""
    steps = np.rint(bias.astype(np.float64) / scales.astype(np.float64))
    return np.clip(steps, -(2**31 - 1), 2**31 - 1).astype(np.int32)


def _others(weights: Array, axis: int | None) -> tuple[int, ...] | None:
    return None if axis is None else tuple(i for i in range(weights.ndim) if i != axis)


def _along(scales: Array, axis: int | None, rank: int) -> Array:
    if axis is None:
        return scales
    return scales.reshape([-1 if i == axis else 1 for i in range(rank)])


def _bias_peak(bias: Array, axis: int | None) -> Array:
    peaks = np.abs(bias.astype(np.float64))
    return peaks if axis is not None else np.asarray(peaks.max(initial=0.0))

"""scikit-learn's 1,797 pictures of digits (8x8) → training and test arrays in the input shape of each network.

The order is shuffled once with a fixed seed: 1,297 pictures to train, 500 to test. Paper is 0, ink up to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch.nn import functional

TRAINING = 1297


@dataclass(frozen=True)
class Data:
    """Inputs (samples, *shape without its first axis), float32, and what each should give."""

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


def pictures(height: int, width: int, channels: int = 1) -> Data:
    """(n, channels, height, width), all channels alike → the digit."""
    grey, digit = resampled(height, width)
    return split(np.repeat(grey, channels, axis=1), digit)


def rows(steps: int) -> Data:
    """(n, 8, steps): the eight rows of a picture as channels of a signal → the digit."""
    grey, digit = resampled(8, steps)
    return split(grey[:, 0], digit)


def sequences() -> Data:
    """(n, 8, 8): the rows from top to bottom as time steps of eight features → the digit."""
    return rows(8)


def vectors(height: int, width: int) -> Data:
    """(n, height x width) → the same."""
    grey, _ = resampled(height, width)
    flat = grey.reshape(len(grey), -1)
    return split(flat, flat)


def masks(size: int) -> Data:
    """(n, 1, size, size) → per pixel 0 for paper, 1 + the digit for ink."""
    grey, digit = resampled(size, size)
    return split(grey, np.where(grey[:, 0] > 0.5, 1 + digit[:, None, None], 0))


def split(x: np.ndarray, y: np.ndarray) -> Data:
    return Data(x[:TRAINING], y[:TRAINING], x[TRAINING:], y[TRAINING:])


@cache
def resampled(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """All pictures, bilinear, (n, 1, height, width) float32, and their digits (n,) int64; in the shuffled order."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    small = torch.from_numpy((digits.images[order, None] / 16).astype(np.float32))
    return functional.interpolate(small, (height, width), mode="bilinear").numpy(), digits.target[order].astype(
        np.int64
    )

"""Shoulder exercises, felt by a smart watch: 140 recordings of ten people as arrays of 16-bit samples.

Each person did seven exercises with each arm, 20 times; the watch gave acceleration and turning rate 50 times a second.
From D. Burns et al., "Shoulder physiotherapy exercise recognition" (arXiv:1802.01489), in the package seglearn (BSD).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "wrist-exercises"
RECORDINGS = CACHE / "recordings.npz"

EXERCISES = ("pendulum", "abduction", "forward elevation", "internal rotation", "external rotation", "trapezius", "row")
CHANNELS = ("ax", "ay", "az", "wx", "wy", "wz")
# One step of the 16-bit numbers: an IMU set to +-8 g and +-2000 degrees a second (16.4 steps a degree a second).
LSB = np.array([1 / 4096] * 3 + [np.pi / 180 / 16.4] * 3)  # g, radians a second
STEPS = np.float32([4096] * 3 + [2048] * 3)  # of an IMU in one unit of the network
RATE_HZ, WINDOW, HOP = 50, 150, 25
TRAIN, TEST = (1, 2, 3, 4, 5), (6, 7, 8, 9, 10)  # people


@dataclass(frozen=True)
class Recording:
    """One exercise of one arm. samples: int16 (time, 6); side: 1 = right; exercise: index in EXERCISES."""

    subject: int
    side: int
    exercise: int
    samples: np.ndarray


@lru_cache(maxsize=1)
def recordings() -> tuple[Recording, ...]:
    """All of them, in the order of the data set. Raises FileNotFoundError that says how to get them."""
    if not RECORDINGS.is_file():
        raise FileNotFoundError(f"{RECORDINGS} is not there: run `python get.py` in {Path(__file__).parent}")
    with np.load(RECORDINGS) as file:
        ends = np.cumsum(file["lengths"])[:-1]
        parts = zip(file["subjects"], file["sides"], file["exercises"], np.split(file["samples"], ends), strict=True)
    return tuple(Recording(int(who), int(side), int(what), samples) for who, side, what, samples in parts)


def of(subjects: tuple[int, ...]) -> list[Recording]:
    """The recordings of some people."""
    return [recording for recording in recordings() if recording.subject in subjects]


def windows(chosen: list[Recording]) -> tuple[np.ndarray, np.ndarray]:
    """Every half second of each recording the last three: int16 (windows, 150, 6), and the exercise of each."""
    cut = [np.lib.stride_tricks.sliding_window_view(r.samples, WINDOW, axis=0)[::HOP] for r in chosen]
    labels = [np.full(len(part), r.exercise) for part, r in zip(cut, chosen, strict=True)]
    return np.concatenate(cut).transpose(0, 2, 1), np.concatenate(labels)


def prepared(windows: np.ndarray) -> np.ndarray:
    """Windows (..., 150, 6) → what the network takes, float32: acceleration in g, turning rate in 125 degrees a second.

    The mean of each channel is taken off, and with it most of gravity: how the watch is worn matters less. recognizer.c
    does the same, rounding by rounding.
    """
    sums = windows.sum(axis=-2, dtype=np.int32, keepdims=True).astype(np.float32)
    return (windows.astype(np.float32) - sums / np.float32(windows.shape[-2])) / STEPS

"""Tells four waveforms apart (sine, square, sawtooth, noise) from 128 samples, as a vibration sensor would see them.

`edgekit convert model.py` reads the four functions below. Put your own trained network, data and figure in their place.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

CLASSES = ("sine", "square", "sawtooth", "noise")


def waveforms(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` noisy waveforms as float32 (count, 1, 128) with their class numbers (count,)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(CLASSES), count)
    phase = rng.uniform(0, 1, (count, 1)) + rng.uniform(2, 12, (count, 1)) * np.linspace(0, 1, 128)
    sine = np.sin(2 * np.pi * phase)
    shapes = np.stack([sine, np.sign(sine), 2 * (phase % 1) - 1, rng.normal(0, 0.7, sine.shape)])
    signals = shapes[labels, np.arange(count)] * rng.uniform(0.5, 1.5, (count, 1)) + rng.normal(0, 0.2, sine.shape)
    return signals[:, None].astype(np.float32), labels


def model() -> nn.Module:
    """The network, trained on the spot in a few seconds; load your own weights here instead."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv1d(1, 16, 9, stride=2, padding=4),
        nn.ReLU(),
        nn.Conv1d(16, 32, 9, stride=2, padding=4),
        nn.ReLU(),
        nn.Conv1d(32, 32, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(32, len(CLASSES)),
    )
    signals, labels = (torch.from_numpy(array) for array in waveforms(8192, seed=1))
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(8):
        for batch in torch.randperm(len(signals)).split(128):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(signals[batch]), labels[batch]).backward()
            optimizer.step()
    return net.eval()


def example_inputs() -> tuple[torch.Tensor, ...]:
    """One input; its shape becomes the fixed input shape of the converted model."""
    return (torch.zeros(1, 1, 128),)


def calibration_data() -> np.ndarray:
    """Inputs as the device will see them: the int8 ranges are taken from these. First axis = samples."""
    return waveforms(256, seed=2)[0]


def evaluate(predict) -> float:
    """Accuracy on waveforms that the network has not seen; `predict` maps inputs to outputs, first axis = samples."""
    signals, labels = waveforms(2000, seed=3)
    return float((predict(signals).argmax(axis=1) == labels).mean())

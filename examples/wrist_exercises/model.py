"""What `edgekit convert` reads: the trained network, an example input, calibration data and its judge."""

from __future__ import annotations

import dataset
import numpy as np
import torch
import train


def model() -> torch.nn.Module:
    """The trained network (trains on the spot the first time)."""
    return train.trained()


def example_inputs() -> tuple[torch.Tensor, ...]:
    """One window; its shape becomes the fixed input shape."""
    return (torch.zeros(1, 6, dataset.WINDOW),)


def calibration_data() -> np.ndarray:
    """256 windows of the people it was trained on, from which the ranges of the activations are taken."""
    windows, _ = dataset.windows(dataset.of(dataset.TRAIN))
    chosen = windows[np.linspace(0, len(windows) - 1, 256).astype(int)]
    return dataset.prepared(chosen).transpose(0, 2, 1)


def evaluate(predict) -> float:
    """Share of the windows of five other people that are recognised; `predict` maps windows to scores."""
    windows, exercises = dataset.windows(dataset.of(dataset.TEST))
    scores = predict(dataset.prepared(windows).transpose(0, 2, 1))
    return float((scores.argmax(axis=1) == exercises).mean())

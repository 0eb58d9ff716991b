"""What `edgekit convert model.py` reads: the trained network, an example input, calibration data and its judge."""

from __future__ import annotations

import dataset
import numpy as np
import torch
import train


def model() -> torch.nn.Module:
    """The trained network (trains on the spot the first time)."""
    return train.trained()


def example_inputs() -> tuple[torch.Tensor, ...]:
    """One picture; its shape becomes the fixed input shape."""
    return (torch.zeros(1, 1, 28, 28),)


def calibration_data() -> np.ndarray:
    """256 training pictures, from which the ranges of the activations are taken."""
    return dataset.images("train", 256)


def evaluate(predict) -> float:
    """Share of the 10,000 test pictures that are recognised; `predict` maps pictures to class scores."""
    scores = predict(dataset.images("t10k"))
    return float((scores.argmax(axis=1) == dataset.labels("t10k")).mean())

"""Outputs and wanted values → one figure, 1 at best."""

from __future__ import annotations

import numpy as np


def accuracy(outputs: np.ndarray, wanted: np.ndarray) -> float:
    """Share of right classes: outputs (n, classes, ...), wanted (n, ...)."""
    return float((outputs.argmax(axis=1) == wanted).mean())


def explained(outputs: np.ndarray, wanted: np.ndarray) -> float:
    """Share of the variance that the outputs explain: 1 - mean squared error / variance."""
    return 1 - float(np.square(outputs - wanted).mean() / np.square(wanted - wanted.mean(axis=0)).mean())

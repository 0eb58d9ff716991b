"""One network of the zoo: how it is made, what it is fed and how it is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from zoo import scores
from zoo.data import Data

WARM_BATCHES, WARM_BATCH = 8, 64


@dataclass(frozen=True)
class ZooModel:
    """One network.

    network  makes it with random weights
    data     gives its training and test arrays
    score    outputs and wanted values → one figure, 1 at best
    bar      what a trained one reaches at least on the 500 test samples
    """

    name: str
    network: Callable[[], nn.Module]
    data: Callable[[], Data]
    score: Callable[[np.ndarray, np.ndarray], float] = scores.accuracy
    bar: float = 0.9
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = functional.cross_entropy
    epochs: int = 8
    learning_rate: float = 0.01

    def build(self) -> nn.Module:
        """The untrained network, the same every time, its batch norms with the statistics of real samples."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net = self.network()
        warm_up(net, torch.from_numpy(self.data().train_x))
        return net.eval()

    def example(self) -> torch.Tensor:
        """One test sample, with the first axis."""
        return torch.from_numpy(self.data().test_x[:1])


def warm_up(net: nn.Module, x: torch.Tensor) -> None:
    """Batch norms take the mean statistics of a few batches."""
    norms = [m for m in net.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # the plain mean over the batches
    net.train()
    with torch.no_grad():
        for batch in x.split(WARM_BATCH)[:WARM_BATCHES]:
            net(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum

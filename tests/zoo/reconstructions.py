"""Networks that answer with as much as they were given: an autoencoder and a U-Net."""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn import functional

from zoo.layers import conv


def autoencoder() -> nn.Module:
    """(1, 640) → (1, 640) through 128, 8 and 128: the anomaly detector of MLPerf Tiny with half of its layers."""
    widths = (640, 128, 8, 128)
    hidden = [layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(128, 640))


class UNet(nn.Module):
    """(1, 1, 32, 32) → (1, 11, 32, 32): a class per pixel; skips by concat, one resize of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.middle, self.coarse = stage(1, 8), stage(8, 16), stage(16, 32)
        self.context = conv(32, 32, act=nn.ReLU())
        self.to_middle, self.to_fine = stage(48, 16), stage(24, 8)
        self.head = nn.Conv2d(8, 11, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine = self.fine(x)
        middle = self.middle(functional.max_pool2d(fine, 2))
        coarse = self.context(self.coarse(functional.max_pool2d(middle, 2)))
        up = functional.interpolate(coarse, scale_factor=2.0, mode="nearest")
        middle = self.to_middle(torch.cat([up, middle], 1))
        up = functional.interpolate(middle, scale_factor=2.0, mode="bilinear")
        return self.head(self.to_fine(torch.cat([up, fine], 1)))


def stage(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(conv(inputs, outputs, act=nn.ReLU()), conv(outputs, outputs, act=nn.ReLU()))

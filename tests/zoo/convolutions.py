"""Plain convolutional networks: digits CNN, DS-CNN, ResNet-8, 1-D CNN."""

from __future__ import annotations

import torch
from torch import nn

from zoo.layers import conv, separable


def digits_cnn() -> nn.Module:
    """(1, 1, 8, 8) → (1, 10); its classifier reads a flattened map."""
    return nn.Sequential(
        conv(1, 16, act=nn.ReLU()),
        conv(16, 32, act=nn.ReLU()),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def ds_cnn() -> nn.Module:
    """(1, 1, 49, 10) → (1, 10): the keyword spotter of MLPerf Tiny."""
    return nn.Sequential(
        nn.Conv2d(1, 64, (10, 4), 2, (5, 1), bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        *(separable(64, 64, 1, nn.ReLU) for _ in range(4)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


class Residual(nn.Module):
    """Two convolutions beside a way around them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(inputs, outputs, stride=stride, act=nn.ReLU()), conv(outputs, outputs))
        self.around = nn.Identity() if inputs == outputs else conv(inputs, outputs, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.around(x))


def resnet8() -> nn.Module:
    """(1, 3, 32, 32) → (1, 10): the picture classifier of MLPerf Tiny."""
    return nn.Sequential(
        conv(3, 16, act=nn.ReLU()),
        Residual(16, 16, 1),
        Residual(16, 32, 2),
        Residual(32, 64, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def cnn1d() -> nn.Module:
    """(1, 8, 32) → (1, 10): a signal of eight channels."""
    return nn.Sequential(
        nn.Conv1d(8, 16, 5, padding=2, bias=False),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(16, 32, 3, padding=1, bias=False),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(32, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )

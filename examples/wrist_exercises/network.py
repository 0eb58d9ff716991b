"""A small convolutional network over time: 3 s of six channels, 1.0 million MACs, 44 thousand parameters."""

from __future__ import annotations

from torch import Tensor, nn


def block(inputs: int, outputs: int, taps: int, stride: int) -> nn.Sequential:
    """Convolution over time, batch normalization, ReLU."""
    convolution = nn.Conv1d(inputs, outputs, taps, stride, padding=taps // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm1d(outputs), nn.ReLU())


class WristNet(nn.Module):
    """(1, 6, 150) windows → (1, 7) exercise scores."""

    def __init__(self, classes: int = 7) -> None:
        super().__init__()
        self.features = nn.Sequential(
            block(6, 32, 7, stride=2),
            block(32, 48, 5, stride=2),
            block(48, 64, 5, stride=2),
            block(64, 96, 3, stride=1),
        )
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.drop = nn.Dropout(0.3)
        self.classifier = nn.Linear(96, classes)

    def forward(self, window: Tensor) -> Tensor:
        return self.classifier(self.drop(self.pool(self.features(window)).flatten(1)))

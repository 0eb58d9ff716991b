"""A small convolutional network for 28x28 pictures: 2.5 million MACs, 52 thousand parameters."""

from __future__ import annotations

from torch import Tensor, nn


def block(inputs: int, outputs: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution 3x3, batch normalization, ReLU."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


class Residual(nn.Module):
    """Two convolutions whose result is added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = block(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(x + self.second(self.first(x)))


class FashionNet(nn.Module):
    """(1, 1, 28, 28) pictures → (1, 10) class scores."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            block(1, 16),
            nn.MaxPool2d(2),
            block(16, 32, stride=2),
            Residual(32),
            block(32, 64),
            block(64, 64, groups=64),
            nn.Conv2d(64, 128, 1),
            nn.ReLU(),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(128, 10)

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.pool(self.features(image)).flatten(1))

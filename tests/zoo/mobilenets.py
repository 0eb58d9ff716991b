"""MobileNet V1, V2 and a small V3 for (1, 3, 48, 48) → (1, 10)."""

from __future__ import annotations

import torch
from torch import nn

from zoo.layers import conv, divisible, separable


def classifier(features: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, 10)]


def mobilenet_v1(width: float = 0.25) -> nn.Module:
    """Thirteen depthwise separable blocks with ReLU6."""
    table = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    channels = [int(32 * width), *(int(out * width) for out, _ in table)]
    blocks = [
        separable(a, b, stride, nn.ReLU6) for a, b, (_, stride) in zip(channels, channels[1:], table, strict=False)
    ]
    return nn.Sequential(conv(3, channels[0], stride=2, act=nn.ReLU6()), *blocks, *classifier(channels[-1]))


class Inverted(nn.Module):
    """Widen, depthwise, (squeeze and excite), narrow; with a way around where the shapes allow."""

    def __init__(self, inputs, inner, outputs, kernel, stride, act: type[nn.Module], squeeze: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *([] if inner == inputs else [conv(inputs, inner, 1, act=act())]),
            conv(inner, inner, kernel, stride, groups=inner, act=act()),
            *([SqueezeExcite(inner)] if squeeze else []),
            conv(inner, outputs, 1),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x) if self.residual else self.body(x)


class SqueezeExcite(nn.Module):
    """Weighs each channel by what its mean says."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = divisible(channels / 4)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, inner, 1),
            nn.ReLU(),
            nn.Conv2d(inner, channels, 1),
            nn.Hardsigmoid(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(x)


def mobilenet_v2(width: float = 0.35) -> nn.Module:
    """Seventeen inverted residual blocks with ReLU6; 320 features instead of 1,280."""
    table = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    inputs = divisible(32 * width)
    layers: list[nn.Module] = [conv(3, inputs, stride=2, act=nn.ReLU6())]
    for expansion, channels, count, first_stride in table:
        outputs = divisible(channels * width)
        for stride in [first_stride] + [1] * (count - 1):
            layers.append(Inverted(inputs, expansion * inputs, outputs, 3, stride, nn.ReLU6))
            inputs = outputs
    return nn.Sequential(*layers, conv(inputs, 320, 1, act=nn.ReLU6()), *classifier(320))


# kernel, inner channels, outputs, squeeze and excite, activation, stride: MobileNetV3-small without its repeats
V3_SMALL = (
    (3, 16, 16, True, nn.ReLU, 2),
    (3, 72, 24, False, nn.ReLU, 2),
    (3, 88, 24, False, nn.ReLU, 1),
    (5, 96, 40, True, nn.Hardswish, 2),
    (5, 240, 40, True, nn.Hardswish, 1),
    (5, 120, 48, True, nn.Hardswish, 1),
    (5, 288, 96, True, nn.Hardswish, 2),
    (5, 576, 96, True, nn.Hardswish, 1),
)


def mobilenet_v3(width: float = 0.35) -> nn.Module:
    """Eight blocks with hard swish, squeeze and excite; 128 features instead of 1,024."""
    inputs = 16
    layers: list[nn.Module] = [conv(3, inputs, stride=2, act=nn.Hardswish())]
    for kernel, inner, channels, squeeze, act, stride in V3_SMALL:
        outputs = divisible(channels * width)
        layers.append(Inverted(inputs, divisible(inner * width), outputs, kernel, stride, act, squeeze))
        inputs = outputs
    features = divisible(576 * width)
    pooled = [conv(inputs, features, 1, act=nn.Hardswish()), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *pooled, nn.Linear(features, 128), nn.Hardswish(), nn.Linear(128, 10))

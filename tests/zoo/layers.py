"""Pieces that several networks share."""

from __future__ import annotations

from torch import nn


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1, act: nn.Module | None = None):
    """Convolution that keeps the size (but for the stride), batch norm and, if one is given, an activation."""
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([] if act is None else [act]))


def separable(inputs: int, outputs: int, stride: int, act: type[nn.Module]) -> nn.Sequential:
    """Depthwise, then pointwise convolution."""
    depthwise = conv(inputs, inputs, stride=stride, groups=inputs, act=act())
    return nn.Sequential(depthwise, conv(inputs, outputs, 1, act=act()))


def divisible(channels: float, by: int = 8) -> int:
    """The nearest multiple of `by`, as the MobileNets round: never more than 10 % below."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded if rounded >= 0.9 * channels else rounded + by

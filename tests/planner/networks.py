"""Networks as memory problems: the four of MLPerf Tiny (public shapes), and larger ones that are made here.

The overlaps are those of kernels that go pixel by pixel and write a pixel when all its sums are done: derived here from
the windows, not from the rules of the C emitter.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from edgekit.planner import IN_PLACE, Buffer, Overlap, Problem, Step

Shape = tuple[int, int, int]  # height, width, channels


def window(given: Shape, made: Shape, kernel: tuple[int, int], stride: int, padding: tuple[int, int]) -> Overlap:
    """padding: at the top and at the left."""

    def rows(y: int) -> tuple[int, int]:
        return max(0, y * stride - padding[0]), min(given[0], y * stride - padding[0] + kernel[0])

    def columns(x: int) -> tuple[int, int]:
        return max(0, x * stride - padding[1]), min(given[1], x * stride - padding[1] + kernel[1])

    pixels = [(y, x) for y in range(made[0]) for x in range(made[1])]
    first = [(rows(y)[0] * given[1] + columns(x)[0]) * given[2] for y, x in pixels]
    last = [((rows(y)[1] - 1) * given[1] + columns(x)[1]) * given[2] for y, x in pixels]
    needed = list(accumulate(reversed(first), min))[::-1]  # the first byte that a pixel or a later one reads
    done = list(accumulate(last, max))  # the end of what a pixel or an earlier one reads
    forward = [(i + 1) * made[2] - needed[i + 1] for i in range(len(pixels) - 1)]
    backward = [done[i - 1] - i * made[2] for i in range(1, len(pixels))]
    return Overlap(max(forward, default=0), max(backward, default=0))


class Net:
    """Adds steps one after the other."""

    def __init__(self, shape: Shape, alignment: int = 1) -> None:
        self.alignment, self.steps, self.shapes = alignment, list[Step](), dict[Buffer, Shape]()
        self.input = self._buffer("input", shape)

    def _buffer(self, name: str, shape: Shape) -> Buffer:
        buffer = Buffer(name, shape[0] * shape[1] * shape[2], self.alignment)
        self.shapes[buffer] = shape
        return buffer

    def step(
        self, name: str, reads: Sequence[Buffer], shape: Shape, overlap: Overlap | None = None, scratch: int = 0
    ) -> Buffer:
        name = f"{name}{len(self.steps)}"
        made = self._buffer(name, shape)
        overlaps = {} if overlap is None else {(read, made): overlap for read in reads}
        own = Buffer(f"scratch of {name}", scratch, self.alignment) if scratch else None
        self.steps.append(Step(name, tuple(reads), (made,), own, overlaps))
        return made

    def conv(self, x: Buffer, channels: int, kernel: tuple[int, int], stride: int = 1) -> Buffer:
        """Padding as TFLite's SAME."""
        height, width, _ = self.shapes[x]
        made = (-(-height // stride), -(-width // stride), channels)
        padding = (_padding(height, kernel[0], stride), _padding(width, kernel[1], stride))
        return self.step("conv", [x], made, window(self.shapes[x], made, kernel, stride, padding))

    def add(self, a: Buffer, b: Buffer) -> Buffer:
        return self.step("add", [a, b], self.shapes[a], IN_PLACE)

    def head(self, x: Buffer, classes: int) -> Problem:
        """Mean, fully connected, softmax."""
        x = self.step("mean", [x], (1, 1, self.shapes[x][2]))
        x = self.step("full", [x], (1, 1, classes))
        return self.problem(self.step("softmax", [x], (1, 1, classes), IN_PLACE))

    def problem(self, output: Buffer) -> Problem:
        return Problem(tuple(self.steps), (self.input,), (output,))


def _padding(size: int, kernel: int, stride: int) -> int:
    return max(0, (-(-size // stride) - 1) * stride + kernel - size) // 2


def resnet8(alignment: int = 1) -> Problem:
    """Image classification of MLPerf Tiny."""
    net = Net((32, 32, 3), alignment)
    x = net.conv(net.input, 16, (3, 3))
    x = net.add(x, net.conv(net.conv(x, 16, (3, 3)), 16, (3, 3)))
    for channels in (32, 64):
        y = net.conv(net.conv(x, channels, (3, 3), 2), channels, (3, 3))
        x = net.add(net.conv(x, channels, (1, 1), 2), y)
    return net.head(x, 10)


def ds_cnn(alignment: int = 1) -> Problem:
    """Keyword spotting of MLPerf Tiny."""
    net = Net((49, 10, 1), alignment)
    x = net.conv(net.input, 64, (10, 4), 2)
    for _ in range(4):
        x = net.conv(net.conv(x, 64, (3, 3)), 64, (1, 1))
    return net.head(x, 12)


def mobilenet_v1(alignment: int = 1) -> Problem:
    """Visual wake words of MLPerf Tiny: width 0.25, 96x96."""
    net = Net((96, 96, 3), alignment)
    x, channels = net.conv(net.input, 8, (3, 3), 2), 8
    for made, stride in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)):
        x, channels = net.conv(net.conv(x, channels, (3, 3), stride), made, (1, 1)), made
    return net.head(x, 2)


def autoencoder(alignment: int = 1) -> Problem:
    """Anomaly detection of MLPerf Tiny."""
    net = Net((1, 1, 640), alignment)
    x = net.input
    for size in (*[128] * 4, 8, *[128] * 4, 640):
        x = net.step("full", [x], (1, 1, size))
    return net.problem(x)


def inverted_residuals(blocks: int = 17) -> Problem:
    """A chain like MobileNetV2: expand, depthwise, project, and an addition where the shape stays."""
    net = Net((96, 96, 3), 4)
    x = net.conv(net.input, 16, (3, 3), 2)
    for block in range(blocks):
        _, _, channels = net.shapes[x]
        stride = 2 if block in (1, 3, 6, 13) else 1
        made = channels if block % 2 and stride == 1 else channels + 8
        y = net.conv(net.conv(x, 6 * channels, (1, 1)), 6 * channels, (3, 3), stride)
        y = net.conv(y, made, (1, 1))
        x = net.add(x, y) if net.shapes[x] == net.shapes[y] else y
    return net.head(x, 10)


def transformer(layers: int = 12, heads: int = 4, tokens: int = 65, width: int = 128) -> Problem:
    """A vision transformer whose heads are separate steps."""
    net = Net((1, tokens, width), 4)
    x, part = net.input, (1, tokens, width // heads)
    for _ in range(layers):
        normal, done = net.step("norm", [x], (1, tokens, width)), []
        for _ in range(heads):
            q, k, v = (net.step(name, [normal], part) for name in ("query", "key", "value"))
            weights = net.step(
                "softmax", [net.step("scores", [q, k], (1, tokens, tokens))], (1, tokens, tokens), IN_PLACE
            )
            done.append(net.step("mixed", [weights, v], part))
        x = net.add(x, net.step("projected", [net.step("concat", done, (1, tokens, width))], (1, tokens, width)))
        wide = net.step("wide", [net.step("norm", [x], (1, tokens, width))], (1, tokens, 4 * width))
        x = net.add(x, net.step("narrow", [net.step("gelu", [wide], net.shapes[wide], IN_PLACE)], (1, tokens, width)))
    return net.problem(x)


def unrolled_lstm(times: int = 30, size: int = 64) -> Problem:
    net = Net((1, times, 32), 4)
    hidden = net.step("zeros", [], (1, 1, size))
    cell, answers = net.step("zeros", [], (1, 1, size)), []
    for _ in range(times):
        given = net.step("slice", [net.input], (1, 1, 32))
        gates = [net.step("gate", [given, hidden], (1, 1, size)) for _ in range(4)]
        i, f, o, g = (net.step("function", [gate], (1, 1, size), IN_PLACE) for gate in gates)
        kept, new = (net.step("mul", pair, (1, 1, size), IN_PLACE) for pair in ((f, cell), (i, g)))
        cell = net.add(kept, new)
        hidden = net.step("mul", [o, net.step("tanh", [cell], (1, 1, size), IN_PLACE)], (1, 1, size), IN_PLACE)
        answers.append(hidden)
    return net.problem(net.step("concat", answers, (1, times, size)))

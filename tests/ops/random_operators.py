"""One operator of each class with random geometry, scales and constants, as a program: what edgekit/ops/support.py is
measured with.

`PROGRAMS[cls](rng, kind)` makes it for int8 ("s8") or for float ("f32"). Outputs are scaled so that most answers lie
inside of them: a saturated answer hides differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from remembering import lstm, svdf, with_states
from runtimes_of_cases import program_of, random_inputs

from edgekit.ops.arithmetic import Add, AddN, Div, Maximum, Minimum, Mul, Pow, SquaredDifference, Sub
from edgekit.ops.blocks import BatchToSpace, DepthToSpace, SpaceToBatch, SpaceToDepth
from edgekit.ops.convolution import Conv2D, DepthwiseConv2D, output_size, same_padding
from edgekit.ops.elementwise import FUNCTIONS, TABLES, Elementwise
from edgekit.ops.fully_connected import FullyConnected, bias_params
from edgekit.ops.functions import CLAMPS, SIGNED_UNIT, UNIT, Clamp, HardSwish, LeakyRelu, Logistic, Lookup, PRelu, Tanh
from edgekit.ops.joining import Concat, Select, Split
from edgekit.ops.matrix import BatchMatMul, product_shape
from edgekit.ops.normalising import LOGARITHMS, L2Normalization, LogSoftmax, Softmax
from edgekit.ops.padding import MirrorPad, Pad
from edgekit.ops.pooling import AveragePool2D, MaxPool2D
from edgekit.ops.quantization import Cast, Dequantize, Quantize
from edgekit.ops.recurrent import Lstm, Svdf
from edgekit.ops.reduction import ArgMax, ArgMin, Mean, ReduceMax, ReduceMin, ReduceProd, Sum, reduced
from edgekit.ops.resizing import ResizeBilinear, ResizeNearest
from edgekit.ops.shape import Reshape, Transpose
from edgekit.ops.slicing import Gather, Reverse, Slice
from edgekit.ops.spreading import Tile
from edgekit.ops.transposed_convolution import TransposeConv, whole_size
from edgekit.program import Activation, Op, Program, QuantParams, Tensor

Rng = np.random.Generator
Make = Callable[[Rng, str], Program]
TYPICAL = 74  # standard deviation of integers from -128 to 127


# --- numbers, shapes, tensors


def whole(rng: Rng, low: int, high: int) -> int:
    return int(rng.integers(low, high + 1))


def flag(rng: Rng) -> bool:
    return bool(rng.integers(2))


def one_of(rng: Rng, choices: Sequence):
    return choices[whole(rng, 0, len(choices) - 1)]


def a_shape(rng: Rng, low: int = 1, high: int = 5, longest: int = 6) -> tuple[int, ...]:
    """A shape of `low` to `high` axes."""
    return tuple(whole(rng, 1, longest) for _ in range(whole(rng, low, high)))


def a_scale(rng: Rng, low: float = -3, high: float = 0.3) -> float:
    """From 10^low to 10^high, every size equally likely."""
    return float(10 ** rng.uniform(low, high))


def value(rng: Rng, name: str, shape: Sequence[int], kind: str, scale: float | None = None) -> Tensor:
    """An activation; scale: None for any."""
    if kind == "f32":
        return Tensor(name, tuple(shape), "f32")
    quant = QuantParams.of(a_scale(rng) if scale is None else scale, whole(rng, -128, 127))
    return Tensor(name, tuple(shape), "s8", quant)


def like(x: Tensor, name: str, shape: Sequence[int] | None = None) -> Tensor:
    """A tensor stored as `x` is."""
    return Tensor(name, x.shape if shape is None else tuple(shape), x.dtype, x.quant)


def constant(rng: Rng, t: Tensor) -> Tensor:
    """The tensor with random numbers."""
    if t.dtype == "f32":
        data = rng.standard_normal(t.shape).astype(np.float32)
    else:
        data = rng.integers(-128, 128, t.shape).astype(np.int8)
    return Tensor(t.name, t.shape, t.dtype, t.quant, data)


def numbers(name: str, values) -> Tensor:
    data = np.asarray(values, np.int32)
    return Tensor(name, data.shape, "s32", None, data)


def one(make: type[Op], inputs, *outputs: Tensor, **fields) -> Program:
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    return program_of(make(name="op", inputs=inputs, outputs=outputs, **fields))


# --- weighted sums


def weighted(rng: Rng, x: Tensor, shape: Sequence[int], axis: int) -> tuple[Tensor, ...]:
    """x, weights and perhaps a bias."""
    channels, per_channel = shape[axis], flag(rng)
    if x.dtype == "f32":
        w = constant(rng, Tensor("w", tuple(shape), "f32"))
        return x, w, constant(rng, Tensor("b", (channels,), "f32"))
    scales = a_scale(rng, -3, -1) * rng.uniform(0.5, 2.0, channels if per_channel else 1)
    scales = tuple(float(np.float32(s)) for s in scales)
    quant = QuantParams(scales, (0,) * len(scales), axis if len(scales) > 1 else None)
    w = Tensor("w", tuple(shape), "s8", quant, rng.integers(-127, 128, shape).astype(np.int8))
    bias = rng.integers(-8000, 8001, channels).astype(np.int32)
    return (x, w, Tensor("b", (channels,), "s32", bias_params(x, w), bias))[: whole(rng, 2, 3)]


def sum_scale(operands: Sequence[Tensor], terms: int) -> float | None:
    """A scale that a sum of `terms` products fills."""
    if operands[0].quant is None:
        return None
    return operands[0].scale * max(operands[1].quant.scales) * TYPICAL**2 * terms**0.5 / 50


def some_activation(rng: Rng) -> Activation:
    return one_of(rng, [Activation.NONE, Activation.NONE, Activation.RELU, Activation.RELU6])


def window(rng: Rng, *, dilated: bool = True):
    """Kernel, stride, dilation, padding and a size of picture in which it fits."""
    kernel, stride = (tuple(whole(rng, 1, n) for _ in range(2)) for n in (4, 3))
    dilation = one_of(rng, [(1, 1), (2, 2), (1, 2)]) if dilated and stride == (1, 1) else (1, 1)
    span = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = tuple((whole(rng, 0, min(2, s - 1)), whole(rng, 0, min(2, s - 1))) for s in span)
    size = tuple(whole(rng, s, s + 6) for s in span)
    out = tuple(output_size(*a) for a in zip(size, kernel, stride, dilation, padding, strict=True))
    return kernel, stride, dilation, padding, size, out


def convolution(rng: Rng, kind: str) -> Program:
    kernel, stride, dilation, padding, size, out = window(rng)
    groups, depth, filters = one_of(rng, [1, 1, 2]), whole(rng, 1, 5), whole(rng, 1, 6)
    n = whole(rng, 1, 2)
    x = value(rng, "x", (n, *size, groups * depth), kind)
    operands = weighted(rng, x, (groups * filters, *kernel, depth), 0)
    y = value(rng, "y", (n, *out, groups * filters), kind, sum_scale(operands, math.prod(kernel) * depth))
    fields = {"stride": stride, "dilation": dilation, "padding": padding, "activation": some_activation(rng)}
    return one(Conv2D, operands, y, groups=groups, **fields)


def depthwise(rng: Rng, kind: str) -> Program:
    kernel, stride, dilation, padding, size, out = window(rng)
    channels, multiplier, n = whole(rng, 1, 5), whole(rng, 1, 3), whole(rng, 1, 2)
    x = value(rng, "x", (n, *size, channels), kind)
    operands = weighted(rng, x, (1, *kernel, channels * multiplier), 3)
    y = value(rng, "y", (n, *out, channels * multiplier), kind, sum_scale(operands, math.prod(kernel)))
    fields = {"stride": stride, "dilation": dilation, "padding": padding, "activation": some_activation(rng)}
    return one(DepthwiseConv2D, operands, y, multiplier=multiplier, **fields)


def transposed_convolution(rng: Rng, kind: str) -> Program:
    """Outputs that SAME gives, that VALID gives, and those that are cut out of the whole result."""
    size, kernel, stride = (tuple(whole(rng, 1, n) for _ in range(2)) for n in (5, 4, 3))
    reach = [whole_size(*a) for a in zip(size, kernel, stride, strict=True)]
    crop = tuple(whole(rng, 0, min(k - 1, w - 1)) for k, w in zip(kernel, reach, strict=True))
    ends = [whole(rng, max(c + 1, w - 2), w + s - 1) for c, w, s in zip(crop, reach, stride, strict=True)]
    n, channels, filters = whole(rng, 1, 2), whole(rng, 1, 4), whole(rng, 1, 5)
    x = value(rng, "x", (n, *size, channels), kind)
    operands = weighted(rng, x, (filters, *kernel, channels), 0)
    shape = (n, *(e - c for e, c in zip(ends, crop, strict=True)), filters)
    y = value(rng, "y", shape, kind, sum_scale(operands, channels * math.prod(kernel)))
    return one(TransposeConv, operands, y, stride=stride, crop=crop, activation=some_activation(rng))


def fully_connected(rng: Rng, kind: str) -> Program:
    depth, outputs, front = (
        one_of(rng, [whole(rng, 1, 30), whole(rng, 30, 500)]),
        whole(rng, 1, 60),
        a_shape(rng, 1, 3, 3),
    )
    x = value(rng, "x", (*front, depth), kind)
    operands = weighted(rng, x, (outputs, depth), 0)
    y = value(rng, "y", (*front, outputs), kind, sum_scale(operands, depth))
    return one(FullyConnected, operands, y, activation=some_activation(rng))


def matrices(rng: Rng, kind: str) -> Program:
    """Either operand exchanged, the axes in front broadcast, the second perhaps a constant."""
    front = a_shape(rng, 1, 2, 3)
    other = tuple(one_of(rng, [n, n, 1]) for n in front)
    m, k, n = (whole(rng, 1, 20) for _ in range(3))
    adj_x, adj_y = flag(rng), flag(rng)
    a = value(rng, "a", (*front, k, m) if adj_x else (*front, m, k), kind)
    b = value(rng, "b", (*other, n, k) if adj_y else (*other, k, n), kind)
    b = constant(rng, b) if flag(rng) else b
    scale = None if kind == "f32" else a.scale * b.scale * TYPICAL**2 * k**0.5 / 40
    y = value(rng, "y", product_shape(a.shape, b.shape, adj_x, adj_y), kind, scale)
    return one(BatchMatMul, (a, b), y, adj_x=adj_x, adj_y=adj_y)


# --- arithmetic

BROADCASTS = [
    ((2, 3, 200), (2, 3, 200)),
    ((9, 8, 14), (14,)),
    ((), (2, 3, 40)),
    ((1, 9, 10, 13), (1, 1, 1, 13)),
    ((1, 14, 1, 6), (1, 1, 15, 1)),
    ((2, 1, 9, 2, 7), (2, 4, 1, 2, 7)),
]
NATURAL: dict[type[Op], Callable[[float, float], float]] = {
    Mul: lambda a, b: 100 * a * b,
    SquaredDifference: lambda a, b: 100 * max(a, b) ** 2,
}


def arithmetic(make: type[Op]) -> Make:
    def build(rng: Rng, kind: str) -> Program:
        left, right = one_of(rng, BROADCASTS)
        first = a_scale(rng)
        a, b = value(rng, "a", left, kind, first), value(rng, "b", right, kind, first * a_scale(rng, -1, 1))
        b = constant(rng, b) if flag(rng) else b
        scale = None
        if kind == "s8":
            scale = NATURAL.get(make, max)(a.scale, b.scale) * rng.uniform(0.5, 4)
        y = value(rng, "y", np.broadcast_shapes(left, right), kind, scale)
        fields = {"activation": some_activation(rng)} if make in (Add, Sub, Mul) else {}
        return one(make, (a, b), y, **fields)

    return build


def extremum(make: type[Op]) -> Make:
    def build(rng: Rng, kind: str) -> Program:
        left, right = one_of(rng, BROADCASTS)
        a = value(rng, "a", left, kind)
        return one(make, (a, like(a, "b", right)), like(a, "y", np.broadcast_shapes(left, right)))

    return build


def power(rng: Rng, kind: str) -> Program:
    x = value(rng, "x", (3, 40), kind)
    exponent = Tensor("p", (3, 40), "f32", None, np.full((3, 40), whole(rng, 1, 3), np.float32))
    return one(Pow, (x, exponent), like(x, "y"))


def division(rng: Rng, kind: str) -> Program:
    left, right = one_of(rng, BROADCASTS)
    divisor = Tensor("b", right, "f32", None, rng.uniform(0.3, 3, right).astype(np.float32))
    return one(Div, (value(rng, "a", left, kind), divisor), value(rng, "y", np.broadcast_shapes(left, right), kind))


def sum_of_several(rng: Rng, kind: str) -> Program:
    count, shape = whole(rng, 2, 5), a_shape(rng, 2, 4, 9)
    x = Tensor("x0", shape, kind, None if kind == "f32" else QuantParams.of(a_scale(rng)))
    y = value(rng, "y", shape, kind, None if kind == "f32" else x.scale * count**0.5 * rng.uniform(0.8, 3))
    return one(AddN, (x, *(like(x, f"x{i}") for i in range(1, count))), y)


# --- functions of one value


def function(make: type[Op], answer: QuantParams | None = None, **fields) -> Make:
    """answer: the parameters in which int8 is answered; else about those of the input."""

    def build(rng: Rng, kind: str) -> Program:
        x = value(rng, "x", (8, 16, 16), kind, a_scale(rng, -2.5, -0.5))
        if kind == "f32":
            y = value(rng, "y", x.shape, kind)
        elif answer is None:
            y = value(rng, "y", x.shape, kind, x.scale * rng.uniform(0.3, 2))
        else:
            y = Tensor("y", x.shape, "s8", answer)
        return one(make, x, y, **{name: draw(rng) for name, draw in fields.items()})

    return build


def clamp(rng: Rng, kind: str) -> Program:
    x = value(rng, "x", (4, 8, 8), kind, a_scale(rng, -2, -1))
    low, high = one_of(rng, [*CLAMPS.values(), (-0.3, 0.7), (0.1, math.inf), (-math.inf, 1.5)])
    y = like(x, "y") if kind == "f32" or flag(rng) else value(rng, "y", x.shape, kind, x.scale * rng.uniform(0.3, 2))
    return one(Clamp, x, y, low=low, high=high)


def prelu(rng: Rng, kind: str) -> Program:
    shape = one_of(rng, [(13,), (1, 1, 13), (9, 8, 13), (1,)])
    x = value(rng, "x", (2, 9, 8, 13), kind)
    alpha = constant(rng, value(rng, "alpha", shape, kind, a_scale(rng, -3, -2)))
    return one(PRelu, (x, alpha), value(rng, "y", x.shape, kind, x.scale if kind == "s8" else None))


def elementwise(rng: Rng, kind: str) -> Program:
    x = value(rng, "x", (4, 8, 8), kind)
    return one(Elementwise, x, like(x, "y"), function=one_of(rng, sorted(FUNCTIONS)))


def lookup(rng: Rng, kind: str) -> Program:
    """A table of random numbers, or that of a function which TFLite or ONNX know."""
    name = one_of(rng, ["any", *sorted(TABLES)])
    x = value(rng, "x", (4, 8, 8), kind, a_scale(rng, -2, -1))
    y = value(rng, "y", x.shape, kind, x.scale * (1 if name == "abs" else rng.uniform(0.3, 3)))
    table = rng.integers(-128, 128, 256).astype(np.int8) if name == "any" else TABLES[name](x, y)
    return one(Lookup, x, y, function=name, table=table)


# --- along some axes


def along_last(make: type[Op], answer: QuantParams) -> Make:
    def build(rng: Rng, kind: str) -> Program:
        shape = one_of(rng, [(90, 10), (300, 7), (1, 9, 5, 16), (5,), (2, 2, 5, 6, 9), (3, 300)])
        x = value(rng, "x", shape, kind, a_scale(rng, -2.5, -0.5))
        return one(make, x, Tensor("y", shape, kind, None if kind == "f32" else answer))

    return build


def pooling(make: type[Op]) -> Make:
    def build(rng: Rng, kind: str) -> Program:
        kernel, stride, _, padding, size, out = window(rng, dilated=False)
        if make is AveragePool2D:  # another padding than SAME has no form in TFLite
            padding = one_of(rng, [((0, 0), (0, 0)), same_padding(size, kernel, stride, (1, 1))])
            out = tuple(output_size(*a) for a in zip(size, kernel, stride, (1, 1), padding, strict=True))
        n, channels = whole(rng, 1, 2), whole(rng, 1, 5)
        x = value(rng, "x", (n, *size, channels), kind)
        fields = {"kernel": kernel, "stride": stride, "padding": padding, "activation": some_activation(rng)}
        return one(make, x, like(x, "y", (n, *out, channels)), **fields)

    return build


def some_axes(rng: Rng, shape: Sequence[int]) -> tuple[int, ...]:
    """Neighbours: TFLite Micro has no room for many runs of reduced axes."""
    first = whole(rng, 0, len(shape) - 1)
    return tuple(range(first, whole(rng, first, len(shape) - 1) + 1))


def reduction(make: type[Op]) -> Make:
    def build(rng: Rng, kind: str) -> Program:
        shape = a_shape(rng, 1, 5, 8)
        axes = some_axes(rng, shape)
        x, out = value(rng, "x", shape, kind), reduced(shape, axes, kept=flag(rng))
        if make in (ReduceMax, ReduceMin, ReduceProd) or kind == "f32":
            return one(make, x, like(x, "y", out), axes=axes)
        count = math.prod(shape[axis] for axis in axes)
        natural = count**0.5 if make is Sum else count**-0.5
        return one(make, x, value(rng, "y", out, kind, x.scale * natural * rng.uniform(0.8, 3)), axes=axes)

    return build


def index_of_extremum(make: type[Op]) -> Make:
    def build(rng: Rng, kind: str) -> Program:
        shape = a_shape(rng, 1, 4)
        axis = whole(rng, 0, len(shape) - 1)
        y = Tensor("y", reduced(shape, (axis,), kept=flag(rng)), "s32")
        return one(make, value(rng, "x", shape, kind), y, axis=axis)

    return build


def resize(make: type[Op]) -> Make:
    def build(rng: Rng, kind: str) -> Program:
        align, half = one_of(rng, [(False, False), (True, False), (False, True)])
        size, wanted = ((whole(rng, 1, 16), whole(rng, 1, 16)) for _ in range(2))
        x = value(rng, "x", (1, *size, 3), kind)
        return one(make, x, like(x, "y", (1, *wanted, 3)), align_corners=align, half_pixel=half)

    return build


# --- movement


def reshape(rng: Rng, kind: str) -> Program:
    shape = a_shape(rng, 1, 5)
    x = value(rng, "x", shape, kind)
    return one(Reshape, x, like(x, "y", one_of(rng, [(math.prod(shape),), (1, *shape), shape[::-1]])))


def transpose(rng: Rng, kind: str) -> Program:
    shape = a_shape(rng, 1, 5)
    order = tuple(int(axis) for axis in rng.permutation(len(shape)))
    x = value(rng, "x", shape, kind)
    return one(Transpose, x, like(x, "y", [shape[axis] for axis in order]), order=order)


def pieces(rng: Rng, kind: str) -> tuple[int, Tensor, list[Tensor]]:
    """An axis, a value, and that value in pieces along the axis."""
    shape, sizes = a_shape(rng, 1, 4), a_shape(rng, 1, 6, 3)
    axis = whole(rng, 0, len(shape) - 1)
    of = [(*shape[:axis], n, *shape[axis + 1 :]) for n in (sum(sizes), *sizes)]
    x = value(rng, "whole", of[0], kind)
    return axis, x, [like(x, f"part{i}", s) for i, s in enumerate(of[1:])]


def concat(rng: Rng, kind: str) -> Program:
    axis, y, parts = pieces(rng, kind)
    return one(Concat, parts, y, axis=axis)


def split(rng: Rng, kind: str) -> Program:
    axis, x, parts = pieces(rng, kind)
    return one(Split, x, *parts, axis=axis)


def select(rng: Rng, kind: str) -> Program:
    """Where a constant says so, or an input."""
    shape, x = one_of(rng, BROADCASTS), value(rng, "a", (), kind)
    chosen = Tensor("condition", shape[1], "b8", None, rng.integers(0, 2, shape[1]).astype(bool) if flag(rng) else None)
    y = like(x, "y", np.broadcast_shapes(*shape))
    return one(Select, (chosen, like(x, "a", shape[0]), like(x, "b", one_of(rng, [y.shape, ()]))), y)


def slice_(rng: Rng, kind: str) -> Program:
    shape, strided, taken = a_shape(rng, 1, 4), flag(rng), []
    for size in shape:
        step = one_of(rng, [1, 1, 2, 3, -1, -2]) if strided else 1
        begin = whole(rng, 0, size - 1)
        most = len(range(begin, size, step)) if step > 0 else len(range(begin, -1, step))
        taken.append((begin, whole(rng, 1, most), step))
    begins, counts, steps = zip(*taken, strict=True)
    x = value(rng, "x", shape, kind)
    return one(Slice, x, like(x, "y", counts), begin=begins, strides=() if set(steps) == {1} else steps)


def gather(rng: Rng, kind: str) -> Program:
    shape, rows = a_shape(rng, 1, 4), a_shape(rng, 1, 2, 3)
    axis = whole(rng, 0, len(shape) - 1)
    x, indices = value(rng, "x", shape, kind), numbers("indices", rng.integers(0, shape[axis], rows))
    return one(Gather, (x, indices), like(x, "y", (*shape[:axis], *rows, *shape[axis + 1 :])), axis=axis)


def reverse(rng: Rng, kind: str) -> Program:
    x = value(rng, "x", a_shape(rng, 1, 5), kind)
    return one(Reverse, x, like(x, "y"), axes=some_axes(rng, x.shape))


def pad(rng: Rng, kind: str) -> Program:
    x = value(rng, "x", a_shape(rng, 1, 5, 4), kind)
    padding = tuple((whole(rng, 0, 3), whole(rng, 0, 3)) for _ in x.shape)
    y = like(x, "y", [a + n + b for n, (a, b) in zip(x.shape, padding, strict=True)])
    fill = one_of(rng, [x.zero_point, -128, 127, 0]) if kind == "s8" else one_of(rng, [0.0, 0.5])
    return one(Pad, x, y, padding=padding, fill=fill)


def mirror_pad(rng: Rng, kind: str) -> Program:
    x, reflect = value(rng, "x", a_shape(rng, 1, 4), kind), flag(rng)
    padding = tuple((whole(rng, 0, n - reflect), whole(rng, 0, n - reflect)) for n in x.shape)
    y = like(x, "y", [a + n + b for n, (a, b) in zip(x.shape, padding, strict=True)])
    return one(MirrorPad, x, y, padding=padding, reflect=reflect)


def tile(rng: Rng, kind: str) -> Program:
    x = value(rng, "x", a_shape(rng, 1, 5, 3), kind)
    multiples = tuple(whole(rng, 1, 3) for _ in x.shape)
    return one(Tile, x, like(x, "y", [n * m for n, m in zip(x.shape, multiples, strict=True)]), multiples=multiples)


def depth(make: type[Op]) -> Make:
    def build(rng: Rng, kind: str) -> Program:
        n, h, w, c, b = (whole(rng, 1, most) for most in (2, 3, 3, 3, 3))
        shapes = [(n, h * b, w * b, c), (n, h, w, c * b * b)]
        first, second = shapes if make is SpaceToDepth else shapes[::-1]
        x = value(rng, "x", first, kind)
        return one(make, x, like(x, "y", second), block=b)

    return build


def batch(make: type[Op], border: str) -> Make:
    def build(rng: Rng, kind: str) -> Program:
        block, inside = ((whole(rng, 1, 3), whole(rng, 2, 4)) for _ in range(2)), (whole(rng, 2, 4), whole(rng, 2, 4))
        blocks = tuple(b for b, _ in block)
        borders = tuple((whole(rng, 0, b - 1), whole(rng, 0, b - 1)) for b in blocks)
        sizes = [i * b - sum(p) for i, b, p in zip(inside, blocks, borders, strict=True)]
        n, c = whole(rng, 1, 2), whole(rng, 1, 3)
        shapes = [(n, *sizes, c), (n * math.prod(blocks), *inside, c)]
        first, second = shapes if make is SpaceToBatch else shapes[::-1]
        x = value(rng, "x", first, kind)
        return one(make, x, like(x, "y", second), block=blocks, **{border: borders})

    return build


# --- storage and memory


def quantize(rng: Rng, kind: str) -> Program:
    """From float, or from another scale."""
    shape = a_shape(rng, 2, 4, 9)
    y = value(rng, "y", shape, "s8", a_scale(rng, -2, 0))
    return one(Quantize, value(rng, "x", shape, one_of(rng, ["s8", "f32"]), y.scale * rng.uniform(0.3, 3)), y)


def dequantize(rng: Rng, kind: str) -> Program:
    x = value(rng, "x", a_shape(rng, 1, 4), "s8")
    return one(Dequantize, x, Tensor("y", x.shape, "f32"))


def cast(rng: Rng, kind: str) -> Program:
    x = value(rng, "x", a_shape(rng, 1, 4), kind)
    return one(Cast, x, Tensor("y", x.shape, "s32"))


def stream(rng: Rng, kind: str) -> Program:
    """States of 16 bits. Time weights so small that sums stay within 32 bits, as trained ones are."""
    sizes = (whole(rng, 1, 2), whole(rng, 1, 12), whole(rng, 1, 5), whole(rng, 1, 3), whole(rng, 2, 9))
    op = svdf(whole(rng, 0, 10_000), *sizes, "f32" if kind == "f32" else "s16")
    if kind == "f32":
        return with_states(op)
    x, feature, time, bias, state = op.inputs
    y = replace(op.output, quant=QuantParams.of(op.output.scale / 32, op.output.zero_point))
    inputs = (x, feature, replace(time, data=time.data // 16), bias, state)
    return with_states(replace(op, inputs=inputs, outputs=(y, op.outputs[1])))


def sequence(rng: Rng, kind: str) -> Program:
    sizes = (whole(rng, 1, 2), whole(rng, 1, 6), whole(rng, 1, 9), whole(rng, 1, 7))
    return with_states(lstm(whole(rng, 0, 10_000), *sizes, 0 if kind == "f32" else whole(rng, -13, -9), flag(rng), 0.0))


POSITIVE = ("log", "sqrt", "rsqrt")  # functions of numbers above 0


def inputs_of(program: Program, seed: int) -> dict[str, np.ndarray]:
    """Random numbers that its operation is defined for."""
    inputs = random_inputs(program, seed)
    if getattr(program.ops[0], "function", "") in POSITIVE and program.inputs[0].dtype == "f32":
        return {name: np.abs(x) + np.float32(0.1) for name, x in inputs.items()}
    return inputs


PROGRAMS: dict[type[Op], Make] = {
    Conv2D: convolution,
    DepthwiseConv2D: depthwise,
    TransposeConv: transposed_convolution,
    FullyConnected: fully_connected,
    BatchMatMul: matrices,
    **{make: arithmetic(make) for make in (Add, Sub, Mul, SquaredDifference)},
    Div: division,
    Pow: power,
    Minimum: extremum(Minimum),
    Maximum: extremum(Maximum),
    AddN: sum_of_several,
    Lookup: lookup,
    Logistic: function(Logistic, UNIT),
    Tanh: function(Tanh, SIGNED_UNIT),
    HardSwish: function(HardSwish),
    LeakyRelu: function(LeakyRelu, alpha=lambda rng: float(rng.uniform(-0.5, 1))),
    PRelu: prelu,
    Clamp: clamp,
    Elementwise: elementwise,
    Cast: cast,
    Softmax: along_last(Softmax, UNIT),
    LogSoftmax: along_last(LogSoftmax, LOGARITHMS),
    L2Normalization: along_last(L2Normalization, SIGNED_UNIT),
    MaxPool2D: pooling(MaxPool2D),
    AveragePool2D: pooling(AveragePool2D),
    **{make: reduction(make) for make in (Mean, Sum, ReduceMax, ReduceMin, ReduceProd)},
    ArgMax: index_of_extremum(ArgMax),
    ArgMin: index_of_extremum(ArgMin),
    ResizeNearest: resize(ResizeNearest),
    ResizeBilinear: resize(ResizeBilinear),
    Reshape: reshape,
    Transpose: transpose,
    Concat: concat,
    Split: split,
    Select: select,
    Slice: slice_,
    Gather: gather,
    Reverse: reverse,
    Pad: pad,
    MirrorPad: mirror_pad,
    Tile: tile,
    SpaceToDepth: depth(SpaceToDepth),
    DepthToSpace: depth(DepthToSpace),
    SpaceToBatch: batch(SpaceToBatch, "padding"),
    BatchToSpace: batch(BatchToSpace, "crops"),
    Quantize: quantize,
    Dequantize: dequantize,
    Svdf: stream,
    Lstm: sequence,
}

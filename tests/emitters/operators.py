"""One small program for each operator, in int8 and, where it has one, in float: what emitters are tested with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from runtimes_of_cases import program_of, tensor

from edgekit.ops.arithmetic import Add, AddN, Div, Maximum, Minimum, Mul, Pow, SquaredDifference, Sub
from edgekit.ops.blocks import BatchToSpace, DepthToSpace, SpaceToBatch, SpaceToDepth
from edgekit.ops.convolution import Conv2D, DepthwiseConv2D
from edgekit.ops.elementwise import FUNCTIONS, Elementwise
from edgekit.ops.fully_connected import FullyConnected, bias_params
from edgekit.ops.functions import Clamp, HardSwish, LeakyRelu, Logistic, Lookup, PRelu, Tanh
from edgekit.ops.joining import Concat, Select, Split
from edgekit.ops.matrix import BatchMatMul
from edgekit.ops.normalising import L2Normalization, LogSoftmax, Softmax
from edgekit.ops.padding import MirrorPad, Pad
from edgekit.ops.pooling import AveragePool2D, MaxPool2D
from edgekit.ops.quantization import Cast, Dequantize, Quantize
from edgekit.ops.reduction import ArgMax, ArgMin, Mean, ReduceMax, ReduceMin, ReduceProd, Sum
from edgekit.ops.resizing import ResizeBilinear, ResizeNearest
from edgekit.ops.shape import Reshape, Transpose
from edgekit.ops.slicing import Gather, Reverse, Slice
from edgekit.ops.spreading import Tile
from edgekit.ops.transposed_convolution import TransposeConv
from edgekit.program import Activation, Op, Program, QuantParams, Tensor

SCALE, ZERO_POINT = 0.05, -7


def value(name: str, *shape: int, kind: str = "s8", scale: float = SCALE, zero_point: int = ZERO_POINT) -> Tensor:
    return tensor(name, shape, scale if kind == "s8" else None, zero_point, kind)


def constant(name: str, *shape: int, kind: str = "s8", axis: int | None = None, scale: float = 0.02, zero_point=0):
    """Numbers of all sizes, -128 among the int8 ones; one scale per slice along `axis`."""
    rng = np.random.default_rng(len(name) + sum(shape))
    if kind == "f32":
        return Tensor(name, shape, "f32", None, rng.uniform(0.2, 2.5, shape).astype(np.float32))
    data = rng.integers(-128, 128, shape).astype(np.int8)
    data.reshape(-1)[0] = -128
    if axis is None or shape[axis] == 1:
        return Tensor(name, shape, "s8", QuantParams.of(scale, zero_point), data)
    scales = tuple(float(np.float32(s)) for s in scale * rng.uniform(0.5, 2, shape[axis]))
    return Tensor(name, shape, "s8", QuantParams(scales, (0,) * len(scales), axis), data)


def weighted(x: Tensor, *shape: int, axis: int = 0, per_tensor: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    w = constant("w", *shape, kind=x.dtype, axis=None if per_tensor else axis)
    if x.dtype == "f32":
        return x, w, constant("b", shape[axis], kind="f32")
    rng = np.random.default_rng(3)
    bias = rng.integers(-3000, 3000, shape[axis]).astype(np.int32)
    return x, w, Tensor("b", bias.shape, "s32", bias_params(x, w), bias)


def one(make: type[Op], inputs, *outputs: Tensor, **fields) -> Program:
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    return program_of(make(name="op", inputs=inputs, outputs=outputs, **fields))


Builder = Callable[[str], Program]
CASES: dict[str, Builder] = {}  # by name: the program for "s8" or "f32"
INT8_ONLY = {"quantize requantizes", "lookup", "lookup of a name", "cast of stored numbers", "quantize", "dequantize"}
FLOAT_ONLY = {"div", "pow", "reduce prod", "reduce prod kept", *(f"elementwise {name}" for name in FUNCTIONS)}


def case(name: str) -> Callable[[Builder], Builder]:
    def keep(build: Builder) -> Builder:
        CASES[name] = build
        return build

    return keep


def elementwise(name: str, make: type[Op], *shapes, scale: float = SCALE, fixed: QuantParams | None = None, **fields):
    """A case whose inputs have `shapes` (a list: a constant) and whose output has the shape of the first."""

    def build(kind: str) -> Program:
        inputs = [
            constant(f"c{k}", *s, kind=kind, scale=scale) if isinstance(s, list) else value(f"x{k}", *s, kind=kind)
            for k, s in enumerate(shapes)
        ]
        y = value("y", *np.broadcast_shapes(*shapes), kind=kind, scale=0.06, zero_point=11)
        if fixed is not None and kind == "s8":
            y = Tensor("y", y.shape, "s8", fixed)
        if make in (Maximum, Minimum, AddN) and kind == "s8":
            inputs = [Tensor(t.name, t.shape, "s8", QuantParams.of(SCALE), t.data) for t in inputs]
            y = Tensor("y", y.shape, "s8", QuantParams.of(SCALE if make is not AddN else 0.09))
        return one(make, inputs, y, **fields)

    CASES[name] = build


PICTURE = (1, 5, 6, 4)
for name_, make_ in (("add", Add), ("sub", Sub), ("mul", Mul), ("div", Div), ("pow", Pow)):
    elementwise(name_, make_, PICTURE, [*PICTURE] if make_ is Pow else PICTURE)
elementwise("add of a vector", Add, PICTURE, [4])
elementwise("add of a number", Add, PICTURE, [])
elementwise("mul with one channel", Mul, PICTURE, (1, 5, 6, 1))
elementwise("sub of a vector by rank 2", Sub, (3, 4), (4,))
elementwise("add with relu6", Add, PICTURE, PICTURE, activation=Activation.RELU6)
elementwise("mul with relu", Mul, PICTURE, PICTURE, activation=Activation.RELU)
elementwise("squared difference", SquaredDifference, PICTURE, (4,))
elementwise("maximum", Maximum, PICTURE, PICTURE)
elementwise("minimum", Minimum, PICTURE, [4])
elementwise("add n", AddN, PICTURE, PICTURE, PICTURE)
elementwise("logistic", Logistic, PICTURE, fixed=QuantParams.of(1 / 256, -128))
elementwise("tanh", Tanh, PICTURE, fixed=QuantParams.of(1 / 128))
elementwise("hard swish", HardSwish, PICTURE)
elementwise("leaky relu", LeakyRelu, PICTURE, alpha=0.2)
elementwise("relu", Clamp, PICTURE, low=0.0, high=np.inf)
elementwise("relu6", Clamp, PICTURE, low=0.0, high=6.0)
elementwise("clamp from below", Clamp, PICTURE, low=-1.5, high=np.inf)
elementwise("prelu", PRelu, PICTURE, [1, 1, 4])
elementwise("softmax", Softmax, PICTURE, fixed=QuantParams.of(1 / 256, -128))
elementwise("softmax with a factor", Softmax, PICTURE, fixed=QuantParams.of(1 / 256, -128), beta=0.5)
elementwise("log softmax", LogSoftmax, PICTURE, fixed=QuantParams.of(16 / 256, 127))
elementwise("l2 normalization", L2Normalization, PICTURE, fixed=QuantParams.of(1 / 128))
for name_ in FUNCTIONS:
    elementwise(f"elementwise {name_}", Elementwise, PICTURE, function=name_)


@case("softmax of a long row")
def _(kind):
    x, y = value("x", 1, 600, kind=kind), value("y", 1, 600, kind=kind, scale=1 / 256, zero_point=-128)
    if kind == "f32":
        return one(Softmax, x, y)
    fine = tensor("fine", (1, 600), 1 / 65536, -32768, "s16")
    first = Softmax(name="op", inputs=(x,), outputs=(fine,))
    return program_of(first, Quantize(name="coarse", inputs=(fine,), outputs=(y,)))


@case("lookup")
def _(kind):
    table = np.random.default_rng(0).integers(-128, 128, 256).astype(np.int8)
    return one(Lookup, value("x", *PICTURE), value("y", *PICTURE, scale=0.02), function="any", table=table)


@case("lookup of a name")
def _(kind):
    from edgekit.ops.elementwise import TABLES

    x, y = value("x", *PICTURE, scale=0.03), value("y", *PICTURE, scale=0.06, zero_point=-90)
    return one(Lookup, x, y, function="gelu", table=TABLES["gelu"](x, y))


@case("convolution")
def _(kind):
    x, y = value("x", 2, 9, 8, 3, kind=kind), value("y", 2, 5, 4, 6, kind=kind, scale=1.5)
    return one(Conv2D, weighted(x, 6, 3, 3, 3), y, stride=(2, 2), padding=((1, 1), (1, 0)))


@case("dilated convolution with relu")
def _(kind):
    x, y = value("x", 1, 9, 8, 3, kind=kind), value("y", 1, 5, 6, 4, kind=kind, scale=1.5)
    fields = {"dilation": (2, 1), "activation": Activation.RELU}
    return one(Conv2D, weighted(x, 4, 3, 3, 3, per_tensor=True), y, **fields)


@case("grouped convolution without bias")
def _(kind):
    x, y = value("x", 1, 6, 6, 4, kind=kind), value("y", 1, 4, 4, 6, kind=kind, scale=1.0)
    return one(Conv2D, weighted(x, 6, 3, 3, 2)[:2], y, groups=2)


@case("depthwise convolution")
def _(kind):
    x, y = value("x", 1, 7, 6, 3, kind=kind), value("y", 1, 7, 6, 6, kind=kind, scale=1.0)
    fields = {"multiplier": 2, "padding": ((1, 1), (1, 1)), "activation": Activation.RELU6}
    return one(DepthwiseConv2D, weighted(x, 1, 3, 3, 6, axis=3), y, **fields)


@case("transposed convolution")
def _(kind):
    x, y = value("x", 1, 4, 5, 3, kind=kind), value("y", 1, 8, 10, 4, kind=kind, scale=1.0)
    return one(TransposeConv, weighted(x, 4, 3, 3, 3), y, stride=(2, 2))


@case("transposed convolution, cropped")
def _(kind):
    x, y = value("x", 1, 4, 5, 3, kind=kind), value("y", 1, 8, 10, 4, kind=kind, scale=1.0)
    return one(TransposeConv, weighted(x, 4, 4, 3, 3), y, stride=(2, 2), crop=(1, 0))


@case("fully connected")
def _(kind):
    x, y = value("x", 2, 12, kind=kind), value("y", 2, 5, kind=kind, scale=1.0)
    return one(FullyConnected, weighted(x, 5, 12), y)


@case("fully connected of several rows")
def _(kind):
    x, y = value("x", 1, 7, 12, kind=kind), value("y", 1, 7, 5, kind=kind, scale=1.0)
    return one(FullyConnected, weighted(x, 5, 12, per_tensor=True), y, activation=Activation.RELU)


@case("fully connected of a picture")
def _(kind):
    x, y = value("x", 1, 2, 3, 2, kind=kind), value("y", 1, 5, kind=kind, scale=1.0)
    return one(FullyConnected, weighted(x, 5, 12)[:2], y)


@case("max pool")
def _(kind):
    x, y = value("x", 1, 7, 6, 3, kind=kind), value("y", 1, 4, 3, 3, kind=kind)
    return one(MaxPool2D, x, y, kernel=(3, 2), stride=(2, 2), padding=((1, 1), (0, 0)))


@case("average pool")
def _(kind):
    x, y = value("x", 1, 7, 6, 3, kind=kind), value("y", 1, 4, 3, 3, kind=kind)
    return one(AveragePool2D, x, y, kernel=(3, 2), stride=(2, 2), padding=((1, 1), (0, 0)))


@case("products of matrices")
def _(kind):
    a, b, y = value("a", 2, 3, 5, kind=kind), value("b", 2, 4, 5, kind=kind), value("y", 2, 3, 4, kind=kind, scale=0.6)
    return one(BatchMatMul, (a, b), y, adj_y=True)


@case("products of matrices by a constant")
def _(kind):
    a, b = value("a", 2, 5, 3, kind=kind), constant("b", 2, 5, 4, kind=kind, zero_point=3)
    return one(BatchMatMul, (a, b), value("y", 2, 3, 4, kind=kind, scale=0.6), adj_x=True)


for name_, make_ in (
    ("mean", Mean),
    ("sum", Sum),
    ("reduce max", ReduceMax),
    ("reduce min", ReduceMin),
    ("reduce prod", ReduceProd),
):
    for kept_ in (True, False):

        def _build(kind, make=make_, kept=kept_):
            shape = (1, 1, 1, 4) if kept else (1, 4)
            same = make in (ReduceMax, ReduceMin)
            y = value("y", *shape, kind=kind) if same else value("y", *shape, kind=kind, scale=0.4, zero_point=5)
            return one(make, value("x", *PICTURE, kind=kind), y, axes=(1, 2))

        CASES[f"{name_}{' kept' if kept_ else ''}"] = _build


@case("arg max")
def _(kind):
    return one(ArgMax, value("x", *PICTURE, kind=kind), tensor("y", (1, 5, 6), dtype="s32"), axis=3)


@case("arg min kept")
def _(kind):
    return one(ArgMin, value("x", *PICTURE, kind=kind), tensor("y", (1, 1, 6, 4), dtype="s64"), axis=1)


for make_ in (ResizeNearest, ResizeBilinear):
    for fields_ in ({}, {"align_corners": True}, {"half_pixel": True}):

        def _build(kind, make=make_, fields=fields_):
            return one(make, value("x", *PICTURE, kind=kind), value("y", 1, 8, 9, 4, kind=kind), **fields)

        CASES[f"{make_.__name__} {' '.join(fields_)}".strip()] = _build


@case("concat")
def _(kind):
    parts = (value("a", 1, 5, 6, 2, kind=kind), constant("b", 1, 5, 6, 1, kind=kind), value("c", 1, 5, 6, 1, kind=kind))
    if kind == "s8":
        parts = tuple(Tensor(t.name, t.shape, "s8", QuantParams.of(SCALE, ZERO_POINT), t.data) for t in parts)
    return one(Concat, parts, value("y", *PICTURE, kind=kind), axis=3)


@case("split")
def _(kind):
    return one(Split, value("x", *PICTURE, kind=kind), *(value(f"y{n}", 1, 5, 6, n, kind=kind) for n in (1, 3)), axis=3)


@case("select")
def _(kind):
    condition = Tensor("c", (1, 5, 6, 1), "b8", None, np.random.default_rng(0).integers(0, 2, (1, 5, 6, 1)) > 0)
    a, b = value("a", *PICTURE, kind=kind), value("b", 1, 1, 1, 4, kind=kind)
    return one(Select, (condition, a, b), value("y", *PICTURE, kind=kind))


@case("slice")
def _(kind):
    return one(Slice, value("x", *PICTURE, kind=kind), value("y", 1, 3, 4, 4, kind=kind), begin=(0, 1, 2, 0))


@case("slice with steps")
def _(kind):
    fields = {"begin": (0, 4, 1, 3), "strides": (1, -2, 2, -1)}
    return one(Slice, value("x", *PICTURE, kind=kind), value("y", 1, 3, 2, 4, kind=kind), **fields)


@case("gather")
def _(kind):
    indices = Tensor("i", (3,), "s32", None, np.array([2, 0, 2], np.int32))
    return one(Gather, (value("x", *PICTURE, kind=kind), indices), value("y", 1, 3, 6, 4, kind=kind), axis=1)


@case("gather of a table")
def _(kind):
    indices = Tensor("i", (2, 2), "s32", None, np.array([[2, 0], [1, 1]], np.int32))
    return one(Gather, (value("x", 3, 4, kind=kind), indices), value("y", 2, 2, 4, kind=kind), axis=0)


@case("reverse")
def _(kind):
    return one(Reverse, value("x", *PICTURE, kind=kind), value("y", *PICTURE, kind=kind), axes=(1, 3))


@case("pad")
def _(kind):
    fields = {"padding": ((0, 0), (1, 2), (0, 1), (0, 0)), "fill": 9 if kind == "s8" else 0.5}
    return one(Pad, value("x", *PICTURE, kind=kind), value("y", 1, 8, 7, 4, kind=kind), **fields)


for reflect_ in (True, False):

    def _build(kind, reflect=reflect_):
        fields = {"padding": ((0, 0), (1, 2), (0, 1), (0, 0)), "reflect": reflect}
        return one(MirrorPad, value("x", *PICTURE, kind=kind), value("y", 1, 8, 7, 4, kind=kind), **fields)

    CASES[f"mirror pad {'reflect' if reflect_ else 'symmetric'}"] = _build


@case("tile")
def _(kind):
    return one(Tile, value("x", *PICTURE, kind=kind), value("y", 1, 10, 6, 8, kind=kind), multiples=(1, 2, 1, 2))


@case("space to depth")
def _(kind):
    return one(SpaceToDepth, value("x", 1, 4, 6, 3, kind=kind), value("y", 1, 2, 3, 12, kind=kind), block=2)


@case("depth to space")
def _(kind):
    return one(DepthToSpace, value("x", 1, 2, 3, 12, kind=kind), value("y", 1, 4, 6, 3, kind=kind), block=2)


@case("space to batch")
def _(kind):
    fields = {"block": (2, 2), "padding": ((1, 0), (0, 2))}
    return one(SpaceToBatch, value("x", 1, 3, 4, 3, kind=kind), value("y", 4, 2, 3, 3, kind=kind), **fields)


@case("batch to space")
def _(kind):
    fields = {"block": (2, 2), "crops": ((1, 0), (0, 2))}
    return one(BatchToSpace, value("x", 4, 2, 3, 3, kind=kind), value("y", 1, 3, 4, 3, kind=kind), **fields)


@case("reshape")
def _(kind):
    return one(Reshape, value("x", *PICTURE, kind=kind), value("y", 5, 24, kind=kind))


@case("transpose")
def _(kind):
    return one(Transpose, value("x", *PICTURE, kind=kind), value("y", 6, 4, 1, 5, kind=kind), order=(2, 3, 0, 1))


@case("quantize requantizes")
def _(kind):
    return one(Quantize, value("x", *PICTURE), value("y", *PICTURE, scale=0.11, zero_point=30))


@case("quantize")
def _(kind):
    return one(Quantize, tensor("x", PICTURE, dtype="f32"), value("y", *PICTURE))


@case("dequantize")
def _(kind):
    return one(Dequantize, value("x", *PICTURE), tensor("y", PICTURE, dtype="f32"))


@case("cast of stored numbers")
def _(kind):
    return one(Cast, value("x", *PICTURE), tensor("y", PICTURE, dtype="s32"))

"""Rows of functions of one value. A table that no operator of TFLite fills by itself is gathered from a constant."""

from __future__ import annotations

import numpy as np

from edgekit.emitters.tflite.writer import TYPES, Writer
from edgekit.ops.elementwise import TABLES, Elementwise
from edgekit.ops.functions import CLAMPS, Clamp, Function, HardSwish, LeakyRelu, Lookup, PRelu
from edgekit.ops.quantization import Cast
from edgekit.program import Tensor, stored_limits
from edgekit.program.tensor import Array
from edgekit.tflite.flatbuffer import Table

# Functions whose s8 table TFLite Micro and LiteRT fill alike (abs: within one scale); versions of their operators
OWN_TABLES = {"abs": 2, "elu": 1}
OPTIONS = {
    "ABS": "AbsOptions", "COS": "CosOptions", "EXP": "ExpOptions", "GELU": "GeluOptions", "NEG": "NegOptions",
    "SIGN": "SignOptions", "SQUARE": "SquareOptions",
}  # fmt: skip


def logistic(op: Function, writer: Writer) -> None:
    writer.operator("LOGISTIC", op.inputs, op.outputs, version=_version(op))


def tanh(op: Function, writer: Writer) -> None:
    writer.operator("TANH", op.inputs, op.outputs, version=_version(op))


def hard_swish(op: HardSwish, writer: Writer) -> None:
    writer.operator("HARD_SWISH", op.inputs, op.outputs, Table("HardSwishOptions"))


def leaky_relu(op: LeakyRelu, writer: Writer) -> None:
    options = Table("LeakyReluOptions", alpha=float(np.float32(op.alpha)))
    writer.operator("LEAKY_RELU", op.inputs, op.outputs, options, version=_version(op))


def prelu(op: PRelu, writer: Writer) -> None:
    writer.operator("PRELU", op.inputs, op.outputs)


def elementwise(op: Elementwise, writer: Writer) -> None:
    _elementwise(op.function, op.input, op.output, writer, version=1)


def lookup(op: Lookup, writer: Writer) -> None:
    """The operator that fills this table itself, else CAST, ADD 128, GATHER."""
    if _fills_itself(op):
        _elementwise(op.function, op.input, op.output, writer, version=OWN_TABLES[op.function])
        return
    wide, index = (writer.between(f"{op.output.name}_{n}", op.input.shape, "s32") for n in ("wide", "index"))
    offset = writer.constant("offset", np.array(128, np.int32))
    table = writer.constant(f"{op.output.name}_table", op.table, "s8", op.output.quant)
    _cast(op.input, wide, writer)
    writer.operator("ADD", (wide, offset), (index,), Table("AddOptions"))
    writer.operator("GATHER", (table, index), op.outputs, Table("GatherOptions"), version=2)


def _fills_itself(op: Lookup) -> bool:
    """Whether every runtime fills exactly this table for TFLite's operator of that name."""
    if op.function not in OWN_TABLES or (op.function == "abs" and op.input.scale != op.output.scale):
        return False
    return np.array_equal(TABLES[op.function](op.input, op.output), op.table)


def cast(op: Cast, writer: Writer) -> None:
    _cast(op.input, op.output, writer)


def clamp(op: Clamp, writer: Writer) -> None:
    """RELU (which alone rescales in every runtime) and RELU6 where they do it, else MAXIMUM and MINIMUM."""
    own = next((name for name, bounds in CLAMPS.items() if bounds == (op.low, op.high)), "")
    if own == "RELU":
        writer.operator("RELU", op.inputs, op.outputs, version=_version(op))
        return
    steps: list[Step] = [("RELU6", None)] if own == "RELU6" else _comparisons(op)
    if op.input.quant != op.output.quant:
        steps.insert(0, ("QUANTIZE", None))
    _chain(op, steps or [("RESHAPE", np.array(op.output.shape, np.int32))], writer)


Step = tuple[str, Array | None]  # an operator, and its constant where it has one


def _comparisons(op: Clamp) -> list[Step]:
    y = op.output
    if y.dtype == "f32":
        ends, ends_of_type = (op.low, op.high), (-np.inf, np.inf)
    else:
        ends, ends_of_type = stored_limits(op.low, op.high, y), y.limits
        ends = (min(ends[0], ends_of_type[1]), max(ends[1], ends_of_type[0]))
    numbers = [np.array(end, y.numpy_dtype) for end in ends]
    steps = zip(("MAXIMUM", "MINIMUM"), numbers, ends_of_type, strict=True)
    return [(builtin, number) for builtin, number, open_end in steps if number != open_end]


def _chain(op: Clamp, steps: list[Step], writer: Writer) -> None:
    """The operators one after the other."""
    x, y = op.input, op.output
    for i, (builtin, number) in enumerate(steps, 1):
        made = y if i == len(steps) else writer.between(f"{y.name}_{i}", y.shape, y.dtype, y.quant)
        inputs = [x] if number is None else [x, _bound(number, y, writer)]
        writer.operator(builtin, inputs, (made,), version=1 if builtin == "RESHAPE" else _version(op))
        x = made


def _bound(number: Array, y: Tensor, writer: Writer) -> Tensor:
    if number.dtype == np.int32:
        return writer.constant("shape", number)
    return writer.constant("bound", number, y.dtype, y.quant)


def _cast(x: Tensor, y: Tensor, writer: Writer) -> None:
    options = Table("CastOptions", in_data_type=TYPES[x.dtype], out_data_type=TYPES[y.dtype])
    writer.operator("CAST", (x,), (y,), options)


def _elementwise(function: str, x: Tensor, y: Tensor, writer: Writer, *, version: int) -> None:
    builtin = function.removesuffix("_tanh").upper()
    options = Table(OPTIONS[builtin]) if builtin in OPTIONS else None
    if options is not None and function == "gelu_tanh":
        options.approximate = True
    writer.operator(builtin, (x,), (y,), options, version=version)


def _version(op: Function) -> int:
    return 1 if op.output.dtype == "f32" else 2

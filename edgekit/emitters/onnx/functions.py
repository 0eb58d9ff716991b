"""Rows of functions of one value, in whatever order of axes it has.

A table of 256 entries is the ONNX node of its function where that stands for the same table; else the stored integers
are looked up: Cast to int32, plus 128, Gather. Lowering reads both back.
"""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from edgekit.emitters.onnx.writer import Writer
from edgekit.ops.elementwise import TABLES, Elementwise
from edgekit.ops.functions import Clamp, Function, HardSwish, LeakyRelu, Logistic, Lookup, PRelu, Tanh
from edgekit.ops.reading import Order
from edgekit.program import Op

NODES: dict[type[Op], str] = {Logistic: "Sigmoid", Tanh: "Tanh", HardSwish: "HardSwish"}
FUNCTIONS = {
    "abs": "Abs", "ceil": "Ceil", "cos": "Cos", "elu": "Elu", "exp": "Exp", "floor": "Floor", "gelu": "Gelu",
    "gelu_tanh": "Gelu", "log": "Log", "neg": "Neg", "round": "Round", "sign": "Sign", "sin": "Sin", "sqrt": "Sqrt",
}  # fmt: skip
WORDS = {"gelu_tanh": {"approximate": "tanh"}}


def function(op: Function, writer: Writer) -> None:
    order = writer.order(op.input)
    writer.answer(op.output, writer.node(NODES[type(op)], writer.value(op.input, order), name=op.name), order)


def leaky_relu(op: LeakyRelu, writer: Writer) -> None:
    order = writer.order(op.input)
    x = writer.value(op.input, order)
    writer.answer(op.output, writer.node("LeakyRelu", x, name=op.name, alpha=op.alpha), order)


def prelu(op: PRelu, writer: Writer) -> None:
    values, order = writer.aligned(*op.inputs)
    writer.answer(op.output, writer.node("PRelu", *values, name=op.name), order)


def clamp(op: Clamp, writer: Writer) -> None:
    order = writer.order(op.input)
    x = writer.value(op.input, order)
    if (op.low, op.high) == (0.0, math.inf):
        y = writer.node("Relu", x, name=op.name)
    else:
        bounds = (writer.real(b) if math.isfinite(b) else None for b in (op.low, op.high))
        y = writer.node("Clip", x, *bounds, name=op.name)
    writer.answer(op.output, y, order)


def elementwise(op: Elementwise, writer: Writer) -> None:
    order = writer.order(op.input)
    writer.answer(op.output, _named(op.function, writer, writer.value(op.input, order), op.name), order)


def lookup(op: Lookup, writer: Writer) -> None:
    order = writer.order(op.input)
    usual = TABLES.get(op.function)
    if op.function in FUNCTIONS and usual is not None and np.array_equal(usual(op.input, op.output), op.table):
        writer.answer(op.output, _named(op.function, writer, writer.value(op.input, order), op.name), order)
    else:
        _gathered(op, writer, order)


def _named(name: str, writer: Writer, x: ir.Value, node_name: str) -> ir.Value:
    if name == "square":
        return writer.node("Mul", x, x, name=node_name)
    if name == "rsqrt":
        return writer.node("Div", writer.real(1.0), writer.node("Sqrt", x, name=f"{node_name}_root"), name=node_name)
    return writer.node(FUNCTIONS[name], x, name=node_name, **WORDS.get(name, {}))


def _gathered(op: Lookup, writer: Writer, order: Order) -> None:
    wide = writer.node("Cast", writer.stored(op.input, order), name=f"{op.name}_wide", to=int(ir.DataType.INT32))
    offset = writer.constant(np.asarray(128, np.int32), "offset_128")
    index = writer.node("Add", wide, offset, name=f"{op.name}_index")
    table = writer.initializer(op.table, f"{op.name}_table")
    writer.answer_stored(op.output, writer.node("Gather", table, index, name=op.name, axis=0), order)

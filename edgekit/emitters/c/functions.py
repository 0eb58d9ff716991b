"""Rows of functions of one value: 8-bit ones are a table of 256 bytes, float32 ones a C function.

Equal tables of a model are one table. Refused: other types.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.emitters.c.call import Call, Fields, Lowered, Name, Row, Table, table
from edgekit.emitters.c.elementwise import INFINITE, binary_f32
from edgekit.emitters.c.overlaps import elementwise
from edgekit.ops.elementwise import Elementwise
from edgekit.ops.functions import Clamp, Function, HardSwish, LeakyRelu, Logistic, Lookup, Tanh
from edgekit.ops.reading import Refusal
from edgekit.program import Op

# what libm has under another name than its own with an f
FUNCTIONS = {
    "abs": "fabsf",
    "elu": "ek_elu_f32",
    "gelu": "ek_gelu_f32",
    "gelu_tanh": "ek_gelu_tanh_f32",
    "neg": "ek_neg_f32",
    "round": "rintf",
    "rsqrt": "ek_rsqrt_f32",
    "sign": "ek_sign_f32",
    "square": "ek_square_f32",
}
ACTIVATIONS: dict[type[Op], str] = {Logistic: "ek_logistic_f32", Tanh: "tanhf", HardSwish: "ek_hard_swish_f32"}


def function(op: Function) -> Lowered:
    if op.output.dtype == "s8" and op.input.dtype == "s8":
        return lookup(op)
    _check_float(op)
    return map_f32(op, ACTIVATIONS[type(op)])


def leaky_relu(op: LeakyRelu) -> Lowered:
    if op.output.dtype == "s8":
        return lookup(op)
    _check_float(op)
    return binary_f32(op, (op.input, _number(op.alpha)), "ek_prelu_f32")


def clamp(op: Clamp) -> Lowered:
    """In float32 the larger of x and the lower bound, clamped by both."""
    if op.output.dtype == "s8":
        return lookup(op)
    _check_float(op)
    return binary_f32(op, (op.input, _number(op.low)), "ek_larger_f32", (INFINITE[0], op.high))


def elementwise_function(op: Elementwise) -> Lowered:
    _check_float(op)
    return map_f32(op, FUNCTIONS.get(op.function, f"{op.function}f"))


def lookup(op: Op) -> Lowered:
    """An operator from 8 bits to 8 bits that does the same to every element, as the table of what it answers."""
    entries = np.arange(256, dtype=np.uint8)
    bits = entries != 0 if op.input.dtype == "b8" else entries.view(op.input.numpy_dtype)
    answers = np.ascontiguousarray(op.run(bits)[0]).view(np.int8)
    call = Call(
        "ek_lookup_s8", "ek_functions.h", (op.input, op.output), {"size": op.output.size, "table": Table(answers)}
    )
    return _in_place(op, call)


def map_f32(op: Op, name: str) -> Lowered:
    """A C function of one float, on every element."""
    params: Fields = {"size": op.output.size, "function": Name(name)}
    return _in_place(op, Call("ek_map_f32", "ek_functions_f32.h", (op.input, op.output), params))


def _in_place(op: Op, call: Call) -> Lowered:
    return Lowered((call,), {(op.input, op.output): elementwise(op.input, op.output)})


def _number(value: float) -> Table:
    return table(np.float32(value), "f32")


def _check_float(op: Any) -> None:
    if op.input.dtype != "f32" or op.output.dtype != "f32":
        raise Refusal(f"it is from {op.input.dtype} to {op.output.dtype}", "allowed: s8 to s8, f32 to f32")


ROWS: dict[type[Op], Row] = {
    Lookup: function,
    Logistic: function,
    Tanh: function,
    HardSwish: function,
    LeakyRelu: leaky_relu,
    Clamp: clamp,
    Elementwise: elementwise_function,
}

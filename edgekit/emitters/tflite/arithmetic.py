"""Rows of arithmetic on two values, and the sum of several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.emitters.tflite.writer import ACTIVATIONS, Writer
from edgekit.ops.arithmetic import Add, AddN, Binary, Div, Extremum, Maximum, Minimum, Mul, Pow, SquaredDifference, Sub
from edgekit.program import Op
from edgekit.tflite.flatbuffer import Table


@dataclass(frozen=True)
class Builtin:
    """versions: in which version of the operator a type, or broadcasting over more than four axes, first appeared."""

    name: str
    options: str
    versions: Mapping[str, int]
    fuses: bool = False  # whether it takes a fused activation
    powers_of_two: bool = False  # whether it must be told that s16 scales are none


BUILTINS: dict[type[Op], Builtin] = {
    Add: Builtin("ADD", "AddOptions", {"s8": 2, "s16": 3, "s64": 4}, fuses=True, powers_of_two=True),
    Sub: Builtin("SUB", "SubOptions", {"s8": 2, "wide": 3, "s64": 4, "s16": 5}, fuses=True, powers_of_two=True),
    Mul: Builtin("MUL", "MulOptions", {"s8": 2, "s16": 4, "s64": 6}, fuses=True),
    Div: Builtin("DIV", "DivOptions", {"wide": 2}, fuses=True),
    SquaredDifference: Builtin("SQUARED_DIFFERENCE", "SquaredDifferenceOptions", {"s8": 2, "s16": 2}),
    Pow: Builtin("POW", "PowOptions", {}),
    Minimum: Builtin("MINIMUM", "MaximumMinimumOptions", {"s8": 2, "wide": 3, "s16": 4}),
    Maximum: Builtin("MAXIMUM", "MaximumMinimumOptions", {"s8": 2, "wide": 3, "s16": 4}),
}
WIDE = 5  # axes


def binary(op: Binary | Extremum, writer: Writer) -> None:
    builtin = BUILTINS[type(op)]
    options = Table(builtin.options)
    if builtin.fuses and isinstance(op, Binary):
        options.fused_activation_function = ACTIVATIONS[op.activation]
    if builtin.powers_of_two and op.output.dtype == "s16":
        options.pot_scale_int16 = False
    writer.operator(builtin.name, op.inputs, op.outputs, options, version=_version(op, builtin))


def add_n(op: AddN, writer: Writer) -> None:
    writer.operator("ADD_N", op.inputs, op.outputs, Table("AddNOptions"))


def _version(op: Op, builtin: Builtin) -> int:
    wide = len(op.output.shape) >= WIDE and any(t.shape != op.output.shape for t in op.inputs)
    return max(builtin.versions.get(op.output.dtype, 1), builtin.versions.get("wide", 1) if wide else 1)

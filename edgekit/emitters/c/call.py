"""One kernel call of the generated C, as data: what an operator becomes before anybody knows where its buffers lie.

A row (`Row`) turns an operator into its calls; the planner gets their scratch and overlaps, the writer prints them.
The C function is `kernel(&params, operands..., scratch)`; it lies in kernels/SET/kernel.c and is declared in `header`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Union

import numpy as np

from edgekit.planner import Overlap
from edgekit.program import DTYPES, Tensor
from edgekit.program.tensor import DTYPE_OF, Array

C_TYPES = {
    "s8": "int8_t",
    "u8": "uint8_t",
    "s16": "int16_t",
    "s32": "int32_t",
    "s64": "int64_t",
    "f32": "float",
    "b8": "uint8_t",
}
ENUMS = {dtype: f"EK_{dtype.upper()}" for dtype in DTYPES}


@dataclass(frozen=True, eq=False)
class Table:
    """A constant array of the generated C, in the order of `data`; packed as its kernel reads it."""

    data: Array

    @property
    def dtype(self) -> str:
        return DTYPE_OF[self.data.dtype]


@dataclass(frozen=True)
class Name:
    """An enumerator or function of the C headers."""

    text: str


Operand = Tensor | Table
Value = Union[int, float, Name, Operand, tuple[int, ...], "Fields", None]  # a name in it is text
Fields = Mapping[str, Value]
"""A field of a params struct: None is a null pointer, a mapping a struct inside of it, a tuple an array of numbers."""


@dataclass(frozen=True, eq=False)
class Call:
    """One line of the generated invoke().

    params        fields of `<params_type or kernel + "_params">`; None: the kernel takes no params
    operands      arguments after the params: activations, and constants that could be activations
    scratch_bytes bytes alive only in this call, given to the kernel as its last argument where not 0
    backward      the field of params, such as "window.backward", that is 1 where the kernel goes from last to first
    """

    kernel: str
    header: str
    operands: tuple[Operand, ...]
    params: Fields | None = None
    params_type: str = ""
    scratch_bytes: int = 0
    backward: str = ""


@dataclass(frozen=True, eq=False)
class Lowered:
    """An operator as C: its calls in order, and where its outputs may lie over inputs that die in it.

    Several calls make one step: their overlaps hold for all of them, one after the other, and only forward.
    """

    calls: tuple[Call, ...]
    overlaps: Mapping[tuple[Tensor, Tensor], Overlap] = field(default_factory=dict)


Row = Callable[[Any], Lowered]


def table(values: Any, dtype: str) -> Table:
    """A constant array of a C type ("s32" is int32_t) from numbers."""
    return Table(np.ascontiguousarray(values, DTYPES[dtype]))

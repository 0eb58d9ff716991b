"""Rows of the operators that make one number of all elements along some axes.

Refused: other types than the kernels', and more than two groups of neighbouring reduced axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import groupby

import numpy as np

from edgekit.emitters.c.call import Call, Fields, Lowered, Row
from edgekit.emitters.c.sequence import Access, forward
from edgekit.ops.reading import Refusal
from edgekit.ops.reduction import ArgMax, ArgMin, Mean, ReduceMax, ReduceMin, ReduceProd, Reduction, Sum, mean_factor
from edgekit.program import Op, Tensor
from edgekit.program.fixed_point import Multiplier
from edgekit.program.tensor import Array

HEADER = "ek_reduction.h"
EXTREMES = {"s8": "s8", "b8": "s8", "s16": "s16", "s32": "s32", "s64": "s64", "f32": "f32"}


@dataclass(frozen=True)
class Reduced:
    """ek_reduced: x [outer][far][middle][near][inner] → y [outer][middle][inner]."""

    outer: int
    far: int
    middle: int
    near: int
    inner: int

    @property
    def fields(self) -> Fields:
        return {"outer": self.outer, "far": self.far, "middle": self.middle, "near": self.near, "inner": self.inner}


def reduced_axes(shape: Sequence[int], axes: Sequence[int]) -> Reduced:
    """Neighbouring axes of one fate become one; axes of size 1 have none."""
    gone = {axis % len(shape) for axis in axes} if shape else set()
    sized = [(axis in gone, n) for axis, n in enumerate(shape) if n > 1]
    groups = [(fate, math.prod(n for _, n in group)) for fate, group in groupby(sized, key=lambda pair: pair[0])]
    if not groups or groups[0][0]:
        groups.insert(0, (False, 1))
    if groups[-1][0]:
        groups.append((False, 1))
    sizes = [n for _, n in groups]
    if len(sizes) > 5:
        raise Refusal(f"it reduces axes {list(axes)} of {list(shape)}", "reduce at most 2 groups of neighbouring axes")
    return Reduced(*([sizes[0], *[1] * (5 - len(sizes)), *sizes[1:]]))


def mean(op: Mean) -> Lowered:
    if op.output.dtype == "f32":
        return _float(op, "ek_sum_f32", {"divisor": float(op.count)})
    _check_types(op, ("s8",))
    return _integer(op, mean_factor(op))


def sum_(op: Sum) -> Lowered:
    if op.output.dtype == "f32":
        return _float(op, "ek_sum_f32", {"divisor": 1.0})
    _check_types(op, ("s8",))
    return _integer(op, Multiplier.of(op.input.scale / op.output.scale))


def product(op: ReduceProd) -> Lowered:
    return _float(op, "ek_reduce_prod_f32", {})


def _float(op: Reduction, kernel: str, more: Fields) -> Lowered:
    _check_types(op, ("f32",))
    axes = reduced_axes(op.input.shape, op.axes)
    return _lowered(op, axes, kernel, {"axes": axes.fields, **more})


def _integer(op: Reduction, factor: Multiplier) -> Lowered:
    axes, zero = reduced_axes(op.input.shape, op.axes), op.output.zero_point
    low, high = op.output.limits
    params: Fields = {
        "axes": axes.fields,
        "offset": -op.input.zero_point * op.count,
        "multiplier": factor.mantissa,
        "shift": factor.shift,
        "low": low - zero,
        "high": high - zero,
        "zero": zero,
    }
    return _lowered(op, axes, "ek_sum_s8", params)


def extreme(op: ReduceMax | ReduceMin) -> Lowered:
    _check_types(op, tuple(EXTREMES))
    axes = reduced_axes(op.input.shape, op.axes)
    params: Fields = {"axes": axes.fields, "flip": _flip(op, smallest=isinstance(op, ReduceMin))}
    return _lowered(op, axes, f"ek_extreme_{EXTREMES[op.input.dtype]}", params, "ek_extreme_params")


def arg_extreme(op: ArgMax) -> Lowered:
    """ArgMin too."""
    if op.input.dtype not in EXTREMES or op.output.dtype not in ("s32", "s64"):
        raise Refusal(f"it makes {op.output.dtype} of {op.input.dtype}")
    axes = reduced_axes(op.input.shape, (op.axis,))
    params: Fields = {
        "outer": axes.outer,
        "count": axes.near,
        "inner": axes.inner,
        "flip": _flip(op, smallest=isinstance(op, ArgMin)),
        "wide": int(op.output.dtype == "s64"),
    }
    return _lowered(op, axes, f"ek_arg_extreme_{EXTREMES[op.input.dtype]}", params, "ek_arg_extreme_params")


def _flip(op: Op, *, smallest: bool) -> int:
    """What turns the order of numbers around: a factor of floats, a mask of integers."""
    return -1 if smallest else int(op.input.dtype == "f32")


def _lowered(op: Op, axes: Reduced, kernel: str, params: Fields, params_type: str = "") -> Lowered:
    x, y = op.input, op.output
    if x.size == 0:
        raise Refusal("its value is empty")
    call = Call(kernel, HEADER, (x, y), params, params_type)
    return Lowered((call,), {(x, y): forward(x, y, [_access(x, y, axes)])})


def _access(x: Tensor, y: Tensor, axes: Reduced) -> Access:
    """Element for element of the output: from the first to the last that it is made of."""
    outer, far, middle, near, inner = astuple(axes)
    starts = [np.arange(outer) * (far * middle * near * inner), np.arange(middle) * (near * inner), np.arange(inner)]
    first: Array = np.add.outer(np.add.outer(starts[0], starts[1]), starts[2]).reshape(-1)
    last = first + (far - 1) * middle * near * inner + (near - 1) * inner
    made = np.arange(y.size)
    size, out = x.numpy_dtype.itemsize, y.numpy_dtype.itemsize
    return Access(x, y, first * size, (last + 1) * size, made * out, (made + 1) * out)


def _check_types(op: Op, allowed: Sequence[str]) -> None:
    if op.input.dtype != op.output.dtype or op.input.dtype not in allowed:
        raise Refusal(f"it makes {op.output.dtype} of {op.input.dtype}, allowed is {' or '.join(allowed)} of the same")


ROWS: dict[type[Op], Row] = {
    Mean: mean,
    Sum: sum_,
    ReduceMax: extreme,
    ReduceMin: extreme,
    ReduceProd: product,
    ArgMax: arg_extreme,
    ArgMin: arg_extreme,
}

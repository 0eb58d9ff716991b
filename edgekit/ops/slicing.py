"""Parts of a value: Slice (a begin and a stride per axis), Gather (listed indices of one axis), Reverse.

Input and output have one set of parameters. What TFLite's STRIDED_SLICE does with its masks and what ONNX's Slice and
Gather do becomes a Slice and, where axes vanish or appear, a Reshape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import EllipsisType

import numpy as np

from edgekit.ops.reading import (
    OnnxCall,
    Order,
    Refusal,
    TfliteCall,
    axes_of,
    axis_of,
    check_one_scale,
    check_shape,
    plain,
    without,
)
from edgekit.ops.shape import Reshape
from edgekit.program import Op, Tensor
from edgekit.program.tensor import Array

Index = slice | int | EllipsisType | None  # None: a new axis
EMPTY = "it takes nothing: an empty value has no form here"


@dataclass(frozen=True, eq=False, kw_only=True)
class Slice(Op):
    """Along each axis the elements begin, begin + stride ...; as many as the output has. Strides may be negative."""

    begin: tuple[int, ...]
    strides: tuple[int, ...] = ()  # left out: all 1

    @property
    def steps(self) -> tuple[int, ...]:
        return self.strides or (1,) * len(self.begin)

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        ranges = zip(self.begin, self.output.shape, self.steps, strict=True)
        return (np.ascontiguousarray(inputs[0][tuple(_slice(b, n, s) for b, n, s in ranges)]),)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        shape, order = call.shape(0), call.order(0)
        taken = [range(n) for n in shape]
        for axis, chosen in _onnx_slices(call, len(shape)):
            taken[axis] = range(shape[axis])[chosen]
        _append(call, taken, order)

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op | tuple[Op, ...]:
        """SLICE."""
        x, begin = call.input(0), call.numbers(1)
        check_one_scale(x, call.output)
        rank = len(x.shape)
        if len(begin) != rank or len(call.output.shape) != rank:
            raise Refusal(f"its begin {begin} and output {list(call.output.shape)} do not fit {list(x.shape)}")
        if any(b < 0 or n < 1 or b + n > d for b, n, d in zip(begin, call.output.shape, x.shape, strict=True)):
            raise Refusal(f"it takes {list(call.output.shape)} from {begin} on of {list(x.shape)}")
        return cls(name=call.name, inputs=(x,), outputs=(call.output,), begin=tuple(begin))


def strided_slice(call: TfliteCall) -> tuple[Op, ...]:
    """STRIDED_SLICE with all its masks."""
    x = call.input(0)
    check_one_scale(x, call.output)
    taken, shape = _indexed(_strided(call), x.shape)
    check_shape(call.output, shape)
    if any(len(r) == 0 for r in taken):
        raise Refusal(EMPTY)
    sizes = tuple(len(r) for r in taken)
    made = call.output if sizes == call.output.shape else call.between("sliced", sizes, x)
    first = _slice_op(call.name, x, made, taken)
    return (first,) if made is call.output else (first, Reshape(name=call.name, inputs=(made,), outputs=(call.output,)))


@dataclass(frozen=True, eq=False, kw_only=True)
class Gather(Op):
    """inputs: x, indices (s32); the output has the axes of the indices in place of `axis`.

    Indices that are computed at run time and lie outside take the nearest element; constant ones never lie outside.
    """

    axis: int

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.take(inputs[0], inputs[1], self.axis, mode="clip"),)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        shape, order = call.shape(0), call.order(0)
        axis = axis_of(int(call.attribute("axis", 0)), len(shape))
        indices = call.constant(1)
        if indices is not None:
            indices = inside(indices, shape[axis])
            if (run := _progression(indices)) is not None:
                taken = [range(n) for n in shape]
                taken[axis] = run
                _append(call, taken, order, dropped=(axis,) if indices.ndim == 0 else ())
                return
        rank = len(call.shape(1))
        read = call.input(1) if indices is None else call.stored(f"{call.name}_indices", indices)
        made = _spread(order, axis, rank)
        x = call.input(0, order)
        y = call.output(0, made, quant=x.quant)
        call.add(cls(name=call.name, inputs=(x, read), outputs=(y,), axis=order.index(axis)))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        """GATHER and EMBEDDING_LOOKUP."""
        lookup = call.builtin == "EMBEDDING_LOOKUP"
        x, indices = (call.input(1), call.input(0)) if lookup else (call.input(0), call.input(1))
        axis = axis_of(0 if lookup else int(call.option("axis", 0)), len(x.shape))
        if not lookup and int(call.option("batch_dims", 0)):
            raise Refusal(f"it has batch_dims {call.option('batch_dims', 0)}", "gather along one axis (batch_dims 0)")
        if indices.dtype not in ("s32", "s64") or x.shape[axis] < 1:
            raise Refusal(f"its indices are {indices.dtype} into {list(x.shape)}, wanted s32")
        known = indices.data
        if known is not None and not 0 <= known.min(initial=0) <= known.max(initial=0) < x.shape[axis]:
            raise Refusal(f"its indices lie outside of 0 to {x.shape[axis] - 1}")
        if known is not None and indices.dtype == "s64":  # TFLite Micro takes no others
            made = call.between("indices", indices.shape, indices)
            indices = Tensor(made.name, indices.shape, "s32", None, known.astype(np.int32))
        check_one_scale(x, call.output)
        check_shape(call.output, (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))
        return cls(name=call.name, inputs=(x, indices), outputs=(call.output,), axis=axis)


@dataclass(frozen=True, eq=False, kw_only=True)
class Reverse(Op):
    """The elements of some axes from the last to the first."""

    axes: tuple[int, ...]

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.ascontiguousarray(np.flip(inputs[0], self.axes)),)

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        x = call.input(0)
        axes = axes_of(call.numbers(1), len(x.shape))
        check_one_scale(x, call.output)
        check_shape(call.output, x.shape)
        return cls(name=call.name, inputs=(x,), outputs=(call.output,), axes=axes)


def _slice(begin: int, count: int, step: int) -> slice:
    stop = begin + count * step
    return slice(begin, stop if stop >= 0 else None, step)


def _slice_op(name: str, x: Tensor, y: Tensor, taken: Sequence[range]) -> Op:
    """The Slice that takes these indices of each axis; a Reshape, which tidying removes, where that is all of it."""
    if all(r == range(n) for r, n in zip(taken, x.shape, strict=True)):
        return Reshape(name=name, inputs=(x,), outputs=(y,))
    strides = tuple(r.step if len(r) > 1 else 1 for r in taken)
    begin = tuple(r.start for r in taken)
    return Slice(name=name, inputs=(x,), outputs=(y,), begin=begin, strides=() if set(strides) == {1} else strides)


def _append(call: OnnxCall, taken: Sequence[range], order: Order, dropped: Sequence[int] = ()) -> None:
    """Slice by indices of the value's axes; `dropped` axes vanish after it."""
    if any(len(r) == 0 for r in taken):
        raise Refusal(EMPTY)
    x = call.input(0, order)
    y = call.output(0, without(order, dropped), quant=x.quant)
    held = [taken[axis] for axis in order]
    made = call.between(f"{call.name}_sliced", [len(r) for r in held], x) if dropped else y
    call.add(_slice_op(call.name, x, made, held))
    if dropped:
        call.add(Reshape(name=f"{call.name}_view", inputs=(made,), outputs=(y,)))


def _onnx_slices(call: OnnxCall, rank: int) -> list[tuple[int, slice]]:
    """(axis, slice) of ONNX's Slice; opset 9 has them as attributes."""
    if call.count() == 1:
        starts, ends = call.attribute("starts", []), call.attribute("ends", [])
        axes, steps = call.attribute("axes", plain(len(starts))), [1] * len(starts)
    else:
        starts, ends = call.numbers(1) or [], call.numbers(2) or []
        axes = (call.numbers(3) if call.has(3) else None) or plain(len(starts))
        steps = (call.numbers(4) if call.has(4) else None) or [1] * len(starts)
    if 0 in steps:
        raise Refusal("it has a step of 0")
    chosen = [slice(int(s), int(e), int(step)) for s, e, step in zip(starts, ends, steps, strict=True)]
    return [(axis_of(int(axis), rank), part) for axis, part in zip(axes, chosen, strict=True)]


def _strided(call: TfliteCall) -> list[Index]:
    """What STRIDED_SLICE takes, in NumPy's words."""
    begin, end, strides = (call.numbers(i) for i in (1, 2, 3))
    if not len(begin) == len(end) == len(strides) or 0 in strides or call.option("offset", False):
        raise Refusal(f"its begin {begin}, end {end} and strides {strides} do not fit")
    masks = {m: int(call.option(f"{m}_mask", 0)) for m in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    items: list[Index] = []
    for i, (b, e, step) in enumerate(zip(begin, end, strides, strict=True)):
        said = {m for m, bits in masks.items() if bits >> i & 1}
        if "ellipsis" in said:
            items.append(Ellipsis)
        elif "new_axis" in said:
            items.append(None)
        elif "shrink_axis" in said:
            items.append(b)
        else:
            items.append(slice(None if "begin" in said else b, None if "end" in said else e, step))
    return items


def _indexed(items: Sequence[Index], shape: tuple[int, ...]) -> tuple[list[range], tuple[int, ...]]:
    """The indices taken of each axis, and the shape after axes vanished and appeared (NumPy's basic indexing)."""
    known = sum(item is not None and item is not Ellipsis for item in items)
    if known > len(shape) or sum(item is Ellipsis for item in items) > 1:
        raise Refusal(f"it slices {known} axes of {list(shape)}")
    at = items.index(Ellipsis) if Ellipsis in items else len(items)
    whole: list[Index] = [slice(None)] * (len(shape) - known)
    sizes = iter(shape)
    taken: list[range] = []
    made: list[int] = []
    for item in [*items[:at], *whole, *items[at + 1 :]]:
        if item is None:
            made.append(1)
        elif isinstance(item, slice):
            taken.append(range(next(sizes))[item])
            made.append(len(taken[-1]))
        elif isinstance(item, int):
            place = axis_of(item, next(sizes))
            taken.append(range(place, place + 1))
    return taken, tuple(made)


def inside(indices: Array, size: int) -> Array:
    """Indices counted from the front, as s32."""
    if indices.size == 0 or indices.min() < -size or indices.max() >= size:
        raise Refusal(f"its indices lie outside of -{size} to {size - 1}")
    return np.where(indices < 0, indices + size, indices).astype(np.int32)


def _progression(indices: Array) -> range | None:
    """Indices that a slice takes: a single number, or a row of numbers with one step."""
    if indices.ndim > 1:
        return None
    flat = [int(i) for i in indices.reshape(-1)]
    step = flat[1] - flat[0] if len(flat) > 1 else 1
    if step == 0 or any(b - a != step for a, b in pairwise(flat)):
        return None
    return range(flat[0], flat[-1] + (1 if step > 0 else -1), step)


def _spread(order: Order, axis: int, count: int) -> Order:
    """The order after `axis` became `count` axes in its place."""
    made: list[int] = []
    for a in order:
        made += range(axis, axis + count) if a == axis else [a if a < axis else a + count - 1]
    return tuple(made)

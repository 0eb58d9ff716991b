"""Elements that move unchanged, as boxes: nested axes with a step on both sides → calls of ek_copy and ek_move.

Axes of size 1 vanish, neighbours that run on become one, indices without a step become a list of places. Where an
output may lie over its input follows from the order in which the kernels walk. Refused: more axes than EK_AXES.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from edgekit.emitters.c.call import Call, Fields, Lowered, Operand, table
from edgekit.emitters.c.sequence import Access, forward, overlap
from edgekit.ops.reading import Refusal
from edgekit.program import Tensor
from edgekit.program.tensor import Array

HEADER = "ek_movement.h"
MOST_AXES = 6  # EK_AXES
KERNELS = {"s8": "s8", "u8": "s8", "b8": "s8", "s16": "s16", "s32": "s32", "s64": "s64", "f32": "f32"}


@dataclass(frozen=True)
class Axis:
    """Element i is read at i * source, or at places[i] where there are such, and written at i * target."""

    count: int
    source: int
    target: int
    places: tuple[int, ...] = ()

    @property
    def offsets(self) -> Array:
        """Where its elements are read."""
        return np.array(self.places, np.int64) if self.places else np.arange(self.count) * self.source


ONCE = Axis(1, 0, 0)


@dataclass(frozen=True)
class Box:
    """Axes from the outermost to the innermost; all in elements."""

    axes: tuple[Axis, ...]
    source: int = 0
    target: int = 0


@dataclass(frozen=True)
class Move:
    """A box of x that becomes a box of y."""

    x: Operand
    y: Tensor
    box: Box


def strides(shape: Sequence[int]) -> list[int]:
    """Elements from one index of an axis to the next."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def picked(places: Sequence[Array]) -> Box:
    """The box that fills a whole output; places: for every axis where its indices are read, which are added up."""
    steps = strides([len(p) for p in places])
    axes = [axis for p, step in zip(places, steps, strict=True) for axis in _axes_along(p - p[0], step)]
    return Box(tuple(axes), int(sum(p[0] for p in places)))


def box(counts: Sequence[int], source: Sequence[int], target: Sequence[int], begin: int, into: int) -> Box:
    """Axes with these steps on both sides, read from element `begin` and written from element `into` on."""
    return Box(tuple(Axis(*axis) for axis in zip(counts, source, target, strict=True)), begin, into)


def lowered(moves: Sequence[Move]) -> Lowered:
    """The calls of `moves`, one after the other, and where the outputs may lie over the inputs."""
    simple = [replace(move, box=_simple(move.box)) for move in moves]
    walks = [_walk(move) for move in simple]
    sources = dict.fromkeys(m.x for m in moves if isinstance(m.x, Tensor) and not m.x.constant)
    results = dict.fromkeys(m.y for m in moves)
    over = overlap if len(walks) == 1 else forward
    overlaps = {(x, y): over(x, y, walks) for x in sources for y in results}
    return Lowered(tuple(_call(move) for move in simple), overlaps)


# --- simpler axes


def _axes_along(offsets: Array, step: int) -> list[Axis]:
    """One axis with a step, two where the offsets are rows of equal steps, else a list of places."""
    count = len(offsets)
    steps = np.diff(offsets)
    if count < 2 or (steps == steps[0]).all():
        return [Axis(count, int(steps[0]) if count > 1 else 0, step)]
    row = 1 + int(np.argmax(steps != steps[0]))
    if count % row == 0:
        rows = offsets.reshape(-1, row)
        between = np.diff(rows[:, 0])
        if (rows - rows[:, :1] == rows[0]).all() and (between == between[0]).all():
            return [Axis(count // row, int(between[0]), step * row), Axis(row, int(steps[0]), step)]
    return [Axis(count, 0, step, tuple(offsets.tolist()))]


def _simple(box: Box) -> Box:
    axes: list[Axis] = []
    for axis in box.axes:
        if axis.count == 1:
            continue
        if axes and (joined := _joined(axes[-1], axis)) is not None:
            axes[-1] = joined
        else:
            axes.append(axis)
    while len(axes) > MOST_AXES:
        axes = _fewer(axes)
    axes = axes or [Axis(1, 1, 1)]
    return replace(box, axes=tuple(axes if len(axes) > 1 else [ONCE, *axes]))


def _joined(outer: Axis, inner: Axis) -> Axis | None:
    """Both as one axis with steps, where the outer one goes on where the inner one ends."""
    if outer.places or inner.places:
        return None
    if outer.source != inner.source * inner.count or outer.target != inner.target * inner.count:
        return None
    return replace(inner, count=outer.count * inner.count)


def _fewer(axes: list[Axis]) -> list[Axis]:
    """The two axes that make the shortest list of places become one."""
    pairs = [k for k in range(len(axes) - 1) if axes[k].target == axes[k + 1].target * axes[k + 1].count]
    if not pairs:
        raise Refusal(f"it moves elements along {len(axes)} axes, allowed are {MOST_AXES}", "use fewer axes")
    k = min(pairs, key=lambda at: axes[at].count * axes[at + 1].count)
    places = np.add.outer(axes[k].offsets, axes[k + 1].offsets).reshape(-1)
    one = Axis(len(places), 0, axes[k + 1].target, tuple(places.tolist()))
    return [*axes[:k], one, *axes[k + 2 :]]


# --- calls


def _call(move: Move) -> Call:
    last = move.box.axes[-1]
    if _is_run(last):
        kernel, unit = "ek_copy", move.y.numpy_dtype.itemsize
        axes = [*(_scaled(axis, unit) for axis in move.box.axes[:-1]), Axis(last.count * unit, 1, 1)]
    else:
        kernel, unit, axes = f"ek_move_{KERNELS[move.y.dtype]}", 1, list(move.box.axes)
    params = _params(axes, move.box.source * unit, move.box.target * unit)
    return Call(kernel, HEADER, (move.x, move.y), params, "ek_move_params", backward="backward")


def _is_run(axis: Axis) -> bool:
    return not axis.places and axis.source == axis.target == 1


def _scaled(axis: Axis, unit: int) -> Axis:
    return Axis(axis.count, axis.source * unit, axis.target * unit, tuple(place * unit for place in axis.places))


def _params(axes: Sequence[Axis], source: int, target: int) -> Fields:
    places = [place for axis in axes for place in axis.places]
    ends = np.cumsum([len(axis.places) for axis in axes])
    listed = [int(end) - len(a.places) if a.places else -1 for a, end in zip(axes, ends, strict=True)]
    return {
        "axes": len(axes),
        "count": tuple(axis.count for axis in axes),
        "from": tuple(axis.source for axis in axes),
        "to": tuple(axis.target for axis in axes),
        "listed": tuple(listed),
        "places": table(places, "s32") if places else None,
        "from_start": source,
        "to_start": target,
    }


def _walk(move: Move) -> Access:
    """What its kernel reads and writes, run for run or element for element."""
    size, axes = move.y.numpy_dtype.itemsize, list(move.box.axes)
    run = axes.pop().count if _is_run(axes[-1]) else 1
    source = _added([axis.offsets for axis in axes], move.box.source) * size
    target = _added([np.arange(axis.count) * axis.target for axis in axes], move.box.target) * size
    return Access(move.x, move.y, source, source + run * size, target, target + run * size)


def _added(offsets: Sequence[Array], start: int) -> Array:
    """All sums of one offset of each axis, the last axis innermost."""
    return reduce(lambda total, more: np.add.outer(total, more).reshape(-1), offsets, np.array([start], np.int64))

"""Rows of the operators that only move elements: each output axis is read along a list of places of the input.

Every type goes the same way. Refused: empty values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from typing import Any

import numpy as np

from edgekit.emitters.c.boxes import HEADER, Axis, Box, Move, box, lowered, picked, strides
from edgekit.emitters.c.call import Call, Lowered, Row, table
from edgekit.ops.blocks import BatchToSpace, DepthToSpace, SpaceToBatch, SpaceToDepth
from edgekit.ops.joining import Concat, Split
from edgekit.ops.padding import MirrorPad, Pad
from edgekit.ops.reading import Refusal
from edgekit.ops.resizing import ResizeNearest
from edgekit.ops.shape import Reshape, Transpose
from edgekit.ops.slicing import Gather, Reverse, Slice
from edgekit.ops.spreading import Tile
from edgekit.program import Op, Tensor
from edgekit.program.tensor import Array


def reshape(op: Reshape) -> Lowered:
    """Of a constant; any other is its input under another name."""
    return _picked(op, [np.arange(op.output.size)])


def transpose(op: Transpose) -> Lowered:
    axes = _axes(op.input.shape)
    return _picked(op, [axes[axis] for axis in op.order])


def slice_(op: Slice) -> Lowered:
    ranges = zip(op.begin, op.output.shape, op.steps, strict=True)
    return _along(op, [begin + np.arange(count) * step for begin, count, step in ranges])


def reverse(op: Reverse) -> Lowered:
    axes = {axis % len(op.input.shape) for axis in op.axes}
    return _along(op, [np.arange(n)[:: -1 if k in axes else 1] for k, n in enumerate(op.input.shape)])


def tile(op: Tile) -> Lowered:
    return _along(op, [np.tile(np.arange(n), m) for n, m in zip(op.input.shape, op.multiples, strict=True)])


def mirror_pad(op: MirrorPad) -> Lowered:
    mode: Any = "reflect" if op.reflect else "symmetric"
    pairs = zip(op.input.shape, op.padding, strict=True)
    return _along(op, [np.pad(np.arange(n), padding, mode=mode) for n, padding in pairs])


def resize_nearest(op: ResizeNearest) -> Lowered:
    batch, _, _, channels = op.input.shape
    return _along(op, [np.arange(batch), op.positions(1), op.positions(2), np.arange(channels)])


def gather(op: Gather) -> Lowered:
    """Constant indices are places; others are looked at when they are known."""
    indices, axis = op.inputs[1], op.axis % len(op.input.shape)
    if indices.data is None:
        return _gathered(op, axis)
    chosen = np.clip(indices.data.reshape(-1).astype(np.int64), 0, op.input.shape[axis] - 1)
    return _along(op, [chosen if k == axis else np.arange(n) for k, n in enumerate(op.input.shape)])


def _gathered(op: Gather, axis: int) -> Lowered:
    x, indices = op.inputs
    _check_not_empty(op)
    if indices.dtype not in ("s32", "s64"):
        raise Refusal(f"its indices are {indices.dtype}, allowed are s32 and s64")
    params = {
        "outer": math.prod(x.shape[:axis]),
        "size": x.shape[axis],
        "count": indices.size,
        "run": math.prod(x.shape[axis + 1 :]) * x.numpy_dtype.itemsize,
    }
    return Lowered((Call(f"ek_gather_{indices.dtype}", HEADER, (x, indices, op.output), params, "ek_gather_params"),))


# --- blocks


def space_to_depth(op: SpaceToDepth) -> Lowered:
    b = op.block
    n, rows, columns, channels = _axes(op.input.shape)
    return _picked(op, [n, rows[::b], columns[::b], rows[:b], columns[:b], channels])


def depth_to_space(op: DepthToSpace) -> Lowered:
    n, h, w, _ = op.input.shape
    b, channels = op.block, op.output.shape[3]
    inner = _axes((n, h, w, b, b, channels))
    return _picked(op, [inner[axis] for axis in (0, 1, 3, 2, 4, 5)])


def batch_to_space(op: BatchToSpace) -> Lowered:
    """Along a spatial axis pixel q lies in block q % b at q // b."""
    count, rank, n = len(op.block), len(op.input.shape), op.output.shape[0]
    axes = _axes((*op.block, n, *op.input.shape[1:]))
    places = [axes[count]]
    for k in range(rank - 1):
        inside = axes[count + 1 + k]
        if k < count:
            q = op.crops[k][0] + np.arange(op.output.shape[1 + k])
            inside = axes[k][q % op.block[k]] + inside[q // op.block[k]]
        places.append(inside)
    return _picked(op, places)


def space_to_batch(op: SpaceToBatch) -> Lowered:
    """The border first, then every piece of the blocks whose pixels are all there."""
    x, y, count = op.input, op.output, len(op.block)
    _check_not_empty(op)
    steps, out = strides(x.shape), strides((*op.block, x.shape[0], *y.shape[1:]))
    rest = [Axis(n, steps[k], out[count + k]) for k, n in enumerate(x.shape)]
    pieces = [
        _pieces(op.block[k], op.padding[k][0], x.shape[1 + k], y.shape[1 + k], steps[1 + k], out[k], out[count + 1 + k])
        for k in range(count)
    ]
    boxes = [_block_box(chosen, rest[0], rest[1 + count :]) for chosen in product(*pieces)]
    zero = table([x.zero_point if x.quant is not None else 0], y.dtype)
    border = [Move(zero, y, _run_of(y.size, 0))] if any(any(pair) for pair in op.padding) else []
    return lowered([*border, *(Move(x, y, inside) for inside in boxes)])


@dataclass(frozen=True)
class Piece:
    """Parts of a block (`within`) whose rows (`rows`) are all inside of the input, along one spatial axis."""

    within: Axis
    rows: Axis
    source: int
    target: int


def _pieces(block: int, before: int, size: int, rows: int, step: int, out_within: int, out_rows: int) -> list[Piece]:
    """Row r of part w of a block is row r * block + w - before of the input."""
    spans = [(max(0, -((w - before) // block)), min(rows, -((w - before - size) // block))) for w in range(block)]
    found = []
    for (first, behind), group in groupby(range(block), key=lambda w: spans[w]):
        parts = list(group)
        if behind > first:
            within, along = Axis(len(parts), step, out_within), Axis(behind - first, step * block, out_rows)
            source = (first * block + parts[0] - before) * step
            found.append(Piece(within, along, source, parts[0] * out_within + first * out_rows))
    return found


def _block_box(pieces: Sequence[Piece], batch: Axis, rest: Sequence[Axis]) -> Box:
    axes = (*(p.within for p in pieces), batch, *(p.rows for p in pieces), *rest)
    return Box(axes, sum(p.source for p in pieces), sum(p.target for p in pieces))


# --- joining, padding


def concat(op: Concat) -> Lowered:
    _check_not_empty(op)
    return lowered([Move(x, op.output, box) for x, box in _parts(op.inputs, op.output, op.axis, joined=True)])


def split(op: Split) -> Lowered:
    _check_not_empty(op)
    return lowered([Move(op.input, y, box) for y, box in _parts(op.outputs, op.input, op.axis, joined=False)])


def _parts(parts: Sequence[Tensor], all_: Tensor, axis: int, *, joined: bool) -> Iterator[tuple[Tensor, Box]]:
    """Each part, and the box between it and its place in the whole; parts without elements are left out."""
    axis %= len(all_.shape)
    outer, step, at = math.prod(all_.shape[:axis]), math.prod(all_.shape[axis:]), 0
    for part in parts:
        run = math.prod(part.shape[axis:])
        place, own = ((step, 1), at), ((run, 1), 0)
        (source, begin), (target, into) = (own, place) if joined else (place, own)
        if part.size:
            yield part, box((outer, run), source, target, begin, into)
        at += run


def pad(op: Pad) -> Lowered:
    """The value first, so that it may lie where its border will be; then what lies around and between its rows."""
    _check_not_empty(op)
    x, y = op.input, op.output
    out = strides(y.shape)
    begin = sum(before * step for (before, _), step in zip(op.padding, out, strict=True))
    moves = [Move(x, y, box(x.shape, strides(x.shape), out, 0, begin))]
    fill = table([op.fill], y.dtype)
    return lowered([*moves, *(Move(fill, y, gap) for gap in _gaps(x.shape, out, begin, y.size))])


def _gaps(shape: Sequence[int], out: Sequence[int], begin: int, size: int) -> Iterator[Box]:
    """Of a value that lies in a larger one from `begin` on, with steps `out`: what it leaves free."""
    last = begin + sum((n - 1) * step for n, step in zip(shape, out, strict=True))
    if begin:
        yield _run_of(begin, 0)
    for axis, step in enumerate(out):
        inner = 1 + sum((n - 1) * s for n, s in zip(shape[axis + 1 :], out[axis + 1 :], strict=True))
        counts = (*shape[:axis], shape[axis] - 1)
        if step > inner and counts[-1]:
            yield box((*counts, step - inner), (0,) * (axis + 2), (*out[: axis + 1], 1), 0, begin + inner)
    if last + 1 < size:
        yield _run_of(size - last - 1, last + 1)


def _run_of(count: int, into: int) -> Box:
    return box((count,), (0,), (1,), 0, into)


# --- places


def _axes(shape: Sequence[int]) -> list[Array]:
    """Where the indices of each axis lie, in elements."""
    return [np.arange(n) * step for n, step in zip(shape, strides(shape), strict=True)]


def _along(op: Op, chosen: Sequence[Array]) -> Lowered:
    """Of each input axis these indices."""
    return _picked(op, [indices * step for indices, step in zip(chosen, strides(op.input.shape), strict=True)])


def _picked(op: Op, places: Sequence[Array]) -> Lowered:
    _check_not_empty(op)
    return lowered([Move(op.input, op.output, picked(places))])


def _check_not_empty(op: Op) -> None:
    if op.output.size == 0 or op.input.size == 0:
        raise Refusal("its value is empty")


ROWS: dict[type[Op], Row] = {
    Reshape: reshape,
    Transpose: transpose,
    Slice: slice_,
    Reverse: reverse,
    Tile: tile,
    MirrorPad: mirror_pad,
    ResizeNearest: resize_nearest,
    Gather: gather,
    SpaceToDepth: space_to_depth,
    DepthToSpace: depth_to_space,
    SpaceToBatch: space_to_batch,
    BatchToSpace: batch_to_space,
    Concat: concat,
    Split: split,
    Pad: pad,
}

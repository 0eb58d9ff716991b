"""Rows of operators that move numbers, most of them in whatever order of axes their input has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgekit.emitters.onnx.writer import CHANNELS_FIRST, Writer
from edgekit.ops.blocks import BatchToSpace, DepthToSpace, SpaceToBatch, SpaceToDepth
from edgekit.ops.joining import Concat, Select, Split
from edgekit.ops.padding import MirrorPad, Pad, Pads
from edgekit.ops.reading import Order
from edgekit.ops.slicing import Gather, Reverse, Slice
from edgekit.ops.spreading import Tile
from edgekit.program import Tensor
from edgekit.program.tensor import Array

TO_THE_FRONT = -(1 << 62)  # the end of a slice that walks backwards over everything


def concat(op: Concat, writer: Writer) -> None:
    order = writer.order(*op.inputs)
    values = (writer.value(t, order) for t in op.inputs)
    writer.answer(op.output, writer.node("Concat", *values, name=op.name, axis=order.index(op.axis)), order)


def split(op: Split, writer: Writer) -> None:
    order = writer.order(op.input)
    sizes = writer.numbers([t.shape[op.axis] for t in op.outputs])
    x, count = writer.value(op.input, order), len(op.outputs)
    values = writer.split("Split", x, sizes, name=op.name, count=count, axis=order.index(op.axis))
    for tensor, value in zip(op.outputs, values, strict=True):
        writer.answer(tensor, value, order)


def select(op: Select, writer: Writer) -> None:
    values, order = writer.aligned(*op.inputs)
    writer.answer(op.output, writer.node("Where", *values, name=op.name), order)


def slice_(op: Slice, writer: Writer) -> None:
    order = writer.order(op.input)
    steps, shape = op.steps, op.output.shape
    cut = [k for k, axis in enumerate(order) if steps[axis] != 1 or shape[axis] != op.input.shape[axis]]
    ends = [_end(op.begin[a], shape[a], steps[a]) for a in range(len(order))]
    words = ([op.begin[order[k]] for k in cut], [ends[order[k]] for k in cut], cut, [steps[order[k]] for k in cut])
    x = writer.value(op.input, order)
    y = writer.node("Slice", x, *map(writer.numbers, words), name=op.name) if cut else x
    writer.answer(op.output, y, order)


def reverse(op: Reverse, writer: Writer) -> None:
    order = writer.order(op.input)
    axes = [order.index(axis) for axis in op.axes]
    words = ([-1] * len(axes), [TO_THE_FRONT] * len(axes), axes, [-1] * len(axes))
    x = writer.value(op.input, order)
    writer.answer(op.output, writer.node("Slice", x, *map(writer.numbers, words), name=op.name), order)


def gather(op: Gather, writer: Writer) -> None:
    indices = op.inputs[1]
    order = writer.order(op.input) if len(indices.shape) == 1 else tuple(range(len(op.input.shape)))
    x = writer.value(op.input, order)
    y = writer.node("Gather", x, writer.value(indices), name=op.name, axis=order.index(op.axis))
    writer.answer(op.output, y, order if len(indices.shape) == 1 else None)


def pad(op: Pad, writer: Writer) -> None:
    order, quant = writer.order(op.input), op.input.quant
    real = op.fill if quant is None else (op.fill - quant.zero_point) * quant.scale
    fill = np.asarray(real, np.float32 if quant is not None else op.input.numpy_dtype)
    border = (writer.constant(fill, f"border_{fill:g}"),) if real else ()
    x, pads = writer.value(op.input, order), writer.numbers(_pads(op.padding, order))
    writer.answer(op.output, writer.node("Pad", x, pads, *border, name=op.name), order)


def mirror_pad(op: MirrorPad, writer: Writer) -> None:
    """ONNX mirrors without the outermost elements; with them it is a Gather for each axis."""
    if not op.reflect:
        padded = {axis: pair for axis, pair in enumerate(op.padding) if any(pair)}
        sizes = {axis: np.arange(op.input.shape[axis]) for axis in padded}
        gathered(writer, op.input, op.output, op.name, {a: np.pad(sizes[a], p, "symmetric") for a, p in padded.items()})
        return
    order = writer.order(op.input)
    x, pads = writer.value(op.input, order), writer.numbers(_pads(op.padding, order))
    writer.answer(op.output, writer.node("Pad", x, pads, name=op.name, mode="reflect"), order)


def tile(op: Tile, writer: Writer) -> None:
    order = writer.order(op.input)
    times = writer.numbers([op.multiples[axis] for axis in order])
    writer.answer(op.output, writer.node("Tile", writer.value(op.input, order), times, name=op.name), order)


def space_to_depth(op: SpaceToDepth, writer: Writer) -> None:
    x = writer.value(op.input, CHANNELS_FIRST)
    writer.answer(
        op.output, writer.node("SpaceToDepth", x, name=op.name, blocksize=op.block), CHANNELS_FIRST
    )  # fmt: skip


def depth_to_space(op: DepthToSpace, writer: Writer) -> None:
    x = writer.value(op.input, CHANNELS_FIRST)
    writer.answer(
        op.output, writer.node("DepthToSpace", x, name=op.name, blocksize=op.block), CHANNELS_FIRST
    )  # fmt: skip


def space_to_batch(op: SpaceToBatch, writer: Writer) -> None:
    """Pad, and blocks moved by a Transpose between two Reshapes."""
    shape, count = op.input.shape, len(op.block)
    pads = ((0, 0), *op.padding, *[(0, 0)] * (len(shape) - 1 - count))
    x = op.input
    if any(map(any, pads)):
        x = writer.between(f"{op.name}_padded", [n + a + b for n, (a, b) in zip(shape, pads, strict=True)], x)
        order = tuple(range(len(shape)))
        made = writer.node("Pad", writer.value(op.input), writer.numbers(_pads(pads, order)), name=f"{op.name}_pad")
        writer.answer(x, made)
    pieces = [n for s, b in zip(x.shape[1 : 1 + count], op.block, strict=True) for n in (s // b, b)]
    spread = (shape[0], *pieces, *shape[1 + count :])
    inside, outside = range(2, 2 + 2 * count, 2), range(1, 1 + 2 * count, 2)
    _regrouped(writer, x, op.output, op.name, spread, (*inside, 0, *outside, *range(1 + 2 * count, len(spread))))


def batch_to_space(op: BatchToSpace, writer: Writer) -> None:
    """Blocks moved by a Transpose between two Reshapes, and a Slice."""
    shape, count, batch = op.input.shape, len(op.block), op.output.shape[0]
    sizes = [s * b for s, b in zip(shape[1:], op.block, strict=False)]
    whole = writer.between(f"{op.name}_whole", (batch, *sizes, *shape[1 + count :]), op.input)
    pairs = [axis for k in range(count) for axis in (count + 1 + k, k)]
    spread = (*op.block, batch, *shape[1:])
    _regrouped(writer, op.input, whole, op.name, spread, (count, *pairs, *range(2 * count + 1, len(spread))))
    begin = (0, *(before for before, _ in op.crops), *[0] * (len(shape) - 1 - count))
    slice_(Slice(name=f"{op.name}_crop", inputs=(whole,), outputs=op.outputs, begin=begin), writer)


def gathered(writer: Writer, x: Tensor, y: Tensor, name: str, indices: Mapping[int, Array]) -> None:
    """`y` holds the elements of `x` at these indices of each axis that is named."""
    for k, (axis, places) in enumerate(indices.items(), 1):
        shape = [*x.shape[:axis], len(places), *x.shape[axis + 1 :]]
        made = y if k == len(indices) else writer.between(f"{name}_{k}", shape, y)
        order = writer.order(x)
        value = writer.node(
            "Gather", writer.value(x, order), writer.numbers([int(i) for i in places]), name=name,
            axis=order.index(axis),
        )  # fmt: skip
        writer.answer(made, value, order)
        x = made
    if not indices:
        writer.answer(y, writer.value(x))


def _regrouped(
    writer: Writer, x: Tensor, y: Tensor, name: str, spread: Sequence[int], permutation: Sequence[int]
) -> None:
    """y = Reshape(Transpose(Reshape(x, spread), permutation))."""
    apart = writer.between(f"{name}_spread", spread, x)
    writer.answer(apart, *writer.viewed(x, tuple(spread), f"{name}_spread"))
    moved = writer.between(f"{name}_moved", [spread[axis] for axis in permutation], x)
    writer.same(moved, apart, tuple(permutation))
    writer.answer(y, *writer.viewed(moved, y.shape, name))


def _pads(padding: Pads, order: Order) -> list[int]:
    """All before, then all behind."""
    return [padding[axis][end] for end in (0, 1) for axis in order]


def _end(begin: int, count: int, step: int) -> int:
    end = begin + count * step
    return end if end >= 0 else TO_THE_FRONT

"""Rows of operators that move numbers: joining, slicing, padding, spreading, blocks.

What TFLite Micro limits (10 inputs of a CONCATENATION, 4 or 5 axes) or lacks (TILE) is written in several operators.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from edgekit.emitters.tflite.axes import grouped, into, sizes_of, viewed
from edgekit.emitters.tflite.writer import Writer
from edgekit.ops.blocks import BatchToSpace, DepthToSpace, SpaceToBatch, SpaceToDepth
from edgekit.ops.joining import Concat, Select, Split
from edgekit.ops.padding import MirrorPad, Pad
from edgekit.ops.slicing import Gather, Reverse, Slice
from edgekit.ops.spreading import Tile
from edgekit.program import Op, Tensor
from edgekit.tflite import schema
from edgekit.tflite.flatbuffer import Table

MOST_INPUTS = 10  # of TFLite Micro's CONCATENATION
MOST_AXES = 5
MOST_AXES_STRIDED = 4  # of TFLite Micro's STRIDED_SLICE


def concat(op: Concat, writer: Writer) -> None:
    options = Table("ConcatenationOptions", axis=op.axis)
    parts = list(op.inputs)
    while len(parts) > MOST_INPUTS:
        first, parts = parts[:MOST_INPUTS], parts[MOST_INPUTS:]
        size = sum(t.shape[op.axis] for t in first)
        shape = (*op.output.shape[: op.axis], size, *op.output.shape[op.axis + 1 :])
        made = writer.between(f"{op.output.name}_part", shape, op.output.dtype, op.output.quant)
        writer.operator("CONCATENATION", first, (made,), options, version=_version(op))
        parts.insert(0, made)
    writer.operator("CONCATENATION", parts, op.outputs, options, version=_version(op))


def split(op: Split, writer: Writer) -> None:
    sizes = [t.shape[op.axis] for t in op.outputs]
    axis = writer.constant("axis", np.array(op.axis, np.int32))
    if len(set(sizes)) == 1:
        options = Table("SplitOptions", num_splits=len(sizes))
        writer.operator("SPLIT", (axis, op.input), op.outputs, options, version=_version(op))
        return
    lengths = writer.constant("sizes", np.array(sizes, np.int32))
    options = Table("SplitVOptions", num_splits=len(sizes))
    writer.operator("SPLIT_V", (op.input, lengths, axis), op.outputs, options, version=_version(op))


def select(op: Select, writer: Writer) -> None:
    writer.operator("SELECT_V2", op.inputs, op.outputs, Table("SelectV2Options"))


def slice_(op: Slice, writer: Writer) -> None:
    shape, sizes, begin, steps = op.input.shape, op.output.shape, op.begin, op.steps
    strided = set(steps) != {1}
    groups = [[axis] for axis in range(len(shape))]
    if len(shape) > (MOST_AXES_STRIDED if strided else MOST_AXES):
        groups = grouped(shape, [axis for axis, n in enumerate(shape) if sizes[axis] != n or steps[axis] != 1])
    x = viewed(writer, op.input, sizes_of(shape, groups))
    held = [(begin[g[0]], math.prod(sizes[axis] for axis in g), steps[g[0]]) for g in groups]
    if strided:
        into(writer, op.output, [n for _, n, _ in held], lambda y: _strided_slice(writer, x, y, held))
    else:
        into(writer, op.output, [n for _, n, _ in held], lambda y: write_slice(writer, x, y, [b for b, _, _ in held]))


def _strided_slice(writer: Writer, x: Tensor, y: Tensor, held: Sequence[tuple[int, int, int]]) -> None:
    """held: begin, count and stride of each axis."""
    reached = [b + n * step for b, n, step in held]
    ends = [e if e >= 0 else -size - 1 for e, size in zip(reached, x.shape, strict=True)]
    named = {"begin": [b for b, _, _ in held], "end": ends, "strides": [step for _, _, step in held]}
    numbers = (writer.constant(name, np.array(v, np.int32)) for name, v in named.items())
    version = 1 if x.dtype == "f32" else 2
    writer.operator("STRIDED_SLICE", (x, *numbers), (y,), Table("StridedSliceOptions"), version=version)


def write_slice(writer: Writer, x: Tensor, y: Tensor, begin: Sequence[int]) -> None:
    """As many elements as `y` has, from `begin` on."""
    named = {"begin": begin, "size": y.shape}
    numbers = (writer.constant(name, np.array(v, np.int32)) for name, v in named.items())
    writer.operator("SLICE", (x, *numbers), (y,), Table("SliceOptions"), version=1 if x.dtype == "f32" else 2)


def gather(op: Gather, writer: Writer) -> None:
    options = Table("GatherOptions", axis=op.axis)
    writer.operator("GATHER", op.inputs, op.outputs, options, version=_version(op))


def reverse(op: Reverse, writer: Writer) -> None:
    """One operator for each run of neighbouring axes: the kernels take no others."""
    runs: list[list[int]] = []
    for axis in sorted(op.axes):
        if runs and runs[-1][-1] == axis - 1:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    x = op.input
    for i, run in enumerate(runs or [[0]]):
        last = i >= len(runs) - 1
        y = op.output if last else writer.between(f"{op.output.name}_reversed", x.shape, x.dtype, x.quant)
        axes = writer.constant("axes", np.array(run, np.int32))
        writer.operator("REVERSE_V2", (x, axes), (y,), Table("ReverseV2Options"), version=3)
        x = y


def pad(op: Pad, writer: Writer) -> None:
    x, pads, y_shape = _padded(op.input, op.padding, writer)
    usual = 0 if op.input.quant is None else op.input.zero_point
    into(writer, op.output, y_shape, lambda y: write_pad(writer, x, y, pads, None if op.fill == usual else op.fill))


def write_pad(writer: Writer, x: Tensor, y: Tensor, padding: Sequence[tuple[int, int]], fill: float | None) -> None:
    """PAD, or PADV2 with another number than zero."""
    pads = writer.constant("pads", np.array(padding, np.int32).reshape(-1, 2))
    version = 1 if x.dtype == "f32" else 2
    if fill is None:
        writer.operator("PAD", (x, pads), (y,), Table("PadOptions"), version=version)
        return
    value = writer.constant("fill", np.array([fill], x.numpy_dtype), x.dtype, x.quant)
    writer.operator("PADV2", (x, pads, value), (y,), Table("PadV2Options"), version=version)


def mirror_pad(op: MirrorPad, writer: Writer) -> None:
    pads = writer.constant("pads", np.array(op.padding, np.int32))
    mode = schema.MirrorPadMode.REFLECT if op.reflect else schema.MirrorPadMode.SYMMETRIC
    writer.operator(
        "MIRROR_PAD", (op.input, pads), op.outputs, Table("MirrorPadOptions", mode=mode), version=_version(op)
    )


def _padded(
    x: Tensor, padding: Sequence[tuple[int, int]], writer: Writer
) -> tuple[Tensor, list[tuple[int, int]], list[int]]:
    """Input, pads and output's shape with few enough axes."""
    groups = [[axis] for axis in range(len(x.shape))]
    if len(x.shape) > MOST_AXES:
        groups = grouped(x.shape, [axis for axis, pair in enumerate(padding) if any(pair)])
    pads = [padding[g[0]] for g in groups]
    flat = sizes_of(x.shape, groups)
    return viewed(writer, x, flat), pads, [a + n + b for n, (a, b) in zip(flat, pads, strict=True)]


def tile(op: Tile, writer: Writer) -> None:
    """BROADCAST_TO of a shape in which each repeated axis has an axis of size 1 before it."""
    pairs = [pair for n, m in zip(op.input.shape, op.multiples, strict=True) for pair in ((1, m), (n, n))]
    groups = grouped([b for _, b in pairs], [i for i, (a, b) in enumerate(pairs) if a != b])
    if len(groups) > MOST_AXES:
        _tile_in_turn(op, writer)
        return
    small, large = (sizes_of([pair[side] for pair in pairs], groups) for side in (0, 1))
    x = viewed(writer, op.input, small)
    into(writer, op.output, large, lambda y: _broadcast(writer, x, y))


def _tile_in_turn(op: Tile, writer: Writer) -> None:
    """One axis after the other."""
    x = op.input
    repeated = [axis for axis, m in enumerate(op.multiples) if m != 1]
    for axis in repeated:
        m, before, after = op.multiples[axis], math.prod(x.shape[:axis]), math.prod(x.shape[axis:])
        shape = (*x.shape[:axis], x.shape[axis] * m, *x.shape[axis + 1 :])
        y = op.output if axis == repeated[-1] else writer.between(f"{op.output.name}_tiled", shape, x.dtype, x.quant)
        source = viewed(writer, x, (before, 1, after))
        into(writer, y, (before, m, after), partial(_broadcast, writer, source))
        x = y


def _broadcast(writer: Writer, x: Tensor, y: Tensor) -> None:
    shape = writer.constant("shape", np.array(y.shape, np.int32))
    writer.operator("BROADCAST_TO", (x, shape), (y,), Table("BroadcastToOptions"), version=2)


def space_to_depth(op: SpaceToDepth, writer: Writer) -> None:
    options = Table("SpaceToDepthOptions", block_size=op.block)
    writer.operator("SPACE_TO_DEPTH", op.inputs, op.outputs, options, version=_version(op))


def depth_to_space(op: DepthToSpace, writer: Writer) -> None:
    writer.operator("DEPTH_TO_SPACE", op.inputs, op.outputs, Table("DepthToSpaceOptions", block_size=op.block))


def space_to_batch(op: SpaceToBatch, writer: Writer) -> None:
    """Padded by a PAD: TFLite Micro's kernel fills with the integer 0 instead of the zero point."""
    x = op.input
    pads = [(0, 0), *op.padding, *[(0, 0)] * (len(x.shape) - 1 - len(op.block))]
    if any(map(any, pads)):
        shape = [a + n + b for n, (a, b) in zip(x.shape, pads, strict=True)]
        padded = writer.between(f"{x.name}_padded", shape, x.dtype, x.quant)
        write_pad(writer, x, padded, pads, None)
        x = padded
    _blocks(op, writer, x, op.block, [(0, 0)] * len(op.block), "SPACE_TO_BATCH_ND", "SpaceToBatchNDOptions")


def batch_to_space(op: BatchToSpace, writer: Writer) -> None:
    _blocks(op, writer, op.input, op.block, op.crops, "BATCH_TO_SPACE_ND", "BatchToSpaceNDOptions")


def _blocks(
    op: Op,
    writer: Writer,
    x: Tensor,
    block: Sequence[int],
    borders: Sequence[tuple[int, int]],
    builtin: str,
    options: str,
) -> None:
    numbers = (writer.constant(name, np.array(v, np.int32)) for name, v in (("block", block), ("borders", borders)))
    version = 3 if len(x.shape) == 3 else _version(op)
    writer.operator(builtin, (x, *numbers), op.outputs, Table(options), version=version)


def _version(op: Op) -> int:
    """The version of an operator that first took int8; 1 for float."""
    return 1 if op.output.dtype == "f32" else 2

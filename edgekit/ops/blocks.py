"""Blocks of pixels moved into channels or into the batch, and back: SpaceToDepth, DepthToSpace, SpaceToBatch,
BatchToSpace. The last two are how old TensorFlow files write dilated convolutions.

Input and output have one set of parameters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgekit.ops.reading import OnnxCall, Refusal, TfliteCall, channels_last, check_one_scale, check_shape
from edgekit.ops.slicing import Gather
from edgekit.program import Op, Tensor
from edgekit.program.tensor import Array

Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class SpaceToDepth(Op):
    """(N, H * b, W * b, C) → (N, H, W, b * b * C): channel (row * b + column) * C + c."""

    block: int

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        n, h, w, c = self.input.shape
        blocks = inputs[0].reshape(n, h // self.block, self.block, w // self.block, self.block, c)
        return (blocks.transpose(0, 1, 3, 2, 4, 5).reshape(self.output.shape),)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        block, x, y = _onnx_block(call)
        call.add(cls(name=call.name, inputs=(x,), outputs=(y,), block=block))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        block, (n, h, w, c) = _tflite_block(call)
        if h % block or w % block:
            raise Refusal(f"{h} x {w} pixels are not blocks of {block} x {block}")
        check_shape(call.output, (n, h // block, w // block, c * block * block))
        return cls(name=call.name, inputs=(call.input(0),), outputs=(call.output,), block=block)


@dataclass(frozen=True, eq=False, kw_only=True)
class DepthToSpace(Op):
    """(N, H, W, b * b * C) → (N, H * b, W * b, C), the inverse of SpaceToDepth."""

    block: int

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        n, h, w, c = self.input.shape
        blocks = inputs[0].reshape(n, h, w, self.block, self.block, c // self.block**2)
        return (blocks.transpose(0, 1, 3, 2, 4, 5).reshape(self.output.shape),)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        """Mode CRD (torch's PixelShuffle) takes its channels in another order: a Gather, which tidying folds away."""
        block, x, y = _onnx_block(call)
        if call.attribute("mode", "DCR") == "CRD":
            x = _reordered(call, x, block)
        call.add(cls(name=call.name, inputs=(x,), outputs=(y,), block=block))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        block, (n, h, w, c) = _tflite_block(call)
        if c % block**2:
            raise Refusal(f"{c} channels are not blocks of {block} x {block}")
        check_shape(call.output, (n, h * block, w * block, c // block**2))
        return cls(name=call.name, inputs=(call.input(0),), outputs=(call.output,), block=block)


@dataclass(frozen=True, eq=False, kw_only=True)
class SpaceToBatch(Op):
    """(N, S * b ..., C) → (b ... * N, S ..., C) after padding with zero; one b and padding for each spatial axis."""

    block: tuple[int, ...]
    padding: Pads

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        x, count = inputs[0], len(self.block)
        pads = [(0, 0), *self.padding, *[(0, 0)] * (x.ndim - 1 - count)]
        zero = self.input.zero_point if self.input.quant is not None else 0
        padded = np.pad(x, pads, constant_values=zero)
        pieces = [n for s, b in zip(padded.shape[1:], self.block, strict=False) for n in (s // b, b)]
        blocks = padded.reshape(x.shape[0], *pieces, *x.shape[1 + count :])
        inside, outside = range(2, 2 + 2 * count, 2), range(1, 1 + 2 * count, 2)
        rest = range(1 + 2 * count, blocks.ndim)
        return (blocks.transpose(*inside, 0, *outside, *rest).reshape(self.output.shape),)

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        x, block, padding = call.input(0), *_tflite_blocks(call)
        sizes = [n + a + b for n, (a, b) in zip(x.shape[1:], padding, strict=False)]
        if any(n % b for n, b in zip(sizes, block, strict=True)):
            raise Refusal(f"{sizes} are not blocks of {list(block)}")
        inside = [n // b for n, b in zip(sizes, block, strict=True)]
        check_shape(call.output, (x.shape[0] * math.prod(block), *inside, *x.shape[1 + len(block) :]))
        return cls(name=call.name, inputs=(x,), outputs=(call.output,), block=block, padding=padding)


@dataclass(frozen=True, eq=False, kw_only=True)
class BatchToSpace(Op):
    """(b ... * N, S ..., C) → (N, S * b - crops ..., C), the inverse of SpaceToBatch."""

    block: tuple[int, ...]
    crops: Pads

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        x, count = inputs[0], len(self.block)
        spatial, rest = x.shape[1 : 1 + count], x.shape[1 + count :]
        blocks = x.reshape(*self.block, self.output.shape[0], *spatial, *rest)
        pairs = [axis for k in range(count) for axis in (count + 1 + k, k)]
        whole = blocks.transpose(count, *pairs, *range(2 * count + 1, blocks.ndim))
        sizes = [s * b for s, b in zip(spatial, self.block, strict=True)]
        kept = (slice(before, size - after) for size, (before, after) in zip(sizes, self.crops, strict=True))
        cut = (slice(None), *kept)
        return (np.ascontiguousarray(whole.reshape(self.output.shape[0], *sizes, *rest)[cut]),)

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        x, block, crops = call.input(0), *_tflite_blocks(call)
        if x.shape[0] % math.prod(block):
            raise Refusal(f"a batch of {x.shape[0]} is not {list(block)} blocks")
        sizes = [n * b - sum(c) for n, b, c in zip(x.shape[1:], block, crops, strict=False)]
        if min(sizes) < 1:
            raise Refusal(f"its crops {crops} leave nothing")
        check_shape(call.output, (x.shape[0] // math.prod(block), *sizes, *x.shape[1 + len(block) :]))
        return cls(name=call.name, inputs=(x,), outputs=(call.output,), block=block, crops=crops)


def _onnx_block(call: OnnxCall) -> tuple[int, Tensor, Tensor]:
    order = channels_last(4)
    x = call.input(0, order)
    return int(call.attribute("blocksize", 1)), x, call.output(0, order, quant=x.quant)


def _reordered(call: OnnxCall, x: Tensor, block: int) -> Tensor:
    """Channels from (c, row, column) to (row, column, c)."""
    channels = x.shape[3]
    indices = np.arange(channels, dtype=np.int32).reshape(-1, block, block).transpose(1, 2, 0).reshape(-1)
    read = call.stored(f"{call.name}_channels", indices)
    made = call.between(f"{call.name}_reordered", x.shape, x)
    call.add(Gather(name=f"{call.name}_reorder", inputs=(x, read), outputs=(made,), axis=3))
    return made


def _tflite_block(call: TfliteCall) -> tuple[int, tuple[int, ...]]:
    block, shape = int(call.option("block_size", 0)), call.input(0).shape
    check_one_scale(call.input(0), call.output)
    if block < 1 or len(shape) != 4:
        raise Refusal(f"blocks of {block} in {list(shape)}: wanted 1 or more, in 4 axes")
    return block, shape


def _tflite_blocks(call: TfliteCall) -> tuple[tuple[int, ...], Pads]:
    """Block sizes and (before, after) of each spatial axis."""
    block, flat = tuple(call.numbers(1)), call.numbers(2)
    shape = call.input(0).shape
    check_one_scale(call.input(0), call.output)
    fits = 0 < len(block) < len(shape) and min(block) >= 1 and len(flat) == 2 * len(block) and min(flat) >= 0
    if not fits or 0 in shape:
        raise Refusal(f"blocks {list(block)} with borders {flat} do not fit {list(shape)}")
    return block, tuple(zip(flat[::2], flat[1::2], strict=True))

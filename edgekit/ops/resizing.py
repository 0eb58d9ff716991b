"""Pictures of another size: ResizeNearest and ResizeBilinear over height and width, in integers.

Input and output have one set of parameters. Source of the arithmetic: TFLite's reference/resize_nearest_neighbor.h and
resize_bilinear.h (positions in 1/1024 pixels). ONNX's Resize is taken over where TFLite has the same positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.reading import OnnxCall, Refusal, TfliteCall, channels_last, check_one_scale
from edgekit.ops.shape import Reshape
from edgekit.ops.slicing import Gather
from edgekit.program import Op, Tensor
from edgekit.program.tensor import Array

Words = tuple[bool, bool]  # align_corners, half_pixel
BITS = 10  # of positions between two pixels
ONE = 1 << BITS


@dataclass(frozen=True, eq=False, kw_only=True)
class Resize(Op):
    """(N, H, W, C) → (N, OH, OW, C).

    align_corners  the outermost pixels of both pictures lie on each other
    half_pixel     pixels lie at their centres; else at their upper left corners
    """

    align_corners: bool = False
    half_pixel: bool = False

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        """Nearest positions that TFLite does not have become a Gather for each axis."""
        rank = len(call.shape(0))
        if rank not in (3, 4) or call.shape(0)[:2] != call.output_shape()[:2]:
            sizes = f"{list(call.shape(0))} to {list(call.output_shape())}"
            raise Refusal(f"it resizes {sizes}", "resize spatial axes only")
        mode = str(call.attribute("mode", "nearest"))
        if mode not in ("nearest", "linear"):
            raise Refusal(f'its mode "{mode}" has no integer form', "use nearest or linear")
        if call.attribute("antialias", 0):
            raise Refusal("antialiasing has no integer form", "use antialias=0")
        order = channels_last(rank)
        x = call.input(0, order)
        y = call.output(0, order, quant=x.quant)
        if mode == "linear":
            words = _linear_words(call)
        elif (found := _nearest_words(call)) is None:
            _gathered(call, x, y)
            return
        else:
            words = found
        kind = ResizeBilinear if mode == "linear" else ResizeNearest
        source, made = _as_picture(call, x), y
        if rank == 3:
            made = call.between(f"{call.name}_rows_out", (y.shape[0], 1, *y.shape[1:]), y)
        align, half = words
        call.add(kind(name=call.name, inputs=(source,), outputs=(made,), align_corners=align, half_pixel=half))
        if rank == 3:
            call.add(Reshape(name=f"{call.name}_rows_out", inputs=(made,), outputs=(y,)))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        x, y = call.input(0), call.output
        check_one_scale(x, y)
        if len(x.shape) != 4 or len(y.shape) != 4 or 0 in (*x.shape, *y.shape):
            raise Refusal(f"it resizes {list(x.shape)} to {list(y.shape)}, wanted 4 axes")
        if (x.shape[0], x.shape[3]) != (y.shape[0], y.shape[3]) or max(*x.shape[1:3], *y.shape[1:3]) >= 1 << 20:
            raise Refusal(f"it resizes {list(x.shape)} to {list(y.shape)}")
        align, half = bool(call.option("align_corners", False)), bool(call.option("half_pixel_centers", False))
        if align and half:
            raise Refusal("it aligns corners and has half-pixel centres", "choose one of them")
        return cls(name=call.name, inputs=(x,), outputs=(y,), align_corners=align, half_pixel=half)


@dataclass(frozen=True, eq=False, kw_only=True)
class ResizeNearest(Resize):
    """The nearest pixel."""

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        rows, columns = (self.positions(axis) for axis in (1, 2))
        return (inputs[0][:, rows][:, :, columns],)

    def positions(self, axis: int) -> Array:
        """For each output row (column) the input row that it shows."""
        return nearest(self.input.shape[axis], self.output.shape[axis], (self.align_corners, self.half_pixel))


@dataclass(frozen=True, eq=False, kw_only=True)
class ResizeBilinear(Resize):
    """The mean of the four nearest pixels, weighted by nearness."""

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        if self.output.dtype == "f32":
            return (self._float(inputs[0]),)
        (top, bottom, down), (left, right, along) = (self.positions(axis) for axis in (1, 2))
        x = inputs[0].astype(np.int64)
        rows = x[:, top] * (ONE - down)[:, None, None] + x[:, bottom] * down[:, None, None]
        total = rows[:, :, left] * (ONE - along)[:, None] + rows[:, :, right] * along[:, None]
        half = 1 << 2 * BITS - 1
        # C divides towards zero
        mean = np.where(total > 0, total + half >> 2 * BITS, -(half - total >> 2 * BITS))
        return (mean.astype(self.output.numpy_dtype),)

    def positions(self, axis: int) -> tuple[Array, Array, Array]:
        """For each output row the two input rows between which it lies, and how far behind the first, in 1/1024."""
        size, count = self.input.shape[axis], self.output.shape[axis]
        if self.align_corners and count > 1:
            step = (ONE * (size - 1) + (count - 1) // 2) // (count - 1)
        else:
            step = (ONE * size + count // 2) // count
        at = np.arange(count) * step
        if self.half_pixel:
            at = at + (step // 2 - ONE // 2)
        # C divides towards zero
        first = np.maximum(np.where(at < 0, -(-at // ONE), at // ONE), 0)
        above = at + ONE - 1
        second = np.minimum(np.where(above < 0, -(-above // ONE), above // ONE), size - 1)
        return first, second, at - first * ONE

    def _float(self, x: Array) -> Array:
        (top, bottom, down), (left, right, along) = (self.float_positions(axis) for axis in (1, 2))
        rows = x[:, top] * (1 - down)[:, None, None] + x[:, bottom] * down[:, None, None]
        made: Array = rows[:, :, left] * (1 - along)[:, None] + rows[:, :, right] * along[:, None]
        return made.astype(np.float32)

    def float_positions(self, axis: int) -> tuple[Array, Array, Array]:
        size, count = self.input.shape[axis], self.output.shape[axis]
        corners = self.align_corners and count > 1
        step = (size - 1) / (count - 1) if corners else size / count
        at = (np.arange(count) + 0.5) * step - 0.5 if self.half_pixel else np.arange(count) * step
        first = np.maximum(np.floor(at), 0).astype(np.int64)
        second = np.minimum(np.ceil(at), size - 1).astype(np.int64)
        return first, second, at - first


def _as_picture(call: OnnxCall, x: Tensor) -> Tensor:
    """(N, L, C) → (N, 1, L, C)."""
    if len(x.shape) == 4:
        return x
    made = call.between(f"{call.name}_rows", (x.shape[0], 1, *x.shape[1:]), x)
    call.add(Reshape(name=f"{call.name}_rows", inputs=(x,), outputs=(made,)))
    return made


def nearest(size: int, count: int, words: Words) -> Array:
    """For each of `count` pixels the one of `size` that TFLite takes; in float32, as its kernels compute it."""
    align, half = words
    out = np.arange(count).astype(np.float32)
    if align and count > 1:
        at = out * (np.float32(size - 1) / np.float32(count - 1))
    else:
        at = (out + np.float32(0.5 if half else 0.0)) * (np.float32(size) / np.float32(count))
    found = np.floor(at + np.float32(0.5)) if align else np.floor(at)
    return _inside(found, size)


def _nearest_words(call: OnnxCall) -> Words | None:
    """How TFLite names these positions; None where it has none such."""
    wanted = [_onnx_nearest(call, axis) for axis in range(2, len(call.shape(0)))]
    sizes = list(zip(call.shape(0)[2:], call.output_shape()[2:], strict=True))
    for words in ((False, False), (False, True), (True, False)):
        if all(np.array_equal(nearest(*pair, words), w) for pair, w in zip(sizes, wanted, strict=True)):
            return words
    return None


def _onnx_nearest(call: OnnxCall, axis: int) -> Array:
    """For each output pixel along an axis the input pixel that ONNX takes."""
    size, at = call.shape(0)[axis], _onnx_positions(call, axis)
    rounded = str(call.attribute("nearest_mode", "round_prefer_floor"))
    half = np.float32(0.5)
    found = {
        "floor": np.floor(at), "ceil": np.ceil(at), "round_prefer_floor": np.ceil(at - half),
        "round_prefer_ceil": np.floor(at + half),
    }.get(rounded)  # fmt: skip
    if found is None:
        raise Refusal(f'its nearest_mode "{rounded}" is unknown')
    return _inside(found, size)


def _inside(positions: Array, size: int) -> Array:
    """The pixels that exist."""
    pixels: Array = np.clip(positions.astype(np.int64), 0, size - 1)
    return pixels


def _onnx_positions(call: OnnxCall, axis: int) -> Array:
    """Where output pixels lie on the input's axis, in float32 like ONNX Runtime."""
    size, count, factor = call.shape(0)[axis], call.output_shape()[axis], np.float32(_factor(call, axis))
    half = np.float32(0.5)
    out: Array = np.arange(count).astype(np.float32)
    how = str(call.attribute("coordinate_transformation_mode", "half_pixel"))
    ways: dict[str, Array] = {
        "asymmetric": out / factor,
        "align_corners": out * np.float32(size - 1) / np.float32(max(count - 1, 1)),
        "tf_half_pixel_for_nn": (out + half) / factor,
        "half_pixel": (out + half) / factor - half,
        "pytorch_half_pixel": (out + half) / factor - half if count > 1 else out,
    }
    if how not in ways:
        raise Refusal(f'its positions "{how}" have no form here', "use half_pixel, asymmetric or align_corners")
    return ways[how]


def _factor(call: OnnxCall, axis: int) -> float:
    """By how much an axis grows: the given factor, else the quotient of the sizes."""
    given = call.constant(2) if call.has(2) else None
    if given is None or given.size == 0:
        return call.output_shape()[axis] / call.shape(0)[axis]
    axes = [int(a) % len(call.shape(0)) for a in call.attribute("axes", range(len(call.shape(0))))]
    return float(given.reshape(-1)[axes.index(axis)]) if axis in axes else 1.0


def _linear_words(call: OnnxCall) -> Words:
    how = str(call.attribute("coordinate_transformation_mode", "half_pixel"))
    spatial = range(2, len(call.shape(0)))
    if how == "align_corners":
        return True, False
    for axis in spatial:
        size, count = call.shape(0)[axis], call.output_shape()[axis]
        if abs(_factor(call, axis) * size / count - 1) > 1e-6:
            raise Refusal(f"it resizes {size} to {count} by a factor of {_factor(call, axis):g}", "give sizes")
        if how == "pytorch_half_pixel" and count == 1 and size > 1:
            raise Refusal("it resizes to a single pixel")
    if how not in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "asymmetric"):
        raise Refusal(f'its positions "{how}" have no form here', "use half_pixel, asymmetric or align_corners")
    return False, how != "asymmetric"


def _gathered(call: OnnxCall, x: Tensor, y: Tensor) -> None:
    """Nearest pixels by listed indices, axis by axis."""
    for axis in range(2, len(call.shape(0))):
        read = call.stored(f"{call.name}_positions", _onnx_nearest(call, axis).astype(np.int32))
        shape = (*y.shape[:axis], *x.shape[axis:])
        made = y if axis == len(call.shape(0)) - 1 else call.between(f"{call.name}_rows", shape, x)
        call.add(Gather(name=call.name, inputs=(x, read), outputs=(made,), axis=axis - 1))
        x = made

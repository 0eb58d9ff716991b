"""Values with a border: Pad (one number) and MirrorPad (the value's own elements, mirrored).

Input and output have one set of parameters. ONNX's edge and wrap borders become a Gather per axis, negative pads a
Slice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.reading import OnnxCall, Refusal, TfliteCall, axis_of, check_one_scale, check_shape, plain
from edgekit.ops.slicing import Gather, Slice
from edgekit.program import Op, Tensor
from edgekit.program.tensor import Array

Pads = tuple[tuple[int, int], ...]  # (before, after) of each axis


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Op):
    """fill: the number of the border, as it is stored."""

    padding: Pads
    fill: float

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.pad(inputs[0], self.padding, constant_values=self.fill),)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        """Also the modes reflect, edge and wrap."""
        order = call.order(0)
        pads = _onnx_pads(call)
        mode = str(call.attribute("mode", "constant"))
        y = call.output(0, order)
        x = call.input(0, order, quant=y.quant)
        held = tuple(pads[axis] for axis in order)
        x, held = _cropped(call, x, held, y)
        if mode == "constant":
            call.add(cls(name=call.name, inputs=(x,), outputs=(y,), padding=held, fill=_onnx_fill(call, y)))
        elif mode == "reflect" and all(max(p) < n for p, n in zip(held, x.shape, strict=True)):
            call.add(MirrorPad(name=call.name, inputs=(x,), outputs=(y,), padding=held, reflect=True))
        elif mode in ("edge", "wrap"):
            _gathered(call, x, held, y, mode)
        else:
            raise Refusal(f'its mode "{mode}" with pads {held} on {list(x.shape)} has no form here')

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        """PAD and PADV2."""
        x, padding = call.input(0), _tflite_pads(call)
        fill: float = 0.0 if x.dtype == "f32" else 0
        if x.quant is not None:
            fill = x.zero_point if x.quant.per_tensor else 0
        if len(call.inputs) > 2:
            value = call.constant(2)
            if value.size != 1 or call.input(2).dtype != x.dtype:
                raise Refusal(f"its border is {call.input(2)}, wanted one number of {x.dtype}")
            if call.input(2).quant not in (None, x.quant):
                raise Refusal("its border has another scale than its input")
            fill = value.reshape(-1)[0].item()
        check_shape(call.output, [a + n + b for n, (a, b) in zip(x.shape, padding, strict=True)])
        return cls(name=call.name, inputs=(x,), outputs=(call.output,), padding=padding, fill=fill)


@dataclass(frozen=True, eq=False, kw_only=True)
class MirrorPad(Op):
    """The border mirrors the value: with its outermost elements twice, or (reflect) once."""

    padding: Pads
    reflect: bool

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.pad(inputs[0], self.padding, mode="reflect" if self.reflect else "symmetric"),)

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        x, padding = call.input(0), _tflite_pads(call)
        reflect = int(call.option("mode", 0)) == 0
        most = [n - 1 if reflect else n for n in x.shape]
        if any(max(p) > n for p, n in zip(padding, most, strict=True)):
            raise Refusal(f"its border {padding} is wider than {list(x.shape)} can be mirrored")
        check_shape(call.output, [a + n + b for n, (a, b) in zip(x.shape, padding, strict=True)])
        return cls(name=call.name, inputs=(x,), outputs=(call.output,), padding=padding, reflect=reflect)


def _onnx_pads(call: OnnxCall) -> Pads:
    """Pads of every axis of the value."""
    rank = len(call.shape(0))
    flat = call.numbers(1) if call.has(1) else [int(n) for n in call.attribute("pads", [])]
    axes = (call.numbers(3) if call.has(3) else None) or list(plain(rank))
    if flat is None or len(flat) != 2 * len(axes):
        raise Refusal(f"its pads are {flat}, wanted two for each of {len(axes)} axes")
    pads = [(0, 0)] * rank
    for i, axis in enumerate(axes):
        pads[axis_of(axis, rank)] = (flat[i], flat[i + len(axes)])
    return tuple(pads)


def _onnx_fill(call: OnnxCall, y: Tensor) -> float:
    """The number of the border as the output stores it."""
    given = call.real(2)
    if given is None and call.has(2):
        raise Refusal("its padding value is computed at run time", "make it a constant in the model")
    real = float(call.attribute("value", 0.0)) if given is None else float(given.reshape(-1)[0])
    if y.quant is None:
        return real if y.dtype == "f32" else int(real)
    return int(np.clip(np.rint(np.float32(real) / np.float32(y.scale)) + y.zero_point, *y.limits))


def _cropped(call: OnnxCall, x: Tensor, pads: Pads, y: Tensor) -> tuple[Tensor, Pads]:
    """Negative pads cut off first."""
    if all(p >= 0 for pair in pads for p in pair):
        return x, pads
    begin = tuple(max(-a, 0) for a, _ in pads)
    sizes = tuple(n + min(a, 0) + min(b, 0) for n, (a, b) in zip(x.shape, pads, strict=True))
    if min(sizes, default=1) < 1:
        raise Refusal(f"its pads {pads} leave nothing of {list(x.shape)}")
    rest = tuple((max(a, 0), max(b, 0)) for a, b in pads)
    made = call.between(f"{call.name}_cropped", sizes, x)
    call.add(Slice(name=f"{call.name}_crop", inputs=(x,), outputs=(made,), begin=begin))
    return made, rest


def _gathered(call: OnnxCall, x: Tensor, pads: Pads, y: Tensor, mode: str) -> None:
    """One Gather for each padded axis."""
    padded = [axis for axis, pair in enumerate(pads) if any(pair)] or [0]
    for axis in padded:
        size, (before, after) = x.shape[axis], pads[axis]
        reached = np.arange(-before, size + after)
        indices = np.clip(reached, 0, size - 1) if mode == "edge" else reached % size
        read = call.stored(f"{call.name}_indices", indices.astype(np.int32))
        shape = (*x.shape[:axis], len(indices), *x.shape[axis + 1 :])
        made = y if axis == padded[-1] else call.between(f"{call.name}_padded", shape, x)
        call.add(Gather(name=call.name, inputs=(x, read), outputs=(made,), axis=axis))
        x = made


def _tflite_pads(call: TfliteCall) -> Pads:
    x, flat = call.input(0), call.numbers(1)
    check_one_scale(x, call.output)
    if call.input(1).shape != (len(x.shape), 2) or min(flat, default=0) < 0:
        raise Refusal(f"its pads are {flat}, wanted two of at least 0 for each axis of {list(x.shape)}")
    return tuple(zip(flat[::2], flat[1::2], strict=True))

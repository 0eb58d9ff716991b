"""Arithmetic on two values with broadcasting: Add and its like.

Source of the arithmetic: TFLite's reference_integer_ops/{add,mul}.h and the Prepare functions of their kernels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.reading import OnnxCall, Refusal, TfliteCall
from edgekit.program import Activation, Op
from edgekit.program.fixed_point import Multiplier, scale
from edgekit.program.tensor import Array

LEFT_SHIFT = 20  # bits of headroom in which two int8 operands are brought to one scale


@dataclass(frozen=True, eq=False, kw_only=True)
class Binary(Op):
    """inputs: a, b of one rank (or scalars), broadcast against each other."""

    activation: Activation = Activation.NONE

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        (a, b), order = call.aligned(0, 1)
        call.add(cls(name=call.name, inputs=(a, b), outputs=(call.output(0, order),), activation=call.activation))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        a, b = call.input(0), call.input(1)
        try:
            shape = np.broadcast_shapes(a.shape, b.shape)
        except ValueError as e:
            raise Refusal(f"shapes {list(a.shape)} and {list(b.shape)} do not broadcast") from e
        if shape != call.output.shape:
            raise Refusal(f"its output has shape {list(call.output.shape)}, wanted {list(shape)}")
        return cls(name=call.name, inputs=(a, b), outputs=(call.output,), activation=call.activation)


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Binary):
    """a + b."""

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        return (_sum(self, inputs, 1),)


@dataclass(frozen=True, eq=False, kw_only=True)
class Sub(Binary):
    """a - b."""

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        return (_sum(self, inputs, -1),)


def _sum(op: Binary, inputs: tuple[Array, ...], sign: int) -> Array:
    """a + sign * b, both brought to twice the larger input scale with 20 more bits."""
    if op.output.quant is None:
        total = inputs[0] + inputs[1] if sign > 0 else inputs[0] - inputs[1]
        return op.activation.clamp(total) if op.output.dtype == "f32" else total
    twice = 2 * max(op.inputs[0].scale, op.inputs[1].scale)
    parts = [
        scale((x.astype(np.int64) - t.zero_point) << LEFT_SHIFT, Multiplier.of(t.scale / twice))
        for x, t in zip(inputs, op.inputs, strict=True)
    ]
    total = scale(parts[0] + sign * parts[1], Multiplier.of(twice / ((1 << LEFT_SHIFT) * op.output.scale)))
    low, high = op.activation.limits(op.output)
    return np.clip(total + op.output.zero_point, low, high).astype(op.output.numpy_dtype)

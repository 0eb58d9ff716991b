"""Operators that move no number to another value: Reshape and Transpose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.reading import Refusal, TfliteCall, check_one_scale, check_shape, plain
from edgekit.program import Op
from edgekit.program.tensor import Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Reshape(Op):
    """The same numbers in the same order under another shape (also Squeeze, Unsqueeze, Flatten, ExpandDims)."""

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        return (inputs[0].reshape(self.output.shape),)

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        if call.input(0).size != call.output.size:
            raise Refusal(f"{list(call.input(0).shape)} has another number of elements than {list(call.output.shape)}")
        check_one_scale(call.input(0), call.output)
        return cls(name=call.name, inputs=(call.input(0),), outputs=(call.output,))


@dataclass(frozen=True, eq=False, kw_only=True)
class Transpose(Op):
    """Axes in another order: output axis k is input axis order[k]."""

    order: tuple[int, ...]

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.ascontiguousarray(inputs[0].transpose(self.order)),)

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        order = tuple(call.numbers(1))
        rank = len(call.input(0).shape)
        if sorted(order) != list(plain(rank)):
            raise Refusal(f"its order is {list(order)}, wanted each of 0 to {rank - 1} once")
        check_one_scale(call.input(0), call.output)
        check_shape(call.output, [call.input(0).shape[axis] for axis in order])
        return cls(name=call.name, inputs=(call.input(0),), outputs=(call.output,), order=order)

"""The same numbers several times: Tile, which is also BroadcastTo and ONNX's Expand.

Input and output have one set of parameters. Constants (FILL, ZEROS_LIKE, RANGE, SHAPE of a static tensor) are read as
Reshapes of constants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.ops.orders import extended
from edgekit.ops.reading import OnnxCall, Order, Refusal, TfliteCall, check_one_scale, check_shape, plain
from edgekit.ops.shape import Reshape
from edgekit.program import Op, Tensor
from edgekit.program.tensor import Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Tile(Op):
    """The input `multiples[k]` times behind each other along axis k."""

    multiples: tuple[int, ...]

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.tile(inputs[0], self.multiples),)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        """Tile and Expand."""
        shape, wanted = extended(call.shape(0), len(call.output_shape())), call.output_shape()
        order: Order = call.order(0) if len(call.shape(0)) == len(wanted) else plain(len(wanted))
        x = call.input(0, order if len(call.shape(0)) == len(wanted) else None)
        y = call.output(0, order, quant=x.quant)
        if len(x.shape) != len(wanted):
            spread = call.between(f"{call.name}_spread", shape, x)
            call.add(Reshape(name=f"{call.name}_spread", inputs=(x,), outputs=(spread,)))
            x = spread
        call.add(cls(name=call.name, inputs=(x,), outputs=(y,), multiples=_multiples(x.shape, y.shape)))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> tuple[Op, ...]:
        """TILE and BROADCAST_TO; the shape of the output says how often."""
        x, wanted = call.input(0), call.output.shape
        check_one_scale(x, call.output)
        if len(x.shape) > len(wanted):
            raise Refusal(f"{list(x.shape)} does not become {list(wanted)}")
        if call.builtin == "TILE":
            check_shape(call.output, [n * m for n, m in zip(x.shape, call.numbers(1), strict=False)])
        shape = extended(x.shape, len(wanted))
        multiples = _multiples(shape, wanted, whole=call.builtin != "TILE")
        if shape == x.shape:
            return (cls(name=call.name, inputs=(x,), outputs=(call.output,), multiples=multiples),)
        spread = call.between("spread", shape, x)
        view = Reshape(name=call.name, inputs=(x,), outputs=(spread,))
        return view, cls(name=call.name, inputs=(spread,), outputs=(call.output,), multiples=multiples)


def _multiples(shape: Sequence[int], wanted: Sequence[int], *, whole: bool = False) -> tuple[int, ...]:
    """How often each axis is repeated. whole: only axes of size 1 may be (broadcasting)."""
    fits = all(n > 0 and w % n == 0 and (n in (1, w) or not whole) for n, w in zip(shape, wanted, strict=True))
    if not fits or 0 in wanted:
        raise Refusal(f"{list(shape)} does not become {list(wanted)}")
    return tuple(w // n for n, w in zip(shape, wanted, strict=True))


def shape_of(call: TfliteCall) -> Op:
    """SHAPE."""
    return _constant(call, lambda out: np.array(call.input(0).shape, out.numpy_dtype))


def fill(call: TfliteCall) -> Op:
    """FILL with a constant."""
    value = call.constant(1)
    check_one_scale(call.input(1), call.output)
    if value.size != 1:
        raise Refusal(f"it fills with {value.size} numbers, wanted one")
    return _constant(call, lambda out: np.full(out.shape, value.reshape(-1)[0], out.numpy_dtype))


def zeros_like(call: TfliteCall) -> Op:
    """ZEROS_LIKE: real zeros, which the output's zero point stands for."""
    zero = call.output.zero_point if call.output.quant is not None and call.output.quant.per_tensor else 0
    return _constant(call, lambda out: np.full(out.shape, zero, out.numpy_dtype))


def value_range(call: TfliteCall) -> Op:
    """RANGE of constants."""
    start, limit, delta = (call.constant(i).reshape(-1) for i in range(3))
    if not start.size == limit.size == delta.size == 1 or delta[0] == 0 or call.output.quant is not None:
        raise Refusal("its start, limit and delta are no three numbers")
    count = max(0, int(np.ceil((float(limit[0]) - float(start[0])) / float(delta[0]))))
    check_shape(call.output, (count,))
    return _constant(call, lambda out: (start[0] + np.arange(count) * delta[0]).astype(out.numpy_dtype))


def _constant(call: TfliteCall, numbers: Callable[[Tensor], Array]) -> Op:
    """A value that is known now; lowering folds it."""
    out, like = call.output, call.between("value", call.output.shape, call.output)
    data = numbers(out)
    check_shape(out, data.shape)
    made = Tensor(like.name, data.shape, out.dtype, out.quant, data)
    return Reshape(name=call.name, inputs=(made,), outputs=(out,))

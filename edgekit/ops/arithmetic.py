"""Arithmetic on two values with broadcasting: sums, products, quotients, the smaller and the larger of two.

s8 (and s16) values are rescaled to the output's parameters; s32, s64 and f32 are plain numbers. Source: TFLite's
reference_integer_ops/{add,mul}.h, reference/maximum_minimum.h, TFLite Micro's squared_difference.cc, and the
Prepare functions of their kernels. Refused: operands that do not broadcast, types without a kernel, division of
int8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgekit.ops.reading import OnnxCall, Order, Refusal, TfliteCall, check_shape, check_stored
from edgekit.ops.shape import Reshape
from edgekit.program import Activation, Op, QuantParams, Tensor
from edgekit.program.fixed_point import Multiplier, scale
from edgekit.program.tensor import Array

SCALED = ("s8", "s16")  # types whose numbers have a scale
HEADROOM = {"s8": 20, "s16": 15}  # bits by which operands are shifted up before they are brought to one scale
SQUARE_HEADROOM = 7  # the same where their difference is squared in an int32


@dataclass(frozen=True, eq=False, kw_only=True)
class Binary(Op):
    """inputs: a, b, broadcast against each other."""

    activation: Activation = Activation.NONE

    types: ClassVar[tuple[str, ...]] = ("s8", "s16", "s32", "s64", "f32")

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        out = self.output
        if out.dtype in SCALED:
            steps = self.scaled(*(x.astype(np.int64) - t.zero_point for x, t in zip(inputs, self.inputs, strict=True)))
            return (np.clip(steps + out.zero_point, *self.activation.limits(out)).astype(out.numpy_dtype),)
        with np.errstate(all="ignore"):
            made = np.asarray(self.plain(*inputs), out.numpy_dtype)
            return (self.activation.clamp(made) if self.activation is not Activation.NONE else made,)

    def scaled(self, a: Array, b: Array) -> Array:
        """Steps of the output for steps of the inputs, zero points taken off and not yet put on."""
        raise NotImplementedError(self.kind)

    def plain(self, a: Array, b: Array) -> Array:
        """The result of plain numbers."""
        raise NotImplementedError(self.kind)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        operands, order = call.aligned(*range(call.count()))
        _append(cls, call, operands, order, _range_of_sum)

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        operands = operands_of(call)
        check_stored(cls.types, *operands, call.output)
        if call.activation is not Activation.NONE and call.output.dtype not in (*SCALED, "f32"):
            raise Refusal(f"a fused activation on {call.output.dtype}", "use a separate layer for it")
        return cls(name=call.name, inputs=operands, outputs=(call.output,), activation=call.activation)


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Binary):
    """a + b."""

    def scaled(self, a: Array, b: Array) -> Array:
        x, y, unit = _one_scale(self, a, b, HEADROOM[self.output.dtype])
        return scale(x + y, Multiplier.of(unit / self.output.scale))

    def plain(self, a: Array, b: Array) -> Array:
        return a + b


@dataclass(frozen=True, eq=False, kw_only=True)
class Sub(Binary):
    """a - b."""

    def scaled(self, a: Array, b: Array) -> Array:
        x, y, unit = _one_scale(self, a, b, HEADROOM[self.output.dtype])
        return scale(x - y, Multiplier.of(unit / self.output.scale))

    def plain(self, a: Array, b: Array) -> Array:
        return a - b


@dataclass(frozen=True, eq=False, kw_only=True)
class Mul(Binary):
    """a * b."""

    def scaled(self, a: Array, b: Array) -> Array:
        return scale(a * b, Multiplier.of(self.inputs[0].scale * self.inputs[1].scale / self.output.scale))

    def plain(self, a: Array, b: Array) -> Array:
        return a * b


@dataclass(frozen=True, eq=False, kw_only=True)
class Div(Binary):
    """a / b, float. The int8 kernel that TFLite and TFLite Micro share shifts by more than 31 bits, which C leaves
    undefined: its answers are off by up to 255 steps, so it is refused."""

    types: ClassVar[tuple[str, ...]] = ("f32",)

    def plain(self, a: Array, b: Array) -> Array:
        return a / b

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        if not call.integer:
            super().from_onnx(call)
            return
        divisor = call.real(1)
        if divisor is None or divisor.size != 1 or not np.isfinite(1 / divisor).all():
            raise Refusal("TFLite has no sound int8 division", "divide by one constant number, or stay float here")
        _append_quotient(call, 1 / float(divisor.item()))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        if call.output.dtype == "s8":
            raise Refusal("the int8 division of TFLite gives wrong results", "multiply by the reciprocal instead")
        return super().from_tflite(call)


@dataclass(frozen=True, eq=False, kw_only=True)
class SquaredDifference(Binary):
    """(a - b)^2."""

    types: ClassVar[tuple[str, ...]] = ("s8", "s32", "f32")

    def scaled(self, a: Array, b: Array) -> Array:
        x, y, unit = _one_scale(self, a, b, SQUARE_HEADROOM)
        difference = (x - y).astype(np.int32).astype(np.int64)
        return scale(difference * difference, Multiplier.of(unit * unit / self.output.scale))

    def plain(self, a: Array, b: Array) -> Array:
        return np.asarray(np.square(a - b))


@dataclass(frozen=True, eq=False, kw_only=True)
class Pow(Binary):
    """a ^ b, float."""

    types: ClassVar[tuple[str, ...]] = ("f32",)

    def plain(self, a: Array, b: Array) -> Array:
        return np.asarray(np.power(a, b))

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        if call.integer:
            raise Refusal("its exponent is not one constant number", "use a constant exponent")
        super().from_onnx(call)


@dataclass(frozen=True, eq=False, kw_only=True)
class Extremum(Op):
    """inputs: a, b, broadcast against each other; all of one scale, integers are compared as they are stored."""

    types: ClassVar[tuple[str, ...]] = ("s8", "s16", "s32", "s64", "f32")

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        operands, order = call.aligned(*range(call.count()), quant=call.output_quant())
        _append(cls, call, operands, order, lambda a, _: a.quant)

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        operands = operands_of(call)
        check_stored(cls.types, *operands, call.output)
        return cls(name=call.name, inputs=operands, outputs=(call.output,))


@dataclass(frozen=True, eq=False, kw_only=True)
class Minimum(Extremum):
    """The smaller of a and b."""

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.asarray(np.minimum(*inputs)),)


@dataclass(frozen=True, eq=False, kw_only=True)
class Maximum(Extremum):
    """The larger of a and b."""

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.asarray(np.maximum(*inputs)),)


@dataclass(frozen=True, eq=False, kw_only=True)
class AddN(Op):
    """The sum of two and more values of one shape and scale. TFLite Micro alone has it for s8, LiteRT for f32."""

    types: ClassVar[tuple[str, ...]] = ("s8", "f32")

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        out = self.output
        if out.dtype == "f32":
            return (np.asarray(np.sum(inputs, axis=0, dtype=np.float32)),)
        half = Multiplier.of(0.5)
        parts = [scale((x.astype(np.int64) - self.input.zero_point) << HEADROOM["s8"], half) for x in inputs]
        total = np.sum(parts, axis=0).astype(np.int32)
        steps = scale(total, Multiplier.of(2 * self.input.scale / ((1 << HEADROOM["s8"]) * out.scale)))
        return (np.clip(steps + out.zero_point, *out.limits).astype(out.numpy_dtype),)

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        terms = tuple(call.input(i) for i in range(len(call.inputs)))
        if len(terms) < 2:
            raise Refusal(f"it has {len(terms)} inputs, wanted 2 and more")
        check_stored(cls.types, *terms, call.output)
        if any(t.quant != terms[0].quant for t in terms):
            raise Refusal("its inputs have different scales", "TFLite Micro adds within one scale")
        if terms[0].dtype == "s8" and terms[0].zero_point:
            # its sum starts at -zero point (add_n.h), and no other runtime has the operator for s8
            raise Refusal("TFLite Micro adds the zero point of its inputs once too often", "use ADD")
        for term in terms:
            check_shape(call.output, term.shape)
        return cls(name=call.name, inputs=terms, outputs=(call.output,))


def operands_of(call: TfliteCall) -> tuple[Tensor, Tensor]:
    """The two inputs of an operator of a .tflite file, which must broadcast to its output."""
    a, b = call.input(0), call.input(1)
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError as e:
        raise Refusal(f"shapes {list(a.shape)} and {list(b.shape)} do not broadcast") from e
    check_shape(call.output, shape)
    return a, b


def _one_scale(op: Binary, a: Array, b: Array, bits: int) -> tuple[Array, Array, float]:
    """Both operands in steps of one size, and that size: twice the larger input scale less `bits`."""
    twice = 2 * max(t.scale for t in op.inputs)
    x, y = (scale(v << bits, Multiplier.of(t.scale / twice)) for v, t in zip((a, b), op.inputs, strict=True))
    return x, y, twice / (1 << bits)


def _append(
    cls: type[Op],
    call: OnnxCall,
    operands: tuple[Tensor, ...],
    order: Order,
    stored: Callable[[Tensor, Tensor], QuantParams | None],
) -> None:
    """The operation; of more than two operands a chain of them, whose inner results are kept as `stored` says."""
    result = call.output(0, order)
    if len(operands) == 1:
        call.add(Reshape(name=call.name, inputs=operands, outputs=(result,)))
        return
    total, *rest = operands
    for k, operand in enumerate(rest, 2):
        last = k == len(operands)
        shape = np.broadcast_shapes(total.shape, operand.shape)
        made = result if last else call.between(f"{call.name}_{k}", shape, total, quant=stored(total, operand))
        fields = {"activation": call.activation} if last and issubclass(cls, Binary) else {}
        name = call.name if last else made.name
        call.add(cls(name=name, inputs=(total, operand), outputs=(made,), **fields))
        total = made


def _append_quotient(call: OnnxCall, factor: float) -> None:
    """Division by one number as a multiplication."""
    order = call.order(0)
    x = call.input(0, order)
    stored = np.full((1,) * len(x.shape), np.copysign(127, factor), np.int8)
    one = call.stored(f"{call.name}_factor", stored, QuantParams.of(abs(factor) / 127))
    call.add(Mul(name=call.name, inputs=(x, one), outputs=(call.output(0, order),), activation=call.activation))


def _range_of_sum(a: Tensor, b: Tensor) -> QuantParams | None:
    """Parameters that hold every a + b."""
    if a.quant is None or b.quant is None:
        return None
    low, high = (sum(t.scale * (end - t.zero_point) for t, end in ((a, a.limits[k]), (b, b.limits[k]))) for k in (0, 1))
    step = (high - low) / (a.limits[1] - a.limits[0])
    return QuantParams.of(step, round(a.limits[0] - low / step))

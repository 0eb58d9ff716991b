"""Values behind each other and apart again: Concat (also Pack) and Split (also Unpack), along one axis; Select.

All values have one set of parameters: the integers travel unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.ops.reading import OnnxCall, Refusal, TfliteCall, axis_of, check_one_scale, check_shape
from edgekit.ops.shape import Reshape
from edgekit.ops.slicing import Slice
from edgekit.program import Op
from edgekit.program.tensor import Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Op):
    """inputs: any number of tensors that differ along `axis` only."""

    axis: int

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.concatenate(inputs, self.axis),)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        axis = axis_of(int(call.attribute("axis", 0)), len(call.output_shape()))
        leader = next((i for i in range(call.count()) if call.constant(i) is None), 0)
        order = call.order(leader)
        parts = tuple(call.input(i, order, quant=call.output_quant()) for i in range(call.count()))
        call.add(cls(name=call.name, inputs=parts, outputs=(call.output(0, order),), axis=order.index(axis)))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        if int(call.option("fused_activation_function", 0)):
            raise Refusal("it has a fused activation", "put the activation behind it")
        parts = tuple(call.input(i) for i in range(len(call.inputs)))
        axis = axis_of(int(call.option("axis", 0)), len(call.output.shape))
        check_one_scale(*parts, call.output)
        _check_joined([t.shape for t in parts], call.output.shape, axis)
        return cls(name=call.name, inputs=parts, outputs=(call.output,), axis=axis)


@dataclass(frozen=True, eq=False, kw_only=True)
class Split(Op):
    """outputs: the input in pieces along `axis`, each as long as its shape says."""

    axis: int

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        ends = np.cumsum([t.shape[self.axis] for t in self.outputs])[:-1]
        return tuple(np.ascontiguousarray(piece) for piece in np.split(inputs[0], ends, self.axis))

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        """Outputs that nobody reads are no outputs: what remains is sliced out."""
        axis = axis_of(int(call.attribute("axis", 0)), len(call.shape(0)))
        order, used = call.order(0), call.used()
        x = call.input(0, order)
        begins = np.cumsum([0, *_sizes(call, axis)])
        made = {k: call.output(k, order, quant=x.quant) for k in used}
        if len(used) == len(begins) - 1:
            call.add(cls(name=call.name, inputs=(x,), outputs=tuple(made.values()), axis=order.index(axis)))
            return
        for k, y in made.items():
            begin = [0] * len(order)
            begin[order.index(axis)] = int(begins[k])
            call.add(Slice(name=f"{call.name}_{k}", inputs=(x,), outputs=(y,), begin=tuple(begin)))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        x, axis = (call.input(1), 0) if call.builtin == "SPLIT" else (call.input(0), 2)
        numbers = call.numbers(axis)
        if len(numbers) != 1:
            raise Refusal(f"it splits along axes {numbers}, wanted one")
        along = axis_of(numbers[0], len(x.shape))
        check_one_scale(x, *call.outputs)
        _check_joined([t.shape for t in call.outputs], x.shape, along)
        return cls(name=call.name, inputs=(x,), outputs=call.outputs, axis=along)


@dataclass(frozen=True, eq=False, kw_only=True)
class Select(Op):
    """inputs: condition (b8), a, b, broadcast against each other; a where the condition holds, else b."""

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.where(*inputs),)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        operands, order = call.aligned(0, 1, 2, quant=call.output_quant())
        call.add(cls(name=call.name, inputs=operands, outputs=(call.output(0, order),)))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        """SELECT_V2, and SELECT where all shapes are the same."""
        operands = (call.input(0), call.input(1), call.input(2))
        shapes = [t.shape for t in operands]
        check_one_scale(operands[1], operands[2], call.output)
        if operands[0].dtype != "b8" or (call.builtin == "SELECT" and len(set(shapes)) > 1):
            raise Refusal(f"its condition is {operands[0]} for {operands[1]}", "use SELECT_V2")
        try:
            check_shape(call.output, np.broadcast_shapes(*shapes))
        except ValueError as e:
            raise Refusal(f"shapes {[list(s) for s in shapes]} do not broadcast") from e
        return cls(name=call.name, inputs=operands, outputs=(call.output,))


def pack(call: TfliteCall) -> tuple[Op, ...]:
    """PACK: equal shapes along a new axis."""
    parts = tuple(call.input(i) for i in range(len(call.inputs)))
    axis = axis_of(int(call.option("axis", 0)), len(call.output.shape))
    check_one_scale(*parts, call.output)
    spread = tuple(call.between("packed", with_unit(t.shape, axis), t) for t in parts)
    _check_joined([t.shape for t in spread], call.output.shape, axis)
    views = tuple(Reshape(name=call.name, inputs=(a,), outputs=(b,)) for a, b in zip(parts, spread, strict=True))
    return *views, Concat(name=call.name, inputs=spread, outputs=(call.output,), axis=axis)


def unpack(call: TfliteCall) -> tuple[Op, ...]:
    """UNPACK: one output for each index of an axis, which they lack."""
    x = call.input(0)
    axis = axis_of(int(call.option("axis", 0)), len(x.shape))
    check_one_scale(x, *call.outputs)
    if any(len(t.shape) != len(x.shape) - 1 for t in call.outputs):
        raise Refusal("its outputs do not lack exactly one axis")
    pieces = tuple(call.between("unpacked", with_unit(t.shape, axis), x) for t in call.outputs)
    _check_joined([t.shape for t in pieces], x.shape, axis)
    split = Split(name=call.name, inputs=(x,), outputs=pieces, axis=axis)
    return split, *(
        Reshape(name=call.name, inputs=(a,), outputs=(b,)) for a, b in zip(pieces, call.outputs, strict=True)
    )


def with_unit(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    """The shape with one more axis, of size 1."""
    return (*shape[:axis], 1, *shape[axis:])


def _sizes(call: OnnxCall, axis: int) -> list[int]:
    """Sizes of all pieces, those that nobody reads included."""
    given = call.numbers(1) if call.has(1) else [int(n) for n in call.attribute("split", [])]
    if given:
        return given
    whole = call.shape(0)[axis]
    count = int(call.attribute("num_outputs", 0)) or call.output_count()
    each = -(-whole // count)
    return [min(each, whole - k * each) for k in range(count)]


def _check_joined(parts: Sequence[tuple[int, ...]], whole: tuple[int, ...], axis: int) -> None:
    """Refuses parts that do not make the whole."""
    others = [(*p[:axis], *p[axis + 1 :]) for p in parts if len(p) == len(whole)]
    alike = len(others) == len(parts) and all(o == (*whole[:axis], *whole[axis + 1 :]) for o in others)
    if not parts or not alike or sum(p[axis] for p in parts) != whole[axis]:
        raise Refusal(f"parts {[list(p) for p in parts][:5]} do not make {list(whole)} along axis {axis}")

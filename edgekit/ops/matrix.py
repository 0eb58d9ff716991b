"""BatchMatMul: stacks of matrices multiplied by each other, two activations or one and a constant.

Source of the arithmetic: TFLite's reference/batch_matmul.h. Both inputs have one scale and a zero point. Which ONNX
MatMul is a fully connected layer and which is this is decided here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.convolution import centred
from edgekit.ops.fully_connected import FullyConnected
from edgekit.ops.orders import moves_only_units
from edgekit.ops.reading import OnnxCall, Order, Refusal, TfliteCall, check_shape, plain
from edgekit.program import Activation, Op, Tensor
from edgekit.program.fixed_point import Multiplier, scale
from edgekit.program.tensor import Array


@dataclass(frozen=True, eq=False, kw_only=True)
class BatchMatMul(Op):
    """inputs: a (..., M, K), b (..., K, N); output (..., M, N). The axes in front are broadcast.

    adj_x, adj_y  a (b) has its last two axes exchanged
    """

    adj_x: bool = False
    adj_y: bool = False

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        a, b = (centred(x, t) for x, t in zip(inputs, self.inputs, strict=True))
        sums = (a.swapaxes(-1, -2) if self.adj_x else a) @ (b.swapaxes(-1, -2) if self.adj_y else b)
        if self.output.dtype == "f32":
            return (sums.astype(np.float32),)
        factor = Multiplier.of(self.inputs[0].scale * self.inputs[1].scale / self.output.scale)
        scaled = scale(sums.astype(np.int64).astype(np.int32).astype(np.int64), factor) + self.output.zero_point
        return (np.clip(scaled, *self.output.limits).astype(self.output.numpy_dtype),)

    @property
    def depth(self) -> int:
        """K."""
        return self.input.shape[-2 if self.adj_x else -1]

    @property
    def macs(self) -> int:
        return self.output.size * self.depth

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        if min(len(call.shape(0)), len(call.shape(1))) < 2:
            raise Refusal(f"it multiplies {list(call.shape(0))} by {list(call.shape(1))}", "use matrices, not vectors")
        a, adj_x = _operand(call, 0, swapped=False)
        b, adj_y = _operand(call, 1, swapped=True)
        _check_scales(a, b)
        y = call.output(0)
        call.add(cls(name=call.name, inputs=(a, b), outputs=(y,), adj_x=adj_x, adj_y=adj_y))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        a, b = call.input(0), call.input(1)
        adj_x, adj_y = bool(call.option("adj_x", False)), bool(call.option("adj_y", False))
        if min(len(a.shape), len(b.shape)) < 2:
            raise Refusal(f"it multiplies {a} by {b}")
        _check_scales(a, b, call.output)
        check_shape(call.output, product_shape(a.shape, b.shape, adj_x, adj_y))
        return cls(name=call.name, inputs=(a, b), outputs=(call.output,), adj_x=adj_x, adj_y=adj_y)


def from_onnx_matmul(call: OnnxCall) -> None:
    """MatMul: by a constant matrix it is a fully connected layer."""
    weights = call.constant(1)
    if weights is not None and weights.ndim == 2:
        FullyConnected.from_onnx(call)
    else:
        BatchMatMul.from_onnx(call)


def from_tflite_fully_connected(call: TfliteCall) -> Op | tuple[Op, ...]:
    """FULLY_CONNECTED: with weights that are computed at run time it is a product of matrices."""
    x, weights = call.input(0), call.input(1)
    bare = call.optional(2) is None and call.activation is Activation.NONE and len(weights.shape) == 2
    if weights.constant or not bare or len(x.shape) < 2:
        return FullyConnected.from_tflite(call)
    _check_scales(x, weights, call.output)
    check_shape(call.output, product_shape(x.shape, weights.shape, False, True))
    return BatchMatMul(name=call.name, inputs=(x, weights), outputs=(call.output,), adj_y=True)


def product_shape(a: tuple[int, ...], b: tuple[int, ...], adj_x: bool, adj_y: bool) -> tuple[int, ...]:
    """Shape of the product. Raises Refusal where the two do not fit."""
    rows, depth = (a[-1], a[-2]) if adj_x else (a[-2], a[-1])
    other, columns = (b[-1], b[-2]) if adj_y else (b[-2], b[-1])
    try:
        front = np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError as e:
        raise Refusal(f"{list(a)} and {list(b)} do not broadcast") from e
    if depth != other:
        raise Refusal(f"{list(a)} and {list(b)} do not fit")
    return (*front, rows, columns)


def _operand(call: OnnxCall, i: int, *, swapped: bool) -> tuple[Tensor, bool]:
    """An input whose last two axes may be exchanged, and whether they are: as it is at hand, else `swapped`."""
    held, shape = call.order(i), call.shape(i)
    ways = {plain(len(held)): False, _exchanged(len(held)): True}
    free = [order for order in ways if _moves_nothing(shape, held, order)] if call.constant(i) is None else []
    order = next((o for o, exchanged in ways.items() if exchanged == swapped), held)
    order = free[0] if free and order not in free else order
    return call.input(i, order), ways[order]


def _moves_nothing(shape: tuple[int, ...], held: Order, wanted: Order) -> bool:
    permutation = tuple(held.index(axis) for axis in wanted)
    return moves_only_units(tuple(shape[axis] for axis in held), permutation)


def _exchanged(rank: int) -> Order:
    return (*range(rank - 2), rank - 1, rank - 2)


def _check_scales(*tensors: Tensor) -> None:
    for tensor in tensors:
        if tensor.dtype not in ("s8", "f32") or tensor.dtype != tensors[0].dtype:
            raise Refusal(f"{tensor.name} is {tensor.dtype}, wanted int8 or float throughout")
        if tensor.dtype != "f32" and (tensor.quant is None or not tensor.quant.per_tensor):
            raise Refusal(f"{tensor.name} has no single scale", "quantize matrices per tensor")

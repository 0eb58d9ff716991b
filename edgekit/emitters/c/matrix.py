"""Rows of products of matrices of which both may be computed. Refused: int8 sums that could exceed 32 bits."""

from __future__ import annotations

import math

import numpy as np

from edgekit.emitters.c.call import Call, Fields, Lowered, Row, Table, Value, table
from edgekit.emitters.c.overlaps import in_order
from edgekit.ops.matrix import BatchMatMul
from edgekit.ops.reading import Refusal
from edgekit.planner import Overlap
from edgekit.program import Op, Tensor
from edgekit.program.fixed_point import INT32_MAX, Multiplier
from edgekit.program.tensor import Array

HEADER = "ek_matrix.h"


def batch_matmul(op: BatchMatMul) -> Lowered:
    dtype, (a, b) = op.output.dtype, op.inputs
    if dtype not in ("s8", "f32") or {a.dtype, b.dtype} != {dtype}:
        raise Refusal(f"there is no kernel from {a.dtype} and {b.dtype} to {dtype}", "use int8 or float32 throughout")
    rows, columns = op.output.shape[-2:]
    a_strides, b_strides = _strides(rows, op.depth, op.adj_x), _strides(op.depth, columns, op.adj_y)
    product: Fields = {
        "batch": math.prod(op.output.shape[:-2]), "rows": rows, "depth": op.depth, "columns": columns,
        "a": _matrices(op, a, a_strides), "b": _matrices(op, b, b_strides),
    }  # fmt: skip
    params = {"product": product, **({} if dtype == "f32" else _integers(op))}
    operands = tuple(t if t.data is None else Table(np.ascontiguousarray(t.data)) for t in (a, b))
    call = Call(f"ek_batch_matmul_{dtype}", HEADER, (*operands, op.output), params, backward="product.backward")
    return Lowered((call,), _overlaps(op, a_strides, rows, columns))


def _strides(rows: int, columns: int, exchanged: bool) -> tuple[int, int]:
    """Elements from row to row and from column to column of a matrix as the product sees it."""
    return (1, rows) if exchanged else (columns, 1)


def _matrices(op: Op, operand: Tensor, strides: tuple[int, int]) -> Fields:
    numbers = _numbers(op, operand)
    used: Value = None if np.array_equal(numbers, np.arange(numbers.size)) else table(numbers, "s32")
    return {"numbers": used, "size": math.prod(operand.shape[-2:]), "row": strides[0], "column": strides[1]}


def _numbers(op: Op, operand: Tensor) -> Array:
    """Which matrix of an operand each product takes."""
    front = operand.shape[:-2]
    numbers = np.arange(math.prod(front)).reshape(front)
    return np.broadcast_to(numbers, op.output.shape[:-2]).reshape(-1)


def _integers(op: BatchMatMul) -> dict[str, Value]:
    a, b, y = *op.inputs, op.output
    if op.depth * 255 * 256 > INT32_MAX:  # each of the two parts in which the kernel adds them
        raise Refusal(f"its sums of {op.depth} products can exceed 32 bits", "split it into several products")
    factor = Multiplier.of(a.scale * b.scale / y.scale)
    low, high = y.limits
    return {
        "a_offset": -a.zero_point, "b_offset": -b.zero_point, "multiplier": factor.mantissa, "shift": factor.shift,
        "low": low - y.zero_point, "high": high - y.zero_point, "zero": y.zero_point,
    }  # fmt: skip


def _overlaps(
    op: BatchMatMul, strides: tuple[int, int], rows: int, columns: int
) -> dict[tuple[Tensor, Tensor], Overlap]:
    """Row by row: of the first matrix a row is read until the row is written, of the second all of it."""
    (a, b), y = op.inputs, op.output
    at = np.arange(rows) * strides[0]
    row_starts = _numbers(op, a)[:, np.newaxis] * (rows * op.depth) + at
    matrix_starts = np.repeat(_numbers(op, b) * (op.depth * columns), rows)
    size = y.numpy_dtype.itemsize
    starts = np.arange(len(matrix_starts)) * columns * size
    over = {}
    for operand, first, reach in (
        (a, row_starts.reshape(-1), (op.depth - 1) * strides[1] + 1),
        (b, matrix_starts, op.depth * columns),
    ):
        if operand.data is None:
            claim = in_order(first * size, (first + reach) * size, starts, columns * size)
            over[operand, y] = claim if operand is not a or a is not b else Overlap()
    return over


ROWS: dict[type[Op], Row] = {BatchMatMul: batch_matmul}

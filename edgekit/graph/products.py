"""Matrix products and transposed convolutions in the forms that TFLite's int8 has.

Gemm gets plain factors (alpha = beta = 1, no transA) and a bias of one number per output; Gemm of two values, products
with vectors and Einsum of two operands become MatMul; a transposed convolution in groups becomes one per group.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.graph.operands import attribute, constant
from edgekit.graph.quant_params import Array
from edgekit.graph.rewriting import Place
from edgekit.graph.shapes import sizes


def _gemm(place: Place) -> ir.Value | None:
    node = place.node
    weights, offsets = constant(node.inputs[1]), constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if _is_plain(node, weights, offsets):
        return None
    left, alpha = _transposed(place, node.inputs[0], "transA", "left"), float(attribute(node, "alpha", 1.0))
    if weights is None:
        right = _transposed(place, node.inputs[1], "transB", "right")
        product = place.op("MatMul", left, right, name="product")
        product = product if alpha == 1 else place.op("Mul", product, place.number(alpha, "alpha"), name="scaled")
        return _plus(place, product)
    turned = weights.T if attribute(node, "transB", 0) else weights
    matrix = place.constant((alpha * turned).astype(weights.dtype), "weight")
    if offsets is not None and _per_output(offsets, turned.shape[1]):
        scaled = (float(attribute(node, "beta", 1.0)) * offsets).astype(offsets.dtype).reshape(-1)
        return place.op("Gemm", left, matrix, place.constant(scaled, "bias"), name="plain")
    return _plus(place, place.op("Gemm", left, matrix, name="plain"))


def _is_plain(node: ir.Node, weights: Array | None, offsets: Array | None) -> bool:
    if weights is None or attribute(node, "transA", 0):
        return False
    given = len(node.inputs) > 2 and node.inputs[2] is not None
    factors = attribute(node, "alpha", 1.0) == 1.0 and (attribute(node, "beta", 1.0) == 1.0 or not given)
    channels = weights.shape[0 if attribute(node, "transB", 0) else 1]
    return factors and (not given or (offsets is not None and _per_output(offsets, channels)))


def _per_output(offsets: Array, channels: int) -> bool:
    return offsets.size == 1 or (offsets.size == channels and offsets.shape[-1] == channels)


def _transposed(place: Place, value: ir.Value | None, flag: str, name: str) -> ir.Value | None:
    return place.op("Transpose", value, perm=[1, 0], name=name) if attribute(place.node, flag, 0) else value


def _plus(place: Place, product: ir.Value) -> ir.Value:
    """product + beta * C, where the Gemm has a C."""
    value = place.node.inputs[2] if len(place.node.inputs) > 2 else None
    beta = float(attribute(place.node, "beta", 1.0))
    if value is None:
        return product
    if beta != 1:
        value = place.op("Mul", value, place.number(beta, "beta"), name="scaled_offset")
    return place.op("Add", product, value, name="sum")


def _matmul(place: Place) -> ir.Value | None:
    """Vectors become matrices of one row or column, stacks of one matrix the matrix."""
    left, right = place.node.inputs
    before, after, result = (None if v is None else sizes(v) for v in (left, right, place.node.outputs[0]))
    if before is None or after is None or result is None:
        return None
    if len(before) > 1 and len(after) > 1:
        weights = constant(right)
        if weights is None or len(after) == 2 or math.prod(after[:-2]) != 1 or len(before) < len(after):
            return None
        return place.op("MatMul", left, place.constant(weights.reshape(after[-2:]), "weight"), name="product")
    row = _reshaped(place, left, (1, *before), "row") if len(before) == 1 else left
    column = _reshaped(place, right, (*after, 1), "column") if len(after) == 1 else right
    return _reshaped(place, place.op("MatMul", row, column, name="product"), result, "vector")


def _reshaped(place: Place, value: ir.Value | None, shape: Sequence[int], name: str) -> ir.Value:
    numbers = constant(value)
    if numbers is not None:
        return place.constant(numbers.reshape(shape), name)
    return place.op("Reshape", value, place.integers(shape, f"{name}.shape"), name=name)


@dataclass(frozen=True)
class _Equation:
    """An Einsum of two operands that is a matrix product: letters of the operands and of the result."""

    left: str
    right: str
    result: str

    @property
    def batch(self) -> str:
        return "".join(c for c in self.result if c in self.left and c in self.right)

    @property
    def summed(self) -> str:
        return "".join(c for c in self.left if c in self.right and c not in self.result)

    @property
    def rows(self) -> str:
        return "".join(c for c in self.result if c in self.left and c not in self.right)

    @property
    def columns(self) -> str:
        return "".join(c for c in self.result if c in self.right and c not in self.left)

    @property
    def is_product(self) -> bool:
        """No letter twice in an operand, none that only one operand has and the result has not."""
        texts = (self.left, self.right, self.result)
        letters = self.batch + self.summed + self.rows + self.columns
        return all(len(set(t)) == len(t) and t.isalpha() for t in texts) and set(self.left + self.right) == set(letters)


def _einsum(place: Place) -> ir.Value | None:
    node = place.node
    equation = _equation(str(attribute(node, "equation", "")), len(node.inputs))
    shapes = [shape for v in node.inputs if v is not None and (shape := sizes(v)) is not None]
    if equation is None or len(shapes) != 2:
        return None
    extents = dict(zip(equation.left + equation.right, [*shapes[0], *shapes[1]], strict=True))
    batch, rows, summed, columns = (
        [extents[c] for c in letters] for letters in (equation.batch, equation.rows, equation.summed, equation.columns)
    )
    k = math.prod(summed)
    left = _ordered(place, node.inputs[0], equation.left, equation.batch + equation.rows + equation.summed, "left")
    right = _ordered(
        place, node.inputs[1], equation.right, equation.batch + equation.summed + equation.columns, "right"
    )
    left = _reshaped(place, left, (*batch, math.prod(rows), k), "left_matrix")
    right = _reshaped(place, right, (*batch, k, math.prod(columns)), "right_matrix")
    product = place.op("MatMul", left, right, name="product")
    whole = _reshaped(place, product, (*batch, *rows, *columns), "whole")
    return _ordered(place, whole, equation.batch + equation.rows + equation.columns, equation.result, "result")


def _equation(text: str, operands: int) -> _Equation | None:
    sides = text.replace(" ", "").split("->")
    operand_letters = sides[0].split(",")
    if operands != 2 or len(operand_letters) != 2 or "." in text:
        return None
    left, right = operand_letters
    once = "".join(sorted(c for c in set(left + right) if (left + right).count(c) == 1))
    equation = _Equation(left, right, sides[1] if len(sides) > 1 else once)
    return equation if equation.is_product else None


def _ordered(place: Place, value: ir.Value | None, given: str, wanted: str, name: str) -> ir.Value:
    """`value`, whose axes have the letters `given`, with its axes in the order `wanted`."""
    numbers, order = constant(value), [given.index(c) for c in wanted]
    if numbers is not None:
        return place.constant(np.ascontiguousarray(numbers.transpose(order)), name)
    return place.op("Transpose", value, perm=order, name=name)


def _transposed_convolution(place: Place) -> ir.Value | None:
    """One per group, over its own channels."""
    node = place.node
    groups, weights = int(attribute(node, "group", 1)), constant(node.inputs[1])
    offsets = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    computed = len(node.inputs) > 2 and node.inputs[2] is not None and offsets is None
    if groups == 1 or weights is None or computed:
        return None
    settings = {name: a.value for name, a in node.attributes.items() if name != "group"}
    widths = place.integers([weights.shape[0] // groups] * groups, "widths")
    parts = place.ops("Split", node.inputs[0], widths, axis=1, name="split", outputs=groups)
    answers = []
    for k, (part, matrix) in enumerate(zip(parts, np.split(weights, groups), strict=True)):
        constants = [place.constant(matrix, f"weight{k}")]
        constants += [] if offsets is None else [place.constant(np.split(offsets, groups)[k], f"bias{k}")]
        answers.append(place.op("ConvTranspose", part, *constants, name=f"group{k}", **settings))
    return place.op("Concat", *answers, axis=1, name="joined")


FORMS: Mapping[str, Callable[[Place], ir.Value | None]] = {
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Einsum": _einsum,
    "ConvTranspose": _transposed_convolution,
}

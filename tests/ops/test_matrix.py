"""Stacks of matrices multiplied by each other are the same integers in TFLite Micro."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runtimes_of_cases import check, program_of, tensor

from edgekit.ops.matrix import BatchMatMul, product_shape

SETTINGS = settings(max_examples=50, deadline=None, derandomize=True)
zeros = st.integers(-128, 127)


@st.composite
def products(draw):
    """Broadcasting in front, either operand exchanged, the second perhaps a constant."""
    front = draw(st.lists(st.integers(1, 3), max_size=3))
    left = [draw(st.sampled_from([n, 1])) for n in front]
    right = [n if kept != n else draw(st.sampled_from([n, 1])) for n, kept in zip(front, left, strict=True)]
    right = right[draw(st.integers(0, len(right))) :] if left == front else right
    m, k, n = (draw(st.integers(1, 9)) for _ in range(3))
    adj_x, adj_y = draw(st.booleans()), draw(st.booleans())
    a_shape = (*left, k, m) if adj_x else (*left, m, k)
    b_shape = (*right, n, k) if adj_y else (*right, k, n)
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    numbers = rng.integers(-128, 128, b_shape).astype(np.int8) if draw(st.booleans()) else None
    a, b = tensor("a", a_shape, 0.03, draw(zeros)), tensor("b", b_shape, 0.02, draw(zeros), data=numbers)
    y = tensor("y", product_shape(a_shape, b_shape, adj_x, adj_y), 0.1 * k, draw(zeros))
    return BatchMatMul(name="op", inputs=(a, b), outputs=(y,), adj_x=adj_x, adj_y=adj_y)


@SETTINGS
@given(products())
def test_batch_mat_mul(op):
    check(program_of(op))


def test_more_axes_than_the_kernels_take():
    a, b = tensor("a", (2, 1, 3, 2, 4, 5), 0.03, 4), tensor("b", (2, 1, 3, 2, 5, 6), 0.02, -7)
    y = tensor("y", (2, 1, 3, 2, 4, 6), 0.3, 1)
    check(program_of(BatchMatMul(name="op", inputs=(a, b), outputs=(y,))))


@pytest.mark.parametrize("adjoint", [False, True])
def test_floats(adjoint):
    a, b = tensor("a", (2, 4, 5), dtype="f32"), tensor("b", (2, 6, 5) if adjoint else (2, 5, 6), dtype="f32")
    op = BatchMatMul(name="op", inputs=(a, b), outputs=(tensor("y", (2, 4, 6), dtype="f32"),), adj_y=adjoint)
    check(program_of(op), tflite_micro=1e-4, litert_reference=1e-4, litert=1e-4)

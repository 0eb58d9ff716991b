"""Elements that only move, as C: every type, many axes, indices that are computed or constant, values joined."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from c_cases import Case, answers, worst
from random_operators import PROGRAMS
from runtimes_of_cases import program_of, random_inputs, tensor

from edgekit.emitters.c import emit_c, movement
from edgekit.errors import UnsupportedOpError
from edgekit.ops.joining import Concat, Split
from edgekit.ops.padding import Pad
from edgekit.ops.resizing import ResizeNearest
from edgekit.ops.shape import Reshape, Transpose
from edgekit.ops.slicing import Gather, Reverse
from edgekit.ops.spreading import Tile
from edgekit.program import Op, Program, Tensor

TYPES = ("u8", "s16", "s32", "s64", "b8")


def equal(*programs: Program) -> None:
    """As C they give what the interpreter gives, under the sanitizers."""
    cases: list[Case] = [(p, [random_inputs(p, seed) for seed in (0, 1)]) for p in programs]
    for case, got in zip(cases, answers(cases, "sanitized"), strict=True):
        assert worst(case, got) == 0, case[0].text()


def stored_as(op: Op, dtype: str) -> Op:
    """The same operation on another type."""
    lists = {op.inputs[1]} if isinstance(op, Gather) else set()
    made = {t: Tensor(t.name, t.shape, dtype, None, changed(t, dtype)) for t in (*op.inputs, *op.outputs)}
    inputs = tuple(t if t in lists else made[t] for t in op.inputs)
    more = {"fill": 1} if "fill" in {f.name for f in fields(op)} else {}
    return replace(op, inputs=inputs, outputs=tuple(made[t] for t in op.outputs), **more)


def changed(t: Tensor, dtype: str) -> np.ndarray | None:
    return None if t.data is None else t.data.astype(Tensor("t", (), dtype).numpy_dtype)


@pytest.mark.parametrize("dtype", TYPES)
def test_every_type(dtype):
    equal(*(
        program_of(stored_as(PROGRAMS[cls](np.random.default_rng([seed, 5]), "s8").ops[0], dtype))
        for cls in movement.ROWS
        for seed in range(2)
    ))  # fmt: skip


@pytest.mark.parametrize("dtype", ["s8", "f32"])
def test_more_axes_than_a_kernel_walks(dtype):
    shape = (2, 3, 2, 3, 2, 3, 2)
    order = (6, 3, 0, 5, 2, 4, 1)
    x, y = tensor("x", shape, dtype=dtype), tensor("y", [shape[axis] for axis in order], dtype=dtype)
    twice = tensor("y", [2 * n for n in shape], dtype=dtype)
    equal(
        program_of(Transpose(name="op", inputs=(x,), outputs=(y,), order=order)),
        program_of(Tile(name="op", inputs=(x,), outputs=(twice,), multiples=(2,) * 7)),
        program_of(Reverse(name="op", inputs=(x,), outputs=(tensor("y", shape, dtype=dtype),), axes=(0, 2, 4, 6))),
    )


def test_too_many_axes_around_a_border_are_refused():
    x, y = tensor("x", (2,) * 8), tensor("y", (4,) * 8)
    program = program_of(Pad(name="op", inputs=(x,), outputs=(y,), padding=((1, 1),) * 8, fill=0))
    with pytest.raises(UnsupportedOpError, match="8 axes"):
        emit_c(program)


def test_no_axes():
    x, y = tensor("x", ()), tensor("y", ())
    equal(
        program_of(Tile(name="op", inputs=(x,), outputs=(y,), multiples=())),
        program_of(Reshape(name="op", inputs=(tensor("c", (), data=np.array(5, np.int8)),), outputs=(y,))),
    )


def gathered(x: Tensor, indices: Tensor, axis: int) -> Program:
    y = Tensor("y", (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), x.dtype, x.quant)
    return program_of(Gather(name="op", inputs=(x, indices), outputs=(y,), axis=axis))


@pytest.mark.parametrize("kind", ["s32", "s64"])
def test_computed_indices_outside_take_the_nearest(kind):
    """The indices are random numbers of their type: nearly all lie outside. Those of the second sample lie inside."""
    programs = [
        gathered(tensor("x", shape, dtype=dtype), Tensor("i", rows, kind), axis)
        for shape, rows, axis in [((7, 3), (5,), 0), ((2, 5, 3), (2, 2), 1), ((4,), (), 0), ((3, 2, 6), (4,), 2)]
        for dtype in ("s8", "f32")
    ]
    programs.append(
        gathered(tensor("x", (9, 4), data=np.arange(36, dtype=np.int8).reshape(9, 4)), Tensor("i", (6,), kind), 0)
    )
    cases = []
    for program in programs:
        inside = random_inputs(program, 1)
        inside["i"] = (inside["i"] % program.ops[0].input.shape[program.ops[0].axis]).astype(inside["i"].dtype)
        cases.append((program, [random_inputs(program, 0), inside]))
    for case, got in zip(cases, answers(cases, "sanitized"), strict=True):
        assert worst(case, got) == 0, case[0].text()


def test_joined_values_may_be_constants_or_the_same_twice():
    a, b = tensor("a", (2, 3)), tensor("b", (2, 2), data=np.arange(4, dtype=np.int8).reshape(2, 2))
    one = tensor("one", (2, 1))
    equal(
        program_of(Concat(name="op", inputs=(b, a, a), outputs=(tensor("y", (2, 8)),), axis=-1)),
        program_of(Concat(name="op", inputs=(one, b, one), outputs=(tensor("y", (2, 4)),), axis=1)),
        program_of(Concat(name="op", inputs=(a, a), outputs=(tensor("y", (4, 3)),), axis=0)),
    )


def test_values_joined_and_split_lie_in_each_other():
    """Whole blocks stay where they are: neither costs memory. (Reversing a row in place takes 8 bytes more.)"""
    parts = [tensor(name, (n, 8)) for name, n in (("a", 4), ("b", 2), ("c", 6))]
    joined = tensor("joined", (12, 8))
    negated = [Tensor(f"r{t.name}", t.shape, t.dtype, t.quant) for t in parts]
    again = [Tensor(f"s{t.name}", t.shape, t.dtype, t.quant) for t in parts]
    program = program_of(
        *(Reverse(name="op", inputs=(t,), outputs=(r,), axes=(1,)) for t, r in zip(parts, negated, strict=True)),
        Concat(name="joined", inputs=tuple(negated), outputs=(joined,), axis=0),
        Split(name="apart", inputs=(joined,), outputs=tuple(again), axis=0),
    )
    equal(program)
    assert emit_c(program).arena_bytes == joined.bytes + 8


def test_pictures_of_twice_the_size_need_no_list_of_places():
    x, y = tensor("x", (1, 5, 7, 3)), tensor("y", (1, 10, 14, 3))
    program = program_of(ResizeNearest(name="op", inputs=(x,), outputs=(y,)))
    equal(program)
    assert not any(".places" in text for text in emit_c(program).sources.files.values())

"""A lowered program without what does nothing: unread operations, reshapes in a row, changes that change nothing.

`PASSES` decides the order; each takes a program and gives one with the same outputs, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edgekit.ops.shape import Reshape
from edgekit.program import Op, Program, Tensor


def tidy(program: Program) -> Program:
    for step in PASSES:
        program = step(program)
    return program


def join_reshapes(program: Program) -> Program:
    """Reshape of a reshape reads the first one's input; a reshape to its own shape disappears."""
    origin: dict[Tensor, Tensor] = {}
    by: dict[Tensor, Tensor] = {}
    ops: list[Op] = []
    for op in program.ops:
        if not isinstance(op, Reshape):
            ops.append(op)
            continue
        source = origin.get(op.input, op.input)
        source = by.get(source, source)
        if source.shape == op.output.shape and op.output not in program.outputs:
            by[op.output] = source
            origin[op.output] = source
            continue
        origin[op.output] = source
        ops.append(replace(op, inputs=(source,)))
    return replace(program, ops=_kept(ops, by))


def drop_unread(program: Program) -> Program:
    """Operations whose results nobody reads."""
    wanted = {*program.outputs, *(s.after for s in program.states)}
    kept: list[Op] = []
    for op in reversed(program.ops):
        if wanted.intersection(op.outputs):
            wanted.update(op.inputs)
            kept.append(op)
    return replace(program, ops=tuple(reversed(kept)))


PASSES: tuple[Callable[[Program], Program], ...] = (join_reshapes, drop_unread)


def _kept(ops: list[Op], by: dict[Tensor, Tensor]) -> tuple[Op, ...]:
    return tuple(
        replace(op, inputs=tuple(by.get(t, t) for t in op.inputs)) if any(t in by for t in op.inputs) else op
        for op in ops
    )

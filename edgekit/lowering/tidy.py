"""A lowered program without what does nothing: unread operations, reshapes in a row, changes that change nothing.

`PASSES` decides the order; each takes a program and gives one with the same outputs, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edgekit.lowering.channels import fold_channel_order
from edgekit.lowering.padding import fold_padding
from edgekit.lowering.tables import join_lookups
from edgekit.ops.shape import Reshape
from edgekit.program import Op, Program, Tensor

FOLD_LIMIT = 1 << 26  # elements of a constant that is worked out


def tidy(program: Program) -> Program:
    for step in PASSES:
        program = step(program)
    return program


def fold_constants(program: Program) -> Program:
    """Operations on constants alone are worked out here."""
    known: dict[Tensor, Tensor] = {}
    ops: list[Op] = []
    for op in program.ops:
        op = replace(op, inputs=tuple(known.get(t, t) for t in op.inputs))
        read = [t.data for t in op.inputs if t.data is not None]
        if len(read) < len(op.inputs) or sum(t.size for t in op.outputs) > FOLD_LIMIT or _ends(program, op):
            ops.append(op)
        else:
            known |= {t: replace(t, data=data) for t, data in zip(op.outputs, op.run(*read), strict=True)}
    return replace(program, ops=tuple(ops))


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


PASSES: tuple[Callable[[Program], Program], ...] = (
    fold_constants,
    join_reshapes,
    fold_padding,
    fold_channel_order,
    join_lookups,
    drop_unread,
)


def _ends(program: Program, op: Op) -> bool:
    """Whether an output or a state of the program is made by this operation."""
    return not {*program.outputs, *(s.after for s in program.states)}.isdisjoint(op.outputs)


def _kept(ops: list[Op], by: dict[Tensor, Tensor]) -> tuple[Op, ...]:
    return tuple(
        replace(op, inputs=tuple(by.get(t, t) for t in op.inputs)) if any(t in by for t in op.inputs) else op
        for op in ops
    )

"""Tensors of a program replaced by others, and outputs under the names that the model's interface gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgekit.ops.shape import Reshape
from edgekit.program import Op, Program, State, Tensor


def replaced(program: Program, by: Mapping[Tensor, Tensor]) -> Program:
    """The program reading and writing `by[tensor]` wherever it has `tensor`."""
    if not by:
        return program

    def new(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(by.get(t, t) for t in tensors)

    ops = tuple(
        replace(op, inputs=new(op.inputs), outputs=new(op.outputs)) if _touches(op, by) else op for op in program.ops
    )
    states = tuple(State(by.get(s.before, s.before), by.get(s.after, s.after), s.initial) for s in program.states)
    return replace(program, inputs=new(program.inputs), outputs=new(program.outputs), ops=ops, states=states)


def with_outputs(program: Program, names: Sequence[str]) -> Program:
    """Outputs called `names`, each a tensor of its own: one that is also an input, a constant or a second output is
    copied."""
    by = _moved_aside(program, names)
    copies: list[Op] = []
    outputs: list[Tensor] = []
    for tensor, name in zip(program.outputs, names, strict=True):
        renamed = replace(tensor, name=name, data=None)
        if tensor in program.inputs or tensor.constant or tensor in by:
            copies.append(Reshape(name=f"{name}_copy", inputs=(by.get(tensor, tensor),), outputs=(renamed,)))
        else:
            by[tensor] = renamed
        outputs.append(renamed)
    whole = replaced(program, by)
    return replace(whole, outputs=tuple(outputs), ops=(*whole.ops, *copies))


def _moved_aside(program: Program, names: Sequence[str]) -> dict[Tensor, Tensor]:
    """New names for tensors, other than inputs and outputs that are made, which have one of `names` already."""
    taken = {t.name for t in program.tensors()} | set(names)
    by: dict[Tensor, Tensor] = {}
    for tensor in program.tensors():
        own = tensor in program.inputs or (tensor in program.outputs and not tensor.constant)
        if tensor.name in names and not own:
            by[tensor] = replace(tensor, name=_free(tensor.name, taken))
            taken.add(by[tensor].name)
    return by


def _free(name: str, taken: set[str]) -> str:
    made, i = f"{name}_1", 2
    while made in taken:
        made, i = f"{name}_{i}", i + 1
    return made


def _touches(op: Op, by: Mapping[Tensor, Tensor]) -> bool:
    return any(t in by for t in (*op.inputs, *op.outputs))

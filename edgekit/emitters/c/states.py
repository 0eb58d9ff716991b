"""A Program whose states may be read after a call → the same function where only the next states are written there.

A call ends by copying each next state over the one that it began with. An output, or the next value of another state,
that is the old value of a state would change with it: it gets a copy of its own.
"""

from __future__ import annotations

from dataclasses import replace

from edgekit.emitters.c.memory import aliased
from edgekit.ops.slicing import Slice
from edgekit.program import Op, Program, Tensor


def settled(program: Program) -> Program:
    """The same function; programs where nothing needs a copy are returned as they are."""
    roots = _roots(program)
    changing = {roots[s.before] for s in program.states if roots.get(s.after) is not roots[s.before]}
    ends = (*program.outputs, *(s.after for s in program.states if roots.get(s.after) is not roots[s.before]))
    copied = list(dict.fromkeys(t for t in ends if t.size and roots.get(t) in changing))
    return _with_copies(program, copied) if copied else program


def _roots(program: Program) -> dict[Tensor, Tensor]:
    """For every value that is computed, the one whose bytes it is under another name."""
    roots = {t: t for t in (*program.inputs, *(s.before for s in program.states))}
    for op in program.ops:
        for t in op.outputs:
            roots[t] = roots[op.input] if aliased(op) else t
    return roots


def _with_copies(program: Program, copied: list[Tensor]) -> Program:
    """Outputs keep their names, and what they are copied from gets new ones."""
    taken = {t.name for t in program.tensors()} | {s.after.name for s in program.states}
    old: dict[Tensor, Tensor] = {}
    for t in copied:
        old[t] = replace(t, name=_free(f"{t.name} before", taken))
        taken.add(old[t].name)
    ops = [
        replace(op, inputs=tuple(old.get(t, t) for t in op.inputs), outputs=tuple(old.get(t, t) for t in op.outputs))
        for op in program.ops
    ]
    states = tuple(replace(s, before=old.get(s.before, s.before)) for s in program.states)
    return replace(program, ops=(*ops, *(_copy(old[t], t) for t in copied)), states=states)


def _copy(x: Tensor, y: Tensor) -> Op:
    return Slice(name=f"{y.name} copy", inputs=(x,), outputs=(y,), begin=(0,) * len(x.shape))


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name

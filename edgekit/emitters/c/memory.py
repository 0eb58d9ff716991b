"""A Program and the calls of its operators → the planner's problem.

A Reshape costs nothing: its two tensors are one buffer. States have two buffers, the one that a call reads and the one
that it makes; the second is copied over the first when a call ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgekit.emitters.c.call import Lowered
from edgekit.ops.shape import Reshape
from edgekit.planner import Buffer, Overlap, Problem, Step
from edgekit.program import Op, Program, Tensor


@dataclass(frozen=True)
class Memory:
    """problem: one step for each op of `ops`; buffers: of every tensor that lies in the arena."""

    ops: tuple[Op, ...]
    buffers: Mapping[Tensor, Buffer]
    problem: Problem


def memory_of(program: Program, lowered: Mapping[Op, Lowered], *, keep_input: bool) -> Memory:
    """lowered: of every op that becomes calls."""
    buffers = _buffers(program)
    ops = tuple(op for op in program.ops if op in lowered)
    befores = [buffers[s.before] for s in program.states]
    afters = [buffers[s.after] for s in program.states]
    inputs = [buffers[t] for t in program.inputs]
    constants = [buffers[t] for t in constant_ends(program)]
    problem = Problem(
        steps=tuple(_step(op, lowered[op], buffers) for op in ops),
        inputs=_distinct((*inputs, *befores, *constants)),
        outputs=_distinct((*(buffers[t] for t in program.outputs), *afters)),
        kept=frozenset((*befores, *constants, *(inputs if keep_input else ()))),
    )
    return Memory(ops, buffers, problem)


def constant_ends(program: Program) -> tuple[Tensor, ...]:
    """Outputs and next states that are constants: written once, by init()."""
    ends = (*program.outputs, *(s.after for s in program.states))
    return tuple(dict.fromkeys(t for t in ends if t.constant))


def aliased(op: Op) -> bool:
    """Whether an op's output is its input under another name."""
    return isinstance(op, Reshape) and not op.input.constant


def _buffers(program: Program) -> dict[Tensor, Buffer]:
    buffers: dict[Tensor, Buffer] = {}
    for tensor in (*program.inputs, *(s.before for s in program.states)):
        buffers.setdefault(tensor, _buffer(tensor))
    for op in program.ops:
        for tensor in op.outputs:
            buffers[tensor] = buffers[op.input] if aliased(op) else _buffer(tensor)
    for tensor in (*program.outputs, *(s.after for s in program.states)):
        buffers.setdefault(tensor, _buffer(tensor))  # constants
    return buffers


def _buffer(tensor: Tensor) -> Buffer:
    return Buffer(tensor.name, tensor.bytes, tensor.numpy_dtype.itemsize)


def _step(op: Op, made: Lowered, buffers: Mapping[Tensor, Buffer]) -> Step:
    scratch_bytes = max(call.scratch_bytes for call in made.calls)
    return Step(
        name=op.name,
        reads=_distinct(buffers[t] for t in op.inputs if not t.constant),
        writes=_distinct(buffers[t] for t in op.outputs),
        scratch=Buffer(f"{op.name} scratch", scratch_bytes, 8) if scratch_bytes else None,
        overlaps=_overlaps(op, made, buffers),
    )


def _overlaps(op: Op, made: Lowered, buffers: Mapping[Tensor, Buffer]) -> dict[tuple[Buffer, Buffer], Overlap]:
    """An input that is read twice, as in x * x, overlaps as both say."""
    found: dict[tuple[Buffer, Buffer], Overlap] = {}
    for source in dict.fromkeys(t for t in op.inputs if not t.constant):
        for result in op.outputs:
            over = made.overlaps.get((source, result), Overlap())
            key = buffers[source], buffers[result]
            found[key] = _both(found[key], over) if key in found else over
    return found


def _both(a: Overlap, b: Overlap) -> Overlap:
    return Overlap(_larger(a.forward_bytes, b.forward_bytes), _larger(a.backward_bytes, b.backward_bytes))


def _larger(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else max(a, b)


def _distinct(buffers: Iterable[Buffer]) -> tuple[Buffer, ...]:
    return tuple(dict.fromkeys(buffers))

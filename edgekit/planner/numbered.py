"""A Problem → the same in integers, which is what every part of the search works on.

Buffers and steps are numbers, sets of steps are bits of an integer. How buffers are numbered follows from the problem
alone, so that the same problem is always searched in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.planner.problem import Buffer, Overlap, Problem, Step


@dataclass(frozen=True)
class Numbered:
    """A problem in numbers.

    reads, writes, scratch   of each step, each buffer once
    overlaps                 of each step: (input, output, how far the output may lie over the input)
    needs                    of each step: the steps (bits) that must have run before it
    users                    of each buffer: the steps (bits) that read or write it
    from_start, to_end       buffers alive before the first step, after the last
    """

    buffers: tuple[Buffer, ...]
    sizes: tuple[int, ...]
    alignments: tuple[int, ...]
    reads: tuple[tuple[int, ...], ...]
    writes: tuple[tuple[int, ...], ...]
    scratch: tuple[tuple[int, ...], ...]
    overlaps: tuple[tuple[tuple[int, int, Overlap], ...], ...]
    needs: tuple[int, ...]
    users: tuple[int, ...]
    from_start: frozenset[int]
    to_end: frozenset[int]

    @property
    def steps(self) -> range:
        return range(len(self.reads))


def numbered(problem: Problem) -> Numbered:
    buffers = tuple(_buffers(problem))
    index = {buffer: i for i, buffer in enumerate(buffers)}
    reads = tuple(_indices(index, step.reads) for step in problem.steps)
    writes = tuple(_indices(index, step.writes) for step in problem.steps)
    kept = {index[buffer] for buffer in problem.kept}
    return Numbered(
        buffers,
        tuple(buffer.bytes for buffer in buffers),
        tuple(buffer.alignment for buffer in buffers),
        reads,
        writes,
        tuple(() if step.scratch is None else (index[step.scratch],) for step in problem.steps),
        tuple(_overlaps(index, step) for step in problem.steps),
        _needs(reads, writes),
        _users(len(buffers), reads, writes),
        frozenset(kept | {index[buffer] for buffer in problem.inputs}),
        frozenset(kept | {index[buffer] for buffer in problem.outputs}),
    )


def _buffers(problem: Problem) -> list[Buffer]:
    """Every buffer once, as they appear; those of `kept` that appear nowhere else, by name."""
    found = dict.fromkeys(problem.inputs)
    for step in problem.steps:
        own = () if step.scratch is None else (step.scratch,)
        found |= dict.fromkeys((*step.reads, *step.writes, *own))
    found |= dict.fromkeys(problem.outputs)
    idle = [buffer for buffer in problem.kept if buffer not in found]
    return [*found, *sorted(idle, key=lambda buffer: (buffer.name, buffer.bytes, buffer.alignment))]


def _indices(index: dict[Buffer, int], buffers: Sequence[Buffer]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(index[buffer] for buffer in buffers))


def _overlaps(index: dict[Buffer, int], step: Step) -> tuple[tuple[int, int, Overlap], ...]:
    found = ((index[read], index[written], overlap) for (read, written), overlap in step.overlaps.items())
    return tuple(sorted(found, key=lambda row: row[:2]))


def _needs(reads: Sequence[Sequence[int]], writes: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """A step runs after who wrote what it reads, and after everybody who used what it writes."""
    writers: dict[int, int] = {}
    users: dict[int, int] = {}
    needs = []
    for step, (read, written) in enumerate(zip(reads, writes, strict=True)):
        before = 0
        for buffer in read:
            before |= writers.get(buffer, 0)
        for buffer in written:
            before |= users.get(buffer, 0)
            writers[buffer] = writers.get(buffer, 0) | 1 << step
        for buffer in (*read, *written):
            users[buffer] = users.get(buffer, 0) | 1 << step
        needs.append(before)
    return tuple(needs)


def _users(count: int, reads: Sequence[Sequence[int]], writes: Sequence[Sequence[int]]) -> tuple[int, ...]:
    users = [0] * count
    for step, (read, written) in enumerate(zip(reads, writes, strict=True)):
        for buffer in (*read, *written):
            users[buffer] |= 1 << step
    return tuple(users)

"""Outputs over their inputs at just the distance that the rows of movement, reduction and resizing claim to be safe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from c_cases import answers, worst
from random_operators import PROGRAMS, inputs_of
from test_c_operators import allowed

from edgekit.emitters.c import KERNEL_SETS, CModel, movement, reduction, resizing
from edgekit.emitters.c.memory import aliased, memory_of
from edgekit.emitters.c.sources import CSources, kernel_sources
from edgekit.emitters.c.writer import Writer
from edgekit.ops.support import SUPPORT
from edgekit.planner import Buffer, Plan, Problem, verify
from edgekit.program import Program

ROWS = {**movement.ROWS, **reduction.ROWS, **resizing.ROWS}
CASES = 4


@dataclass(frozen=True)
class Placed:
    """A program of one operator, and which of its pairs of buffers lie over each other in which direction."""

    program: Program
    pair: int
    backward: bool

    def emitted(self) -> CModel | None:
        """None where the distance puts them apart."""
        op = self.program.ops[0]
        lowered = {op: ROWS[type(op)](op)}
        memory = memory_of(self.program, lowered, keep_input=False)
        found = plan_of(memory.problem, self.pair, self.backward)
        if found is None:
            return None
        verify(memory.problem, found)
        writer = Writer(self.program, memory, lowered, found, keep_input=False)
        calls = lowered[op].calls
        kernels = kernel_sources([c.kernel for c in calls], ["edgekit.h", calls[0].header], KERNEL_SETS["reference"])
        sources = CSources(writer.names.lower, writer.texts(), kernels)
        return CModel(sources, writer.arena_bytes, writer.constant_bytes, memory, found)


def plan_of(problem: Problem, pair: int, backward: bool) -> Plan | None:
    (read, written), over = list(problem.steps[0].overlaps.items())[pair]
    distance = over.backward_bytes if backward else over.forward_bytes
    if distance is None:
        return None
    apart = distance if backward else -distance  # start of the output - start of the input
    unit = written.alignment
    apart = -(-apart // unit) * unit if backward else apart // unit * unit  # away from each other
    if apart >= read.bytes or -apart >= written.bytes:
        return None
    offsets = {read: max(0, -apart), written: max(0, apart)}
    return Plan((0,), *beside(problem, offsets, frozenset({0} if backward else ())), 0)


def beside(problem: Problem, offsets: dict[Buffer, int], backward: frozenset[int]):
    """All other buffers behind those, and the size of the arena."""
    end = max(offset + buffer.bytes for buffer, offset in offsets.items())
    for buffer in (*problem.steps[0].reads, *problem.steps[0].writes, *problem.inputs):
        if buffer not in offsets:
            offsets[buffer] = -(-end // 8) * 8
            end = offsets[buffer] + buffer.bytes
    return offsets, backward, end


def placed(cls, kind: str) -> Iterator[Placed]:
    """Every pair of inputs and outputs in both directions, where they lie over each other."""
    for seed in range(CASES):
        program = PROGRAMS[cls](np.random.default_rng([seed, 77]), kind)
        if aliased(program.ops[0]):
            continue
        lowered = {program.ops[0]: ROWS[cls](program.ops[0])}
        pairs = memory_of(program, lowered, keep_input=False).problem.steps[0].overlaps
        for pair in range(len(pairs)):
            both = (Placed(program, pair, backward) for backward in (False, True))
            yield from (one for one in both if one.emitted() is not None)


CLASSES = [cls for cls in ROWS if cls.__name__ not in ("Reshape", "SpaceToBatch")]  # those never overlap, or hardly


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_distance_is_safe(cls):
    kinds = ["s8", "f32"] if SUPPORT[cls].int8 else ["f32"]
    everything = [one for kind in kinds for one in placed(cls, kind)]
    assert everything
    cases = [(one.program, [inputs_of(one.program, seed) for seed in (1, 2)]) for one in everything]

    def emit(program: Program) -> CModel | None:
        one = everything[int(program.name.removeprefix("case"))]
        return Placed(program, one.pair, one.backward).emitted()

    for one, case, got in zip(everything, cases, answers(cases, "sanitized", emit=emit), strict=True):
        assert worst(case, got) <= allowed(case), (one.pair, one.backward, case[0].text())

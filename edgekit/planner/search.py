"""A Problem → the smallest Plan that is found in the time given."""

from __future__ import annotations

from edgekit.planner.problem import Buffer, Plan, Problem


def plan(problem: Problem, time_limit_s: float = 5.0) -> Plan:
    """Every buffer beside every other: to be replaced by the search."""
    offsets: dict[Buffer, int] = {}
    end = 0
    buffers = dict.fromkeys((*problem.inputs, *problem.outputs, *problem.kept))
    for step in problem.steps:
        buffers.update(dict.fromkeys((*step.reads, *step.writes)))
        if step.scratch is not None:
            buffers[step.scratch] = None
    for buffer in buffers:
        offsets[buffer] = -(-end // buffer.alignment) * buffer.alignment
        end = offsets[buffer] + buffer.bytes
    return Plan(tuple(range(len(problem.steps))), offsets, frozenset(), end, 0)

"""Operands spread over the shape of an output → fields of ek_broadcast, and how far the output may lie over each.

Axes that all operands go through as if they were one are one, so that equal shapes are a single run. Every kernel of
ek_broadcast goes through the output from first to last and reads an element of each operand before it writes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from edgekit.emitters.c.call import Fields, table
from edgekit.emitters.c.overlaps import elementwise
from edgekit.planner import Overlap
from edgekit.program import Op, Tensor

OPERANDS = 3  # of ek_broadcast
Axis = tuple[int, tuple[int, ...]]  # its size, and by how many elements each operand moves along it


def broadcast(shape: Sequence[int], operands: Sequence[Tensor]) -> Fields:
    """Fields of ek_broadcast for an output of `shape`."""
    steps = [*(_steps(t.shape, shape) for t in operands), *[(0,) * len(shape)] * (OPERANDS - len(operands))]
    axes = _joined([(n, tuple(s[k] for s in steps)) for k, n in enumerate(shape) if n != 1])
    run, run_steps = axes[-1] if axes else (1, (0,) * OPERANDS)
    outer = axes[-2::-1]
    return {
        "runs": math.prod(n for n, _ in outer),
        "run": run,
        "steps": run_steps,
        "axes": len(outer),
        "jumps": table(_jumps(outer), "s32") if outer else None,
    }


def in_place(op: Op) -> Mapping[tuple[Tensor, Tensor], Overlap]:
    """Where the output of a broadcast may lie over its operands."""
    return {(x, op.output): _overlap(x, op.output) for x in op.inputs if not x.constant}


def _steps(shape: Sequence[int], spread: Sequence[int]) -> tuple[int, ...]:
    """Elements from one index to the next along each axis of `spread`; 0 where a value is repeated."""
    full = (1,) * (len(spread) - len(shape)) + tuple(shape)
    return tuple(0 if n == 1 else math.prod(full[k + 1 :]) for k, n in enumerate(full))


def _joined(axes: Sequence[Axis]) -> list[Axis]:
    """Neighbouring axes as one where every operand goes on from one to the other without a jump."""
    made: list[Axis] = []
    for size, steps in axes:
        if made and all(before == size * step for before, step in zip(made[-1][1], steps, strict=True)):
            made[-1] = made[-1][0] * size, steps
        else:
            made.append((size, steps))
    return made


def _jumps(outer: Sequence[Axis]) -> list[tuple[int, ...]]:
    """Rows of ek_broadcast.jumps for the axes around a run, innermost first."""
    rows, every = [], 1
    back = (0,) * OPERANDS
    for size, steps in outer:
        rows.append((every, *(step - b for step, b in zip(steps, back, strict=True))))
        every, back = every * size, tuple(size * step for step in steps)
    return rows


def _overlap(x: Tensor, y: Tensor) -> Overlap:
    """Safe where what is written up to an element lies before all that is read after it."""
    if x.size == y.size or y.size == 0:
        return elementwise(x, y)
    read = np.broadcast_to(np.arange(x.size).reshape(x.shape), y.shape).reshape(-1)
    later = np.minimum.accumulate(read[::-1])[::-1][1:] * x.numpy_dtype.itemsize
    written = np.arange(1, y.size) * y.numpy_dtype.itemsize
    return Overlap(forward_bytes=max(0, int(np.max(written - later, initial=0))))

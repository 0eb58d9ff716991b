"""What kernels read and write, one moment after the other → how far an output may lie over an input.

At each moment a kernel reads an interval of bytes before it writes one: what it has written must lie beside all that it
is still going to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgekit.emitters.c.call import Operand
from edgekit.planner import Overlap
from edgekit.program import Tensor
from edgekit.program.tensor import Array

FAR = 1 << 60  # behind the end of everything


@dataclass(frozen=True, eq=False)
class Access:
    """Of every moment of one call, first to last: which bytes of x it reads and which of y it then writes.

    `to` is behind the last byte; both count from the start of their operand.
    """

    x: Operand
    y: Tensor
    read_from: Array
    read_to: Array
    write_from: Array
    write_to: Array


def overlap(x: Tensor, y: Tensor, calls: Sequence[Access]) -> Overlap:
    """Of calls in this order; backward: the same moments from the last to the first."""
    read_from = _of([(call.read_from, call.x is x) for call in calls], FAR)
    read_to = _of([(call.read_to, call.x is x) for call in calls], -FAR)
    write_from = _of([(call.write_from, call.y is y) for call in calls], FAR)
    write_to = _of([(call.write_to, call.y is y) for call in calls], -FAR)
    forward = _distance(read_from, write_to)
    backward = _distance(-read_to[::-1], -write_from[::-1])
    return Overlap(max(forward, -x.bytes), max(backward, -y.bytes))


def forward(x: Tensor, y: Tensor, calls: Sequence[Access]) -> Overlap:
    """Of kernels that go from the first moment to the last only."""
    return replace(overlap(x, y, calls), backward_bytes=None)


def reading_on(call: Access) -> Access:
    """The same where a moment goes on to read after it has begun to write."""
    nothing, read = np.full(len(call.read_from), FAR), (call.read_from, call.read_to)
    return Access(
        call.x,
        call.y,
        read_from=_braided(read[0], nothing, read[0]),
        read_to=_braided(read[1], -nothing, read[1]),
        write_from=_braided(nothing, call.write_from, nothing),
        write_to=_braided(-nothing, call.write_to, -nothing),
    )


def _braided(*parts: Array) -> Array:
    return np.stack(parts, axis=1).reshape(-1)


def _of(parts: Sequence[tuple[Array, bool]], otherwise: int) -> Array:
    """The moments of all calls; those with another operand neither read nor write."""
    return np.concatenate([part if meant else np.full(len(part), otherwise, np.int64) for part, meant in parts])


def _distance(read_from: Array, write_to: Array) -> int:
    """The least distance of the starts at which no moment reads what an earlier one has written."""
    written = np.maximum.accumulate(np.concatenate([[-FAR], write_to[:-1]]))
    unread = np.minimum.accumulate(read_from[::-1])[::-1]
    return int(np.max(written - unread))

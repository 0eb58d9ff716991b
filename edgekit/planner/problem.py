"""What a memory plan is made of: buffers, the steps that read and write them, and the plan itself.

Nothing here knows an operator: the C emitter turns a Program and the kernels that it calls into `Problem`. All sizes
are bytes in one arena; a `Plan` says where every buffer lies and in which order the steps run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, eq=False)
class Buffer:
    """Bytes in the arena at a multiple of `alignment`; two buffers are the same only if they are one object."""

    name: str
    bytes: int
    alignment: int = 1


@dataclass(frozen=True)
class Overlap:
    """How far an output may lie over an input that its step reads for the last time.

    forward_bytes   safe where start of output + forward_bytes <= start of input, if the kernel goes from its first
                    output to its last
    backward_bytes  safe where start of output >= start of input + backward_bytes, if it goes from the last to the first

    Either may be negative; None: never. Where they do not overlap at all, everything is safe.
    """

    forward_bytes: int | None = None
    backward_bytes: int | None = None


IN_PLACE = Overlap(0, 0)


@dataclass(frozen=True, eq=False)
class Step:
    """One kernel call. `scratch` is alive only in it; overlaps: (one of reads, one of writes) → how far they may."""

    name: str
    reads: tuple[Buffer, ...]
    writes: tuple[Buffer, ...]
    scratch: Buffer | None = None
    overlaps: Mapping[tuple[Buffer, Buffer], Overlap] = field(default_factory=dict)


@dataclass(frozen=True)
class Problem:
    """Steps in an order in which they can run.

    inputs   hold what the caller wrote before the first step; they may be overwritten after their last read
    outputs  hold what the caller reads after the last step
    kept     alive from before the first to after the last step: states, and inputs that must not be overwritten
    """

    steps: tuple[Step, ...]
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    kept: frozenset[Buffer] = frozenset()


@dataclass(frozen=True)
class Plan:
    """Where everything lies.

    order        indices of the problem's steps as they run
    offsets      of every buffer, scratch included
    backward     indices of the steps whose kernel goes from its last output to its first
    bytes        size of the arena
    lower_bytes  no plan is smaller; where it equals `bytes`, the plan is exact
    """

    order: tuple[int, ...]
    offsets: Mapping[Buffer, int]
    backward: frozenset[int]
    bytes: int
    lower_bytes: int

    @property
    def exact(self) -> bool:
        return self.bytes == self.lower_bytes

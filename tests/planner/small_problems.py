"""Memory problems at random, and their smallest arena by trying everything: shares no code with the planner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product

from hypothesis import strategies as st

from edgekit.planner import Buffer, Overlap, Problem, Step


@st.composite
def problems(
    draw: st.DrawFn,
    *,
    max_steps: int,
    max_bytes: int,
    max_reads: int = 2,
    overlaps: bool = True,
    alignments: Sequence[int] = (1, 2, 4),
) -> Problem:
    """Steps that read what was written before them; some buffers are kept, empty, scratch, or read by nobody."""
    made: list[Buffer] = []

    def buffer(kind: str) -> Buffer:
        size, alignment = draw(st.integers(0, max_bytes)), draw(st.sampled_from(alignments))
        made.append(Buffer(f"{kind}{len(made)}", size, alignment))
        return made[-1]

    inputs = tuple(buffer("in") for _ in range(draw(st.integers(1, 2))))
    state = [(buffer("state"), buffer("after"))] if draw(st.integers(0, 3)) == 0 else []
    known = [*inputs, *(before for before, _ in state)]
    steps: list[Step] = []
    for i in range(draw(st.integers(1, max_steps))):
        reads = tuple(draw(st.lists(st.sampled_from(known[-3:]), max_size=max_reads)))
        writes = tuple(buffer("t") for _ in range(1 + (draw(st.integers(0, 4)) == 0)))
        writes += tuple(after for _, after in state if i == 0)
        scratch = buffer("scratch") if draw(st.integers(0, 4)) == 0 else None
        allowed = {pair: draw(_overlaps(max_bytes)) for pair in product(reads, writes)} if overlaps else {}
        steps.append(Step(f"step{i}", reads, writes, scratch, allowed))
        known += writes
    outputs = tuple(draw(st.lists(st.sampled_from(known), min_size=1, max_size=2, unique=True)))
    kept = frozenset(b for pair in state for b in pair) | (
        frozenset(inputs[:1]) if draw(st.booleans()) else frozenset()
    )
    return Problem(tuple(steps), inputs, outputs, kept)


def _overlaps(max_bytes: int) -> st.SearchStrategy[Overlap]:
    distance = st.none() | st.integers(-max_bytes // 4, max_bytes)
    return st.builds(Overlap, distance, distance)


@dataclass(frozen=True)
class Moment:
    """What is alive together, and how pairs (input that dies, output that is born) may overlap in it."""

    alive: frozenset[Buffer]
    step: int
    allowed: dict[tuple[Buffer, Buffer], Overlap]


def fewest_bytes(problem: Problem) -> int:
    """The smallest arena of all orders, directions and offsets."""
    return min(_fewest(problem, order) for order in orders(problem))


def orders(problem: Problem) -> Iterator[tuple[int, ...]]:
    """Orders in which each buffer is written before it is read."""
    for order in permutations(range(len(problem.steps))):
        known = set(problem.inputs) | problem.kept - {w for step in problem.steps for w in step.writes}
        for step in (problem.steps[index] for index in order):
            if not known.issuperset(step.reads):
                break
            known |= set(step.writes)
        else:
            yield order


def moments(problem: Problem, order: Sequence[int]) -> list[Moment]:
    """Before the first step (0), in each step, and after the last."""
    steps = [problem.steps[index] for index in order]
    start, end = {*problem.inputs, *problem.kept}, {*problem.outputs, *problem.kept}
    times: dict[Buffer, list[int]] = {}
    for time, used in enumerate([start, *({*step.reads, *step.writes} for step in steps), end]):
        for buffer in used:
            times.setdefault(buffer, []).append(time)
    alive = [frozenset(b for b, t in times.items() if min(t) <= time <= max(t)) for time in range(len(order) + 2)]
    found = [Moment(alive[0], -1, {})]
    for time, (index, step) in enumerate(zip(order, steps, strict=True), 1):
        own = frozenset() if step.scratch is None else frozenset([step.scratch])
        pairs = {
            (read, written): overlap
            for (read, written), overlap in step.overlaps.items()
            if read not in alive[time + 1] and written not in alive[time - 1] and read not in step.writes
        }
        found.append(Moment(alive[time] | own, index, pairs))
    return [*found, Moment(alive[-1], -1, {})]


def _fewest(problem: Problem, order: tuple[int, ...]) -> int:
    times = moments(problem, order)
    buffers = [b for b in dict.fromkeys(b for time in times for b in sorted(time.alive, key=str)) if b.bytes]
    ways = [frozenset(w) for w in _subsets([t.step for t in times if len(t.allowed) > 1])]
    size = max((sum(b.bytes for b in t.alive) - _most_shared(t) for t in times), default=0)
    size = max([size, *(b.bytes for b in buffers)])
    while not any(_fits(buffers, times, way, size, {}) for way in ways):
        size += 1
    return size


def _most_shared(moment: Moment) -> int:
    return sum(min(read.bytes, written.bytes) for read, written in moment.allowed)


def _subsets(items: list[int]) -> list[list[int]]:
    return [[i for i, taken in zip(items, mask, strict=True) if taken] for mask in product((0, 1), repeat=len(items))]


def _fits(
    buffers: Sequence[Buffer], times: Sequence[Moment], way: frozenset[int], size: int, at: dict[Buffer, int]
) -> bool:
    if len(at) == len(buffers):
        return True
    buffer = buffers[len(at)]
    return any(
        all(_apart(times, way, at, buffer, offset, other) for other in at)
        and _fits(buffers, times, way, size, at | {buffer: offset})
        for offset in range(0, size - buffer.bytes + 1, buffer.alignment)
    )


def _apart(
    times: Sequence[Moment], way: frozenset[int], at: dict[Buffer, int], one: Buffer, offset: int, other: Buffer
) -> bool:
    """Whether two buffers may lie so, `way`: the steps that go backward where a step has several overlaps."""
    place = {one: offset, other: at[other]}
    if place[one] + one.bytes <= place[other] or place[other] + other.bytes <= place[one]:
        return True
    for time in (t for t in times if one in t.alive and other in t.alive):
        pair = (one, other) if (one, other) in time.allowed else (other, one)
        overlap = time.allowed.get(pair, Overlap())
        read, written = place[pair[0]], place[pair[1]]
        forward = overlap.forward_bytes is not None and written + overlap.forward_bytes <= read
        backward = overlap.backward_bytes is not None and written >= read + overlap.backward_bytes
        if len(time.allowed) > 1:
            forward, backward = forward and time.step not in way, backward and time.step in way
        if not forward and not backward:
            return False
    return True

"""Small memory problems at random, and their smallest plan by trying everything: shares no code with the planner."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

from hypothesis import strategies as st

from edgekit.planner import Buffer, Overlap, Problem, Step

Draw = st.DrawFn


@st.composite
def problems(
    draw: Draw,
    *,
    max_steps: int = 8,
    max_bytes: int = 40,
    overlaps: bool = True,
    alignments: tuple[int, ...] = (1, 2, 4),
) -> Problem:
    """Steps that read any buffers written before; some buffers are kept, read by nobody, empty, or scratch."""
    count = 0

    def buffer(kind: str) -> Buffer:
        nonlocal count
        count += 1
        return Buffer(f"{kind}{count}", draw(st.integers(0, max_bytes)), draw(st.sampled_from(alignments)))

    known = [buffer("in") for _ in range(draw(st.integers(1, 2)))]
    inputs = tuple(known)
    kept = set(known[: draw(st.integers(0, 1))]) if draw(st.booleans()) else set()
    states = [buffer("state") for _ in range(draw(st.integers(0, 1)))]
    known += states
    after = [buffer("after") for _ in states]  # written by one step, kept to the end
    steps: list[Step] = []
    for i in range(draw(st.integers(1, max_steps))):
        recent = known[-3:] if draw(st.booleans()) else known
        reads = tuple(draw(st.lists(st.sampled_from(recent), min_size=0, max_size=3)))
        writes = tuple(buffer("t") for _ in range(draw(st.integers(1, 2))))
        if after and draw(st.booleans()):
            writes += (after.pop(),)
        scratch = buffer("scratch") if draw(st.integers(0, 3)) == 0 else None
        allowed = {pair: draw(_overlaps(max_bytes)) for pair in product(reads, writes)} if overlaps else {}
        steps.append(Step(f"step{i}", reads, writes, scratch, allowed))
        known += writes
    outputs = tuple(draw(st.lists(st.sampled_from(known), min_size=1, max_size=2, unique=True)))
    written = {w for step in steps for w in step.writes}
    alive = frozenset(kept | set(states) | {b for b in written if b.name.startswith("after")})
    return Problem(tuple(steps), inputs, outputs, alive)


def _overlaps(max_bytes: int) -> st.SearchStrategy[Overlap]:
    distance = st.none() | st.integers(-max_bytes // 4, max_bytes)
    return st.builds(Overlap, distance, distance)


def fewest_bytes(problem: Problem) -> int:
    """The smallest arena of all orders, directions and offsets."""
    return min(_fewest(problem, order) for order in _orders(problem))


def _orders(problem: Problem) -> Iterator[tuple[int, ...]]:
    """Orders in which each buffer is written before it is read."""
    given = set(problem.inputs) | problem.kept
    for order in permutations(range(len(problem.steps))):
        known = set(given)
        for index in order:
            if not known.issuperset(problem.steps[index].reads):
                break
            known |= set(problem.steps[index].writes)
        else:
            yield order


def _fewest(problem: Problem, order: tuple[int, ...]) -> int:
    moments = _moments(problem, order)
    buffers = [b for b in dict.fromkeys(b for alive, _ in moments for b in alive) if b.bytes]
    ways = product((False, True), repeat=len(problem.steps))
    rules = [_rules(moments, buffers, way) for way in ways]
    size = max((b.bytes for b in buffers), default=0)
    while not any(_fits(buffers, rule, size, []) for rule in rules):
        size += 1
    return size


def _moments(problem: Problem, order: tuple[int, ...]) -> list[tuple[set[Buffer], int | None]]:
    """What is alive before, in, and after the steps."""
    used = [set(problem.steps[i].reads) | set(problem.steps[i].writes) for i in order]
    end = set(problem.outputs) | problem.kept
    start = set(problem.inputs) | problem.kept
    times: dict[Buffer, list[int]] = {}
    for time, touched in enumerate([start, *used, end]):
        for buffer in touched:
            times.setdefault(buffer, []).append(time)
    moments: list[tuple[set[Buffer], int | None]] = []
    for time, index in enumerate([None, *order, None]):
        alive = {b for b, at in times.items() if min(at) <= time <= max(at)}
        if index is not None and (scratch := problem.steps[index].scratch) is not None:
            alive.add(scratch)
        moments.append((alive, index))
    return [_with_steps(problem, moment, i, moments) for i, moment in enumerate(moments)]


def _with_steps(problem, moment, i, moments):  # type: ignore[no-untyped-def]
    """A moment with the pairs that its step lets overlap: of an input that is dead after it, and an output new in it."""
    alive, index = moment
    if index is None:
        return alive, None
    step = problem.steps[index]
    pairs = {
        (r, w): overlap
        for (r, w), overlap in step.overlaps.items()
        if r not in moments[i + 1][0] and w not in moments[i - 1][0] and r in step.reads and w in step.writes
    }
    return alive, (index, pairs)


def _rules(moments, buffers, way):  # type: ignore[no-untyped-def]
    """(later, earlier) → the overlap that it has to obey in each moment in which both are alive."""
    rules = {}
    for i, b in enumerate(buffers):
        for a in buffers[:i]:
            demands = []
            for alive, step in moments:
                if a in alive and b in alive:
                    index, pairs = step or (None, {})
                    backward = index is not None and way[index]
                    if (a, b) in pairs:
                        demands.append((a, b, pairs[a, b], backward))
                    elif (b, a) in pairs:
                        demands.append((b, a, pairs[b, a], backward))
                    else:
                        demands.append((a, b, Overlap(), backward))
            rules[a, b] = demands
    return rules


def _fits(buffers, rules, size, placed):  # type: ignore[no-untyped-def]
    if len(placed) == len(buffers):
        return True
    buffer = buffers[len(placed)]
    for offset in range(0, size - buffer.bytes + 1, buffer.alignment):
        at = dict(zip(buffers, [*placed, offset], strict=False))
        if all(_obeys(at, d) for other in buffers[: len(placed)] for d in rules[other, buffer]) and _fits(
            buffers, rules, size, [*placed, offset]
        ):
            return True
    return False


def _obeys(at, demand):  # type: ignore[no-untyped-def]
    read, written, overlap, backward = demand
    if at[read] + read.bytes <= at[written] or at[written] + written.bytes <= at[read]:
        return True
    if backward:
        return overlap.backward_bytes is not None and at[written] >= at[read] + overlap.backward_bytes
    return overlap.forward_bytes is not None and at[written] + overlap.forward_bytes <= at[read]

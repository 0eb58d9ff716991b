"""A Problem and a Plan → nothing, or an error that names what overlaps: shares no code with the search.

The plan's order is run on paper. Each step must read from every buffer what the same step read in the problem's own
order, and whenever a buffer comes to life it must lie beside everything that is alive, or over an input that its step
reads for the last time, as far as the step's overlaps say for the plan's direction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgekit.errors import InternalError
from edgekit.planner.problem import Buffer, Plan, Problem, Step

BEFORE = -1  # who wrote what is there before the first step: the caller


def verify(problem: Problem, plan: Plan) -> None:
    """Raises InternalError with the buffers, their offsets and the step, where running the plan would go wrong."""
    _check_order(problem, plan)
    _check_data(problem, plan)
    _check_places(problem, plan)
    _check_neighbours(problem, plan)


def _check_order(problem: Problem, plan: Plan) -> None:
    if sorted(plan.order) != list(range(len(problem.steps))):
        raise _wrong(f"its order is no permutation of {len(problem.steps)} steps: {list(plan.order)}")
    unknown = sorted(plan.backward - set(plan.order))
    if unknown:
        raise _wrong(f"it gives a direction to steps that do not exist: {unknown}")


def _check_data(problem: Problem, plan: Plan) -> None:
    """Each step, and the caller at the end, finds what the same writer left as in the problem's own order."""
    meant = dict(_readings(problem, range(len(problem.steps))))
    for place, writer in _readings(problem, plan.order):
        if writer != meant[place]:
            index, buffer = place
            reader = "the caller" if index == len(problem.steps) else f'step "{problem.steps[index].name}"'
            got, wanted = (_writer(problem, one) for one in (writer, meant[place]))
            raise _wrong(f'{reader} finds in "{buffer.name}" what {got} wrote, not what {wanted} wrote')
    for (index, buffer), writer in meant.items():
        if writer is None:
            reader = "the caller" if index == len(problem.steps) else f'step "{problem.steps[index].name}"'
            raise _wrong(f'{reader} reads "{buffer.name}", which nobody has written')


def _readings(problem: Problem, order: Sequence[int]) -> Iterator[tuple[tuple[int, Buffer], int | None]]:
    """(who reads, what) → who wrote it last; the caller reads last of all, outputs and what is kept."""
    wrote: dict[Buffer, int] = dict.fromkeys([*problem.inputs, *problem.kept], BEFORE)
    for index in order:
        yield from (((index, buffer), wrote.get(buffer)) for buffer in problem.steps[index].reads)
        wrote |= dict.fromkeys(problem.steps[index].writes, index)
    yield from (((len(problem.steps), buffer), wrote.get(buffer)) for buffer in [*problem.outputs, *problem.kept])


def _writer(problem: Problem, index: int | None) -> str:
    if index is None:
        return "nobody"
    return "the caller" if index == BEFORE else f'step "{problem.steps[index].name}"'


def _check_places(problem: Problem, plan: Plan) -> None:
    for buffer in _all_buffers(problem):
        if buffer not in plan.offsets:
            raise _wrong(f'it has no place for "{buffer.name}"')
        offset = plan.offsets[buffer]
        if offset % buffer.alignment:
            raise _wrong(f"{_place(plan, buffer)} is no multiple of {buffer.alignment} bytes")
        if offset < 0 or buffer.bytes < 0 or offset + buffer.bytes > plan.bytes:
            raise _wrong(f"{_place(plan, buffer)} is outside the arena of {plan.bytes} bytes")
    if plan.lower_bytes > plan.bytes:
        raise _wrong(f"its {plan.bytes} bytes are below the {plan.lower_bytes} bytes that it calls the least")


def _all_buffers(problem: Problem) -> Iterator[Buffer]:
    for step in problem.steps:
        yield from (*step.reads, *step.writes)
        if step.scratch is not None:
            yield step.scratch
    yield from (*problem.inputs, *problem.outputs, *problem.kept)


def _check_neighbours(problem: Problem, plan: Plan) -> None:
    """Walks through the order; a pair is looked at when the later of the two comes to life."""
    ends = _last_positions(problem, plan)
    alive = _side_by_side(plan, [*problem.inputs, *problem.kept], "before the first step")
    for position, index in enumerate(plan.order):
        step = problem.steps[index]
        alive = [buffer for buffer in alive if ends[buffer] >= position]
        dying = [buffer for buffer in alive if ends[buffer] == position and _is_only_read(step, buffer)]
        alive += _check_step(plan, index, step, alive, dying)
    _side_by_side(plan, [*problem.outputs, *problem.kept], "after the last step")


def _side_by_side(plan: Plan, buffers: Sequence[Buffer], when: str) -> list[Buffer]:
    """What the caller writes or reads at once, though there be no step at all."""
    alive: list[Buffer] = []
    for buffer in dict.fromkeys(buffers):
        _check_beside(plan, buffer, alive, when)
        alive.append(buffer)
    return alive


def _check_step(plan: Plan, index: int, step: Step, alive: Sequence[Buffer], dying: Sequence[Buffer]) -> list[Buffer]:
    """What the step brings to life lies beside all that is alive, or over what dies as far as that is safe."""
    when = f'in step "{step.name}"'
    lasting = [buffer for buffer in alive if buffer not in dying]
    born: list[Buffer] = []
    for buffer in (b for b in dict.fromkeys(step.writes) if b not in alive):
        _check_beside(plan, buffer, [*lasting, *born], when)
        for read in dying:
            _check_overlap(plan, step, index in plan.backward, read, buffer)
        born.append(buffer)
    if step.scratch is not None:
        _check_beside(plan, step.scratch, [*alive, *born], when)
    return born


def _last_positions(problem: Problem, plan: Plan) -> dict[Buffer, int]:
    """The position of the step that uses a buffer last; beyond all steps for what the caller reads and what is kept."""
    ends = dict.fromkeys([*problem.inputs], BEFORE)
    for position, index in enumerate(plan.order):
        ends |= dict.fromkeys([*problem.steps[index].reads, *problem.steps[index].writes], position)
    return ends | dict.fromkeys([*problem.outputs, *problem.kept], len(plan.order))


def _is_only_read(step: Step, buffer: Buffer) -> bool:
    return buffer in step.reads and buffer not in step.writes


def _check_beside(plan: Plan, buffer: Buffer, others: Sequence[Buffer], when: str) -> None:
    for other in others:
        if other is not buffer and _touch(plan, buffer, other):
            raise _wrong(f"{_place(plan, buffer)} lies over {_place(plan, other)} {when}, where both are needed")


def _check_overlap(plan: Plan, step: Step, backward: bool, read: Buffer, written: Buffer) -> None:
    """`read` dies in the step that brings `written` to life."""
    if not _touch(plan, read, written):
        return
    overlap = step.overlaps.get((read, written))
    input_at, output_at = plan.offsets[read], plan.offsets[written]
    if overlap is None:
        safe = False
    elif backward:
        safe = overlap.backward_bytes is not None and output_at >= input_at + overlap.backward_bytes
    else:
        safe = overlap.forward_bytes is not None and output_at + overlap.forward_bytes <= input_at
    if not safe:
        way = "backward" if backward else "forward"
        allowed = "no overlap is allowed" if overlap is None else f"allowed is {overlap}"
        where = f'in step "{step.name}", which goes {way}'
        raise _wrong(f"{_place(plan, written)} lies over its input {_place(plan, read)} {where}: {allowed}")


def _touch(plan: Plan, one: Buffer, other: Buffer) -> bool:
    """Whether the two share a byte."""
    start = max(plan.offsets[one], plan.offsets[other])
    end = min(plan.offsets[one] + one.bytes, plan.offsets[other] + other.bytes)
    return start < end


def _place(plan: Plan, buffer: Buffer) -> str:
    start = plan.offsets[buffer]
    return f'"{buffer.name}" at {start}..{start + buffer.bytes}'


def _wrong(what: str) -> InternalError:
    return InternalError(f"the memory plan is wrong: {what}", hint="this is a bug of edgekit; please report it")

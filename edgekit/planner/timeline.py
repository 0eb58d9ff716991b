"""A Problem and its Plan → what is alive in each step and where it lies, as data and as text for memory.txt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.planner.problem import Buffer, Plan, Problem, Step

MAP_COLUMNS = 48  # of the arena's addresses in a line of text
NAME_COLUMNS = 40


@dataclass(frozen=True)
class Place:
    """A buffer in the arena.

    first, last   positions in the order between which it is alive; -1: since before the first step; their number: until
                  after the last
    over          names of the inputs that it lies over, with at least a byte, in the step that writes it
    """

    name: str
    offset: int
    bytes: int
    first: int
    last: int
    over: tuple[str, ...]

    @property
    def end(self) -> int:
        return self.offset + self.bytes


@dataclass(frozen=True)
class Moment:
    """One step as it runs. live: by offset; live_bytes: of the arena that are in use, shared ones counted once."""

    step: str
    backward: bool
    live: tuple[Place, ...]
    live_bytes: int


@dataclass(frozen=True)
class Timeline:
    """A plan over time: moments in the order of execution, places in the order in which they come to life."""

    moments: tuple[Moment, ...]
    places: tuple[Place, ...]
    arena_bytes: int
    lower_bytes: int

    @property
    def exact(self) -> bool:
        return self.arena_bytes == self.lower_bytes

    @property
    def peak(self) -> int | None:
        """Position of the first moment that uses the most bytes; None without steps."""
        order = range(len(self.moments))
        return max(order, key=lambda i: (self.moments[i].live_bytes, -i), default=None)


def timeline(problem: Problem, plan: Plan) -> Timeline:
    lives = _lives(problem, plan)
    places = {buffer: _place(problem, plan, buffer, lives) for buffer in sorted(lives, key=lambda b: lives[b])}
    moments = []
    for position, index in enumerate(plan.order):
        live = [place for place in places.values() if place.first <= position <= place.last]
        live.sort(key=lambda place: (place.offset, place.first))
        step = problem.steps[index]
        moments.append(Moment(step.name, index in plan.backward, tuple(live), _covered(live)))
    return Timeline(tuple(moments), tuple(places.values()), plan.bytes, plan.lower_bytes)


def _lives(problem: Problem, plan: Plan) -> dict[Buffer, tuple[int, int]]:
    """First and last position of each buffer, in the order in which the plan meets them."""
    always = sorted(problem.kept, key=lambda buffer: (plan.offsets[buffer], buffer.name))
    lives = dict.fromkeys((*problem.inputs, *always), (-1, -1))
    for position, index in enumerate(plan.order):
        for buffer in _used(problem.steps[index]):
            lives[buffer] = lives.get(buffer, (position, position))[0], position
    for buffer in (*problem.outputs, *always):
        lives[buffer] = lives.get(buffer, (-1, -1))[0], len(plan.order)
    return lives


def _used(step: Step) -> tuple[Buffer, ...]:
    return (*step.reads, *step.writes, *(() if step.scratch is None else (step.scratch,)))


def _place(problem: Problem, plan: Plan, buffer: Buffer, lives: dict[Buffer, tuple[int, int]]) -> Place:
    first, last = lives[buffer]
    offset, over = plan.offsets[buffer], []
    if 0 <= first < len(plan.order) and buffer in (step := problem.steps[plan.order[first]]).writes:
        over = [read.name for read in dict.fromkeys(step.reads) if read is not buffer and _shared(plan, read, buffer)]
    return Place(buffer.name, offset, buffer.bytes, first, last, tuple(over))


def _shared(plan: Plan, a: Buffer, b: Buffer) -> bool:
    starts = plan.offsets[a], plan.offsets[b]
    return max(starts) < min(starts[0] + a.bytes, starts[1] + b.bytes)


def _covered(live: Sequence[Place]) -> int:
    covered = reached = 0
    for place in live:
        covered += max(0, place.end - max(reached, place.offset))
        reached = max(reached, place.end)
    return covered


def text(problem: Problem, plan: Plan) -> str:
    """memory.txt: the arena, what is in use in each step, and where and when each buffer lies."""
    found = timeline(problem, plan)
    return "\n".join([_summary(found), "", *_moments(found), "", *_places(found)]) + "\n"


def _summary(found: Timeline) -> str:
    proof = "no plan is smaller" if found.exact else f"no plan is below {found.lower_bytes:,}; a smaller one may exist"
    return f"arena: {found.arena_bytes:,} bytes ({proof})"


def _moments(found: Timeline) -> list[str]:
    """A line for each step, with the arena from address 0 at the left to its end at the right."""
    numbers = {id(place): f"#{number}" for number, place in enumerate(found.places)}
    lines = [("", "step", "way", "in use", "arena, from 0 to its end".ljust(MAP_COLUMNS + 2), "alive, from..to")]
    for position, moment in enumerate(found.moments):
        mark = f"{position}{'*' if position == found.peak else ' '}"
        way = "backward" if moment.backward else ""
        alive = "  ".join(f"{numbers[id(p)]} {p.offset}..{p.end}" for p in moment.live)
        used = f"{moment.live_bytes:,}"
        lines.append((mark, _name(moment.step), way, used, f"|{_map(moment, found.arena_bytes)}|", alive))
    return [*_table(lines, right=(0, 3)), "* the most bytes in use"]


def _map(moment: Moment, arena_bytes: int) -> str:
    drawn = ["."] * MAP_COLUMNS
    for place in moment.live:
        if place.bytes:
            first, last = (MAP_COLUMNS * at // arena_bytes for at in (place.offset, place.end - 1))
            drawn[first : last + 1] = "#" * (last + 1 - first)
    return "".join(drawn)


def _places(found: Timeline) -> list[str]:
    lines = [("", "buffer", "offset", "bytes", "from step", "to step", "lies over")]
    for number, place in enumerate(found.places):
        start = "start" if place.first < 0 else str(place.first)
        end = "end" if place.last >= len(found.moments) else "start" if place.last < 0 else str(place.last)
        over = ", ".join(_name(name) for name in place.over)
        lines.append((f"#{number}", _name(place.name), f"{place.offset:,}", f"{place.bytes:,}", start, end, over))
    return _table(lines, right=(0, 2, 3, 4, 5))


def _table(lines: Sequence[Sequence[str]], right: Sequence[int]) -> list[str]:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return ["  ".join(_cells(line, widths, right)).rstrip() for line in lines]


def _cells(line: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> list[str]:
    cells = enumerate(zip(line, widths, strict=True))
    return [cell.rjust(width) if i in right else cell.ljust(width) for i, (cell, width) in cells]


def _name(name: str) -> str:
    """Names come from files of strangers: one line, printable, not too long."""
    shown = "".join(c if c.isprintable() else "?" for c in name)
    return shown if len(shown) <= NAME_COLUMNS else shown[: NAME_COLUMNS - 1] + "…"

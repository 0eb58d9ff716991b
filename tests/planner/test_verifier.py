"""The verifier refuses every plan that would go wrong, and names the buffers, their offsets and the step."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import resnet8
from small_problems import moments, problems

from edgekit.errors import InternalError
from edgekit.planner import IN_PLACE, Buffer, Overlap, Plan, Problem, Step, plan, verify


@pytest.fixture(scope="module")
def network() -> tuple[Problem, Plan]:
    problem = resnet8()
    return problem, plan(problem)


def named(problem: Problem, name: str) -> Buffer:
    return next(b for step in problem.steps for b in (*step.reads, *step.writes) if b.name == name)


def moved(found: Plan, buffer: Buffer, offset: int) -> Plan:
    return replace(found, offsets={**found.offsets, buffer: offset})


def test_a_plan_that_holds_is_accepted(network):
    verify(*network)


# --- broken plans of a real network


def test_a_moved_buffer_is_named_with_its_neighbour_and_the_step(network):
    problem, found = network
    skip, other = named(problem, "conv0"), named(problem, "conv1")
    with pytest.raises(InternalError) as error:
        verify(problem, moved(found, other, found.offsets[skip]))
    start = found.offsets[skip]
    for word in (f'"conv1" at {start}..{start + 16_384}', f'"conv0" at {start}..{start + 16_384}', 'step "conv1"'):
        assert word in error.value.message


def test_an_output_one_byte_too_near_to_its_input_is_refused(network):
    problem, found = network
    deepest = named(problem, "conv2")  # the step that decides the size of the arena
    assert deepest in (problem.steps[2].writes) and 2 in found.backward
    with pytest.raises(InternalError, match=r'"conv2" at .* lies over its input "conv1" at .*goes backward'):
        verify(problem, moved(found, deepest, found.offsets[deepest] - 1))


def test_a_step_that_goes_the_other_way_is_refused(network):
    problem, found = network
    with pytest.raises(InternalError, match='in step "conv2", which goes forward: allowed is Overlap'):
        verify(problem, replace(found, backward=found.backward - {2}))


def test_a_step_before_who_writes_for_it_is_refused(network):
    problem, found = network
    order = (1, 0, *found.order[2:])
    with pytest.raises(InternalError, match='step "conv1" finds in "conv0" what nobody wrote, not what step "conv0"'):
        verify(problem, replace(found, order=order))


@pytest.mark.parametrize(
    "change, words",
    [
        ({"order": (0, 0)}, "no permutation of 1 steps"),
        ({"order": ()}, "no permutation"),
        ({"backward": frozenset([5])}, "steps that do not exist: [5]"),
        ({"bytes": 15}, '"out" at 8..16 is outside the arena of 15 bytes'),
        ({"lower_bytes": 17}, "its 16 bytes are below the 17 bytes"),
        ({"offsets": {}}, 'it has no place for "in"'),
    ],
    ids=str,
)
def test_what_is_no_plan_is_refused(change, words):
    given_, out = Buffer("in", 8, 4), Buffer("out", 8, 4)
    problem = Problem((Step("step", (given_,), (out,)),), (given_,), (out,))
    right = Plan((0,), {given_: 0, out: 8}, frozenset(), 16, 16)
    verify(problem, right)
    with pytest.raises(InternalError) as error:
        verify(problem, replace(right, **change))
    assert words in error.value.message


@pytest.mark.parametrize("offset", [-4, 6])
def test_a_place_outside_or_between_the_lines_is_refused(offset):
    given_ = Buffer("in", 8, 4)
    problem = Problem((), (given_,), (given_,))
    with pytest.raises(InternalError, match='"in" at'):
        verify(problem, Plan((), {given_: offset}, frozenset(), 16, 0))


# --- what may lie over what


def one_step(overlap: Overlap | None, **ends: object) -> tuple[Problem, Buffer, Buffer]:
    given_, out = Buffer("in", 8), Buffer("out", 8)
    overlaps = {} if overlap is None else {(given_, out): overlap}
    step = Step("step", (given_,), (out,), None, overlaps)
    return replace(Problem((step,), (given_,), (out,)), **ends), given_, out  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "overlap, backward, input_at, output_at, holds",
    [
        (IN_PLACE, False, 0, 0, True),
        (IN_PLACE, True, 0, 0, True),
        (IN_PLACE, False, 4, 0, True),
        (IN_PLACE, False, 0, 4, False),
        (IN_PLACE, True, 0, 4, True),
        (Overlap(3, None), False, 3, 0, True),
        (Overlap(3, None), False, 2, 0, False),
        (Overlap(3, None), True, 3, 0, False),
        (Overlap(-2, None), False, 0, 2, True),
        (Overlap(-2, None), False, 0, 3, False),
        (Overlap(None, 3), True, 0, 3, True),
        (Overlap(None, 3), True, 0, 2, False),
        (Overlap(None, None), True, 0, 2, False),
        (None, False, 0, 0, False),
        (None, False, 0, 8, True),
    ],
)
def test_overlaps_hold_in_the_direction_of_the_step(overlap, backward, input_at, output_at, holds):
    problem, given_, out = one_step(overlap)
    found = Plan((0,), {given_: input_at, out: output_at}, frozenset([0] if backward else []), 16, 0)
    if holds:
        verify(problem, found)
    else:
        with pytest.raises(InternalError):
            verify(problem, found)


def test_what_is_read_later_is_not_overwritten():
    for ends in ("kept", "outputs"):
        problem, given_, out = one_step(IN_PLACE)
        more = {"kept": {"kept": frozenset([given_])}, "outputs": {"outputs": (out, given_)}}[ends]
        with pytest.raises(InternalError, match=r'"out" at 0\.\.8 lies over'):
            verify(replace(problem, **more), Plan((0,), {given_: 0, out: 0}, frozenset(), 8, 0))


def test_outputs_of_a_step_and_its_scratch_lie_beside_everything():
    given_, a, b, own = Buffer("in", 4), Buffer("a", 4), Buffer("b", 4), Buffer("own", 4)
    step = Step(
        "split", (given_,), (a, b), own, {(given_, a): IN_PLACE, (given_, b): IN_PLACE, (given_, own): IN_PLACE}
    )
    problem = Problem((step,), (given_,), (a, b))
    right = Plan((0,), {given_: 0, a: 0, b: 4, own: 8}, frozenset(), 12, 12)
    verify(problem, right)
    for buffer, offset, words in ((b, 2, '"b" at 2..6 lies over "a"'), (own, 1, '"own" at 1..5 lies over "in"')):
        with pytest.raises(InternalError, match=words):
            verify(problem, moved(right, buffer, offset))


def test_what_nobody_wrote_is_not_read():
    lost, out = Buffer("lost", 4), Buffer("out", 4)
    problem = Problem((Step("step", (lost,), (out,)),), (), (out,))
    with pytest.raises(InternalError, match='step "step" reads "lost", which nobody has written'):
        verify(problem, plan(problem))


def test_a_state_is_not_read_after_it_was_written():
    given_, state, out = Buffer("in", 4), Buffer("state", 4), Buffer("out", 4)
    steps = (Step("answer", (state,), (out,)), Step("remember", (given_,), (state,)))
    problem = Problem(steps, (given_,), (out,), frozenset([state]))
    found = plan(problem)
    with pytest.raises(InternalError, match='step "answer" finds in "state" what step "remember" wrote'):
        verify(problem, replace(found, order=(1, 0)))


# --- broken plans of random problems


@settings(max_examples=80, deadline=None)
@given(problems(max_steps=5, max_bytes=30, overlaps=False), st.data())
def test_a_buffer_moved_at_random_is_refused_exactly_where_it_touches_another(problem, data):
    found = plan(problem)
    buffer = data.draw(st.sampled_from(list(found.offsets)))
    offset = buffer.alignment * data.draw(st.integers(0, max(0, found.bytes - buffer.bytes) // buffer.alignment))
    broken = moved(found, buffer, offset)
    start, end = offset, offset + buffer.bytes
    touched = any(
        max(start, broken.offsets[b]) < min(end, broken.offsets[b] + b.bytes)
        for moment in moments(problem, found.order)
        if buffer in moment.alive
        for b in moment.alive - {buffer}
    )
    if touched:
        with pytest.raises(InternalError, match="lies over"):
            verify(problem, broken)
    else:
        verify(problem, broken)


@settings(max_examples=40, deadline=None)
@given(problems(max_steps=5, max_bytes=30), st.data())
def test_two_steps_swapped_are_refused_where_one_needs_the_other(problem, data):
    found = plan(problem)
    order = data.draw(st.permutations(found.order))
    place = {index: position for position, index in enumerate(order)}
    readers = [
        (w, r)
        for w, writer in enumerate(problem.steps)
        for r, s in enumerate(problem.steps)
        if set(writer.writes) & set(s.reads) and w < r
    ]
    if any(place[w] > place[r] for w, r in readers):
        with pytest.raises(InternalError, match="finds in"):
            verify(problem, replace(found, order=tuple(order)))

"""What lives when and where, as data and as the text of memory.txt."""

from __future__ import annotations

from hypothesis import given, settings
from networks import resnet8
from small_problems import moments, problems

from edgekit.planner import IN_PLACE, Buffer, Plan, Problem, Step, plan
from edgekit.planner.timeline import text, timeline


def small() -> tuple[Problem, Plan]:
    """The second step writes over its input, the third over a part of it and needs scratch."""
    given_, a, b, out = Buffer("input", 64), Buffer("a", 96), Buffer("b", 96), Buffer("output", 8)
    steps = (
        Step("dense", (given_,), (a,)),
        Step("relu", (a,), (b,), None, {(a, b): IN_PLACE}),
        Step("sum", (b,), (out,), Buffer("sums", 32, 4)),
    )
    offsets = {given_: 96, a: 0, b: 0, out: 96}
    assert steps[2].scratch is not None
    return Problem(steps, (given_,), (out,)), Plan((0, 1, 2), {**offsets, steps[2].scratch: 104}, frozenset(), 160, 160)


def test_each_moment_holds_what_is_alive_in_it():
    found = timeline(*small())
    assert [[place.name for place in moment.live] for moment in found.moments] == [
        ["a", "input"],
        ["a", "b"],
        ["b", "output", "sums"],
    ]
    assert [moment.live_bytes for moment in found.moments] == [160, 96, 136]
    assert (found.peak, found.exact) == (0, True)


def test_places_say_when_and_over_what():
    found = {place.name: (place.first, place.last, place.over) for place in timeline(*small()).places}
    assert found == {
        "input": (-1, 0, ()),
        "a": (0, 1, ()),
        "b": (1, 2, ("a",)),
        "sums": (2, 2, ()),
        "output": (2, 3, ()),
    }


def test_the_text():
    assert text(*small()) == TEXT


TEXT = """\
arena: 160 bytes (no plan is smaller)

    step   way  in use  arena, from 0 to its end                            alive, from..to
0*  dense          160  |################################################|  #1 0..96  #0 96..160
1   relu            96  |#############################...................|  #1 0..96  #2 0..96
2   sum            136  |#########################################.......|  #2 0..96  #4 96..104  #3 104..136
* the most bytes in use

    buffer  offset  bytes  from step  to step  lies over
#0  input       96     64      start        0
#1  a            0     96          0        1
#2  b            0     96          1        2  a
#3  sums       104     32          2        2
#4  output      96      8          2      end
"""


def test_a_bound_below_the_arena_is_told():
    problem, found = small()
    assert text(problem, Plan(found.order, found.offsets, found.backward, 160, 100)).startswith(
        "arena: 160 bytes (no plan is below 100; a smaller one may exist)\n"
    )


def test_names_of_strangers_stay_on_their_line():
    given_ = Buffer("in\n\x1b[31m" + "x" * 100, 4)
    lines = text(Problem((), (given_,), (given_,)), Plan((), {given_: 0}, frozenset(), 4, 4))
    assert "\x1b" not in lines and "in??[31mxxx" in lines and max(map(len, lines.splitlines())) < 120


def test_nothing_at_all():
    assert timeline(Problem((), (), ()), Plan((), {}, frozenset(), 0, 0)).peak is None
    assert "arena: 0 bytes" in text(Problem((), (), ()), Plan((), {}, frozenset(), 0, 0))


@settings(max_examples=40, deadline=None)
@given(problems(max_steps=5, max_bytes=30, alignments=(1,)))
def test_the_same_is_alive_as_by_another_count(problem):
    found = plan(problem)
    shown = timeline(problem, found)
    for moment, other in zip(shown.moments, moments(problem, found.order)[1:-1], strict=True):
        assert {place.name for place in moment.live} == {buffer.name for buffer in other.alive}
        held = {byte for b in other.alive for byte in range(found.offsets[b], found.offsets[b] + b.bytes)}
        assert moment.live_bytes == len(held)


def test_the_peak_of_a_real_network_is_its_arena():
    problem = resnet8()
    shown = timeline(problem, plan(problem))
    assert shown.peak is not None and shown.moments[shown.peak].live_bytes == shown.arena_bytes

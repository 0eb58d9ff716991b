"""Every operator as C equals the interpreter, on random integers and random geometry.

On the PC each operator by itself, under AddressSanitizer and UBSan; on every other machine of c_cases.MACHINES twenty
in one program, where the planner lays them over each other. Floats may differ by rounding: the interpreter adds in
another order.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from c_cases import MACHINES, Case, answers, apart, joined, split, truths, worst
from random_operators import PROGRAMS, inputs_of

from edgekit.emitters.c import ROWS
from edgekit.ops import ALL
from edgekit.ops.support import SUPPORT
from edgekit.program import Op

CASES, SLOW_CASES, CASES_ELSEWHERE, TOGETHER = 4, 40, 2, 20
ALIKE = ("m0plus", "m3", "m7", "m33")  # cores that run what others here run
CLOSE = 1e-5  # of the largest number, for float32

KINDS = [
    (cls, kind) for cls in ALL for kind in ("s8", "f32") if (SUPPORT[cls].int8 if kind == "s8" else SUPPORT[cls].f32)
]


def cases_of(cls: type[Op], kind: str, count: int) -> list[Case]:
    """Random programs of one operator, each with two samples."""
    programs = [PROGRAMS[cls](np.random.default_rng([seed, len(cls.__name__)]), kind) for seed in range(count)]
    return [(program, [inputs_of(program, seed + call) for call in (0, 99)]) for seed, program in enumerate(programs)]


def allowed(case: Case) -> float:
    """0 for integers; for floats a share of the largest number."""
    if all(t.dtype != "f32" for op in case[0].ops for t in op.outputs):
        return 0.0
    sizes = [
        np.abs(values[np.isfinite(values)]).max(initial=1.0) for truth in truths(case) for values in truth.values()
    ]
    return CLOSE * float(max(sizes))


@pytest.mark.parametrize("count", [CASES, pytest.param(SLOW_CASES, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("cls", "kind"), KINDS, ids=lambda value: value if isinstance(value, str) else value.__name__)
def test_equals_the_interpreter(cls, kind, count):
    assert cls in ROWS, f"edgekit/emitters/c has no row for {cls.__name__}"
    cases = cases_of(cls, kind, count)
    few = count == CASES  # in one program, which is built faster
    got = split(answers([joined(cases)], "sanitized")[0], cases) if few else answers(cases, "sanitized")
    for case, samples in zip(cases, got, strict=True):
        assert worst(case, samples) <= allowed(case), case[0].text()


@lru_cache
def everything() -> tuple[list[Case], list[list[dict[str, np.ndarray]]], list[float]]:
    """Cases of all operators, what the interpreter gives for them, and how far an answer may be from it."""
    cases = [case for cls, kind in KINDS for case in cases_of(cls, kind, CASES_ELSEWHERE)]
    return cases, [truths(case) for case in cases], [allowed(case) for case in cases]


@pytest.mark.parametrize(
    "machine", [pytest.param(m, marks=[pytest.mark.slow] * (m in ALIKE)) for m in MACHINES if m != "sanitized"]
)
def test_equals_the_interpreter_on(machine):
    cases, wanted, bounds = everything()
    parts = [cases[k : k + TOGETHER] for k in range(0, len(cases), TOGETHER)]
    got = answers([joined(part) for part in parts], machine)
    samples = [one for whole, part in zip(got, parts, strict=True) for one in split(whole, part)]
    for case, truth, sample, bound in zip(cases, wanted, samples, bounds, strict=True):
        assert apart(truth, sample) <= bound, case[0].text()

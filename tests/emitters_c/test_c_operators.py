"""Every operator as C equals the interpreter, on random integers and random geometry.

On the PC each operator by itself, under AddressSanitizer and UBSan; on every other machine of c_cases.MACHINES all of
them in one program. Floats may differ by rounding: the interpreter adds in another order.
"""

from __future__ import annotations

import numpy as np
import pytest
from c_cases import MACHINES, Case, answers, truths, worst
from random_operators import PROGRAMS, inputs_of

from edgekit.emitters.c import ROWS
from edgekit.ops import ALL
from edgekit.ops.support import SUPPORT
from edgekit.program import Op

CASES, CASES_ELSEWHERE = 12, 3
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


@pytest.mark.parametrize(("cls", "kind"), KINDS, ids=lambda value: value if isinstance(value, str) else value.__name__)
def test_equals_the_interpreter(cls, kind):
    assert cls in ROWS, f"edgekit/emitters/c has no row for {cls.__name__}"
    cases = cases_of(cls, kind, CASES)
    for case, got in zip(cases, answers(cases, "sanitized"), strict=True):
        assert worst(case, got) <= allowed(case), case[0].text()


@pytest.mark.parametrize("machine", [name for name in MACHINES if name != "sanitized"])
def test_equals_the_interpreter_on(machine):
    cases = [case for cls, kind in KINDS if cls in ROWS for case in cases_of(cls, kind, CASES_ELSEWHERE)]
    for case, got in zip(cases, answers(cases, machine), strict=True):
        assert worst(case, got) <= allowed(case), case[0].text()

"""Every operator as C equals the interpreter, on random integers and random geometry."""

from __future__ import annotations

import numpy as np
import pytest
from c_cases import answers, worst
from random_operators import PROGRAMS, inputs_of

from edgekit.emitters.c import ROWS
from edgekit.ops import ALL

CASES = 12


@pytest.mark.parametrize("cls", [cls for cls in ALL if cls in ROWS], ids=lambda cls: cls.__name__)
def test_equals_the_interpreter(cls):
    programs = [PROGRAMS[cls](np.random.default_rng([seed, len(cls.__name__)]), "s8") for seed in range(CASES)]
    cases = [
        (program, [inputs_of(program, seed), inputs_of(program, seed + 99)]) for seed, program in enumerate(programs)
    ]
    for case, got in zip(cases, answers(cases, "sanitized"), strict=True):
        assert worst(case, got) == 0, case[0].text()

"""The table of edgekit/ops/support.py holds: every operator is in every table, and every runtime answers as it says.

Random integers and random geometry (random_operators.py), on TFLite Micro, LiteRT's reference kernels, LiteRT, and ONNX
Runtime with and without its optimisations. Few cases run here, more in `make test-slow`. The bounds of a new operator:

    python tests/ops/test_support.py 300 Conv2D      # what 300 cases differ by, and what the table says
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from random_operators import PROGRAMS, inputs_of

from edgekit import emitters, runtimes
from edgekit.emitters.c import ROWS as C_ROWS
from edgekit.emitters.onnx import ROWS as ONNX_ROWS
from edgekit.emitters.onnx import to_onnx
from edgekit.emitters.tflite import ROWS as TFLITE_ROWS
from edgekit.errors import EdgekitError
from edgekit.graph.evaluation import Predictor
from edgekit.graph.save import to_bytes
from edgekit.interpreter import Interpreter
from edgekit.ops import ALL
from edgekit.ops.support import RUNTIMES, SUPPORT, runs
from edgekit.program import Op, Program, Tensor
from edgekit.tflite.model import load

ROOT = Path(__file__).resolve().parents[2]
CASES, FLOAT_CASES, SLOW_CASES = 3, 1, 60
CALLS = 3  # of a program that remembers
CLOSE = 1e-5  # of the largest number, for float32

INT8 = [cls for cls in ALL if cls not in SUPPORT or SUPPORT[cls].int8]
FLOAT = [cls for cls in ALL if cls not in SUPPORT or SUPPORT[cls].f32]

Answers = list[dict[str, np.ndarray]]


# --- who is in which table


def test_every_operator_is_in_every_table():
    tables = {
        "edgekit/ops/support.py": SUPPORT,
        "edgekit/emitters/tflite": TFLITE_ROWS,
        "edgekit/emitters/onnx": ONNX_ROWS,
        "edgekit/emitters/c": C_ROWS,
        "tests/ops/random_operators.py": PROGRAMS,
    }
    missing = [f"{cls.__name__} is not in {name}" for name, table in tables.items() for cls in ALL if cls not in table]
    unknown = [f"{cls.__name__} of {name} is not in ops.ALL" for name, t in tables.items() for cls in set(t) - set(ALL)]
    assert not missing + unknown, "\n".join(missing + unknown)


def test_runtimes_are_those_that_edgekit_runs():
    assert {*RUNTIMES, "interpreter"} == set(runtimes.RUNTIMES)


def test_the_page_is_what_the_tables_say():
    tool = ROOT / "tools" / "write_operators_page.py"
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# --- what runtimes answer


def programs(cls: type[Op], kind: str, count: int) -> Iterator[tuple[int, Program]]:
    for seed in range(count):
        yield seed, PROGRAMS[cls](np.random.default_rng([seed, len(cls.__name__)]), kind)


def samples_of(program: Program, seed: int) -> Answers:
    return [inputs_of(program, seed + call) for call in range(CALLS if program.states else 1)]


def real(t: Tensor, x: np.ndarray) -> np.ndarray:
    return x if t.quant is None else np.asarray((x.astype(np.float32) - t.zero_point) * np.float32(t.scale))


def stored(t: Tensor, x: np.ndarray) -> np.ndarray:
    return x if t.quant is None else np.rint(x / np.float64(t.scale)) + t.zero_point


def on_tflite(runtime: str, program: Program, samples: Answers) -> Answers:
    session = runtimes.open_runtime(runtime, emitters.emit_tflite(program))
    return [session.run(sample) for sample in samples]


def on_onnx(program: Program, samples: Answers, *, optimise: bool) -> Answers:
    """States are inputs and outputs of the graph, behind the others."""
    predictor = Predictor(to_bytes(to_onnx(program)), optimise=optimise)
    states = {s.before.name: real(s.before, s.initial) for s in program.states}
    found = []
    for sample in samples:
        answers = predictor.run({t.name: real(t, sample[t.name]) for t in program.inputs} | states)
        states = dict(zip(states, answers[len(program.outputs) :], strict=True))
        found.append({t.name: stored(t, y) for t, y in zip(program.outputs, answers, strict=False)})
    return found


def difference(program: Program, truth: Answers, got: Answers) -> float:
    """The largest one, in steps; of float numbers in parts of the largest."""
    worst = 0.0
    for want, have in zip(truth, got, strict=True):
        for t in program.outputs:
            a, b = want[t.name].astype(np.float64), have[t.name].astype(np.float64)
            unit = max(1.0, np.abs(a).max(initial=0.0)) if t.dtype == "f32" else 1.0
            worst = max(worst, float(np.abs(a - b).max(initial=0.0)) / unit)
    return worst


def measured(program: Program, runtime: str, samples: Answers, truth: Answers) -> float:
    if runtime != "onnxruntime":
        return difference(program, truth, on_tflite(runtime, program, samples))
    return max(difference(program, truth, on_onnx(program, samples, optimise=on)) for on in (False, True))


def largest(cls: type[Op], kind: str, count: int) -> dict[str, float]:
    """Runtime → the largest difference of all cases that it runs."""
    found: dict[str, float] = {}
    for seed, program in programs(cls, kind, count):
        samples = samples_of(program, seed)
        running = Interpreter(program)
        truth = [running.run(sample) for sample in samples]
        for runtime in RUNTIMES:
            if runs(program.ops[0], runtime):
                found[runtime] = max(found.get(runtime, 0.0), measured(program, runtime, samples, truth))
    return found


def too_far(cls: type[Op], found: dict[str, float]) -> list[str]:
    return [
        f"{cls.__name__} on {runtime}: {steps:g} steps, the table says {SUPPORT[cls].bound(runtime)}"
        for runtime, steps in found.items()
        if steps > SUPPORT[cls].bound(runtime)
    ]


@pytest.mark.parametrize("cls", INT8, ids=lambda cls: cls.__name__)
def test_int8(cls):
    problems = too_far(cls, largest(cls, "s8", CASES))
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("cls", FLOAT, ids=lambda cls: cls.__name__)
def test_float(cls):
    found = largest(cls, "f32", FLOAT_CASES)
    assert set(found) == set(SUPPORT[cls].f32)
    assert max(found.values()) <= CLOSE, found


@pytest.mark.slow
@pytest.mark.parametrize("cls", INT8, ids=lambda cls: cls.__name__)
def test_many_cases(cls):
    problems = too_far(cls, largest(cls, "s8", SLOW_CASES))
    assert not problems, "\n".join(problems)


# --- what they do not run


ABSENT = [
    (cls, runtime, kind)
    for kind, classes in (("s8", INT8), ("f32", FLOAT))
    for cls in classes
    for runtime in RUNTIMES
    if not (isinstance(SUPPORT[cls].bound(runtime), int) if kind == "s8" else runtime in SUPPORT[cls].f32)
]


@pytest.mark.parametrize("cls, runtime, kind", ABSENT, ids=lambda v: getattr(v, "__name__", v))
def test_what_is_said_not_to_run_does_not(cls, runtime, kind):
    """It is refused, or answers something else."""
    assert any(_fails(program, runtime, seed) for seed, program in programs(cls, kind, 20))


LACKING = [
    (cls, runtime, function)
    for cls in ALL
    for runtime, functions in SUPPORT[cls].lacking.items()
    for function in functions
]


@pytest.mark.parametrize("cls, runtime, function", LACKING, ids=lambda v: getattr(v, "__name__", v))
def test_functions_that_a_runtime_lacks(cls, runtime, function):
    many = programs(cls, "s8" if SUPPORT[cls].int8 else "f32", 300)
    assert _fails(next(program for _, program in many if program.ops[0].function == function), runtime, 0)


def _fails(program: Program, runtime: str, seed: int) -> bool:
    samples = samples_of(program, seed)
    running = Interpreter(program)
    try:
        return measured(program, runtime, samples, [running.run(sample) for sample in samples]) > 10
    except EdgekitError:
        return True


# --- what they are written as


def builtins(cls: type[Op], count: int) -> set[str]:
    kinds = ["s8"] * SUPPORT[cls].int8 + ["f32"] * bool(SUPPORT[cls].f32)
    files = [emitters.emit_tflite(program) for kind in kinds for _, program in programs(cls, kind, count)]
    return {operator.builtin for file in files for operator in load(file).subgraphs[0].operators}


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_written_as(cls):
    assert builtins(cls, 8) <= set(SUPPORT[cls].tflite)


@pytest.mark.slow
@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_all_that_it_is_written_as(cls):
    assert builtins(cls, SLOW_CASES) == set(SUPPORT[cls].tflite)


if __name__ == "__main__":
    for cls in (cls for cls in INT8 if cls.__name__ in sys.argv[2:] or not sys.argv[2:]):
        for runtime, steps in largest(cls, "s8", int(sys.argv[1])).items():
            print(f"{cls.__name__:20} {runtime:18} {steps:4g}   {SUPPORT[cls].bound(runtime)}")

"""Programs as C on a machine: built into one bench, run, and what came out. Shared by the tests of the C emitter.

`MACHINES` says how each machine builds and runs it; a test asks `answers(cases, machine)`.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgekit.building import (
    STRICT,
    Compiler,
    End,
    Sample,
    bench_files,
    build,
    host_compiler,
    read_samples,
    write_samples,
)
from edgekit.emitters.c import CModel, emit_c
from edgekit.interpreter import Interpreter
from edgekit.program import Program

Arrays = dict[str, np.ndarray]
Case = tuple[Program, Sequence[Arrays]]


@dataclass(frozen=True)
class Machine:
    """port: folder of runtime/c/ports; run: (program, inputs, outputs) → the command."""

    compiler: Compiler
    port: str
    run: Callable[[Path, Path, Path], list[str]]


def _plainly(program: Path, inputs: Path, outputs: Path) -> list[str]:
    return [str(program), str(inputs), str(outputs)]


SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fwrapv", "-g", "-O1")
MACHINES = {
    "host": Machine(host_compiler(*STRICT), "host", _plainly),
    "sanitized": Machine(host_compiler(*STRICT, *SANITIZED), "host", _plainly),
}


def numbered(cases: Sequence[Case]) -> list[Case]:
    """The cases with program names that differ."""
    return [(replace(program, name=f"case{k}"), samples) for k, (program, samples) in enumerate(cases)]


def ends(tensors) -> list[End]:
    return [End.of(tensor) for tensor in tensors]


def models_of(cases: Sequence[Case], **options) -> list[CModel]:
    return [emit_c(program, **options) for program, _ in numbered(cases)]


def answers(cases: Sequence[Case], machine: str = "host", **options) -> list[list[Sample]]:
    """What each case gives for each of its samples."""
    place = MACHINES[machine]
    built = build(bench_files([model.sources for model in models_of(cases, **options)], place.port), place.compiler)
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = Path(folder) / "inputs", Path(folder) / "outputs"
        inputs.write_bytes(write_samples((ends(program.inputs), samples) for program, samples in cases))
        done = subprocess.run(place.run(built, inputs, outputs), capture_output=True, cwd=folder, timeout=600)
        assert done.returncode == 0, (done.returncode, done.stderr.decode()[-2000:])
        return read_samples(outputs.read_bytes(), [(ends(program.outputs), len(samples)) for program, samples in cases])


def truths(case: Case) -> list[Arrays]:
    """The interpreter's answers."""
    program, samples = case
    running = Interpreter(program)
    return [running.run(sample) for sample in samples]


def worst(case: Case, got: Sequence[Sample]) -> float:
    """The largest difference from the interpreter, over all samples and outputs."""
    found = 0.0
    for truth, sample in zip(truths(case), got, strict=True):
        assert sample.status == 0, sample.status
        for name, wanted in truth.items():
            apart = np.abs(wanted.astype(np.float64) - sample.outputs[name].astype(np.float64))
            found = max(found, float(apart.max(initial=0.0)))
    return found

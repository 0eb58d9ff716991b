"""Programs as C on a machine: built into one bench, run, and what came out. Shared by the tests of the C emitter.

`MACHINES` says how each machine builds and runs it; a test asks `answers(cases, machine)`.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.building import (
    STRICT,
    End,
    Sample,
    bench_files,
    build,
    cortex_m,
    host_compiler,
    read_samples,
    write_samples,
)
from edgekit.building.native import NativeTarget, compiler_for
from edgekit.device.cortex_m import command as qemu_command
from edgekit.emitters.c import CModel, CSources, emit_c
from edgekit.errors import UsageError
from edgekit.interpreter import Interpreter
from edgekit.program import Program
from edgekit.target import Target, load_target

Arrays = dict[str, np.ndarray]
Case = tuple[Program, Sequence[Arrays]]


@dataclass(frozen=True)
class Machine:
    """build: models whose names differ → their bench; run: (program, inputs, outputs) → the command, which is started
    in their folder; at_once: models that fit into one program."""

    build: Callable[[Sequence[CSources]], Path]
    run: Callable[[Path, Path, Path], list[str]]
    at_once: int = 1000


def _here(*flags: str) -> Machine:
    compiler = host_compiler(*STRICT, *flags)
    return Machine(
        lambda models: build(bench_files(models, "host"), compiler),
        lambda program, inputs, outputs: [str(program), str(inputs), str(outputs)],
    )


def _firmware(target: Target, at_once: int = 1000) -> Machine:
    """QEMU; the board's flash limits how many models fit."""
    return Machine(
        lambda models: cortex_m.bench_image(models, target, *STRICT).path,
        lambda program, inputs, outputs: qemu_command(target, program),
        at_once,
    )


def _linux(target: NativeTarget, *qemu: str) -> Machine:
    """A static program under QEMU in user mode."""
    compiler = compiler_for(target)
    strict = replace(compiler, command=(*compiler.command, *STRICT))
    return Machine(
        lambda models: build(bench_files(models, "host"), strict),
        lambda program, inputs, outputs: [*qemu, str(program), str(inputs), str(outputs)],
    )


def _m0plus() -> Target:
    """QEMU has no Cortex-M0+: its code runs on the M4, which has all of its instructions."""
    core, board = load_target("pico").clusters[0].core, load_target("mps2-an386")
    return replace(board, clusters=(replace(board.clusters[0], core=core),))


SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1")
MACHINES = {
    "host": _here(),
    "sanitized": _here(*SANITIZED),
    "m0plus": _firmware(_m0plus()),
    "m3": _firmware(load_target("mps2-an385")),
    "m4": _firmware(load_target("mps2-an386")),
    "m7": _firmware(load_target("mps2-an500")),
    "m33": _firmware(load_target("mps2-an505")),
    "m55": _firmware(load_target("mps3-an547"), at_once=60),
    "aarch64": _linux(NativeTarget("aarch64"), "qemu-aarch64-static", "-cpu", "cortex-a53"),
    "armv7": _linux(NativeTarget("armv7l"), "qemu-arm-static", "-cpu", "cortex-a7"),
    "armv6": _linux(NativeTarget("armv6l"), "qemu-arm-static", "-cpu", "arm1176"),
}


def numbered(cases: Sequence[Case]) -> list[Case]:
    """The cases with program names that differ."""
    return [(replace(program, name=f"case{k}"), samples) for k, (program, samples) in enumerate(cases)]


def ends(tensors) -> list[End]:
    return [End.of(tensor) for tensor in tensors]


def models_of(cases: Sequence[Case], emit: Callable[..., CModel] = emit_c, **options) -> list[CModel]:
    return [emit(program, **options) for program, _ in numbered(cases)]


def answers(cases: Sequence[Case], machine: str = "host", **options) -> list[list[Sample]]:
    """What each case gives for each of its samples."""
    place = MACHINES[machine]
    parts = [cases[k : k + place.at_once] for k in range(0, len(cases), place.at_once)]
    return [samples for part in parts for samples in _answers(part, place, **options)]


def _answers(cases: Sequence[Case], place: Machine, **options) -> list[list[Sample]]:
    try:
        built = place.build([model.sources for model in models_of(cases, **options)])
    except UsageError as e:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{e}: {e.hint}")
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = Path(folder) / "inputs", Path(folder) / "outputs"
        inputs.write_bytes(write_samples((ends(program.inputs), samples) for program, samples in cases))
        command = place.run(built, inputs, outputs)
        if shutil.which(command[0]) is None and not os.environ.get("CI"):
            pytest.skip(f"{command[0]} is not installed")
        done = subprocess.run(command, capture_output=True, cwd=folder, timeout=600)
        assert done.returncode == 0, (done.returncode, done.stderr.decode()[-2000:])
        return read_samples(outputs.read_bytes(), [(ends(program.outputs), len(samples)) for program, samples in cases])


def joined(cases: Sequence[Case]) -> Case:
    """Cases of equally many samples as one program, which is built faster than many; names get the case's number."""
    parts = [_renamed(program, f"{k}/") for k, (program, _) in enumerate(cases)]
    whole = Program(
        "joined",
        tuple(t for part in parts for t in part.inputs),
        tuple(t for part in parts for t in part.outputs),
        tuple(op for part in parts for op in part.ops),
        tuple(state for part in parts for state in part.states),
    )
    samples = [
        {f"{k}/{name}": array for k, sample in enumerate(row) for name, array in sample.items()}
        for row in zip(*(samples for _, samples in cases), strict=True)
    ]
    return whole, samples


def split(samples: Sequence[Sample], cases: Sequence[Case]) -> list[list[Sample]]:
    """What a joined program gave, by case."""
    return [
        [replace(s, outputs={t.name: s.outputs[f"{k}/{t.name}"] for t in program.outputs}) for s in samples]
        for k, (program, _) in enumerate(cases)
    ]


def _renamed(program: Program, prefix: str) -> Program:
    """The same program with other names of its tensors."""
    new = {t: replace(t, name=prefix + t.name) for t in program.tensors()}
    new |= {s.after: replace(s.after, name=prefix + s.after.name) for s in program.states if s.after not in new}
    return replace(
        program,
        inputs=tuple(new[t] for t in program.inputs),
        outputs=tuple(new[t] for t in program.outputs),
        ops=tuple(
            replace(op, inputs=tuple(new[t] for t in op.inputs), outputs=tuple(new[t] for t in op.outputs))
            for op in program.ops
        ),
        states=tuple(replace(s, before=new[s.before], after=new[s.after]) for s in program.states),
    )


def truths(case: Case) -> list[Arrays]:
    """The interpreter's answers."""
    program, samples = case
    running = Interpreter(program)
    return [running.run(sample) for sample in samples]


def worst(case: Case, got: Sequence[Sample]) -> float:
    """The largest difference from the interpreter, over all samples and outputs."""
    return apart(truths(case), got)


def apart(wanted: Sequence[Arrays], got: Sequence[Sample]) -> float:
    """The largest difference, over all samples and outputs."""
    found = 0.0
    for truth, sample in zip(wanted, got, strict=True):
        assert sample.status == 0, sample.status
        for name, array in truth.items():
            a, b = array.astype(np.float64), sample.outputs[name].astype(np.float64)
            with np.errstate(invalid="ignore"):
                gap = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
            found = max(found, float(np.nan_to_num(gap, nan=np.inf).max(initial=0.0)))
    return found


def library(model: CModel, folder: Path) -> ctypes.CDLL:
    """A model as a shared library, for tests of the functions that applications call."""
    for path, text in model.sources.texts().items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    sources = [str(path) for path in folder.rglob("*.c")]
    made = folder / "model.so"
    includes = [f"-I{folder}", f"-I{folder / 'edgekit'}"]
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", *includes, *sources, "-o", made, "-lm"], check=True)
    return ctypes.CDLL(str(made))

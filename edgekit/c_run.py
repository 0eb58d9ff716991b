"""The C sources of a build folder, samples and a place → outputs: here, or on an emulated microcontroller."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import artifacts
from edgekit.building import End, run_here
from edgekit.deployment.firmware import run_firmware
from edgekit.emitters.c import CSources
from edgekit.errors import ModelError, UsageError
from edgekit.graph.calibration import load_npz
from edgekit.program.tensor import Array
from edgekit.runtimes.outcome import told, write_npz
from edgekit.runtimes.running import Run
from edgekit.runtimes.samples import joined, samples
from edgekit.runtimes.session import Value
from edgekit.target import load_target

Ends = tuple[list[End], list[End]]


def run_c(
    build: Path, inputs: Path, outputs: Path, target: str | None, limit_s: float, progress: Callable[[str], None]
) -> Run:
    """As edgekit.runtimes.running.run; target: an emulated microcontroller, None: this machine."""
    if not build.is_dir():
        raise UsageError(f"{build} is no build folder", hint="edgekit convert MODEL --formats c --out build")
    sources = read_model(build)
    values = [_values(build, which) for which in ("inputs", "outputs")]
    rows = samples(load_npz(inputs), values[0])
    given, made = ends_of(build)
    progress(f"building {sources.name} for {target or 'this machine'}")
    if target is None:
        done, version = run_here(sources, given, made, rows, limit_s), "C on this machine"
    else:
        board = load_target(target)
        done = list(run_firmware(sources, given, made, rows, board, limit_s=limit_s).samples)
        version = f"C on {board.id} in QEMU"
    failed = [i for i, sample in enumerate(done) if sample.status != 0]
    if failed:
        raise ModelError(f"an index that the model computes is out of range in samples {failed[:5]}")
    answers = joined(sample.outputs for sample in done)
    try:
        write_npz(outputs, answers)
    except OSError as e:
        raise UsageError(f"cannot write {outputs}: {e.strerror}", hint="name a file in a writable folder") from e
    document = told(version, len(rows), values[0], values[1], answers)
    return Run(
        model=str(build),
        file=str(build / artifacts.C_DIR),
        runtime="c",
        version=document["version"],
        samples=document["samples"],
        inputs=tuple(document["inputs"]),
        outputs=tuple(document["outputs"]),
        out=str(outputs),
    )


def read_model(build: Path) -> CSources:
    """The C sources of a build folder. Raises ModelError where it has none."""
    return CSources.of_texts(artifacts.read_sources(build))


def ends_of(build: Path) -> Ends:
    """Inputs and outputs as the arena holds them."""
    document = artifacts.description_of(build, ".c")[1]
    return _ends(document["inputs"]), _ends(document["outputs"])


def golden_samples(build: Path) -> tuple[list[dict[str, Array]], list[dict[str, Array]]]:
    """Golden inputs and the outputs that they gave, sample by sample, as the arena holds them. Raises ModelError."""
    found = []
    for ends, arrays in zip(ends_of(build), artifacts.read_golden(build), strict=True):
        wrong = [end.name for end in ends if not _holds(arrays.get(end.name), end)]
        if wrong:
            hint = "run edgekit convert again"
            raise ModelError(f"{build / artifacts.C_GOLDEN_FILE} has no fitting {wrong[:5]}", hint=hint)
        found.append({end.name: arrays[end.name] for end in ends})
    counts = {len(array) for arrays in found for array in arrays.values()}
    if len(counts) > 1:
        lengths = f"{artifacts.C_GOLDEN_FILE} has arrays of {sorted(counts)} samples"
        raise ModelError(f"{build}: {lengths}", hint="run edgekit convert again")
    count = max(counts, default=0)
    inputs, outputs = ([{name: array[i] for name, array in a.items()} for i in range(count)] for a in found)
    return inputs, outputs


def _holds(array: Array | None, end: End) -> bool:
    return array is not None and array.ndim > 0 and array.shape[1:] == end.shape and array.dtype == end.dtype


def _ends(values: Sequence[Mapping[str, Any]]) -> list[End]:
    return [End(v["name"], tuple(v["shape"]), np.dtype(v["dtype"])) for v in values]


def _values(build: Path, which: str) -> list[Value]:
    return [
        Value(v["name"], tuple(v["shape"]), v["dtype"], v["scale"], v["zero_point"])
        for v in artifacts.description_of(build, ".c")[1][which]
    ]

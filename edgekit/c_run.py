"""The C sources of a build folder, samples and a place → outputs: here, or on an emulated microcontroller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgekit import artifacts
from edgekit.building import run_here
from edgekit.c_folder import ends_of, read_model
from edgekit.deployment.firmware import check_emulated, run_firmware
from edgekit.errors import ModelError, UsageError
from edgekit.npz import load_npz
from edgekit.runtimes.outcome import told, write_npz
from edgekit.runtimes.running import Run
from edgekit.runtimes.samples import joined, samples
from edgekit.runtimes.session import Value
from edgekit.target import load_target


def run_c(
    build: Path, inputs: Path, outputs: Path, target: str | None, limit_s: float, progress: Callable[[str], None]
) -> Run:
    """As edgekit.runtimes.running.run; target: an emulated microcontroller, None: this machine."""
    if not build.is_dir():
        raise UsageError(f"{build} is no build folder", hint="edgekit convert MODEL --formats c --out build")
    board = None if target is None else load_target(target)
    if board is not None:
        check_emulated(board)
    sources = read_model(build)
    values = [_values(build, which) for which in ("inputs", "outputs")]
    rows = samples(load_npz(inputs), values[0])
    given, made = ends_of(build)
    progress(f"building {sources.name} for {target or 'this machine'}")
    if board is None:
        done, version = run_here(sources, given, made, rows, limit_s), "C on this machine"
    else:
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


def _values(build: Path, which: str) -> list[Value]:
    return [
        Value(v["name"], tuple(v["shape"]), v["dtype"], v["scale"], v["zero_point"])
        for v in artifacts.description_of(build, ".c")[1][which]
    ]

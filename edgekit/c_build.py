"""A Program → C sources for the build folder: emitted, compiled here and compared with the interpreter, and told of.

Compiling needs a C compiler on this machine; without one the sources are written unchecked and the report says so. C
that answers otherwise than the interpreter is a bug of edgekit and is never written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.agreement import affordable, interpreted
from edgekit.artifacts import CFiles, Golden
from edgekit.building import End, apart, host_compiler, run_here
from edgekit.emitters.c import CModel, emit_c
from edgekit.emitters.c.kernel_sets import kernels_for
from edgekit.errors import InternalError
from edgekit.planner import timeline
from edgekit.program import Program, Tensor
from edgekit.program.tensor import Array
from edgekit.report.memory import memory_page
from edgekit.target import Target


@dataclass(frozen=True)
class CBuild:
    """kernels: the set that was used; checked_with: the compiler whose program was compared, None: there is none."""

    model: CModel
    files: CFiles
    kernels: str
    checked_with: str | None
    target: str | None
    warnings: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """`c` of the `convert` document (docs/json.md)."""
        return {
            "name": self.model.sources.name,
            "kernels": self.kernels,
            "target": self.target,
            "arena_bytes": self.model.arena_bytes,
            "arena_exact": self.model.plan.exact,
            "constant_bytes": self.model.constant_bytes,
            "kernel_files": sorted(name for name in self.model.sources.kernel_files if name.endswith(".c")),
            "checked_with": self.checked_with,
        }


def build_c(
    program: Program, samples: Iterable[Mapping[str, Array]], board: Target | None, *, keep_input: bool
) -> CBuild:
    """samples: of the model, real values in its own layout. Raises UnsupportedOpError, InternalError."""
    kernels = "reference" if board is None else kernels_for(board.clusters[0].core.id)
    model = emit_c(program, kernels=kernels, keep_input=keep_input)
    given = affordable(program, samples)
    truth = interpreted(program, given)
    compiler = host_compiler()
    if compiler.installed:
        _compare(model, program, given, truth)
    steps = timeline.timeline(model.memory.problem, model.plan)
    sources = model.sources.texts() | {
        "memory.txt": timeline.text(model.memory.problem, model.plan),
        "memory.html": memory_page(steps, program.name),
    }
    golden = Golden(_stacked(given, program.inputs), _stacked(truth, program.outputs), {})
    return CBuild(
        model=model,
        files=CFiles(sources, golden),
        kernels=kernels,
        checked_with=compiler.name if compiler.installed else None,
        target=None if board is None else board.id,
        warnings=() if board is None else tuple(_warnings(model, board)),
    )


def _compare(
    model: CModel, program: Program, given: Sequence[Mapping[str, Array]], truth: Sequence[Mapping[str, Array]]
) -> None:
    inputs, outputs = ([End.of(t) for t in ends] for ends in (program.inputs, program.outputs))
    for sample, wanted in zip(run_here(model.sources, inputs, outputs, given), truth, strict=True):
        gaps = {t.name: apart(sample.outputs[t.name], wanted[t.name]) for t in program.outputs}
        wrong = [name for name, (gap, allowed) in gaps.items() if gap > allowed]
        if sample.status != 0 or wrong:
            raise InternalError(f"the C code answers otherwise than the interpreter: {wrong}", hint="report this model")


def _stacked(rows: Sequence[Mapping[str, Array]], ends: Sequence[Tensor]) -> dict[str, Array]:
    return {t.name: np.stack([row[t.name] for row in rows]) for t in ends}


def _warnings(model: CModel, board: Target) -> Iterable[str]:
    """Where the arena or the constants alone are more than the microcontroller has."""
    if board.kind != "mcu":
        return  # Linux boards have no regions
    ram = max((r.usable_bytes for r in board.regions if r.is_ram), default=0)
    flash = sum(r.usable_bytes for r in board.regions if not r.is_ram)
    if model.arena_bytes > ram:
        yield f"the arena needs {model.arena_bytes:,} bytes in one piece, the largest RAM of {board.id} has {ram:,}"
    if model.constant_bytes > flash:
        yield f"weights and tables need {model.constant_bytes:,} bytes, the flash of {board.id} has {flash:,}"

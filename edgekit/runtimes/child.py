"""Runs one model file on the samples of an .npz, in a process that may crash.

    python -m edgekit.runtimes.child RUNTIME MODEL INPUTS OUTPUTS ANSWER

OUTPUTS is the .npz that it writes, ANSWER a JSON document: what ran and what came out, or the error of edgekit.errors.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import EdgekitError, ModelError
from edgekit.finite import finite
from edgekit.graph.calibration import load_npz
from edgekit.runtimes import open_runtime
from edgekit.runtimes.samples import joined, samples
from edgekit.runtimes.session import Array, Value


def main() -> None:
    runtime, model, inputs, outputs, answer = sys.argv[1:]
    try:
        document = execute(runtime, Path(model), Path(inputs), Path(outputs))
    except EdgekitError as e:
        document = {"error": e.document()}
    except MemoryError:
        document = {"error": ModelError(f"{model} takes more memory than there is", hint="fewer samples").document()}
    Path(answer).write_text(json.dumps(finite(document)), encoding="utf-8")


def execute(runtime: str, model: Path, inputs: Path, outputs: Path) -> dict[str, Any]:
    """Run every sample in order in one session, so that states carry over; write the outputs."""
    session = open_runtime(runtime, model)
    rows = samples(load_npz(inputs), session.inputs)
    answers = joined(session.run(row) for row in rows)
    write_npz(outputs, answers)
    return {
        "version": session.name,
        "samples": len(rows),
        "inputs": [_document(v) for v in session.inputs],
        "outputs": [_document(v) | _extremes(answers[v.name]) for v in session.outputs],
    }


def write_npz(path: Path, arrays: Mapping[str, Array]) -> None:
    """As numpy.savez, which cannot hold an array of the name "file"."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _document(value: Value) -> dict[str, Any]:
    return asdict(value) | {"shape": list(value.shape)}


def _extremes(array: Array) -> dict[str, Any]:
    """Of an output: the shape that it had, smallest and largest number."""
    low, high = (array.min().item(), array.max().item()) if array.size else (None, None)
    return {"shape": list(array.shape[1:]), "min": low, "max": high}


if __name__ == "__main__":
    main()

"""Runs one model file on the samples of an .npz, in a process that may crash.

    python -m edgekit.runtimes.child RUNTIME MODEL INPUTS OUTPUTS ANSWER

OUTPUTS is the .npz that it writes, ANSWER a JSON document: what ran and what came out, or the error of edgekit.errors.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from edgekit.errors import EdgekitError, ModelError
from edgekit.finite import finite
from edgekit.npz import load_npz
from edgekit.runtimes import open_runtime
from edgekit.runtimes.outcome import told, write_npz
from edgekit.runtimes.samples import joined, samples


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
    return told(session.name, len(rows), session.inputs, session.outputs, answers)


if __name__ == "__main__":
    main()

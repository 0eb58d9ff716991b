"""`edgekit run`: a model file or build folder, a runtime and an .npz → an .npz of outputs, from a process of its own.

The file may be anybody's, and the runtimes are C++ that trusts it: a crash, a hang or an endless allocation ends that
process, and becomes an error that says so.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekit import artifacts, errors
from edgekit.errors import InternalError, ModelError, UnsupportedOpError, UsageError
from edgekit.runtimes import default_runtime, find_runtime

LIMIT_S = 600.0
_BY_CODE = {
    kind.code: kind for kind in (errors.InternalError, errors.ModelError, errors.UnsupportedError, errors.UsageError)
}


@dataclass(frozen=True)
class Run:
    """The result of `run`; `document()` is the `run` document of docs/json.md.

    file     the model file that ran; runtime: its name in RUNTIMES; version: what that is
    inputs   of the file: name, shape, dtype, scale, zero_point
    outputs  the same, and the smallest and largest number of all samples
    out      the .npz that was written
    """

    model: str
    file: str
    runtime: str
    version: str
    samples: int
    inputs: tuple[dict[str, Any], ...]
    outputs: tuple[dict[str, Any], ...]
    out: str

    def document(self) -> dict[str, Any]:
        return asdict(self)


def run(model: Path, inputs: Path, outputs: Path, *, runtime: str | None = None, limit_s: float = LIMIT_S) -> Run:
    """Run a .tflite or .onnx file, or the file of a build folder that `runtime` takes, and write `outputs`.

    inputs   arrays by input name, first axis = samples, in the types of the file (edgekit.runtimes.samples)
    runtime  a name in RUNTIMES; default: the first one here that takes the file
    limit_s  after so many seconds it is given up

    Raises UsageError, ModelError or UnsupportedError; `outputs` is then untouched.
    """
    if runtime is not None:
        find_runtime(runtime)
    file = _file(model, runtime)
    name = runtime or default_runtime(file.suffix.lower())
    if not inputs.is_file():
        raise UsageError(f"{inputs} is not there, or is no file", hint="an .npz with arrays by input name")
    try:
        with tempfile.TemporaryDirectory(dir=outputs.absolute().parent, prefix=".edgekit-run-") as folder:
            answer = _in_child(name, file, inputs, Path(folder), limit_s)
            (Path(folder) / "outputs.npz").replace(outputs)
    except OSError as e:
        raise UsageError(f"cannot write {outputs}: {e.strerror}", hint="name a file in a writable folder") from e
    return Run(model=str(model), file=str(file), runtime=name, out=str(outputs), **answer)


def _file(model: Path, runtime: str | None) -> Path:
    """The file to run: MODEL itself, or that of a build folder."""
    if not model.is_dir():
        return model
    if runtime is None:
        file = artifacts.model_file(model)
        if file.name == artifacts.C_DIR:
            raise UsageError(f"{model} holds C and no model file", hint="--runtime c builds and runs it here")
        return file
    wanted = find_runtime(runtime).file_types
    have = [Path(document["file"]).suffix for document in artifacts.descriptions(model).values()]
    return artifacts.model_file(model, next((suffix for suffix in have if suffix in wanted), wanted[0]))


def _in_child(runtime: str, file: Path, inputs: Path, folder: Path, limit_s: float) -> dict[str, Any]:
    """What the child answers; raises the error that it answers with, or says how it died."""
    answer, outputs = folder / "answer.json", folder / "outputs.npz"
    arguments = [runtime, *(str(path.absolute()) for path in (file, inputs, outputs, answer))]
    # `-m` imports from the current folder first, and there a file named numpy.py may lie beside the model.
    own_folder = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "edgekit.runtimes.child", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=limit_s, cwd=own_folder)
    except subprocess.TimeoutExpired as e:
        raise ModelError(
            f"{file} did not finish in {limit_s:g} s with {runtime}", hint="give fewer samples, or more with --limit"
        ) from e
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise ModelError(f"{runtime} died of {name} with {file}", hint=_HINTS.get(name, _BROKEN))
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise InternalError(f"running {file} failed: {lines[-1][:300]}", hint="this is a bug of edgekit: report it")
    document: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    if "error" in document:
        raise _error(document["error"])
    return {key: tuple(v) if isinstance(v, list) else v for key, v in document.items()}


_BROKEN = (
    "the file is broken, or uses what this runtime cannot do; another --runtime, such as interpreter, may say more"
)
_HINTS = {"SIGKILL": "it was probably short of memory: give fewer samples"}


def _error(document: dict[str, Any]) -> errors.EdgekitError:
    if "nodes" in document:
        return UnsupportedOpError(document["nodes"], hint=document["hint"])
    return _BY_CODE.get(document["code"], InternalError)(document["message"], hint=document["hint"])

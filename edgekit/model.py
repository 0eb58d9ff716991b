"""Sources become one ModelSpec: a model file (.py), a torch module, an .onnx or .tflite file, float or quantized.

Refused: pickles (`.pt`, `.pt2`, `.pkl`, `.h5`: loading one can run code), formats whose readers do not exist yet, model
files that lack what is needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ModelError, UnsupportedError, UsageError
from edgekit.model_file import EXAMPLE, read_model_file

TORCH_HINT = (
    "install PyTorch (its CPU build: the README says how) and the extra `edgekit-sdk[torch]`, or give an .onnx file"
)
ACCEPTED = "accepted: a model file (.py), .onnx, .tflite; from Python also a torch.nn.Module"
NEVER = {
    ".pt2": "a pickled program",
    ".pkl": "a pickle",
    ".joblib": "a pickle",
    ".h5": "a Keras file that can hold code",
    ".keras": "a Keras file that can hold code",
}
GRAPH_KINDS = {".onnx": "onnx", ".tflite": "tflite"}
PICKLED_WEIGHTS = (".pt", ".pth", ".ckpt")
LATER = {
    ".gguf": "language models",
    ".safetensors": "weights without the network that they belong to (load them in a model file): reading them",
}


@dataclass(frozen=True)
class ValueSpec:
    """Name, static shape and element type (NumPy's word) of an input or output."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class ModelSpec:
    """What is to be converted.

    kind         "module" (module and example_inputs are set), "tflite", "onnx" or, once read, "qdq-onnx" (file is set)
    calibration  arrays by input name or one array, first axis = samples; "random"; the path of an .npz as text; or None
    evaluate     called with `predict`; returns one figure, higher is better
    files        what else the model was made of: files that a model file read below its own folder
    """

    name: str
    kind: str
    file: Path | None = None
    sha256: str | None = None
    module: Any = None
    example_inputs: tuple[Any, ...] | None = None
    calibration: Mapping[str, np.ndarray] | np.ndarray | str | None = None
    evaluate: Callable[..., float] | None = None
    files: tuple[Path, ...] = ()


def from_module(module: Any, example_inputs: tuple[Any, ...], *, name: str) -> ModelSpec:
    """A torch.nn.Module and the tensors of one call of it. Raises UsageError when it is something else."""
    problems = _problems(module, example_inputs)
    if problems:
        raise UsageError("; ".join(problems), hint=f"{ACCEPTED} and example_inputs=(tensor, ...)")
    return ModelSpec(name=name, kind="module", module=module, example_inputs=_as_tuple(example_inputs))


def load_source(path: Path, *, allow_pickle: bool = False) -> ModelSpec:
    """The ModelSpec of a file. Raises ModelError (exit 3), UnsupportedError (4) or UsageError (2)."""
    suffix = path.suffix.lower()
    if suffix in NEVER:
        raise ModelError(f"{path} is {NEVER[suffix]}: loading it could run code of whoever made it", hint=ACCEPTED)
    if suffix in LATER:
        raise UnsupportedError(f"{path}: {LATER[suffix]} is not there yet", hint=ACCEPTED)
    if suffix in PICKLED_WEIGHTS:
        raise _pickle_error(path, allow_pickle)
    if suffix not in (".py", *GRAPH_KINDS):
        raise UsageError(f"{path}: what is a {suffix or 'file without ending'}?", hint=ACCEPTED)
    if not _is_file(path):
        raise ModelError(f"{path} is not there, or is no file", hint=ACCEPTED)
    return _model_file(path) if suffix == ".py" else _graph_file(path, GRAPH_KINDS[suffix])


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def file_sha256(path: Path) -> str:
    """Hash of a source file, by which `deploy` sees that it has changed."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _pickle_error(path: Path, allow_pickle: bool) -> ModelError:
    if not allow_pickle:
        return ModelError(
            f"{path} is a pickle: loading it can run code of whoever made it",
            hint="write a model file (.py) that builds the network and loads the weights, or export it to .onnx",
        )
    return ModelError(
        f"{path} {_weights_text(path)}, and not the network they belong to",
        hint=f"load it in a model file with torch.load(path, weights_only=True); {EXAMPLE}",
    )


def _weights_text(path: Path) -> str:
    """What a .pt file holds, for the message; read with weights_only, which since torch 2.6 runs none of its code."""
    if not path.is_file():
        raise ModelError(f"{path} is not there, or is no file", hint=ACCEPTED)
    torch = _torch()
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as e:  # torch raises whatever its unpickler raises
        reason = str(e).strip().splitlines()[0][:200]
        raise ModelError(f"{path} holds more than weights: {reason}", hint=f"write a model file; {EXAMPLE}") from e
    tensors = {k: v for k, v in weights.items() if hasattr(v, "shape")} if isinstance(weights, dict) else {}
    shown = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in list(tensors.items())[:3])
    return (
        f"holds {len(tensors)} tensors ({shown}{', ...' if len(tensors) > 3 else ''})" if tensors else "holds weights"
    )


def _graph_file(path: Path, kind: str) -> ModelSpec:
    return ModelSpec(name=path.stem, kind=kind, file=path, sha256=file_sha256(path))


def _model_file(path: Path) -> ModelSpec:
    _torch()  # before anything of the user's runs
    parts = read_model_file(path)
    problems = _problems(parts.model, parts.example_inputs)
    if problems:
        raise ModelError(f"{path}: {'; '.join(problems)}", hint=EXAMPLE)
    return ModelSpec(
        name=_model_name(path),
        kind="module",
        file=path,
        sha256=file_sha256(path),
        module=parts.model,
        example_inputs=_as_tuple(parts.example_inputs),
        calibration=parts.calibration,
        evaluate=parts.evaluate,
        files=parts.files,
    )


def _problems(module: Any, example_inputs: Any) -> list[str]:
    """What is wrong with a module and its example inputs."""
    torch = _torch()
    found = []
    if not isinstance(module, torch.nn.Module):
        found.append(f"the model is a {_type(module)}, wanted a torch.nn.Module")
    inputs = _as_tuple(example_inputs)
    # Containers and None may be arguments of forward(); what they hold is the exporter's matter.
    allowed = (torch.Tensor, tuple, list, dict, bool, int, float, type(None))
    wrong = sorted({_type(x) for x in inputs if not isinstance(x, allowed)})
    if wrong or not any(isinstance(x, allowed[:4]) for x in inputs):
        got = ", ".join(wrong or [_type(x) for x in inputs]) or "nothing"
        found.append(f"example_inputs hold {got}, wanted tensors: the arguments of one call, in a tuple")
    return found


def _type(value: Any) -> str:
    return type(value).__name__


def _as_tuple(inputs: Any) -> tuple[Any, ...]:
    return tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)


def _model_name(path: Path) -> str:
    """`model.py` says nothing: then the folder names the model."""
    return path.resolve().parent.name if path.stem == "model" else path.stem


def _torch() -> Any:
    try:
        import torch
    except ImportError as e:
        raise UsageError("a PyTorch model needs PyTorch, which is not installed", hint=TORCH_HINT) from e
    return torch

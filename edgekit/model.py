"""Sources become one ModelSpec: a model file (.py), a torch module, a float .onnx or an already quantized (QDQ) .onnx.

Refused: pickles (`.pt` unless allowed, `.pt2`, `.pkl`, `.h5` always), formats whose readers do not exist yet, model
files that lack what is needed. What a model file gives (tensors, lists, generators) becomes NumPy arrays here.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edgekit.errors import EdgekitError, ModelError, UnsupportedError, UsageError

EXAMPLE = """a model file looks like this:
    def model():              # a torch.nn.Module in its trained state
        ...
    def example_inputs():     # a tuple of tensors: the inputs of one call
        return (torch.zeros(1, 3, 96, 96),)
    def calibration_data():   # optional: typical inputs, first axis = samples
    def evaluate(predict):    # optional: one figure, higher is better"""
TORCH_HINT = (
    "install PyTorch (its CPU build: the README says how) and the extra `edgekit-sdk[torch]`, or give an .onnx file"
)
ACCEPTED = "accepted: a model file (.py), .onnx; from Python also a torch.nn.Module"
NEVER = {".pt2": "a pickled program", ".pkl": "a pickle", ".h5": "a Keras file that can hold code"}
LATER = {".tflite": "reading TFLite files", ".gguf": "language models"}


@dataclass(frozen=True)
class ValueSpec:
    """Name, static shape and element type (NumPy's word) of an input or output."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class ModelSpec:
    """What is to be converted.

    kind         "module" (module and example_inputs are set), "onnx" or, once read, "qdq-onnx" (file is set)
    calibration  arrays by input name or one array, first axis = samples; "random"; the path of an .npz as text; or None
    evaluate     called with `predict`; returns one figure, higher is better
    """

    name: str
    kind: str
    file: Path | None = None
    sha256: str | None = None
    module: Any = None
    example_inputs: tuple[Any, ...] | None = None
    calibration: Mapping[str, np.ndarray] | np.ndarray | str | None = None
    evaluate: Callable[..., float] | None = None


def from_module(module: Any, example_inputs: tuple[Any, ...], *, name: str) -> ModelSpec:
    """A torch.nn.Module and the tensors of one call of it. Raises UsageError when it is something else."""
    torch = _torch()
    if not isinstance(module, torch.nn.Module):
        raise UsageError(f"expected a torch.nn.Module or a path, got {type(module).__name__}", hint=ACCEPTED)
    inputs = example_inputs if isinstance(example_inputs, tuple) else (example_inputs,)
    return ModelSpec(name=name, kind="module", module=module, example_inputs=inputs)


def load_source(path: Path, *, allow_pickle: bool = False) -> ModelSpec:
    """The ModelSpec of a file. Raises ModelError (exit 3), UnsupportedError (4) or UsageError (2)."""
    suffix = path.suffix.lower()
    if suffix in NEVER:
        raise ModelError(f"{path} is {NEVER[suffix]}: loading it could run code of whoever made it", hint=ACCEPTED)
    if suffix in LATER:
        raise UnsupportedError(f"{path}: {LATER[suffix]} is not there yet", hint=ACCEPTED)
    if suffix in (".pt", ".pth"):
        raise _pickle_error(path, allow_pickle)
    if suffix not in (".py", ".onnx"):
        raise UsageError(f"{path}: what is a {suffix or 'file without ending'}?", hint=ACCEPTED)
    if not path.is_file():
        raise ModelError(f"{path} is not there, or is no file", hint=ACCEPTED)
    return _model_file(path) if suffix == ".py" else _onnx_file(path)


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
        f"{path} holds weights and not the network they belong to",
        hint=f"load it in a model file with torch.load(path, weights_only=True); {EXAMPLE}",
    )


def _onnx_file(path: Path) -> ModelSpec:
    return ModelSpec(name=path.stem, kind="onnx", file=path, sha256=file_sha256(path))


def _model_file(path: Path) -> ModelSpec:
    _torch()
    user = _import(path)
    missing = [f"{name}()" for name in ("model", "example_inputs") if not callable(getattr(user, name, None))]
    if missing:
        there = sorted(n for n, v in vars(user).items() if callable(v) and not n.startswith("_"))
        what = f"{path} has no {' and no '.join(missing)}; it has: {', '.join(there) or 'nothing'}"
        raise ModelError(what, hint=EXAMPLE)
    module = _call(path, "model", user.model)
    spec = from_module(module, _call(path, "example_inputs", user.example_inputs), name=_model_name(path))
    calibration = getattr(user, "calibration_data", None)
    evaluate = getattr(user, "evaluate", None)
    return ModelSpec(
        name=spec.name,
        kind="module",
        file=path,
        sha256=file_sha256(path),
        module=module,
        example_inputs=spec.example_inputs,
        calibration=None if calibration is None else _calibration(path, calibration),
        evaluate=None if evaluate is None else _judge(path, evaluate),
    )


def _calibration(path: Path, calibration: Callable[[], Any]) -> Mapping[str, np.ndarray] | np.ndarray:
    """What calibration_data() gives, as arrays; a generator runs here, so its errors name their place too."""
    arrays: Mapping[str, np.ndarray] | np.ndarray = _call(
        path, "calibration_data", lambda: _arrays(path, calibration())
    )
    return arrays


def _judge(path: Path, evaluate: Callable[..., Any]) -> Callable[..., float]:
    """evaluate(predict) of the user's file, whose errors name their place."""

    def judged(predict: Any) -> float:
        figure: float = _call(path, "evaluate", lambda: float(evaluate(predict)))
        return figure

    return judged


def _model_name(path: Path) -> str:
    """`model.py` says nothing: then the folder names the model."""
    return path.resolve().parent.name if path.stem == "model" else path.stem


def _torch() -> Any:
    try:
        import torch
    except ImportError as e:
        raise UsageError("a PyTorch model needs PyTorch, which is not installed", hint=TORCH_HINT) from e
    return torch


def _import(path: Path) -> ModuleType:
    """The user's file as a module, with its folder importable, as if it had been started there."""
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(f"edgekit_user_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    _call(path, "import", lambda: spec.loader.exec_module(module))  # type: ignore[union-attr]
    return module


def _call(path: Path, what: str, function: Callable[[], Any]) -> Any:
    """The user's code: its exceptions become one message with the place in their file, its prints go to stderr."""
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout carries the result of edgekit and nothing else
            return function()
    except EdgekitError:
        raise
    except (Exception, SystemExit) as e:
        place = _place(path, e)
        doing = "cannot be imported" if what == "import" else f"{what}() failed"
        hint = "set EDGEKIT_DEBUG=1 to see the whole traceback"
        raise ModelError(f"{place}: {doing}: {type(e).__name__}: {e}", hint=hint) from e


def _place(path: Path, error: BaseException) -> str:
    """`model.py:12`: the last line in the user's folder that led to the error."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    folder = str(path.resolve().parent) + os.sep
    trace = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in trace if str(Path(frame.filename).resolve()).startswith(folder)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(path)


def _arrays(path: Path, given: Any) -> Mapping[str, np.ndarray] | np.ndarray:
    """What calibration_data() may return, as arrays: an array, a tensor, a dict of them, or a sequence of samples."""
    if isinstance(given, Mapping):
        return {str(name): _array(value) for name, value in given.items()}
    if hasattr(given, "__array__") or hasattr(given, "detach"):
        return _array(given)
    samples = list(given)
    if not samples:
        return np.zeros((0,), np.float32)
    first = samples[0]
    if isinstance(first, Mapping):
        return {str(name): _stack([s[name] for s in samples]) for name in first}
    if isinstance(first, (tuple, list)) and len(first) == 1:
        return _stack([s[0] for s in samples])
    if isinstance(first, (tuple, list)) and any(hasattr(x, "shape") for x in first):
        raise ModelError(
            f"{path}: calibration_data() gave samples of {len(first)} inputs without names",
            hint="return a dict: input name → array with the samples along its first axis",
        )
    return _stack(samples)


def _stack(samples: list[Any]) -> np.ndarray:
    """Samples with or without their batch axis of one, along a new first axis."""
    arrays = [_array(sample) for sample in samples]
    joined: np.ndarray = np.stack(arrays)
    return joined


def _array(value: Any) -> np.ndarray:
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)

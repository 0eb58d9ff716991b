"""A model file (.py) becomes its parts: the network, example inputs, calibration arrays and a judge.

The file runs as if it had been started in its own folder: modules beside it can be imported, also when another model
file has modules of the same names. What goes wrong inside becomes one ModelError with the line in the user's file; what
it prints goes to stderr.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edgekit.errors import EdgekitError, ModelError
from edgekit.opened import opened_below

EXAMPLE = """a model file looks like this:
    def model():              # a torch.nn.Module in its trained state
        ...
    def example_inputs():     # a tuple of tensors: the inputs of one call
        return (torch.zeros(1, 3, 96, 96),)
    def calibration_data():   # optional: typical inputs, first axis = samples
    def evaluate(predict):    # optional: one figure, higher is better"""

Arrays = Mapping[str, np.ndarray] | np.ndarray

# Folder of a model file → the modules that were imported from there, by name.
_siblings: dict[Path, dict[str, ModuleType]] = {}


@dataclass(frozen=True)
class ModelFile:
    """What a model file gives; `model` and `example_inputs` are not looked at here.

    files: what was read below its folder on the way (modules, weights, data), the model file itself left out
    """

    model: Any
    example_inputs: Any
    calibration: Arrays | None
    evaluate: Callable[..., float] | None
    files: tuple[Path, ...]


def read_model_file(path: Path) -> ModelFile:
    """Import the file and call its functions, except evaluate(). Raises ModelError."""
    folder = path.resolve().parent
    with opened_below(folder) as opened:
        parts = _parts(path)
    modules = {Path(m.__file__).resolve() for m in _siblings[folder].values() if m.__file__}
    files = {f for f in opened | modules if f.is_file() and f != path.resolve() and f.suffix != ".pyc"}
    return replace(parts, files=tuple(sorted(files)))


def _parts(path: Path) -> ModelFile:
    user = _import(path)
    missing = [f"{name}()" for name in ("model", "example_inputs") if not callable(getattr(user, name, None))]
    if missing:
        there = sorted(n for n, v in vars(user).items() if callable(v) and not n.startswith("_"))
        what = f"{path} has no {' and no '.join(missing)}; it has: {', '.join(there) or 'nothing'}"
        raise ModelError(what, hint=EXAMPLE)
    model = _call(path, "model", user.model)
    inputs = _call(path, "example_inputs", user.example_inputs)
    calibration, evaluate = (getattr(user, name, None) for name in ("calibration_data", "evaluate"))
    return ModelFile(
        model=model,
        example_inputs=inputs,
        calibration=None if calibration is None else _calibration(path, calibration, inputs),
        evaluate=None if evaluate is None else _judge(path, evaluate),
        files=(),
    )


def _import(path: Path) -> ModuleType:
    folder = path.resolve().parent
    for name, module in _siblings.pop(folder, {}).items():  # they may have been edited since
        if sys.modules.get(name) is module:
            del sys.modules[name]
    name = f"edgekit_model_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    user = importlib.util.module_from_spec(spec)
    _siblings[folder] = {name: user}  # classes are looked up in their module, for example by dataclasses
    _call(path, "import", lambda: spec.loader.exec_module(user))  # type: ignore[union-attr]
    return user


@contextlib.contextmanager
def _at_home(folder: Path) -> Iterator[None]:
    """Imports look into `folder` first, and find the modules of no other model file's folder."""
    for other, modules in _siblings.items():
        for name, module in modules.items():
            if other != folder and sys.modules.get(name) is module:
                del sys.modules[name]
    sys.modules.update(_siblings.get(folder, {}))
    before = set(sys.modules)
    importlib.invalidate_caches()
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # the user's code may have changed the path itself
            sys.path.remove(str(folder))
        new = {name: m for name, m in list(sys.modules.items()) if name not in before and _lies_in(folder, name)}
        _siblings.setdefault(folder, {}).update(new)


def _lies_in(folder: Path, name: str) -> bool:
    """Whether a module is a file or a package in `folder` itself (not in a virtual environment below it)."""
    top = sys.modules.get(name.partition(".")[0])
    places = list(getattr(top, "__path__", [])) or [getattr(top, "__file__", None)]
    return any(place is not None and Path(place).resolve().parent == folder for place in places)


def _call(path: Path, what: str, function: Callable[[], Any]) -> Any:
    """The user's code: its exceptions become one message with the place in their file, its prints go to stderr."""
    try:
        # stdout carries the result of edgekit and nothing else
        with _at_home(path.resolve().parent), contextlib.redirect_stdout(sys.stderr):
            return function()
    except EdgekitError:
        raise
    except (Exception, SystemExit) as e:
        doing = "cannot be imported" if what == "import" else f"{what}() failed"
        reason = " ".join(str(e).split())[:500]
        message = f"{_place(path, e)}: {doing}: {type(e).__name__}: {reason}"
        raise ModelError(message, hint="set EDGEKIT_DEBUG=1 to see the whole traceback") from e


def _place(path: Path, error: BaseException) -> str:
    """`model.py:12`: the last line in the user's folder that led to the error."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    folder = path.resolve().parent
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_users(folder, Path(f.filename).resolve())]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(path)


def _is_users(folder: Path, file: Path) -> bool:
    return folder in file.parents and "site-packages" not in file.relative_to(folder).parts


def _judge(path: Path, evaluate: Callable[..., Any]) -> Callable[..., float]:
    """evaluate(predict) of the user's file, whose errors name their place."""

    def judged(predict: Any) -> float:
        figure: float = _call(path, "evaluate", lambda: _number(evaluate(predict)))
        return figure

    return judged


def _number(figure: Any) -> float:
    try:
        return float(figure)
    except (TypeError, ValueError) as e:
        raise TypeError(f"it gave {type(figure).__name__}, wanted one number") from e


def _calibration(path: Path, calibration: Callable[[], Any], inputs: Any) -> Arrays:
    """What calibration_data() gives, as arrays; a generator runs here, so its errors name their place too."""
    examples = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
    shapes = [tuple(x.shape) for x in examples if hasattr(x, "shape")]
    arrays: Arrays = _call(path, "calibration_data", lambda: _arrays(path, calibration(), shapes))
    return arrays


def _arrays(path: Path, given: Any, shapes: list[tuple[int, ...]]) -> Arrays:
    """An array, a tensor, a dict of them, or an iterable of samples (or batches), each with or without names."""
    if isinstance(given, Mapping):
        return {str(name): _array(value) for name, value in given.items()}
    if _is_array(given):
        return _array(given)
    if isinstance(given, (str, bytes)) or not hasattr(given, "__iter__"):
        raise TypeError(f"it gave {type(given).__name__}, wanted an array, a dict of arrays, or a sequence of samples")
    samples = list(given)
    if not samples:
        raise ValueError("it gave no samples")
    first = samples[0]
    if isinstance(first, Mapping):
        return {str(name): _joined([s[name] for s in samples], shapes) for name in first}
    if isinstance(first, (tuple, list)) and len(first) == 1:
        return _joined([s[0] for s in samples], shapes)
    if isinstance(first, (tuple, list)) and any(_is_array(x) for x in first):
        raise ModelError(
            f"{path}: calibration_data() gave samples of {len(first)} inputs without names",
            hint="give each as a dict, input name → array; where the second is a label, leave it out",
        )
    return _joined(samples, shapes)


def _joined(samples: list[Any], shapes: list[tuple[int, ...]]) -> np.ndarray:
    """Samples along a new first axis; batches for a model that takes one sample at a time, along the one they have."""
    arrays = [_array(sample) for sample in samples]
    shape = arrays[0].shape
    batches = any(s[:1] == (1,) and len(s) == len(shape) and s[1:] == shape[1:] for s in shapes)
    joined: np.ndarray = np.concatenate(arrays) if batches else np.stack(arrays)
    return joined


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") or hasattr(value, "detach")


def _array(value: Any) -> np.ndarray:
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)

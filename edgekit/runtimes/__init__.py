"""A model file and the name of what executes it → Session: every runtime of this machine behind one interface.

RUNTIMES says which files each takes and which package it needs. Refused: names that are not there, files of another
kind, packages that are not installed (UsageError, with the line that installs them). A .tflite file is checked by
edgekit.tflite.model before a runtime sees it; what a runtime does with it then happens in this process: for files of
others there is edgekit.runtimes.running, which starts a process of its own.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import UsageError, did_you_mean
from edgekit.runtimes.session import Session, Value

__all__ = ["RUNTIMES", "Runtime", "Session", "Value", "default_runtime", "find_runtime", "open_runtime"]

FILE_TYPES = (".tflite", ".onnx")


@dataclass(frozen=True)
class Runtime:
    """What executes model files here.

    file_types  endings of the files that it takes
    open        bytes and ending of a file → Session
    module      what must be importable; package: what pip installs for it
    """

    file_types: tuple[str, ...]
    open: Callable[[bytes, str], Session]
    module: str = ""
    package: str = ""

    @property
    def installed(self) -> bool:
        return not self.module or importlib.util.find_spec(self.module) is not None


def _litert(content: bytes, _: str) -> Session:
    from edgekit.runtimes.litert import LiteRt

    return LiteRt(content)


def _litert_reference(content: bytes, _: str) -> Session:
    from edgekit.runtimes.litert import LiteRt

    return LiteRt(content, reference=True)


def _tflite_micro(content: bytes, _: str) -> Session:
    from edgekit.runtimes.micro import TfliteMicro

    return TfliteMicro(content)


def _onnxruntime(content: bytes, _: str) -> Session:
    from edgekit.runtimes.onnx import OnnxRuntime

    return OnnxRuntime(content)


def _interpreter(content: bytes, file_type: str) -> Session:
    from edgekit.runtimes.interpreted import onnx_session, tflite_session

    return tflite_session(content) if file_type == ".tflite" else onnx_session(content)


# The first that takes a file and is installed runs it unless another is asked for.
RUNTIMES = {
    "litert": Runtime((".tflite",), _litert, "ai_edge_litert", "ai-edge-litert"),
    "litert-reference": Runtime((".tflite",), _litert_reference, "ai_edge_litert", "ai-edge-litert"),
    "onnxruntime": Runtime((".onnx",), _onnxruntime, "onnxruntime", "onnxruntime"),
    "interpreter": Runtime((".tflite", ".onnx"), _interpreter),
    "tflite-micro": Runtime((".tflite",), _tflite_micro, "tflite_micro", "tflite-micro"),
}


def find_runtime(name: str) -> Runtime:
    """The runtime of this name, installed here. Raises UsageError."""
    runtime = RUNTIMES.get(name)
    if runtime is None:
        raise UsageError(f"runtime {name!r} is unknown", hint=did_you_mean(name, (*RUNTIMES, "c")))
    if not runtime.installed:
        raise UsageError(f"{name} is not installed here", hint=f"python3 -m pip install {runtime.package}")
    return runtime


def default_runtime(file_type: str) -> str:
    """The name of what runs files with this ending here. Raises UsageError for others."""
    names = [name for name, runtime in RUNTIMES.items() if file_type in runtime.file_types and runtime.installed]
    if not names:
        raise UsageError(f"what is a {file_type or 'file without ending'}?", hint=f"allowed: {', '.join(FILE_TYPES)}")
    return names[0]


def open_runtime(name: str, model: str | Path | bytes) -> Session:
    """Load a .tflite or .onnx file, or its bytes. Raises UsageError, ModelError or UnsupportedError.

    A session keeps the states of a model from one `run` to the next.
    """
    runtime = find_runtime(name)
    file_type = _type_of(model) if isinstance(model, bytes) else Path(model).suffix.lower()
    if file_type not in runtime.file_types:
        others = [other for other, r in RUNTIMES.items() if file_type in r.file_types]
        raise UsageError(
            f"{name} runs {' and '.join(runtime.file_types)} files, not {file_type or 'files without ending'}",
            hint=f"{file_type} files run with {', '.join(others)}" if others else f"allowed: {', '.join(FILE_TYPES)}",
        )
    return runtime.open(model if isinstance(model, bytes) else _read(Path(model), file_type), file_type)


def _type_of(content: bytes) -> str:
    return ".tflite" if content[4:8] == b"TFL3" else ".onnx"


def _read(path: Path, file_type: str) -> bytes:
    if file_type == ".tflite":
        from edgekit.tflite.model import read_file

        return read_file(path)
    from edgekit.graph.load import load_onnx

    return load_onnx(path)

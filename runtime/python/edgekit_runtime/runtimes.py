"""A model file → an interpreter of the first runtime that can be built for it, or every reason why none could.

Importing a runtime proves little (tflite_runtime imports with NumPy 2 and breaks when an interpreter is built), so a
candidate counts only once its interpreter stands and agrees with model.json on names, shapes and types.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edgekit_runtime.description import Description, LoadError, Value

_ORT_DTYPES = {
    "tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64", "tensor(int8)": "int8",
    "tensor(uint8)": "uint8", "tensor(int16)": "int16", "tensor(uint16)": "uint16", "tensor(int32)": "int32",
    "tensor(uint32)": "uint32", "tensor(int64)": "int64", "tensor(uint64)": "uint64", "tensor(bool)": "bool",
}  # fmt: skip


class Runtime(NamedTuple):
    """What executes the model. `providers` are the execution providers or delegates that the session really holds."""

    name: str
    version: str
    providers: tuple[str, ...]


class OnnxRuntime:
    """An ONNX Runtime session; arrays go in and come out in the order of model.json."""

    def __init__(self, description: Description, threads: int) -> None:
        import onnxruntime

        self._session = _session(onnxruntime, description.model_path, threads)
        _agree(description.inputs, [_ort_value(v) for v in self._session.get_inputs()])
        _agree(description.outputs, [_ort_value(v) for v in self._session.get_outputs()])
        self._inputs = [v.name for v in description.inputs]
        self._outputs = [v.name for v in description.outputs]
        self.runtime = Runtime("onnxruntime", onnxruntime.__version__, tuple(self._session.get_providers()))

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return self._session.run(self._outputs, dict(zip(self._inputs, arrays)))


class LiteRt:
    """An interpreter of LiteRT or tflite-runtime, which share one interface. Not for two threads at once."""

    module = "ai_edge_litert"

    def __init__(self, description: Description, threads: int) -> None:
        import importlib

        package = importlib.import_module(self.module)
        interpreter = importlib.import_module(self.module + ".interpreter")
        self._interpreter = interpreter.Interpreter(model_path=description.model_path, num_threads=threads)
        self._interpreter.allocate_tensors()
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        _agree(description.inputs, [_tflite_value(d) for d in inputs])
        _agree(description.outputs, [_tflite_value(d) for d in outputs])
        self._inputs = _indices(description.inputs, inputs)
        self._outputs = _indices(description.outputs, outputs)
        # The interpreter does not say which delegate took which operator: nothing is claimed.
        self.runtime = Runtime(self.module, getattr(package, "__version__", "unknown"), ())

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        for index, array in zip(self._inputs, arrays):
            self._interpreter.set_tensor(index, array)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


class TfliteRuntime(LiteRt):
    module = "tflite_runtime"


class Native:
    """A library that edgekit compiled from the model. Not for two threads at once."""

    threads = 1

    def __init__(self, description: Description, threads: int) -> None:
        from edgekit_runtime import native

        self.library = native.Library(description.model_path)
        native.check(description, self.library)
        self.runtime = Runtime("native", self.library.version, ())

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        for end, array in zip(self.library.inputs, arrays):
            end.write_raw(array)
        self.library.invoke()
        return [np.frombuffer(e.read_raw(), e.value.dtype).reshape(e.value.shape) for e in self.library.outputs]


CANDIDATES = {
    ".onnx": {"onnxruntime": OnnxRuntime},
    ".so": {"native": Native},
    ".tflite": {"ai_edge_litert": LiteRt, "tflite_runtime": TfliteRuntime},
}


def build(description: Description, threads: int, only: str | None = None):
    """The first interpreter that can be built for the model file; `only` names the one runtime to try.

    Raises LoadError with the reason of every runtime that was tried.
    """
    suffix = os.path.splitext(description.file)[1]
    candidates = CANDIDATES.get(suffix)
    if candidates is None:
        raise LoadError(f"{description.file}: files of type {suffix!r} are not known, only {', '.join(CANDIDATES)}")
    if only is not None and only not in candidates:
        raise LoadError(f"{description.file}: runtime {only!r} cannot run it, only {', '.join(candidates)}")
    reasons = []
    for name, interpreter in candidates.items():
        if only in (None, name):
            try:
                return interpreter(description, threads)
            except Exception as e:  # whatever a foreign runtime throws is the reason that is reported
                reasons.append(f"{name}: {type(e).__name__}: {e}")
    raise LoadError(f"{description.model_path}: no runtime could load it\n  " + "\n  ".join(reasons))


def _session(onnxruntime, path: str, threads: int):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; the warnings of this runtime are about GPUs and the choice of providers
    providers = ["CPUExecutionProvider"]
    if os.uname().machine == "x86_64":
        # Without VNNI the fused kernels saturate pairs of 8-bit products and give other results than an Arm board. With
        # this entry they do not; some graphs (transformers) fail with it, and those run with basic optimisations only.
        options.add_session_config_entry("session.x64quantprecision", "1")
        try:
            return onnxruntime.InferenceSession(path, options, providers=providers)
        except Exception:  # if the file itself is at fault, the next line says so
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return onnxruntime.InferenceSession(path, options, providers=providers)


def _ort_value(arg) -> Value:
    return Value(arg.name, tuple(arg.shape), _ORT_DTYPES.get(arg.type, arg.type))


def _tflite_value(detail: dict) -> Value:
    return Value(detail["name"], tuple(int(n) for n in detail["shape"]), np.dtype(detail["dtype"]).name)


def _indices(values: Sequence[Value], details: Sequence[dict]) -> list[int]:
    index = {d["name"]: d["index"] for d in details}
    return [index[v.name] for v in values]


def _agree(described: Sequence[Value], found: Sequence[Value]) -> None:
    want = sorted((v.name, v.shape, v.dtype) for v in described)
    got = sorted((v.name, v.shape, v.dtype) for v in found)
    if want != got:
        raise LoadError(f"model.json describes {want}, the model file has {got}")

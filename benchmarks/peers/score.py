"""A model file → its score on the 500 test samples, in one runtime. A process of its own: a bad file can end it.

python score.py NAME FILE RUNTIME REPORT        RUNTIME: litert, tflite-micro, onnxruntime
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measuring import reason

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from zoo.catalogue import named

ARENA_BYTES = 32 << 20


@dataclass(frozen=True)
class Port:
    """An input or output of a .tflite file: shape, type and, for integers, scale and zero point."""

    shape: tuple[int, ...]
    dtype: np.dtype
    scale: float
    zero_point: int

    @staticmethod
    def of(detail: dict) -> Port:
        """As both TFLite runtimes tell it."""
        quantization = detail["quantization_parameters"]
        scale, zero_point = ([*quantization[key], 0][0] for key in ("scales", "zero_points"))
        return Port(tuple(detail["shape"]), np.dtype(detail["dtype"]), float(scale), int(zero_point))

    def stored(self, x: np.ndarray) -> np.ndarray:
        """Samples (n, channels, ...) → the file's numbers, its order of axes."""
        last = np.moveaxis(x, 1, -1)
        x = next(c for c in (x, last, last[:, None]) if c.shape[1:] == self.shape[1:])
        if not self.scale:
            return np.ascontiguousarray(x, self.dtype)
        limits = np.iinfo(self.dtype)
        return np.clip(np.round(x / self.scale) + self.zero_point, limits.min, limits.max).astype(self.dtype)

    def real(self, y: np.ndarray) -> np.ndarray:
        """The file's numbers → real numbers."""
        return (y.astype(np.float32) - self.zero_point) * self.scale if self.scale else y


@dataclass(frozen=True)
class Opened:
    """A .tflite file in a runtime: `run` takes and gives one sample in the file's own numbers."""

    given: Port
    wanted: Port
    run: Callable[[np.ndarray], np.ndarray]
    float_tensors: int | None = None

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.concatenate([self.wanted.real(self.run(row[None])) for row in self.given.stored(x)])


def litert(file: Path) -> Opened:
    from ai_edge_litert.interpreter import Interpreter

    runtime = Interpreter(model_path=str(file), num_threads=1)
    runtime.allocate_tensors()
    (given,), (wanted,) = runtime.get_input_details(), runtime.get_output_details()
    floats = sum(detail["dtype"] == np.float32 for detail in runtime.get_tensor_details())

    def run(x: np.ndarray) -> np.ndarray:
        runtime.set_tensor(given["index"], x)
        runtime.invoke()
        return runtime.get_tensor(wanted["index"])

    return Opened(Port.of(given), Port.of(wanted), run, floats)


def tflite_micro(file: Path) -> Opened:
    from tflite_micro.python.tflite_micro import runtime as micro

    runtime = micro.Interpreter.from_bytes(file.read_bytes(), arena_size=ARENA_BYTES)

    def run(x: np.ndarray) -> np.ndarray:
        runtime.set_input(x, 0)
        runtime.invoke()
        return runtime.get_output(0)

    return Opened(Port.of(runtime.get_input_details(0)), Port.of(runtime.get_output_details(0)), run)


def onnxruntime(file: Path):
    from edgekit.graph.evaluation import Predictor

    return Predictor(file)


RUNTIMES = {"litert": litert, "tflite-micro": tflite_micro, "onnxruntime": onnxruntime}


def score(name: str, file: Path, runtime: str) -> dict:
    model = named(name)
    known = model.data()
    opened = RUNTIMES[runtime](file)
    outputs = classes_first(opened.predict(known.test_x), known.test_y)
    floats = getattr(opened, "float_tensors", None)
    return {"score": model.score(outputs, known.test_y), **({} if floats is None else {"float_tensors": floats})}


def classes_first(outputs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """A map of classes with them in axis 1, wherever they were."""
    return np.moveaxis(outputs, -1, 1) if outputs.ndim == 4 and outputs.shape[1:3] == wanted.shape[1:] else outputs


if __name__ == "__main__":
    try:
        figures = score(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
    except Exception as e:
        figures = {"failed": reason(e)}
    Path(sys.argv[4]).write_text(json.dumps(figures), encoding="utf-8")

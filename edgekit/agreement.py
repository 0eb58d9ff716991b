"""An emitted .tflite file against the interpreter: the file is read back, and run by what is installed here.

Read back and interpreted it must give the same integers; LiteRT and TFLite Micro are measured. A file that no runtime
loads, or that answers otherwise when read back, is a bug of edgekit and is never written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit import runtimes
from edgekit.errors import EdgekitError, InternalError
from edgekit.graph.evaluation import SamplePredictor
from edgekit.interpreter import Interpreter, model_array, stored_array
from edgekit.lowering import from_tflite
from edgekit.program import Program, Tensor
from edgekit.program.tensor import Array

SAMPLES = 8
WORK_LIMIT_MACS = 2_000_000_000  # what the interpreter may work through
RUNTIMES = ("litert", "litert-reference", "tflite-micro")


@dataclass(frozen=True)
class Agreement:
    """largest_lsb by runtime, the largest difference from the interpreter in steps of the output (float: real values)
    absent      by runtime, why it was not asked
    """

    largest_lsb: Mapping[str, float]
    absent: Mapping[str, str]


def stored_inputs(program: Program, sample: Mapping[str, Array]) -> dict[str, Array]:
    """One sample of the model (real values, its own layout) → the arrays that the program takes."""
    return {t.name: stored_array(t, program.orders.get(t.name), sample[t.name]) for t in program.inputs}


def real_outputs(program: Program, outputs: Mapping[str, Array]) -> dict[str, Array]:
    """What a program gives → real values in the model's own layout."""
    return {
        t.name: model_array(t, program.orders.get(t.name), outputs[t.name], _app_type(t).name) for t in program.outputs
    }


def compare(program: Program, content: bytes, samples: Iterable[Mapping[str, Array]]) -> Agreement:
    """Check an emitted file on some samples. Raises InternalError where it is not what the program says."""
    given = affordable(program, samples)
    truth = interpreted(program, given)
    again = interpreted(from_tflite(content, program.name), given)
    for one, other in zip(truth, again, strict=True):
        if any(not np.array_equal(one[name], other[name]) for name in one):
            raise InternalError("the .tflite file answers otherwise when it is read back", hint="report this model")
    measured: dict[str, float] = {}
    absent: dict[str, str] = {}
    for name in RUNTIMES:
        try:
            measured[name] = _largest(name, content, program, given, truth)
        except EdgekitError as e:
            absent[name] = e.message
    return Agreement(measured, absent)


def answers(program: Program, samples: Iterable[Mapping[str, Array]]) -> dict[str, Array]:
    """Of some samples, the interpreter's real outputs in the model's own layout: (samples, *shape) by name."""
    real = [real_outputs(program, outputs) for outputs in interpreted(program, affordable(program, samples))]
    return {k: np.stack([r[k] for r in real]) for k in (real[0] if real else {})}


def affordable(program: Program, samples: Iterable[Mapping[str, Array]]) -> list[dict[str, Array]]:
    """The first samples, as many as the interpreter runs in short time, as arrays that the program takes."""
    count = max(1, min(SAMPLES, WORK_LIMIT_MACS // max(program.macs, 1)))
    return [stored_inputs(program, sample) for sample, _ in zip(samples, range(count), strict=False)]


def predictor(program: Program, content: bytes, runtime: str = "litert") -> SamplePredictor:
    """The file behind `predict`, which takes and gives what the model itself does. Raises UsageError without `runtime`.

    Only for files: what it says of accuracy is what this runtime makes of them.
    """
    session = runtimes.open_runtime(runtime, content)

    def run(sample: Mapping[str, Array]) -> tuple[Array, ...]:
        return tuple(real_outputs(program, session.run(stored_inputs(program, sample))).values())

    inputs = {t.name: (_restored_shape(program, t), _app_type(t)) for t in program.inputs}
    return SamplePredictor(inputs, [t.name for t in program.outputs], run, session.name)


def _restored_shape(program: Program, tensor: Tensor) -> tuple[int, ...]:
    order = program.orders.get(tensor.name)
    return tensor.shape if order is None else tuple(tensor.shape[order.index(axis)] for axis in range(len(order)))


def _app_type(tensor: Tensor) -> np.dtype[Any]:
    return np.dtype(np.float32) if tensor.quant is not None else tensor.numpy_dtype


def interpreted(program: Program, given: list[dict[str, Array]]) -> list[dict[str, Array]]:
    """What the interpreter gives for samples in order, from the initial states on."""
    running = Interpreter(program)
    return [running.run(arrays) for arrays in given]


def _largest(
    name: str, content: bytes, program: Program, given: list[dict[str, Array]], truth: list[dict[str, Array]]
) -> float:
    session = runtimes.open_runtime(name, content)
    largest = 0.0
    for arrays, wanted in zip(given, truth, strict=True):
        got = session.run(arrays)
        for tensor in program.outputs:
            gap = np.abs(got[tensor.name].astype(np.float64) - wanted[tensor.name].astype(np.float64))
            largest = max(largest, float(gap.max(initial=0.0)))
    return largest

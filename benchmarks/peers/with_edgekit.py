"""edgekit: float ONNX → int8 .tflite, by the stages of `edgekit.convert` that make it, without those that judge it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from measuring import Clock, Inputs, measured

from edgekit.emitters import emit_tflite
from edgekit.graph.calibration import calibration_data, observe
from edgekit.graph.decompose import for_int8
from edgekit.graph.load import parse
from edgekit.graph.quantization import quantize
from edgekit.graph.save import value_specs
from edgekit.graph.simplify import simplify
from edgekit.lowering import from_onnx


def edgekit_tflite(onnx: bytes, samples: np.ndarray) -> bytes:
    """All that a conversion needs."""
    graph = for_int8(simplify(parse(onnx)))
    ranges = observe(graph, calibration_data(samples, value_specs(graph)[0]), "minmax")
    return emit_tflite(from_onnx(quantize(graph, ranges).model, "model"))


def convert(inputs: Inputs, out: Path, clock: Clock) -> None:
    out.write_bytes(edgekit_tflite(inputs.onnx.read_bytes(), inputs.samples))


if __name__ == "__main__":
    measured(convert)

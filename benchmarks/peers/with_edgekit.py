"""edgekit: float ONNX → int8 .tflite, by the stages of `edgekit.convert` without its judging."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
from measuring import Clock, Inputs, measured

from edgekit.emitters.tflite import emit_tflite
from edgekit.graph.calibration import calibration_data, observe
from edgekit.graph.load import load_onnx, parse
from edgekit.graph.quantization import quantize
from edgekit.graph.save import value_specs
from edgekit.graph.simplify import simplify
from edgekit.lowering import from_onnx


def edgekit_tflite(graph: ir.Model, samples: np.ndarray) -> bytes:
    """The stages that a conversion needs."""
    graph = simplify(graph)
    ranges = observe(graph, calibration_data(samples, value_specs(graph)[0]), "minmax")
    return emit_tflite(from_onnx(quantize(graph, ranges).model, "model"))


def convert(inputs: Inputs, out: Path, clock: Clock) -> None:
    out.write_bytes(edgekit_tflite(parse(load_onnx(inputs.onnx)), inputs.samples))


if __name__ == "__main__":
    measured(convert)

"""A float graph quantized, lowered, emitted and run everywhere: what the tests of lowering compare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.agreement import compare, real_outputs, stored_inputs
from edgekit.emitters import emit_tflite
from edgekit.graph.calibration import CalibrationData, observe
from edgekit.graph.evaluation import Predictor
from edgekit.graph.quantization import quantize
from edgekit.graph.save import to_bytes
from edgekit.interpreter import run
from edgekit.lowering import from_onnx
from edgekit.program import Program


@dataclass
class Lowered:
    """steps: the largest difference between ONNX Runtime (the graph as written) and the interpreter, in LSB."""

    program: Program
    content: bytes
    steps: float
    largest_lsb: dict[str, float]

    @property
    def kinds(self) -> list[str]:
        return [op.kind for op in self.program.ops]


def random_data(model: ir.Model, samples: int = 16, seed: int = 0) -> CalibrationData:
    rng = np.random.default_rng(seed)
    shapes = {v.name: tuple(v.shape.numpy()) for v in model.graph.inputs}
    return CalibrationData(
        {n: rng.standard_normal((samples, *s)).astype(np.float32) for n, s in shapes.items()}, "data"
    )


def lowered(model: ir.Model, data: CalibrationData | None = None, *, quantized: ir.Model | None = None) -> Lowered:
    """`model` (float) through edgekit's quantizer; or `quantized`, a QDQ graph made elsewhere."""
    data = data or random_data(model)
    graph = quantized if quantized is not None else quantize(model, observe(model, data, "minmax")).model
    program = from_onnx(graph, "net")
    content = emit_tflite(program)
    written = Predictor(to_bytes(graph), optimise=False)
    steps = 0.0
    for i in range(data.samples):
        truth = written.run(data.sample(i))
        got = real_outputs(program, run(program, stored_inputs(program, data.sample(i))))
        for want, tensor in zip(truth, program.outputs, strict=True):
            scale = 1.0 if tensor.quant is None else tensor.scale
            gap = np.abs(got[tensor.name].astype(np.float64) - want.astype(np.float64))
            steps = max(steps, float(gap.max(initial=0.0)) / scale)
    agreement = compare(program, content, (data.sample(i) for i in range(data.samples)))
    assert not agreement.absent, agreement.absent
    return Lowered(program, content, steps, dict(agreement.largest_lsb))


def float_gap(model: ir.Model, data: CalibrationData | None = None) -> float:
    """The largest difference between ONNX Runtime and the interpreter on a graph that stays float."""
    data = data or random_data(model, samples=2)
    program, written = from_onnx(model, "net"), Predictor(to_bytes(model), optimise=False)
    largest = 0.0
    for i in range(data.samples):
        got = real_outputs(program, run(program, stored_inputs(program, data.sample(i))))
        for want, tensor in zip(written.run(data.sample(i)), program.outputs, strict=True):
            largest = max(largest, float(np.abs(got[tensor.name].astype(np.float64) - want).max(initial=0.0)))
    return largest

"""The whole of `edgekit.convert`: reading a file that may be hostile, both formats, and all judging of both."""

from __future__ import annotations

import shutil
from pathlib import Path

import with_edgekit  # noqa: F401  imports what `edgekit.convert` would import on the way, as the other tools' scripts do
from measuring import Clock, Inputs, measured

import edgekit
import edgekit.agreement
import edgekit.graph.evaluation
import edgekit.profiling.macs


def convert(inputs: Inputs, out: Path, clock: Clock) -> None:
    build, samples = out.parent / "build", str(inputs.samples_file)
    edgekit.convert(inputs.onnx, calibration=samples, out=build, formats=("onnx", "tflite"))
    shutil.copy(build / "model.tflite", out)


if __name__ == "__main__":
    measured(convert)

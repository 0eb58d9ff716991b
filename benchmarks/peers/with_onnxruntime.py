"""onnxruntime's static quantization: float ONNX → QDQ ONNX, set up as its documents recommend for int8 per channel."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from measuring import Clock, Inputs, measured
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


class Rows(CalibrationDataReader):
    """One sample at a time."""

    def __init__(self, inputs: Inputs) -> None:
        self.rows = iter([{inputs.input_name: row[None]} for row in inputs.samples])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.rows, None)


def convert(inputs: Inputs, out: Path, clock: Clock) -> None:
    kinds = {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8}
    with tempfile.TemporaryDirectory() as folder:
        prepared = str(Path(folder) / "prepared.onnx")
        quant_pre_process(str(inputs.onnx), prepared)
        quantize_static(prepared, str(out), Rows(inputs), QuantFormat.QDQ, per_channel=True, **kinds)


if __name__ == "__main__":
    measured(convert)

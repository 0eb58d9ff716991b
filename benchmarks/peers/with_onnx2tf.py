"""onnx2tf: float ONNX → full-integer int8 .tflite, per channel, with its default back end.

It rewrites the file that it is given, so it gets a copy, and it wants samples in the channels-last order.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
from measuring import Clock, Inputs, measured
from onnx2tf.onnx2tf import convert as onnx2tf_convert


def convert(inputs: Inputs, out: Path, clock: Clock) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy = shutil.copy(inputs.onnx, folder / "model.onnx")
        samples = inputs.samples
        np.save(folder / "samples.npy", np.moveaxis(samples, 1, -1) if samples.ndim == 4 else samples)
        onnx2tf_convert(
            input_onnx_file_path=str(copy),
            output_folder_path=str(folder / "made"),
            output_integer_quantized_tflite=True,
            quant_type="per-channel",
            custom_input_op_name_np_data_path=[[inputs.input_name, str(folder / "samples.npy"), 0.0, 1.0]],
            non_verbose=True,
        )
        (made,) = (folder / "made").glob("*_full_integer_quant.tflite")
        shutil.copy(made, out)


if __name__ == "__main__":
    measured(convert)

"""What `edgekit convert` refuses, through the real command: exit code, one message with a hint, nothing written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from small_network import small_network


def dynamic(folder: Path) -> list[str]:
    model = small_network()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(model, folder / "net.onnx")
    return ["net.onnx", "--precision", "float"]


def contradicting(folder: Path) -> list[str]:
    return [*dynamic(folder), "--shape", "x=1,9,8,8"]


def unknown_input(folder: Path) -> list[str]:
    return [*dynamic(folder), "--shape", "y0=1,1,8,8"]


def custom(folder: Path) -> list[str]:
    model = small_network()
    model.graph.node[0].domain = "com.evil"
    model.opset_import.add(domain="com.evil", version=1)
    onnx.save(model, folder / "net.onnx")
    return ["net.onnx"]


def truncated(folder: Path) -> list[str]:
    (folder / "net.onnx").write_bytes(small_network().SerializeToString()[:-30])
    return ["net.onnx"]


def not_finite(folder: Path) -> list[str]:
    """Also where nothing is quantized."""
    model = small_network()
    tensor = model.graph.initializer[0]
    numbers = numpy_helper.to_array(tensor).copy()
    numbers.flat[3] = np.nan
    tensor.CopyFrom(numpy_helper.from_array(numbers, tensor.name))
    onnx.save(model, folder / "net.onnx")
    return ["net.onnx", "--precision", "float"]


def pickled(folder: Path) -> list[str]:
    (folder / "net.pt").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    return ["net.pt"]


def unknown_ending(folder: Path) -> list[str]:
    return ["net.docx"]


REFUSALS = {
    "dynamic shape": (dynamic, 4, "0 (batch)", "--shape x=1,1,8,8"),
    "contradicting shape": (contradicting, 2, "--shape gives [1, 9, 8, 8]", "dynamic dimensions"),
    "unknown input": (unknown_input, 2, 'no input "y0"', "x"),
    "custom operator": (custom, 4, "com.evil", "export"),
    "truncated": (truncated, 3, "no readable ONNX file", "again"),
    "weights that are not finite": (not_finite, 3, "1 of", "NaN or infinite"),
    "pickle": (pickled, 3, "can run code", "model file"),
    "unknown ending": (unknown_ending, 2, ".docx", "accepted"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_exit_code_message_and_hint(tmp_path: Path, name: str) -> None:
    build, code, *texts = REFUSALS[name]
    command = [sys.executable, "-m", "edgekit", "convert", *build(tmp_path), "--out", "build"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == code, done.stderr
    said = " ".join(done.stderr.split())
    for text in texts:
        assert text in said, said
    assert done.stdout == "" and "Traceback" not in done.stderr
    assert not (tmp_path / "build").exists() and not (tmp_path / "owned").exists()

"""The bounds of a process hold for ONNX Runtime as it really runs here, on networks whose activations are large."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

import edgekit

CHILD = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
feed = {i.name: numpy.ones(i.shape, numpy.float32) for i in session.get_inputs()}
for _ in range(2):
    session.run(None, feed)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def stem(channels: int, side: int, kernel: int) -> onnx.ModelProto:
    """Two convolutions with Relu, and a Gelu, which has no int8 form."""
    rng = np.random.default_rng(0)
    shapes = {"w0": (channels, 3, kernel, kernel), "w1": (channels, channels, 3, 3)}
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], name="stem", pads=[kernel // 2] * 4),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node("Conv", ["b", "w1"], ["c"], name="second", pads=[1] * 4),
        helper.make_node("Gelu", ["c"], ["d"], name="gelu"),
        helper.make_node("GlobalAveragePool", ["d"], ["y"], name="pool"),
    ]
    constants = [
        onnx.numpy_helper.from_array((0.1 * rng.normal(size=shape)).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, side, side])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, channels, 1, 1])
    graph = helper.make_graph(nodes, "stem", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is of /proc")
@pytest.mark.parametrize(("channels", "side", "kernel"), [(24, 320, 3), (8, 448, 7)])
def test_a_real_process_stays_within_the_bounds(tmp_path: Path, channels: int, side: int, kernel: int) -> None:
    onnx.save(stem(channels, side, kernel), tmp_path / "stem.onnx")
    samples = np.random.default_rng(0).random((2, 3, side, side), dtype=np.float32)
    edgekit.convert(tmp_path / "stem.onnx", calibration={"x": samples}, out=tmp_path / "build")
    for path in (tmp_path / "stem.onnx", tmp_path / "build" / "model.onnx"):
        (judged,) = edgekit.profile(path, "rpi4")
        done = subprocess.run([sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=True)
        measured = int(done.stdout) * 1024
        assert judged.ram_bytes.upper is not None
        assert judged.ram_bytes.lower <= measured <= judged.ram_bytes.upper, path.name

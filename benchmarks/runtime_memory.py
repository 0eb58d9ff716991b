"""Measures what ONNX Runtime needs beside the weights: the peak resident memory of a fresh process for networks with
large activations, as float and as int8, beside the bounds that `edgekit profile` gives. docs/profile.md has the table.

    python benchmarks/runtime_memory.py
"""

from __future__ import annotations

import json
import logging
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

import edgekit

MIB = 1 << 20
CHILD = """
import sys, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 4
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
rng = numpy.random.default_rng(0)
feed = {i.name: rng.random(i.shape, dtype=numpy.float32) for i in session.get_inputs()}
for _ in range(3):
    session.run(None, feed)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


class Builder:
    """A network of which each call adds one node with random weights."""

    def __init__(self, *shape: int) -> None:
        self.shape, self.nodes, self.weights = shape, [], {}

    def add(self, op: str, inputs: list[str], weight: tuple[int, ...] | None = None, **attributes: object) -> str:
        name = f"n{len(self.nodes)}"
        if weight is not None:
            self.weights[f"{name}_w"] = weight
            inputs = [*inputs, f"{name}_w"]
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def save(self, path: Path) -> None:
        rng = np.random.default_rng(0)
        constants = [
            onnx.numpy_helper.from_array((0.1 * rng.normal(size=shape)).astype(np.float32), name)
            for name, shape in self.weights.items()
        ]
        inputs = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, self.shape)]
        outputs = [helper.make_tensor_value_info(self.nodes[-1].output[0], onnx.TensorProto.FLOAT, None)]
        graph = helper.make_graph(self.nodes, "g", inputs, outputs, constants)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def convolutions(channels: int, side: int, *, kernel: int = 3, groups: int = 1, residual: bool = False) -> Builder:
    net, value = Builder(1, channels, side, side), "x"
    for _ in range(3):
        weight = (channels, channels // groups, kernel, kernel)
        made = net.add("Relu", [net.add("Conv", [value], weight, pads=[kernel // 2] * 4, group=groups)])
        value = net.add("Add", [made, value]) if residual else made
    net.add("GlobalAveragePool", [value])
    return net


def transformer_mlp(tokens: int, width: int) -> Builder:
    net, value = Builder(1, tokens, width), "x"
    for _ in range(2):
        inner = net.add("Gelu", [net.add("MatMul", [value], (width, 4 * width))])
        value = net.add("Add", [net.add("MatMul", [inner], (4 * width, width)), value])
    return net


def branches(channels: int, side: int) -> Builder:
    net = Builder(1, channels, side, side)
    made = [net.add("Conv", ["x"], (channels, channels, k, k), pads=[k // 2] * 4) for k in (1, 3, 5)]
    net.add("GlobalAveragePool", [net.add("Concat", [*made, "x"], axis=1)])
    return net


NETWORKS: dict[str, Callable[[], Builder]] = {
    "3x3, 16 channels, 512²": lambda: convolutions(16, 512),
    "3x3 with residuals, 16 channels, 512²": lambda: convolutions(16, 512, residual=True),
    "3x3, 3 channels, 1024²": lambda: convolutions(3, 1024),
    "1x1, 32 channels, 512²": lambda: convolutions(32, 512, kernel=1),
    "5x5, 16 channels, 384²": lambda: convolutions(16, 384, kernel=5),
    "depthwise, 30 channels, 512²": lambda: convolutions(30, 512, groups=30),
    "three branches, 16 channels, 384²": lambda: branches(16, 384),
    "MLP, 4096 tokens of 256": lambda: transformer_mlp(4096, 256),
    "MLP, 16384 tokens of 128": lambda: transformer_mlp(16384, 128),
}


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, make in NETWORKS.items():
            path = Path(folder) / "float.onnx"
            net = make()
            net.save(path)
            rows.append(measure(name, "float", path))
            rows.append(measure(name, "int8", quantized(path, net.shape)))
    versions = {package: version(package) for package in ("onnxruntime", "numpy")}
    document = {"machine": platform.machine(), "versions": versions, "networks": rows}
    out = Path(__file__).with_suffix("")
    out.with_suffix(".json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(markdown(document), encoding="utf-8")
    print(markdown(document))


def measure(name: str, precision: str, path: Path) -> dict[str, Any]:
    """One network: what `edgekit profile` says of it, and what a real process needs."""
    (judged,) = edgekit.profile(path, "rpi4")
    measured = int(subprocess.check_output([sys.executable, "-c", CHILD, str(path)])) * 1024
    bounds = {"lower": judged.ram_bytes.lower, "upper": judged.ram_bytes.upper}
    arena = judged.arena_bytes.upper
    return {"name": name, "precision": precision, "arena_bytes": arena, "bounds": bounds, "measured_bytes": measured}


def markdown(document: dict[str, Any]) -> str:
    """A table; a measurement outside the bounds is marked."""
    versions = ", ".join(f"{name} {number}" for name, number in document["versions"].items())
    lines = [
        "# Memory of ONNX Runtime",
        "",
        f"Made by `make bench`: highest resident size (`VmHWM`) of a fresh process on {document['machine']}",
        f"({versions}), four threads, three inferences, beside the bounds that `edgekit profile` gives. MiB.",
        "",
        "| network | form | activations, in order | bounds | measured |",
        "|---|---|---|---|---|",
    ]
    for row in document["networks"]:
        low, high = row["bounds"]["lower"], row["bounds"]["upper"]
        mark = "" if low <= row["measured_bytes"] <= high else " OUTSIDE"
        figures = f"{row['arena_bytes'] / MIB:.1f} | {low / MIB:.0f} to {high / MIB:.0f}"
        lines.append(f"| {row['name']} | {row['precision']} | {figures} | {row['measured_bytes'] / MIB:.0f}{mark} |")
    return "\n".join(lines) + "\n"


def quantized(path: Path, shape: tuple[int, ...]) -> Path:
    """By ONNX Runtime's own quantizer: what a stranger's int8 file looks like, float islands included."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.rows = iter([{"x": np.random.default_rng(0).random(shape, dtype=np.float32)}])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.rows, None)

    logging.disable(logging.WARNING)
    out = path.with_name("int8.onnx")
    kinds = {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8}
    quantize_static(str(path), str(out), Reader(), quant_format=QuantFormat.QDQ, per_channel=True, **kinds)
    return out


if __name__ == "__main__":
    main()

"""convert --formats onnx,tflite end to end: the same scales in both files, the same answers, one app for both."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from int8_nets import Net, images

import edgekit
from edgekit import interpreter
from edgekit.errors import UnsupportedOpError, UsageError
from edgekit.lowering import from_onnx, from_tflite
from edgekit.tflite.model import load

RUNTIME = Path(__file__).resolve().parents[1] / "runtime" / "python"


def network() -> ir.Model:
    net = Net()
    x = net.input("x", 1, 1, 12, 12)
    y = net.op("Relu", net.conv(x, 1, 8, strides=[2, 2], name="stem"))
    y = net.op(
        "MaxPool", net.op("Relu", net.conv(y, 8, 8, group=8, name="depthwise")), kernel_shape=[2, 2], strides=[2, 2]
    )
    return net.model(net.gemm(net.op("Flatten", y), 8 * 9, 5, name="linear"))


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("formats")
    onnx.save(ir.to_proto(network()), folder / "net.onnx")
    np.savez(folder / "samples.npz", x=images()[:, 0])
    edgekit.convert(
        folder / "net.onnx", calibration=str(folder / "samples.npz"), formats=("tflite", "onnx"), out=folder / "build",
        keep=folder / "kept", evaluate=lambda predict: float(np.var(predict(images()[:, 0]))),
    )  # fmt: skip
    return folder / "build"


def test_the_build_has_both_files_and_a_description_of_each(build: Path) -> None:
    report = json.loads((build / "report.json").read_text())
    assert report["formats"] == ["onnx", "tflite"]
    assert report["bytes"]["tflite"] == (build / "model.tflite").stat().st_size
    assert report["tflite"]["largest_lsb"]["tflite-micro"] == 0
    described = json.loads((build / "model.tflite.json").read_text())
    (x,) = described["inputs"]
    assert (x["shape"], x["dtype"], x["permutation"]) == ([1, 12, 12, 1], "int8", [0, 2, 3, 1])
    assert json.loads((build / "model.json").read_text())["file"] == "model.onnx"


def test_both_files_hold_the_same_scales(build: Path) -> None:
    graph = ir.from_proto(onnx.load(build / "model.onnx"))
    lowered, read = from_onnx(graph, "net"), from_tflite((build / "model.tflite").read_bytes(), "net")
    assert [t.quant for t in lowered.inputs + lowered.outputs] == [t.quant for t in read.inputs + read.outputs]
    x = np.random.default_rng(0).integers(-128, 128, lowered.inputs[0].shape).astype(np.int8)
    one, other = interpreter.run(lowered, {"x": x}), interpreter.run(read, {read.inputs[0].name: x})
    assert [v.tolist() for v in one.values()] == [v.tolist() for v in other.values()]


def test_every_tensor_of_the_file_is_an_integer_and_inside_it(build: Path) -> None:
    content = (build / "model.tflite").read_bytes()
    model = load(content)
    assert {t.type.name for t in model.subgraphs[0].tensors} == {"INT8", "INT32"}
    assert content[4:8] == b"TFL3"


def test_accuracy_is_told_of_both(build: Path) -> None:
    accuracy = json.loads((build / "report.json").read_text())["accuracy"]
    assert accuracy["tflite"] == pytest.approx(accuracy["int8"], rel=0.02)
    assert "litert" in accuracy["tflite_evaluated_with"].lower()


def test_an_app_gives_and_gets_the_same_arrays_whichever_file_runs(build: Path) -> None:
    code = (
        "import sys, numpy as np; sys.path.insert(0, sys.argv[1]); from edgekit_runtime import Model\n"
        "x = np.load(sys.argv[3])['input.x'][0]\n"
        "a = Model(sys.argv[2] + '/model.json')(x); b = Model(sys.argv[2] + '/model.tflite.json')(x)\n"
        "print(np.abs(a - b).max(), Model(sys.argv[2] + '/model.tflite.json').outputs[0].scale)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(RUNTIME), str(build), str(build / "golden.npz")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    apart, scale = map(float, done.stdout.split())
    assert apart <= 2.01 * scale


def test_keep_writes_every_stage(build: Path) -> None:
    kept = build.parent / "kept"
    assert {p.name for p in kept.iterdir()} == {"float.onnx", "qdq.onnx", "program.txt"}
    text = (kept / "program.txt").read_text()
    assert "DepthwiseConv2D  depthwise" in text and "scale" in text


def test_tflite_alone_is_what_runs(tmp_path: Path, build: Path) -> None:
    source = build.parent
    edgekit.convert(
        source / "net.onnx", calibration=str(source / "samples.npz"), formats=("tflite",), out=tmp_path / "build"
    )
    assert not (tmp_path / "build" / "model.onnx").exists()
    assert json.loads((tmp_path / "build" / "model.json").read_text())["file"] == "model.tflite"


def test_the_same_input_gives_the_same_file(tmp_path: Path, build: Path) -> None:
    source = build.parent
    edgekit.convert(source / "net.onnx", calibration=str(source / "samples.npz"), formats=("tflite",), out=tmp_path)
    assert (tmp_path / "model.tflite").read_bytes() == (build / "model.tflite").read_bytes()


def test_a_tflite_file_made_elsewhere_becomes_qdq_onnx_and_back(tmp_path: Path, build: Path) -> None:
    """int8 .tflite → QDQ ONNX → .tflite: the same integers."""
    edgekit.convert(build / "model.tflite", formats=("onnx", "tflite"), out=tmp_path / "again")
    before = from_tflite((build / "model.tflite").read_bytes(), "net")
    after = from_tflite((tmp_path / "again" / "model.tflite").read_bytes(), "net")
    x = np.random.default_rng(1).integers(-128, 128, before.inputs[0].shape).astype(np.int8)
    one, other = interpreter.run(before, {before.inputs[0].name: x}), interpreter.run(after, {after.inputs[0].name: x})
    assert [v.tolist() for v in one.values()] == [v.tolist() for v in other.values()]


def test_a_float_tflite_file_is_quantized(tmp_path: Path, build: Path) -> None:
    source = build.parent
    edgekit.convert(source / "net.onnx", precision="float", formats=("tflite",), out=tmp_path / "float")
    samples = tmp_path / "samples.npz"
    np.savez(samples, x=images()[:, 0].transpose(0, 2, 3, 1))  # the file's own layout
    made = edgekit.convert(
        tmp_path / "float" / "model.tflite", calibration=str(samples), formats=("onnx", "tflite"), out=tmp_path / "int8"
    )
    assert made.source["kind"] == "tflite" and made.tflite["largest_lsb"]["tflite-micro"] == 0
    first, second = np.load(build / "golden.npz"), np.load(tmp_path / "int8" / "golden.npz")
    outputs = [next(f[k] for k in f.files if k.startswith("output.")) for f in (first, second)]
    assert np.abs(outputs[0] - outputs[1]).max() < 0.1 * np.abs(outputs[0]).max()


def test_operators_without_a_form_are_all_named_before_calibration(tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", 1, 2, 2)
    y = net.op("Add", net.op("Det", x, name="one"), net.op("Det", net.op("Relu", x), name="two"))
    onnx.save(ir.to_proto(net.model(y)), tmp_path / "net.onnx")
    with pytest.raises(UnsupportedOpError) as refused:
        edgekit.convert(
            tmp_path / "net.onnx", calibration={"x": np.zeros((4, 9))}, formats=("tflite",), out=tmp_path / "b"
        )
    assert "one" in refused.value.message and "two" in refused.value.message
    assert not (tmp_path / "b").exists()


def test_unknown_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="format is 'keras'"):
        edgekit.convert(tmp_path / "net.onnx", formats=("keras",), out=tmp_path / "b")

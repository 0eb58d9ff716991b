"""convert end to end: module, model file and ONNX in; a whole build folder out, or an error and nothing."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from small_network import small_network

import edgekit
from edgekit.errors import ModelError, UnsupportedError, UsageError

BUILD_FILES = {"model.onnx", "model.float.onnx", "model.json", "golden.npz", "report.json"}


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "small.onnx"
    onnx.save(small_network(), path)
    return path


def samples(count: int = 64) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, 1, 8, 8)).astype(np.float32)


def outputs(file: Path, x: np.ndarray) -> np.ndarray:
    from edgekit.graph.evaluation import Predictor

    answer = Predictor(file).predict(x)
    assert isinstance(answer, np.ndarray)
    return answer


def test_float_onnx_becomes_a_build_folder(network: Path, tmp_path: Path) -> None:
    x = samples()
    conversion = edgekit.convert(network, calibration={"x": x}, out=tmp_path / "build")
    build = tmp_path / "build"
    assert {p.name for p in build.iterdir()} == BUILD_FILES
    exact, int8 = outputs(build / "model.float.onnx", x), outputs(build / "model.onnx", x)
    assert np.abs(exact - int8).max() < 0.05 * np.abs(exact).max()
    assert np.array_equal(exact, outputs(network, x))
    layers = {layer.name: layer for layer in conversion.layers}
    assert layers["conv"].quantized and layers["conv"].sqnr_db is not None and layers["conv"].sqnr_db > 20
    assert conversion.macs == 4 * 9 * 64 + 4 * 3
    assert conversion.parameters >= 4 * 9 + 4 + 12


def test_model_json_describes_the_file_that_runs(network: Path, tmp_path: Path) -> None:
    edgekit.convert(network, calibration={"x": samples()}, out=tmp_path / "build")
    document = json.loads((tmp_path / "build" / "model.json").read_text())
    content = (tmp_path / "build" / document["file"]).read_bytes()
    assert document["sha256"] == hashlib.sha256(content).hexdigest()
    assert document["inputs"][0]["shape"] == [1, 1, 8, 8]
    golden = np.load(tmp_path / "build" / "golden.npz")
    assert golden["input.x"].shape[1:] == (1, 1, 8, 8)
    again = np.concatenate([outputs(tmp_path / "build" / "model.onnx", x) for x in golden["input.x"]])
    assert np.abs(again - golden["output.y"][:, 0]).max() <= document["outputs"][0]["tolerance"]


def test_the_same_input_gives_the_same_files(network: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        edgekit.convert(network, calibration={"x": samples()}, out=tmp_path / name)
    for name in BUILD_FILES - {"report.json"}:  # the report holds the time that the conversion took
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_random_calibration_leaves_the_accuracy_unknown(network: Path, tmp_path: Path) -> None:
    conversion = edgekit.convert(network, calibration="random", evaluate=lambda predict: 1.0, out=tmp_path / "build")
    assert conversion.accuracy.int8 is None
    assert "random" in (conversion.accuracy.reason or "")


def test_float_precision_needs_no_calibration(network: Path, tmp_path: Path) -> None:
    conversion = edgekit.convert(network, precision="float", out=tmp_path / "build")
    assert {p.name for p in (tmp_path / "build").iterdir()} == BUILD_FILES - {"model.onnx"}
    assert conversion.calibration["kind"] == "none"
    assert json.loads((tmp_path / "build" / "model.json").read_text())["file"] == "model.float.onnx"


def test_a_quantized_model_passes_through_and_is_checked(network: Path, tmp_path: Path) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rows = iter([{"x": row[None]} for row in samples(16)])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.rows, None)

    theirs = tmp_path / "theirs.onnx"
    quantize_static(network, theirs, Reader(), QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QInt8)
    conversion = edgekit.convert(theirs, out=tmp_path / "build")
    assert conversion.source["kind"] == "qdq-onnx"
    x = samples(8)
    assert np.array_equal(outputs(theirs, x), outputs(tmp_path / "build" / "model.onnx", x))
    assert not (tmp_path / "build" / "model.float.onnx").exists()


def test_no_calibration_is_an_error_that_says_how(network: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        edgekit.convert(network, out=tmp_path / "build")
    assert "--calibration" in caught.value.hint
    assert not (tmp_path / "build").exists()


def test_a_dynamic_shape_names_the_option(tmp_path: Path) -> None:
    model = small_network()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(model, tmp_path / "dynamic.onnx")
    with pytest.raises(UnsupportedError) as caught:
        edgekit.convert(tmp_path / "dynamic.onnx", calibration={"x": samples()}, out=tmp_path / "build")
    assert "batch" in caught.value.message
    assert "--shape x=" in caught.value.hint
    fixed = edgekit.convert(
        tmp_path / "dynamic.onnx", calibration={"x": samples()}, shapes={"x": (1, 1, 8, 8)}, out=tmp_path / "build"
    )
    assert fixed.inputs[0].shape == (1, 1, 8, 8)


def test_an_old_build_is_kept_when_the_new_one_fails(network: Path, tmp_path: Path) -> None:
    edgekit.convert(network, calibration={"x": samples()}, out=tmp_path / "build")
    before = {p.name: p.read_bytes() for p in (tmp_path / "build").iterdir()}
    bad = samples()
    bad[3] = np.nan
    with pytest.raises(ModelError):
        edgekit.convert(network, calibration={"x": bad}, out=tmp_path / "build")
    assert {p.name: p.read_bytes() for p in (tmp_path / "build").iterdir()} == before


@pytest.mark.parametrize(("option", "value"), [("precision", "int7"), ("observer", "guess")])
def test_unknown_choices_name_the_allowed_ones(network: Path, tmp_path: Path, option: str, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        edgekit.convert(network, out=tmp_path / "build", **{option: value})
    assert "allowed" in caught.value.hint


@pytest.mark.torch
def test_a_module_through_the_api(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(256, 3),
    ).train()
    x = samples()
    conversion = edgekit.convert(
        net,
        (torch.zeros(1, 1, 8, 8),),
        calibration=x,
        evaluate=lambda predict: float(predict(x).shape == (64, 3)),
        out=tmp_path / "build",
    )
    assert net.training, "the module's mode must be as it was"
    assert conversion.accuracy.int8 == conversion.accuracy.float32 == 1.0
    assert "onnxruntime" in (conversion.accuracy.evaluated_with or "")
    assert conversion.export["max_abs_error"] is not None and conversion.export["max_abs_error"] < 1e-4
    with torch.no_grad():
        theirs = net.eval()(torch.from_numpy(x)).numpy()
    assert np.abs(outputs(tmp_path / "build" / "model.float.onnx", x) - theirs).max() < 1e-4


@pytest.mark.torch
def test_the_starter_project_converts(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    edgekit_command = [sys.executable, "-m", "edgekit"]
    subprocess.run([*edgekit_command, "init", "hello"], cwd=tmp_path, check=True, capture_output=True)
    done = subprocess.run(
        [*edgekit_command, "convert", "model.py", "--json", "-"], cwd=tmp_path / "hello", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    accuracy = json.loads(done.stdout)["accuracy"]
    assert accuracy["float"] > 0.95
    assert abs(accuracy["float"] - accuracy["int8"]) < 0.02

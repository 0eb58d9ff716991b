"""The build folder: one model in several files, each with its description; stale files go; missing ones are said."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from edgekit import artifacts
from edgekit.artifacts import Accuracy, Conversion, Description, FileValue, Golden, write_build
from edgekit.bundle import make_bundle
from edgekit.errors import ModelError, UnsupportedError
from edgekit.model import ValueSpec
from edgekit.pipeline import profile

X, Y = np.zeros((2, 1, 3, 4, 6), np.float32), np.zeros((2, 1, 5), np.float32)
GOLDEN = Golden({"x": X}, {"y": Y}, {"y": 0.25})


def conversion(out: Path, **sizes: int) -> Conversion:
    return Conversion(
        name="m",
        out=out,
        source={},
        precision="int8",
        formats=("onnx",),
        inputs=(ValueSpec("x", (1, 3, 4, 6), "float32"),),
        outputs=(ValueSpec("y", (1, 5), "float32"),),
        macs=1,
        parameters=1,
        bytes=sizes,
        export={"opset": 20},
        calibration={},
        accuracy=Accuracy(),
        parity={},
        layers=(),
    )


TFLITE = Description(
    "int8",
    (FileValue("x", (1, 4, 6, 3), "int8", 0.5, -3, permutation=(0, 2, 3, 1)),),
    (FileValue("y", (1, 5), "int8", 0.25, 7, tolerance=0.5),),
)
FILES = {"model.onnx": b"onnx", "model.float.onnx": b"float", "model.tflite": b"tflite"}


def write_both(out: Path) -> Path:
    made = conversion(out, onnx=4, float_onnx=5, tflite=6)
    write_build(made, FILES, {"model.onnx": Description.of_onnx(made, GOLDEN), "model.tflite": TFLITE}, GOLDEN)
    return out


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_two_formats_have_a_description_each(tmp_path: Path) -> None:
    build = write_both(tmp_path / "build")
    assert names(build) == {*FILES, "golden.npz", "model.json", "model.tflite.json", "report.json"}
    onnx, tflite = artifacts.descriptions(build).values()
    for document in (onnx, tflite):
        content = (build / document["file"]).read_bytes()
        assert document["sha256"] == hashlib.sha256(content).hexdigest()
        assert (document["schema"], document["name"], document["golden"]) == (1, "m", "golden.npz")
    assert (onnx["file"], onnx["opset"], tflite["opset"]) == ("model.onnx", 20, None)
    assert onnx["inputs"] == [
        {"name": "x", "shape": [1, 3, 4, 6], "dtype": "float32", "scale": None, "zero_point": None}
    ]
    assert tflite["inputs"] == [
        {
            "name": "x", "shape": [1, 4, 6, 3], "dtype": "int8", "scale": 0.5, "zero_point": -3,
            "permutation": [0, 2, 3, 1],
        }
    ]  # fmt: skip
    assert (onnx["outputs"][0]["tolerance"], tflite["outputs"][0]["tolerance"]) == (0.25, 0.5)
    report = json.loads((build / "report.json").read_text())
    assert (report["artifacts"]["onnx"], report["artifacts"]["tflite"]) == ("model.onnx", "model.tflite")
    assert artifacts.read_report(build) == report


def test_files_of_an_earlier_conversion_go(tmp_path: Path) -> None:
    build = write_both(tmp_path / "build")
    (build / "mine.txt").write_text("kept")
    made = conversion(build, tflite=6)
    write_build(made, {"model.tflite": b"new", "model.onnx": None}, {"model.tflite": TFLITE}, GOLDEN)
    assert names(build) == {"model.tflite", "golden.npz", "model.json", "report.json", "mine.txt"}
    assert artifacts.read_model_json(build)["file"] == "model.tflite"
    assert artifacts.model_file(build) == artifacts.model_file(build, ".tflite") == build / "model.tflite"


def test_a_format_that_is_not_there_is_said(tmp_path: Path) -> None:
    build = write_both(tmp_path / "build")
    made = conversion(build, onnx=4, float_onnx=5)
    write_build(made, FILES | {"model.tflite": None}, {"model.onnx": Description.of_onnx(made, GOLDEN)}, GOLDEN)
    with pytest.raises(ModelError, match=r"has no \.tflite file, only model\.onnx") as refused:
        artifacts.model_file(build, ".tflite")
    assert refused.value.hint == f"edgekit convert MODEL --formats onnx,tflite --out {build}"


def test_a_release_holds_the_file_of_its_runtime_only(tmp_path: Path) -> None:
    build, runtime = write_both(tmp_path / "build"), tmp_path / "runtime"
    runtime.mkdir()
    for file_type, file, described in (
        (".tflite", "model.tflite", "model.tflite.json"),
        (None, "model.onnx", "model.json"),
    ):
        bundle = make_bundle("app", build, runtime, file_type)
        sources = {f.path: f.source.name for f in bundle.files}
        assert sources == {f"model/{file}": file, "model/golden.npz": "golden.npz", "model/model.json": described}


def test_a_missing_model_file_makes_a_build_incomplete(tmp_path: Path) -> None:
    build = write_both(tmp_path / "build")
    (build / "model.tflite").unlink()
    assert artifacts.read_report(build) is None
    with pytest.raises(ModelError, match=r"model\.tflite is missing"):
        artifacts.model_file(build, ".tflite")


def test_a_damaged_description_is_refused(tmp_path: Path) -> None:
    build = write_both(tmp_path / "build")
    (build / "model.tflite.json").write_text('{"schema": 2}')
    with pytest.raises(ModelError, match=r"model\.tflite\.json is not of schema 1"):
        artifacts.descriptions(build)


def test_profiling_tflite_is_refused_politely(tmp_path: Path) -> None:
    build = tmp_path / "build"
    made = conversion(build, tflite=6)
    write_build(made, {"model.tflite": b"x"}, {"model.tflite": TFLITE}, GOLDEN)
    for model in (build, build / "model.tflite"):
        with pytest.raises(UnsupportedError, match="profiling TFLite files is not there yet") as refused:
            profile(model, "rpi4")
        assert "--formats onnx,tflite" in refused.value.hint

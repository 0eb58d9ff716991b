"""deploy converts again when what a build was made of has changed, with the options of edgekit.toml or the last."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from small_network import small_network

from edgekit.errors import ModelError, UsageError
from edgekit.fresh_build import fresh_build
from edgekit.pipeline import conversion_options
from edgekit.project import ConvertOptions, load_project, read_shapes

TOML = '[app]\nname = "fresh"\nsource = "{source}"\n'
MODEL = """
import numpy as np
import torch
import sibling

def model():
    net = torch.nn.Linear(4, 2)
    with np.load("w.npz") as w, torch.no_grad():
        net.weight.copy_(torch.from_numpy(w["w"]))
    return net

def example_inputs():
    return (torch.zeros(1, 4),)

def calibration_data():
    return sibling.samples()
"""


@pytest.fixture
def onnx_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    onnx.save(small_network(), tmp_path / "net.onnx")
    np.savez(tmp_path / "data.npz", x=np.random.default_rng(0).normal(size=(40, 1, 8, 8)).astype(np.float32))
    (tmp_path / "edgekit.toml").write_text(TOML.format(source="net.onnx"))
    return tmp_path


def fresh(folder: Path, file_type: str = "") -> list[str]:
    """What deploy says while it sees to the build folder."""
    said: list[str] = []
    fresh_build(load_project(folder), None, said.append, file_type)
    return said


def report(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "build" / "report.json").read_text())
    return found


def test_options_of_edgekit_toml_are_used(onnx_project: Path) -> None:
    with (onnx_project / "edgekit.toml").open("a") as file:
        file.write('[convert]\ncalibration = "data.npz"\nobserver = "mse"\nshape = ["x=1,1,8,8"]\n')
    assert "is not converted yet" in fresh(onnx_project)[0]
    assert report(onnx_project)["calibration"] == {"kind": "data", "samples": 40, "observer": "mse"}
    assert fresh(onnx_project) == []
    text = (onnx_project / "edgekit.toml").read_text()
    (onnx_project / "edgekit.toml").write_text(text.replace("mse", "minmax"))
    assert "other options" in fresh(onnx_project)[0]


def test_a_format_that_the_runtime_needs_is_made_and_kept(onnx_project: Path) -> None:
    with (onnx_project / "edgekit.toml").open("a") as file:
        file.write('[convert]\ncalibration = "data.npz"\n')
    fresh(onnx_project, ".onnx")
    assert not (onnx_project / "build" / "model.tflite").exists()
    assert "net.onnx is not converted to tflite yet" in fresh(onnx_project, ".tflite")[0]
    assert {"model.onnx", "model.tflite", "model.tflite.json"} <= {p.name for p in (onnx_project / "build").iterdir()}
    assert fresh(onnx_project, ".tflite") == fresh(onnx_project, ".onnx") == []  # both are there now


def test_the_options_of_the_last_conversion_are_kept(onnx_project: Path) -> None:
    import edgekit

    edgekit.convert(onnx_project / "net.onnx", precision="float", out=onnx_project / "build")
    assert fresh(onnx_project) == []
    onnx.save(small_network(channels=8), onnx_project / "net.onnx")
    assert "has changed" in fresh(onnx_project)[0]
    assert report(onnx_project)["precision"] == "float"


def test_a_missing_source_is_said_at_once(onnx_project: Path) -> None:
    (onnx_project / "net.onnx").unlink()
    with pytest.raises(ModelError, match=r"net\.onnx does not exist"):
        fresh(onnx_project)


@pytest.mark.torch
def test_weights_and_modules_that_a_model_file_reads_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "edgekit.toml").write_text(TOML.format(source="model.py"))
    (tmp_path / "model.py").write_text(MODEL)
    sibling = "import numpy as np\ndef samples():\n    return np.random.default_rng({}).normal(size=(40, 4))\n"
    (tmp_path / "sibling.py").write_text(sibling.format(0))
    np.savez(tmp_path / "w.npz", w=np.eye(2, 4, dtype=np.float32))
    fresh(tmp_path)
    files = report(tmp_path)["source"]["files"]  # type: ignore[index]
    assert set(files) == {"sibling.py", "w.npz"}
    assert fresh(tmp_path) == []
    np.savez(tmp_path / "w.npz", w=2 * np.eye(2, 4, dtype=np.float32))
    assert "reads w.npz, which has changed" in fresh(tmp_path)[0]
    (tmp_path / "sibling.py").write_text(sibling.format(1))
    assert "reads sibling.py" in fresh(tmp_path)[0]
    assert fresh(tmp_path) == []


def test_convert_in_a_project_needs_no_arguments(onnx_project: Path) -> None:
    with (onnx_project / "edgekit.toml").open("a") as file:
        file.write('[convert]\ncalibration = "data.npz"\nprecision = "float"\n')
    chosen = conversion_options(None, None, {"precision": None, "observer": "mse", "shapes": {}})
    assert chosen["source"] == onnx_project / "net.onnx"
    assert chosen["out"] == onnx_project / "build"
    assert (chosen["precision"], chosen["observer"]) == ("float", "mse")
    other = conversion_options(Path("other.onnx"), None, {"precision": None})
    assert (other["precision"], other["out"], other["calibration"]) == ("int8", Path("build"), None)


def test_convert_without_source_and_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="what shall be converted"):
        conversion_options(None, None, {})


@pytest.mark.parametrize("text", ["x", "x=", "=1,2", "x=1,0", "x=1,-2", "x=²,3", "x=1,,2", "x=99999999999"])
def test_wrong_shapes(text: str) -> None:
    with pytest.raises(UsageError, match="is not a shape"):
        read_shapes([text])
    assert read_shapes(["a=b=1, 2"]) == {"a=b": (1, 2)}


def test_convert_options_are_what_convert_uses_by_itself() -> None:
    assert ConvertOptions() == ConvertOptions("int8", ("onnx",), "minmax", None, {})

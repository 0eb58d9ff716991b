"""`edgekit run`: files and build folders, in a process of its own; what it prints, writes and refuses; crashes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_tflite import Node, T, max_pool, tflite
from test_artifacts import GOLDEN, conversion
from test_runtimes import remembering

from edgekit import runtimes
from edgekit.artifacts import Description, FileValue, write_build
from edgekit.errors import ModelError, UnsupportedOpError, UsageError
from edgekit.runtimes import running


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "pool.tflite").write_bytes(max_pool())
    return tmp_path / "pool.tflite"


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    x = np.random.default_rng(0).integers(-128, 128, (5, 4, 6, 3)).astype(np.int8)
    np.savez(tmp_path / "x.npz", picture=x)
    return tmp_path / "x.npz"


def needs(name: str) -> None:
    if not runtimes.RUNTIMES[name].installed:
        pytest.skip(f"{runtimes.RUNTIMES[name].package} is not installed")


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "edgekit", *map(str, arguments)], capture_output=True, text=True)


def test_the_command_prints_a_table_and_writes_the_outputs(model: Path, inputs: Path, tmp_path: Path) -> None:
    done = command("run", model, "--inputs", inputs, "--outputs", tmp_path / "y.npz", "--runtime", "interpreter")
    assert done.returncode == 0, done.stderr
    assert "edgekit interpreter" in done.stdout and "5 samples" in done.stdout and "1 x 2 x 3 x 3" in done.stdout
    x = np.load(inputs)["picture"]
    with np.load(tmp_path / "y.npz") as outputs:
        np.testing.assert_array_equal(outputs["y"], x.reshape(5, 1, 2, 2, 3, 2, 3).max(axis=(3, 5)))
        assert outputs.files == ["y"]


def test_the_json_document(model: Path, inputs: Path, tmp_path: Path) -> None:
    needs("litert")
    done = command("run", model, "--inputs", inputs, "--outputs", tmp_path / "y.npz", "--json", "-")
    document = json.loads(done.stdout)
    assert (document["command"], document["runtime"], document["samples"]) == ("run", "litert", 5)
    assert document["version"].startswith("LiteRT 2.")
    (given,), (made,) = document["inputs"], document["outputs"]
    assert given == {
        "name": "x", "shape": [1, 4, 6, 3], "dtype": "int8", "scale": float(np.float32(0.1)), "zero_point": -5,
    }  # fmt: skip
    y = np.load(tmp_path / "y.npz")["y"]
    assert (made["name"], made["shape"], made["min"], made["max"]) == ("y", [1, 2, 3, 3], y.min(), y.max())


def test_a_refusal_of_the_command(model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 4, 6, 3), np.float32))
    done = command("run", model, "--inputs", tmp_path / "x.npz", "--outputs", tmp_path / "y.npz", "--json", "-")
    assert done.returncode == 3
    error = json.loads(done.stdout)["error"]
    assert error["message"] == (
        'input "x" is float32, wanted int8 of shape (n, 1, 4, 6, 3) with scale 0.1 and zero point -5'
    )
    assert "numpy.clip(numpy.round(x / 0.1) - 5, -128, 127)" in error["hint"]
    assert "Traceback" not in done.stderr and not (tmp_path / "y.npz").exists()


def test_samples_run_in_order_and_states_go_on(tmp_path: Path) -> None:
    (tmp_path / "svdf.tflite").write_bytes(remembering())
    np.savez(tmp_path / "x.npz", x=np.array([[1], [2], [3], [0]], np.float32))
    running.run(tmp_path / "svdf.tflite", tmp_path / "x.npz", tmp_path / "y.npz")
    assert np.load(tmp_path / "y.npz")["y"].ravel().tolist() == [10, 21, 32, 3]


def test_the_file_of_a_build_folder_that_the_runtime_takes(tmp_path: Path, inputs: Path) -> None:
    import onnx
    from small_network import small_network

    build = tmp_path / "build"
    made = conversion(build, onnx=1, tflite=1)
    files = {"model.onnx": small_network().SerializeToString(), "model.tflite": max_pool()}
    assert onnx.ModelProto.FromString(files["model.onnx"])
    values = (FileValue("x", (1, 4, 6, 3), "int8", 0.1, -5),), (FileValue("y", (1, 2, 3, 3), "int8", 0.1, -5),)
    described = {"model.onnx": Description.of_onnx(made, GOLDEN), "model.tflite": Description("int8", *values)}
    write_build(made, files, described, GOLDEN)
    done = running.run(build, inputs, tmp_path / "y.npz", runtime="litert-reference")
    assert (done.model, done.file) == (str(build), str(build / "model.tflite"))
    np.savez(tmp_path / "f.npz", x=np.zeros((2, 1, 8, 8), np.float32))
    done = running.run(build, tmp_path / "f.npz", tmp_path / "y.npz")
    assert (done.runtime, done.file) == ("onnxruntime", str(build / "model.onnx"))
    write_build(made, files | {"model.tflite": None}, {"model.onnx": described["model.onnx"]}, GOLDEN)
    with pytest.raises(ModelError, match=r"has no \.tflite file") as refused:
        running.run(build, inputs, tmp_path / "y.npz", runtime="litert")
    assert "--formats onnx,tflite" in refused.value.hint


# Valid by every check of the file; the runtimes trust it all the same.
CRASHES = {
    "litert": tflite(
        [T("x", (1, 4), "int8", 0.1), T("y", (1, 4), "int8", 0.1)],
        [Node("FULLY_CONNECTED", (0, -1, -1), (1,), {}, 4, "FullyConnectedOptions")], [0], [1],
    ),
    "litert-reference": tflite(
        [T("x", (1, 4), "int8", 0.1), T("y", (1, 4), "int8", 1 / 256, -128)], [Node("SOFTMAX", (0,), (1,))], [0], [1]
    ),
    "tflite-micro": remembering(bias=False),
}  # fmt: skip


@pytest.mark.parametrize("name", CRASHES)
def test_a_crash_of_the_runtime_is_an_error(name: str, tmp_path: Path) -> None:
    needs(name)
    (tmp_path / "bad.tflite").write_bytes(CRASHES[name])
    session_input = np.zeros((1, 1), np.float32) if name == "tflite-micro" else np.zeros((1, 4), np.int8)
    np.savez(tmp_path / "x.npz", session_input)
    with pytest.raises(ModelError, match=rf"{name} died of SIG(SEGV|ABRT) with .*bad\.tflite"):
        running.run(tmp_path / "bad.tflite", tmp_path / "x.npz", tmp_path / "y.npz", runtime=name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.tflite", "x.npz"]


def test_a_run_that_does_not_end(model: Path, inputs: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"did not finish in 0\.05 s"):
        running.run(model, inputs, tmp_path / "y.npz", limit_s=0.05)


def test_operators_without_a_form_are_all_named(tmp_path: Path, inputs: Path) -> None:
    tensors = [T(name, (1, 4), "float32") for name in "xyz"]
    nodes = [Node("ATAN2", (0, 0), (1,)), Node("COMPLEX_ABS", (1,), (2,))]
    (tmp_path / "odd.tflite").write_bytes(tflite(tensors, nodes, [0], [2]))
    with pytest.raises(UnsupportedOpError, match="ATAN2") as refused:
        running.run(tmp_path / "odd.tflite", inputs, tmp_path / "y.npz", runtime="interpreter")
    assert refused.value.nodes


def test_an_output_may_have_any_name(tmp_path: Path) -> None:
    """numpy.savez has a parameter `file`."""
    tensors = [T("self", (1, 4), "float32"), T("file", (1, 4), "float32")]
    (tmp_path / "m.tflite").write_bytes(tflite(tensors, [Node("RELU", (0,), (1,))], [0], [1]))
    np.savez(tmp_path / "x.npz", np.array([[-1, 2, -3, 4]], np.float32))
    running.run(tmp_path / "m.tflite", tmp_path / "x.npz", tmp_path / "y.npz")
    assert np.load(tmp_path / "y.npz")["file"].tolist() == [[[0, 2, 0, 4]]]


def test_files_that_are_not_there(model: Path, inputs: Path, tmp_path: Path) -> None:
    cases = [
        ((tmp_path / "no.tflite", inputs, tmp_path / "y.npz"), ModelError, r"no\.tflite cannot be read"),
        ((model, tmp_path / "no.npz", tmp_path / "y.npz"), UsageError, r"no\.npz is not there"),
        ((model, model, tmp_path / "y.npz"), ModelError, r"not a readable \.npz"),
        ((model, inputs, tmp_path / "no" / "y.npz"), UsageError, "cannot write"),
        ((model, inputs, tmp_path), UsageError, "cannot write"),
        ((inputs, inputs, tmp_path / "y.npz"), UsageError, r"what is a \.npz"),
        ((tmp_path, inputs, tmp_path / "y.npz"), ModelError, "is no build folder"),
    ]
    for arguments, error, message in cases:
        with pytest.raises(error, match=message) as refused:
            running.run(*arguments)
        assert refused.value.hint

"""`edgekit export` of a build folder that `convert --formats c` wrote: the library, its JSON, its refusals."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from exported import STRICT, ran
from small_network import small_network

import edgekit
from edgekit.errors import ModelError
from edgekit.exports.of_build import library_of_build


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "edgekit", *map(str, arguments)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    onnx.save(small_network(), folder / "net.onnx")
    out = folder / "build"
    edgekit.convert(folder / "net.onnx", out=out, calibration="random", formats=("onnx", "c"), name="Small Net")
    return out


def test_a_build_becomes_a_library_that_passes_its_selftest(build, tmp_path):
    done = command("export", build, "--as", "arduino", "--out", tmp_path / "lib", "--version", "2.0.1", "--json", "-")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["command"], document["name"], document["as"]) == ("export", "small_net", "arduino")
    assert document["version"] == "2.0.1" and document["selftest_samples"] == 2
    assert all((tmp_path / "lib" / path).is_file() for path in document["files"])
    main = tmp_path / "main.c"
    main.write_text('#include "small_net_selftest.h"\nint main(void) { return small_net_selftest(); }\n')
    src = tmp_path / "lib" / "src"
    ran(["cc", *STRICT, f"-I{src}", main, *sorted(src.glob("*.c")), "-lm", "-o", tmp_path / "app"])
    ran([tmp_path / "app"])


def test_the_samples_are_the_golden_ones(build):
    library = library_of_build(build)
    with np.load(build / "model.c.npz") as golden:
        for k, sample in enumerate(library.samples):
            assert np.array_equal(sample.inputs[0], golden[f"input.{library.inputs[0].name}"][k])
            assert np.array_equal(sample.outputs[0], golden[f"output.{library.outputs[0].name}"][k])


def test_it_says_what_it_did(build, tmp_path):
    done = command("export", build, "--as", "cmake", "--out", tmp_path / "lib")
    assert done.returncode == 0, done.stderr
    assert "small_net as cmake" in done.stdout and "README.md" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--as", "cmak"), 2, 'did you mean "cmake"?'),
        (("--as", "cmake", "--version", "1"), 2, "three numbers"),
        ((), 2, "--as"),
    ],
)
def test_refusals(build, tmp_path, arguments, code, says):
    done = command("export", build, "--out", tmp_path / "lib", *arguments)
    assert done.returncode == code
    assert says in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "lib").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [("inputs", None), ("outputs", [{"name": "y"}]), ("inputs", [{"name": "x", "shape": [1], "dtype": "float63"}])],
)
def test_a_damaged_description_is_refused(build, tmp_path, key, value):
    copy = shutil.copytree(build, tmp_path / "build")
    path = next(p for p in copy.glob("*.json") if json.loads(p.read_text()).get("file") == "model.c")
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(ModelError, match="damaged"):
        library_of_build(copy)


def test_a_build_without_c_is_refused(tmp_path):
    done = command("export", tmp_path, "--as", "cmake", "--out", tmp_path / "lib")
    assert done.returncode == 3, done.stderr
    assert "edgekit convert" in done.stderr

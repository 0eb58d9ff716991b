"""`edgekit.deploy`, `benchmark` and `status` on this machine, with the runtime that a board of its kind would get."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_tflite import max_pool
from test_artifacts import conversion

import edgekit
from edgekit.artifacts import Description, FileValue, Golden, write_build
from edgekit.deployment import BenchOptions
from edgekit.errors import ModelError, UnsupportedError, UsageError
from edgekit.resources import cache_dir


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder and an empty home; the cache of wheels stays that of the user."""
    monkeypatch.setenv("EDGEKIT_CACHE", str(cache_dir()))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "app").mkdir()
    monkeypatch.chdir(tmp_path / "app")
    return tmp_path


LOCAL = {"target": "rpi4", "host": "local"}


def test_deploy_measure_use_and_deploy_again(here: Path, build: Path) -> None:
    said: list[str] = []
    first = edgekit.deploy(build, **LOCAL, bench=BenchOptions(seconds=0.3, threads=1), progress=said.append)
    document = first.document()
    assert (document["app"], document["target"], document["device"]) == ("demo", "rpi4", "this machine")
    assert document["activated"] and document["blobs_sent"] == document["blobs_total"] > 100
    assert document["bytes_sent"] < 30e6 < document["release_bytes"]
    assert document["benchmark"]["golden"]["checked"] and document["benchmark"]["release"] == first.release
    assert any(line.startswith("RECV 50 %") for line in said)

    tree = here / "home" / ".edgekit" / "apps" / "demo" / "current" / "runtime"
    app = subprocess.run(["sh", "-c", f"unset PYTHONPATH; {first.use}"], capture_output=True, text=True)
    assert app.returncode == 0 and app.stdout.startswith("[["), app.stderr
    python = first.use.split(" ")[1]
    code = f"PYTHONPATH={tree} {python} -c 'import numpy, onnxruntime as o; print(numpy.__file__, o.__file__)'"
    libraries = subprocess.run(["sh", "-c", code], capture_output=True, text=True).stdout.split()
    assert len(libraries) == 2 and all(file.startswith(str(tree)) for file in libraries)

    again = edgekit.deploy(build, **LOCAL)
    assert (again.blobs_sent, again.bytes_sent, again.benchmark) == (0, 0, None)
    assert again.seconds < first.seconds

    measured = edgekit.benchmark(**LOCAL, bench=BenchOptions(seconds=0.3, threads=1))  # the only app there
    assert measured.release == first.release
    (app_state,) = edgekit.status(**LOCAL).document()["apps"]
    assert app_state["current"] == first.release


def test_a_build_with_tflite_alone_is_deployed_with_litert(here: Path, tmp_path: Path) -> None:
    """The target's first runtime is onnxruntime, which cannot run it."""
    pytest.importorskip("ai_edge_litert", reason="the model is built with the tflite extra")
    build = tmp_path / "tflite"
    x = np.random.default_rng(0).uniform(-12, 12, (2, 1, 3, 4, 6)).astype(np.float32)
    y = x.reshape(2, 1, 3, 2, 2, 3, 2).max(axis=(4, 6))
    layout = {"scale": 0.1, "zero_point": -5, "permutation": (0, 2, 3, 1)}
    values = (
        FileValue("x", (1, 4, 6, 3), "int8", **layout),
        FileValue("y", (1, 2, 3, 3), "int8", **layout, tolerance=0.06),
    )
    golden = Golden({"x": x}, {"y": y}, {})
    write_build(
        conversion(build, tflite=1), {"model.tflite": max_pool()},
        {"model.tflite": Description("int8", values[:1], values[1:])}, golden,
    )  # fmt: skip
    said: list[str] = []
    done = edgekit.deploy(build, **LOCAL, bench=BenchOptions(seconds=0.2, threads=1), progress=said.append)
    assert "preparing litert" in said
    report = done.document()["benchmark"]
    assert report["runtime"]["name"] == "ai_edge_litert" and report["golden"]["max_abs_error"] <= 0.0501
    with pytest.raises(ModelError, match=r"has no \.onnx file, only model\.tflite"):
        edgekit.deploy(build, **LOCAL, runtime="onnxruntime")


def test_runtimes_that_cannot_be_deployed(here: Path, build: Path) -> None:
    with pytest.raises(UnsupportedError, match="runtime 'litret' is unknown") as refused:
        edgekit.deploy(build, **LOCAL, runtime="litret")
    assert refused.value.hint == 'did you mean "litert"?'
    with pytest.raises(UnsupportedError, match="runtime 'c' is unknown") as refused:
        edgekit.deploy(build, **LOCAL, runtime="c")
    assert refused.value.hint == "allowed: litert, native, onnxruntime, tflite-runtime"
    with pytest.raises(ModelError, match=r"has no \.c file, only model\.onnx"):
        edgekit.deploy(build, target="rpi-zero-w", host="local")


def test_dry_run_sends_nothing(here: Path, build: Path) -> None:
    planned = edgekit.deploy(build, **LOCAL, dry_run=True)
    assert (planned.activated, planned.blobs_sent) == (False, planned.blobs_total)
    assert planned.bytes_sent == planned.bytes_total > 30e6
    assert [s.name for s in planned.steps][-2:] == ["COMMIT", "CHECK+ACTIVATE"]
    assert all(s.seconds is None for s in planned.steps)
    assert not (here / "home" / ".edgekit" / "apps").exists()


def test_nothing_to_deploy(here: Path) -> None:
    with pytest.raises(UsageError, match="what shall be deployed"):
        edgekit.deploy(**LOCAL)
    with pytest.raises(ModelError, match="no build folder"):
        edgekit.deploy(here / "nowhere", **LOCAL)


def test_no_app_on_the_board(here: Path) -> None:
    with pytest.raises(UsageError, match="has 0 apps"):
        edgekit.benchmark(**LOCAL)


def test_microcontrollers_are_refused(here: Path, build: Path) -> None:
    with pytest.raises(UnsupportedError, match="not a Linux board"):
        edgekit.deploy(build, target="pico", host="local")
    with pytest.raises(UnsupportedError, match="not a Linux board") as refused:
        edgekit.deploy(build, target="mps2-an386", host="local")
    assert "without --host" in refused.value.hint


def test_the_only_device_may_be_a_microcontroller(here: Path, build: Path) -> None:
    (here / "edgekit.toml").write_text(PROJECT_M4)
    with pytest.raises(ModelError, match=r"has no \.c file"):  # past the choice of the board
        edgekit.deploy(build)


PROJECT_M4 = """
[app]
name = "app"
source = "model.py"
build = "other"

[device.m4]
target = "mps2-an386"
host = "virtual"
"""


MODEL = """
import torch

class Half(torch.nn.Module):
    def forward(self, x):
        return x * {factor}

def model():
    return Half()

def example_inputs():
    return (torch.ones(1, 4),)

def calibration_data():
    return torch.linspace(-1, 1, 160).reshape(40, 1, 4)
"""


@pytest.mark.torch
def test_a_project_is_converted_first_and_again_when_its_source_changes(here: Path) -> None:
    folder = here / "app"
    (folder / "edgekit.toml").write_text('[app]\nname = "half"\n[device.me]\ntarget = "rpi4"\nhost = "local"\n')
    source = folder / "model.py"
    source.write_text(MODEL.format(factor=0.5))
    said: list[str] = []
    releases = [edgekit.deploy(progress=said.append, dry_run=True).release]
    assert "model.py is not converted yet: converting it first" in said
    said.clear()
    releases.append(edgekit.deploy(progress=said.append, dry_run=True).release)
    assert not any("converting it first" in line for line in said)
    source.write_text(MODEL.format(factor=0.25))
    releases.append(edgekit.deploy(progress=said.append, dry_run=True).release)
    assert "model.py has changed: converting it first" in said
    assert releases[0] == releases[1] != releases[2]
    report = json.loads((folder / "build" / "report.json").read_text())
    assert report["source"]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "edgekit", *arguments], capture_output=True, text=True)


def test_command_line(here: Path, build: Path) -> None:
    where = ("--target", "rpi4", "--host", "local")
    deployed = run("deploy", str(build), *where, "--no-bench", "--json", "-")
    assert deployed.returncode == 0, deployed.stderr
    document = json.loads(deployed.stdout)
    assert (document["command"], document["schema"], document["benchmark"]) == ("deploy", 1, None)
    assert "COMMIT" in deployed.stderr
    measured = run("bench", *where, "--seconds", "0.2", "--json", "-")
    report = json.loads(measured.stdout)
    assert report["release"] == document["release"]
    assert measured.returncode == (0 if report["trusted"] else 12)
    assert report["trusted"] or "not trusted" in measured.stderr
    state = run("status", *where)
    assert state.returncode == 0 and document["release"][:8] in state.stdout


def test_command_line_without_a_device(here: Path) -> None:
    refused = run("status", "--target", "rpi4")
    assert refused.returncode == 2
    assert "--host virtual" in refused.stderr and "[device.NAME]" in refused.stderr

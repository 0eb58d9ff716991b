"""A build with two formats on the virtual Raspberry Pi 4: LiteRT, then ONNX Runtime, and an app that stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from small_network import small_network

import edgekit
from edgekit import runtimes
from edgekit.deployment import BenchOptions, Deployment
from edgekit.device import Device, open_device
from edgekit.errors import ModelError
from edgekit.project import DeviceSpec
from edgekit.target import load_target

pytestmark = pytest.mark.board
BOARD = {"target": "rpi4", "host": "virtual", "app": "two-formats"}


@pytest.fixture(scope="module")
def pi() -> Iterator[Device]:
    device = open_device(DeviceSpec("virtual", "rpi4", "virtual"), load_target("rpi4"))
    yield device
    device.close()


@pytest.fixture(scope="module")
def root(pi: Device) -> Iterator[str]:
    folder = pi.run('mktemp -d "$HOME/deploy-test.XXXXXX"').stdout.decode().strip()
    yield folder
    pi.run('chmod -R u+w "$1" && rm -rf -- "$1"', folder)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("litert")
    onnx.save(small_network(), folder / "small.onnx")
    x = np.random.default_rng(0).normal(size=(40, 1, 8, 8)).astype(np.float32)
    edgekit.convert(folder / "small.onnx", calibration={"x": x}, out=folder / "build", formats=("onnx", "tflite"))
    return folder / "build"


@pytest.fixture(scope="module")
def deployed(build: Path, root: str) -> Deployment:
    options = BenchOptions(seconds=0.5, threads=1)
    return edgekit.deploy(build, **BOARD, runtime="litert", root=root, bench=options)


def answers(pi: Device, done: Deployment) -> np.ndarray:
    """What the line that deploy prints gives on the board for the first golden input."""
    line = done.use.replace("print(m(m.example()))", 'print(*m(m.example()).ravel().tolist(), sep="\\n")')
    result = pi.run('unset PYTHONPATH; sh -c "$1"', line)
    assert result.returncode == 0, result.stderr
    return np.array([float(number) for number in result.stdout.split()])


def test_litert_runs_there_with_the_outputs_of_this_machine(deployed: Deployment, build: Path, pi: Device) -> None:
    assert deployed.activated and deployed.bytes_sent <= 20e6 and deployed.release_bytes <= 50e6
    report = deployed.benchmark
    assert report is not None and report.runtime["name"] == "ai_edge_litert"
    assert report.golden["checked"] and report.golden["max_abs_error"] <= report.golden["tolerance"]
    session = runtimes.open_runtime("litert", build / "model.tflite")
    (x,), (y,) = session.inputs, session.outputs
    real = np.load(build / "golden.npz")["input.x"][0]
    q = np.clip(np.rint(real / np.float32(x.scale)) + x.zero_point, -128, 127).astype(np.int8)
    here = session.run({"x": q.transpose(0, 2, 3, 1)})["y"].ravel().astype(int)
    there = np.rint(answers(pi, deployed) / np.float32(y.scale)) + y.zero_point
    assert np.abs(there - here).max() <= 1  # two processors may round a half in another direction


def test_only_the_file_of_the_runtime_is_on_the_board(deployed: Deployment, root: str, pi: Device) -> None:
    listed = pi.run('cd "$1/apps/two-formats/current" && ls model runtime', root).stdout.decode().split()
    assert {"model.tflite", "model.json", "golden.npz"} <= set(listed)
    assert "model.onnx" not in listed and "onnxruntime" not in listed and "ai_edge_litert" in listed


@pytest.mark.slow
def test_the_same_app_goes_on_with_onnxruntime(deployed: Deployment, build: Path, root: str, pi: Device) -> None:
    before = answers(pi, deployed)
    other = edgekit.deploy(build, **BOARD, runtime="onnxruntime", root=root)
    assert other.previous == deployed.release and other.use == deployed.use
    y = runtimes.open_runtime("litert", build / "model.tflite").outputs[0]
    assert np.abs(answers(pi, other) - before).max() <= 2 * y.scale  # float and double rounding


def test_a_build_without_the_format_is_refused_before_anything_is_asked(build: Path, tmp_path: Path) -> None:
    for name in ("model.onnx", "model.json", "golden.npz"):
        (tmp_path / name).write_bytes((build / name).read_bytes())
    with pytest.raises(ModelError, match=r"has no \.tflite file, only model\.onnx") as refused:
        edgekit.deploy(tmp_path, target="rpi4", host="nobody@192.0.2.1", runtime="litert")
    assert refused.value.hint == f"edgekit convert MODEL --formats onnx,tflite --out {tmp_path}"

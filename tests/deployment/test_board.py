"""A whole deploy to the virtual Raspberry Pi 4: over SSH, with the runtime of a real one, on an emulated Arm CPU."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edgekit
from edgekit.deployment import BenchOptions, Deployment
from edgekit.device import Device, open_device
from edgekit.project import DeviceSpec
from edgekit.target import load_target

from .conftest import write_build

pytestmark = pytest.mark.board
BOARD = {"target": "rpi4", "host": "virtual"}
BENCH = BenchOptions(seconds=2.0, threads=1)


@pytest.fixture(scope="module")
def pi() -> Iterator[Device]:
    device = open_device(DeviceSpec("virtual", "rpi4", "virtual"), load_target("rpi4"))
    yield device
    device.close()


@pytest.fixture(scope="module")
def root(pi: Device) -> Iterator[str]:
    """A store of its own, so that the first deploy is the first."""
    folder = pi.run('mktemp -d "$HOME/deploy-test.XXXXXX"').stdout.decode().strip()
    yield folder
    pi.run('chmod -R u+w "$1" && rm -rf -- "$1"', folder)


@pytest.fixture(scope="module")
def first(root: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Deployment]:
    build = write_build(tmp_path_factory.mktemp("board") / "build")
    return build, edgekit.deploy(build, **BOARD, root=root, bench=BENCH)


def test_first_deploy(first) -> None:
    _, done = first
    assert (done.device, done.emulated, done.activated) == ("virtual rpi4", True, True)
    assert done.blobs_sent == done.blobs_total
    assert done.bytes_sent <= 25e6 and done.release_bytes <= 60e6  # the goals for the ONNX Runtime runtime


def test_benchmark_says_that_it_is_emulated(first) -> None:
    report = first[1].benchmark
    assert (report.release, report.emulated, report.trusted) == (first[1].release, True, False)
    assert report.golden["checked"] and report.golden["max_abs_error"] <= report.golden["tolerance"]
    assert report.board["machine"] == "aarch64" and report.board["cpu"] == "Cortex-A72"
    assert report.runs >= 50 and report.runtime["name"] == "onnxruntime"


def test_an_app_on_the_board_gets_the_outputs_of_the_host(first, pi: Device) -> None:
    """The line that deploy prints, as a second process there; its numbers against NumPy's on this machine."""
    build, done = first
    line = done.use.replace("print(m(m.example()))", 'print(*m(m.example()).ravel().tolist(), sep="\\n")')
    assert line != done.use
    result = pi.run('unset PYTHONPATH; sh -c "$1"', line)
    assert result.returncode == 0, result.stderr
    outputs = np.array([float(number) for number in result.stdout.split()])
    golden = np.load(build / "golden.npz")["output.y"][0].ravel()
    assert np.abs(outputs - golden).max() <= 1e-3
    assert pi.run('sh -c "$1"', done.use).stdout.startswith(b"[[")


def test_nothing_is_left_beside_the_release(first, root: str, pi: Device) -> None:
    found = pi.run('cd "$1" && find apps tmp -name "*.pyc" -o -name "*.part" -o -name ".new-*"', root)
    assert (found.returncode, found.stdout) == (0, b"")
    assert re.fullmatch(rb"1\n700\n", pi.run('cd "$1"; [ -e stage ] || ls apps | wc -l; stat -c %a .', root).stdout)


def test_second_deploy_sends_nothing_and_a_new_model_sends_three_files(first, root: str) -> None:
    build, done = first
    again = edgekit.deploy(build, **BOARD, root=root)
    assert (again.blobs_sent, again.bytes_sent, again.release) == (0, 0, done.release)
    assert again.seconds < done.seconds
    write_build(build, seed=5)
    newer = edgekit.deploy(build, **BOARD, root=root)
    assert (newer.blobs_sent, newer.previous) == (3, done.release)
    (app,) = edgekit.status(**BOARD, root=root).document()["apps"]
    assert (app["current"], app["previous"], len(app["releases"])) == (newer.release, done.release, 2)
    print(f"first {done.seconds:.1f} s, second {again.seconds:.1f} s, new model {newer.seconds:.1f} s")
    print([(s.name, round(s.seconds or 0, 2)) for s in (*done.steps, *again.steps, *newer.steps)])

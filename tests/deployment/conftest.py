"""A build folder with a real model, a runtime tree, and this machine as a device with its own HOME."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.bundle import Bundle, make_bundle
from edgekit.deployment.apply import Deployment, apply
from edgekit.deployment.plan import REQUIRED, Needs, Options, plan
from edgekit.deployment.probe import BoardPython, Facts, probe
from edgekit.device import Result
from edgekit.device.local import LocalDevice
from edgekit.resources import runtime_dir

APP = "demo"


@dataclass
class HomeDevice:
    """This machine, with `home` as the login user's home. `spoil` may change or end what a script gets on its stdin."""

    home: Path
    label: str = "test board"
    emulated: bool = False
    path: str = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    execs: int = 0
    spoil: Callable[[Iterable[bytes]], Iterable[bytes]] | None = None

    def run(self, script, *args, stdin=None, **limits) -> Result:
        self.execs += 1
        if self.spoil and stdin is not None:
            stdin = self.spoil(stdin)
        elsewhere = 'HOME=$1 PATH=$2; export HOME PATH; script=$3; shift 3; cd /; exec sh -c "$script" ek "$@"'
        return LocalDevice().run(elsewhere, str(self.home), self.path, script, *args, stdin=stdin, **limits)

    def close(self) -> None:
        pass


def write_build(folder: Path, seed: int = 1, width: int = 600) -> Path:
    """A build folder: y = x @ W, W of `width` x `width` random float32 (1.4 MB: a big blob), with golden data."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((width, width)).astype(np.float32)
    x = rng.standard_normal((3, 1, width)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "W"], ["y"])],
        "demo",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, width])],
        [numpy_helper.from_array(weights, "W")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    content = model.SerializeToString()
    onnx.checker.check_model(model)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(content)
    np.savez_compressed(folder / "golden.npz", **{"input.x": x, "output.y": x @ weights})
    value = {"dtype": "float32", "shape": [1, width], "scale": None, "zero_point": None}
    document = {
        "schema": 1, "name": "demo", "file": "model.onnx", "precision": "float", "inputs": [{"name": "x", **value}],
        "outputs": [{"name": "y", **value, "tolerance": 1e-3}], "golden": "golden.npz",
        "sha256": hashlib.sha256(content).hexdigest(), "opset": 17,
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(document, indent=2))
    return folder


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return write_build(tmp_path / "build")


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """edgekit_runtime as it ships; NumPy and ONNX Runtime come from the Python of this machine, and one big file."""
    tree = tmp_path / "runtime"
    source = runtime_dir() / "python" / "edgekit_runtime"
    shutil.copytree(source, tree / "edgekit_runtime", ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "library.so").write_bytes(np.random.default_rng(0).integers(0, 64, 1_200_000).astype(np.uint8).tobytes())
    return tree


@pytest.fixture
def bundle(build: Path, runtime: Path) -> Bundle:
    return make_bundle(APP, build, runtime)


@pytest.fixture
def device(tmp_path: Path) -> HomeDevice:
    home = tmp_path / "home"
    home.mkdir()
    return HomeDevice(home)


def this_board(label: str = "a board") -> Facts:
    """A 64-bit Raspberry Pi OS with nothing of edgekit on it."""
    return Facts(
        arch="aarch64", bits=64, libc=("glibc", (2, 36)), page_bytes=4096, cpu_features=("fp", "asimd", "crc32"),
        python=BoardPython("/usr/bin/python3", (3, 11, 2), False, None, None), kernel="Linux 6.6", hostname=label,
        board="Raspberry Pi 4 Model B Rev 1.4", boot_id="b0", machine_id_sha256=None, ram_bytes=4 << 30,
        root="/home/pi/.edgekit", disk_bytes=30 << 30, free_bytes=20 << 30, free_inodes=1_000_000,
        capabilities=dict.fromkeys(("write", "gzip", "flock", *REQUIRED), True),
    )  # fmt: skip


def deploy(bundle: Bundle, device: HomeDevice, owner: str = "alice@laptop") -> Deployment:
    """PROBE, plan, apply."""
    planned = plan(bundle, probe(device), Needs(), Options(owner))
    return apply(planned, device, lambda *_: None, target="local", python="python3")


def current(device: HomeDevice, app: str = APP) -> str | None:
    link = device.home / ".edgekit" / "apps" / app / "current"
    return str(link.readlink()).removeprefix("releases/") if link.is_symlink() else None

"""The built wheel, installed without the clone: what users get. And the documents' install lines."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from small_network import small_network

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel; what it depends on is seen from this one (no download)."""
    env = tmp_path_factory.mktemp("env") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(env)], check=True)
    (site,) = env.glob("lib/python*/site-packages")
    ours = next(p for p in sys.path if p.endswith("site-packages"))
    # A .pth with the path alone would run the editable install's own .pth too; adding it by hand does not.
    (site / "dependencies.pth").write_text(f"import sys; sys.path.append({ours!r})\n")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)], check=True
    )
    return env / "bin" / "python"


def run(python: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [str(python), "-m", "edgekit", *arguments], capture_output=True, text=True, cwd=cwd, env=environment
    )


def test_the_wheel_carries_targets_and_runtime(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "edgekit/_data/targets/rpi4.toml" in names
    assert "edgekit/_data/runtime/python/edgekit_runtime/__init__.py" in names
    assert "edgekit/starter/project/model.py" in names
    assert "edgekit/_data/LICENSE" in names
    assert not [n for n in names if "__pycache__" in n or n.startswith(("tests", "examples"))]
    assert wheel.name.startswith("edgekit_sdk-")


def test_the_wheel_works_without_the_clone(installed: Path, tmp_path: Path) -> None:
    where = "import edgekit; print(edgekit.__file__)"
    found = subprocess.run([str(installed), "-c", where], capture_output=True, text=True, cwd=tmp_path)
    assert str(ROOT / "edgekit") not in found.stdout, "the clone was used"
    assert run(installed, "targets", cwd=tmp_path).returncode == 0
    onnx.save(small_network(), tmp_path / "small.onnx")
    np.savez(tmp_path / "data.npz", x=np.random.default_rng(0).normal(size=(64, 1, 8, 8)).astype(np.float32))
    converted = run(installed, "convert", "small.onnx", "--calibration", "data.npz", "--out", "build", cwd=tmp_path)
    assert converted.returncode == 0, converted.stderr
    profiled = run(installed, "profile", "build", "--target", "rpi4", "--json", "-", cwd=tmp_path)
    assert json.loads(profiled.stdout)["targets"][0]["verdict"] == "FITS", profiled.stderr
    dry = run(installed, "deploy", "build", "--target", "rpi4", "--host", "local", "--dry-run", cwd=tmp_path)
    assert dry.returncode == 0, dry.stderr


def test_no_document_installs_somebody_elses_package() -> None:
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("edgekit/**/*.py"))]:
        wrong = re.search(r"pip install [^\n]*\bedgekit(?!-sdk)\b", path.read_text(encoding="utf-8"))
        assert wrong is None, f"{path}: {wrong.group(0)}" if wrong else ""

"""Build folder and runtime tree → Bundle: names, hashes, manifest, id."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.bundle import check_names, make_bundle
from edgekit.errors import ModelError


@pytest.fixture
def build(tmp_path: Path) -> Path:
    folder = tmp_path / "build"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"model")
    (folder / "golden.npz").write_bytes(b"golden")
    (folder / "report.json").write_bytes(b"not sent")
    document = {"schema": 1, "name": "m", "file": "model.onnx", "golden": "golden.npz"}
    (folder / "model.json").write_text(json.dumps(document))
    return folder


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    folder = tmp_path / "runtime"
    (folder / "pkg" / "__pycache__").mkdir(parents=True)
    (folder / "pkg" / "__init__.py").write_bytes(b"")
    (folder / "pkg" / "empty.py").write_bytes(b"")
    (folder / "pkg" / "__pycache__" / "x.pyc").write_bytes(b"not sent")
    (folder / "lib.so").write_bytes(b"ELF")
    (folder / "lib.so").chmod(0o755)
    return folder


def test_manifest_and_id(build: Path, runtime: Path) -> None:
    bundle = make_bundle("app", build, runtime)
    contents = {
        "model/golden.npz": b"golden",
        "model/model.json": (build / "model.json").read_bytes(),
        "model/model.onnx": b"model",
        "runtime/lib.so": b"ELF",
        "runtime/pkg/__init__.py": b"",
        "runtime/pkg/empty.py": b"",
    }
    lines = sorted(f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in contents.items())
    assert bundle.manifest == "".join(lines).encode()
    assert bundle.id == hashlib.sha256(bundle.manifest).hexdigest()
    assert [f.path for f in bundle.files] == sorted(contents)
    assert {f.path for f in bundle.files if f.executable} == {"runtime/lib.so"}
    assert len(bundle.blobs) == len(bundle.files) - 1  # the two empty files are one blob
    assert make_bundle("app", build, runtime).id == bundle.id


def test_a_file_that_changes_before_it_is_sent(build: Path, runtime: Path) -> None:
    """Fault 67."""
    bundle = make_bundle("app", build, runtime)
    model = next(f for f in bundle.files if f.path == "model/model.onnx")
    assert b"".join(model.read()) == b"model" and b"".join(model.read(3)) == b"el"
    (build / "model.onnx").write_bytes(b"other")
    os.utime(build / "model.onnx", ns=(0, 0))
    with pytest.raises(ModelError, match=r"model\.onnx changed while it was read"):
        list(model.read())


def test_links_are_not_followed(build: Path, runtime: Path) -> None:
    (runtime / "secret.py").symlink_to("/etc/passwd")
    with pytest.raises(ModelError, match=r"secret\.py is not a regular file"):
        make_bundle("app", build, runtime)


def test_model_json_cannot_name_files_elsewhere(build: Path, runtime: Path) -> None:
    document = {"schema": 1, "name": "m", "file": "../../etc/passwd", "golden": "golden.npz"}
    (build / "model.json").write_text(json.dumps(document))
    with pytest.raises(ModelError, match="must be names of files beside it"):
        make_bundle("app", build, runtime)


@pytest.mark.parametrize("change", [lambda b: (b / "model.json").unlink(), lambda b: (b / "model.onnx").unlink()])
def test_incomplete_build_folder(build: Path, runtime: Path, change) -> None:
    change(build)
    with pytest.raises(ModelError):
        make_bundle("app", build, runtime)


WRONG = [
    "/etc/passwd", "..", "../x", "a/../b", "a//b", "", "a/", "./a", "-rf", ".hidden", "a b", "a\nb", "a:b", "a\\b",
    "x.", "x ", "CON", "aux.txt", "a/nul", "com1", "ü", "é", "a" * 101, "a\x00", "$(x)", "a'b", "\u202ea",
]  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(ModelError):
        check_names([name])


def test_names_that_differ_in_case_only() -> None:
    with pytest.raises(ModelError, match="equal but for case"):
        check_names(["runtime/Lib.py", "runtime/lib.py"])


def test_all_offenders_are_named() -> None:
    with pytest.raises(ModelError, match=r"'a b'.*'c:d'"):
        check_names(["a b", "fine", "c:d"])


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_+-]{0,20}(\.[a-z0-9]{1,5})?", fullmatch=True))
def test_plain_names_pass_but_for_windows_devices(name: str) -> None:
    stem = name.split(".")[0].lower()
    if stem in ("con", "prn", "aux", "nul") or (stem[:3] in ("com", "lpt") and stem[3:].isdigit() and len(stem) == 4):
        return
    check_names([name])


def test_number_of_files_is_bounded() -> None:
    with pytest.raises(ModelError, match="10001 files, allowed 10000"):
        check_names(f"f{n}" for n in range(10_001))

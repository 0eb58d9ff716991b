"""Runtime trees: assembled from real wheels, run for this machine's CPU in a process that sees nothing else."""

from __future__ import annotations

import ctypes
import gzip
import io
import json
import os
import platform
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import tiny

from edgekit import resources
from edgekit.deployment import elf, wheels
from edgekit.errors import DeviceError, IntegrityError, UnsupportedError

THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
here = pytest.mark.skipif(platform.machine() != "x86_64", reason="runs the tree of x86-64 Linux")


@pytest.fixture(scope="session")
def cache() -> Path:
    """The user's own cache, so that wheels are downloaded once per machine and not once per test run."""
    return resources.cache_dir()


def assemble(
    cache: Path,
    runtime: str = "onnxruntime",
    arch: str = "aarch64",
    libc: str = "2.36",
    python: str = "3.11",
    numpy: str | None = None,
    progress=None,
):
    return wheels.assemble(runtime, wheels.Board(python, arch, libc, numpy), cache, progress)


def run_in(tree: wheels.RuntimeTree, *arguments: str) -> subprocess.CompletedProcess[str]:
    """This Python with nothing but the standard library and `tree` (-S: no site-packages)."""
    environment = {"PYTHONPATH": str(tree.path), "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-S", *arguments], env=environment, capture_output=True, text=True)


USER_APP = """
import sys
import numpy as np
from edgekit_runtime import Model
m = Model(sys.argv[1])
y = m(m.example())
rng = np.random.default_rng(0)
a, b = rng.normal(size=(80, 80)), rng.normal(size=80)
assert np.allclose(a @ np.linalg.solve(a, b), b)
assert np.allclose(np.dot(a, a), np.einsum("ij,jk->ik", a, a))
assert np.allclose(np.fft.ifft(np.fft.fft(b)).real, b)
assert np.allclose(np.linalg.svd(a, compute_uv=False).max() ** 2, np.linalg.eigvalsh(a.T @ a).max())
import numpy.ma, numpy.polynomial, numpy.testing
assert all(sys.argv[2] in f for n in ("numpy", "onnxruntime", "ai_edge_litert") if n in sys.modules
           for f in [sys.modules[n].__file__])
print(m.runtime.name, y.shape)
"""


@here
@pytest.mark.parametrize(("runtime", "build"), [("onnxruntime", tiny.qdq_model), ("litert", tiny.tflite_model)])
def test_a_user_app_runs_on_the_slimmed_tree_alone(runtime, build, cache, tmp_path):
    if runtime == "litert":
        pytest.importorskip("ai_edge_litert", reason="the model is built with the tflite extra")
    libc = platform.libc_ver()[1] or "2.36"
    tree = assemble(cache, runtime, "x86_64", libc, THIS_PYTHON)
    build(tmp_path / "model")
    done = run_in(tree, "-c", USER_APP, str(tmp_path), str(tree.path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == {"onnxruntime": "onnxruntime", "litert": "ai_edge_litert"}[runtime]
    done = run_in(tree, "-m", "edgekit_runtime", "selftest", str(tmp_path))
    assert json.loads(done.stdout)["ok"] is True


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_onnxruntime_for_a_raspberry_pi_is_small(cache, python):
    """The goal: 60 MB on the board, 25 MB sent."""
    tree = assemble(cache, python=python)
    assert tree.bytes == sum(p.stat().st_size for p in tree.path.rglob("*") if p.is_file()) <= 60_000_000
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6) as z, tarfile.open(fileobj=z, mode="w") as tar:
        tar.add(tree.path, ".")
    assert packed.tell() <= 25_000_000
    assert wheels.check_needs(tree, "2.36", "3.4.30") == []


def test_a_tree_is_complete_and_says_what_it_holds(cache):
    tree = assemble(cache)
    assert {w.name for w in tree.wheels} == {"onnxruntime", "numpy"}
    assert all(w.version in (tree.path / "NOTICE").read_text() for w in tree.wheels)
    names = {p.relative_to(tree.path).as_posix() for p in tree.path.rglob("*")}
    assert "edgekit_runtime/__main__.py" in names
    assert {"onnxruntime/LICENSE", "onnxruntime/ThirdPartyNotices.txt"} <= names
    assert any("dist-info" in n and "LICENSE" in n for n in names if n.startswith("numpy"))
    assert not [n for n in names if "/tests/" in n or n.endswith((".pyi", ".h", ".a")) or "libonnxruntime.so" in n]
    assert all(elf.needs(p).machine == "aarch64" for p in tree.path.rglob("*.so"))


def test_the_second_time_needs_no_pip_and_a_rebuilt_tree_is_equal(cache, monkeypatch, tmp_path):
    first = assemble(cache)
    monkeypatch.setattr(wheels, "_download", lambda *_: pytest.fail("asked pip although everything is there"))
    assert assemble(cache) == first
    for part in ("wheels", "resolved"):
        (tmp_path / part).symlink_to(cache / part)
    again = assemble(tmp_path)
    files = [p.relative_to(first.path) for p in first.path.rglob("*") if p.is_file()]
    assert again.path.name == first.path.name and len(files) == again.files
    assert all((again.path / f).read_bytes() == (first.path / f).read_bytes() for f in files)


def test_an_empty_cache_is_made(tmp_path):
    tree = assemble(tmp_path / "no" / "cache" / "yet", "tflite-runtime")
    assert (tree.path / "edgekit_runtime" / "__init__.py").is_file()


def test_a_wheel_that_changed_in_the_cache_is_refused(cache, tmp_path):
    tree = assemble(cache)
    (tmp_path / "resolved").symlink_to(cache / "resolved")
    for wheel in tree.wheels:
        place = tmp_path / "wheels" / wheel.sha256 / wheel.file
        place.parent.mkdir(parents=True)
        place.write_bytes(b"PK")
    with pytest.raises(IntegrityError, match="changed since it was downloaded"):
        assemble(tmp_path)
    assert not list((tmp_path / "trees").iterdir())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"arch": "armv7l"}, UnsupportedError, "onnxruntime on armv7l: no wheels exist for this CPU"),
        ({"arch": "armv6l"}, UnsupportedError, "no wheels exist"),
        (
            {"arch": "armv6l", "runtime": "litert"},
            UnsupportedError,
            "litert on armv6l: .*; tflite-runtime on armv6l: no",
        ),
        ({"arch": "armv7l", "runtime": "litert"}, DeviceError, "litert on armv7l: no wheels .* the board has no NumPy"),
        (
            {"arch": "armv7l", "runtime": "tflite-runtime", "numpy": "2.2.4"},
            DeviceError,
            r"has NumPy 2\.2\.4, .* needs NumPy 1",
        ),
        (
            {"arch": "armv7l", "runtime": "litert", "numpy": "2.2.4", "python": "3.13"},
            UnsupportedError,
            r"Python 3\.13",
        ),
        (
            {"arch": "armv7l", "runtime": "tflite-runtime", "numpy": "1.26.4", "python": "3.12"},
            UnsupportedError,
            "no wheel for",
        ),
        ({"python": "3.7"}, UnsupportedError, r"Python 3\.7: supported are 3\.9"),
        ({"runtime": "tflite-runtime", "python": "3.13"}, UnsupportedError, r"Python 3\.13: supported are"),
        ({"runtime": "onnxruntim"}, UnsupportedError, "is unknown"),
        ({"libc": "1.2.3"}, DeviceError, "glibc 2.x"),
        ({"libc": "2.17"}, UnsupportedError, r"no wheel for .* glibc 2\.17"),
    ],
)
def test_boards_without_wheels_are_refused(arguments, error, message, cache):
    with pytest.raises(error, match=message) as caught:
        assemble(cache, **arguments)
    assert caught.value.hint


def test_a_wheel_whose_tag_lies_about_glibc_is_found_out(cache):
    """ai-edge-litert's tag says glibc 2.27, its library needs 2.34. No tflite-runtime exists for this Python."""
    with pytest.raises(UnsupportedError, match=r"needs GLIBC_2\.3\d, the board has 2\.31 .*no wheel for tflite"):
        assemble(cache, "litert", libc="2.31", python="3.12")
    tree = assemble(cache, "litert", libc="2.36")
    assert any("GLIBCXX_3.4.30" in c for c in wheels.check_needs(tree, "2.36", "3.4.28"))


@pytest.mark.parametrize(
    ("python", "libc", "why"),
    [
        ("3.11", "2.31", "litert cannot run on this board: libpywrap_litert_common.so needs GLIBC_2.34"),
        ("3.9", "2.28", "litert cannot run on this board: libLiteRt.so needs GLIBC_2.30"),
    ],
)
def test_tflite_runtime_takes_the_place_of_litert(python, libc, why, cache):
    """The tag of tflite-runtime says glibc 2.34, its library needs 2.27."""
    said: list[str] = []
    tree = assemble(cache, "litert", libc=libc, python=python, progress=said.append)
    assert (tree.runtime, wheels.RUNTIMES[tree.runtime].file_type) == ("tflite-runtime", ".tflite")
    assert {w.name: w.version for w in tree.wheels} == {"tflite-runtime": "2.14.0", "numpy": "1.26.4"}
    assert any(why in line and "taking tflite-runtime, which runs the same files" in line for line in said)


def test_libraries_stay_that_others_are_linked_to(cache):
    """Raspberry Pi OS bullseye gets ai-edge-litert 2.1, whose interpreter needs libLiteRt.so; that of 2.3 does not."""
    old, new = assemble(cache, "litert", libc="2.31", python="3.9"), assemble(cache, "litert")
    assert {w.name: w.version for w in old.wheels}["ai-edge-litert"].startswith("2.1.")
    assert wheels.check_needs(old, "2.31", "3.4.28") == []
    found = [[p.name for p in tree.path.rglob("libLiteRt*.so")] for tree in (old, new)]
    assert found == [["libLiteRt.so"], []]


def test_a_32_bit_board_brings_its_own_numpy(cache):
    """Raspberry Pi OS bookworm, 32-bit: NumPy 1.24.2 of Debian; NumPy has no wheels for this CPU."""
    tree = assemble(cache, "litert", arch="armv7l", numpy="1.24.2")
    assert (tree.runtime, [w.name for w in tree.wheels]) == ("tflite-runtime", ["tflite-runtime"])
    (library,) = tree.path.rglob("*.so")
    needs = elf.needs(library)
    assert needs.machine == "armv7l" and needs.highest("GLIBC") == (2, 27) and "libc.so.6" in needs.libraries
    assert wheels.check_needs(tree, "2.26") == [f"{library.name} needs GLIBC_2.27, the board has 2.26"]
    assert tree.bytes < 6e6


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil.py", "numpy/../../evil.py", "a\\b.py", "numpy/\n.py"])
def test_hostile_member_names_are_refused(name, tmp_path):
    with pytest.raises(IntegrityError, match="refused for its members"):
        list(wheels._kept_files(_wheel_of(tmp_path, zipfile.ZipInfo(name)), tmp_path))


def test_links_in_wheels_are_refused(tmp_path):
    link = zipfile.ZipInfo("numpy/link.py")
    link.external_attr = 0o120777 << 16
    with pytest.raises(IntegrityError, match="refused for its members"):
        list(wheels._kept_files(_wheel_of(tmp_path, link), tmp_path))


def test_names_that_occur_twice_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        wheel = _wheel_of(tmp_path, zipfile.ZipInfo("a.py"), zipfile.ZipInfo("a.py"))
    with pytest.raises(IntegrityError, match=r"'a\.py'"):
        list(wheels._kept_files(wheel, tmp_path))


def test_pip_missing_is_said(cache, tmp_path, monkeypatch):
    without_pip = tmp_path / "python"
    without_pip.write_text(f'#!/bin/sh\nexec {sys.executable} -S -I "$@"\n')
    without_pip.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(without_pip))
    with pytest.raises(UnsupportedError, match="this Python has no pip") as caught:
        assemble(tmp_path / "cache")
    assert "ensurepip" in caught.value.hint


def test_no_index_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(UnsupportedError, match="no wheel for onnxruntime") as caught:
        assemble(tmp_path)
    assert "pip config list" in caught.value.hint


def _wheel_of(folder: Path, *members: zipfile.ZipInfo) -> wheels.Wheel:
    path = folder / "evil-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, b"/etc/passwd")
    return wheels._store(path, folder)


# --- ELF


def _host_libraries() -> list[Path]:
    import numpy
    import onnxruntime

    found = [next((Path(onnxruntime.__file__).parent / "capi").glob("onnxruntime_pybind11_state*.so"))]
    return found + sorted((Path(numpy.__file__).parents[1] / "numpy.libs").glob("*.so*"))


@here
def test_stripped_libraries_still_load(tmp_path):
    """Real libraries of this machine, among them one that patchelf rearranged, loaded and called after stripping."""
    import numpy

    libs = Path(numpy.__file__).parents[1] / "numpy.libs"
    for path in libs.glob("*.so*"):
        (tmp_path / path.name).write_bytes(elf.strip(path.read_bytes()))
        assert elf.needs(tmp_path / path.name) == elf.needs(path)
    blas = next(tmp_path.glob("libscipy_openblas*.so"))
    assert blas.stat().st_size < (libs / blas.name).stat().st_size - 900_000
    code = f"""
import ctypes
lib = ctypes.CDLL({str(blas)!r})
ddot = lib.scipy_cblas_ddot64_
ddot.restype = ctypes.c_double
v = (ctypes.c_double * 3)(1, 2, 3)
n = ctypes.c_int64
print(ddot(n(3), v, n(1), v, n(1)))
"""
    environment = {"LD_LIBRARY_PATH": str(tmp_path), "PATH": os.defpath}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "14.0", done.stderr


@here
def test_needs_agrees_with_the_loader():
    libc = next(p for p in map(Path, ("/lib/x86_64-linux-gnu/libm.so.6", "/lib64/libm.so.6")) if p.exists())
    needs = elf.needs(libc)
    assert (needs.machine, needs.soname) == ("x86_64", "libm.so.6")
    assert "libc.so.6" in needs.libraries
    assert ctypes.CDLL(str(libc)) and needs.highest("GLIBC") <= elf.parse_version(platform.libc_ver()[1])
    assert needs.highest("GLIBCXX") == ()


def test_damaged_and_foreign_files_are_refused_and_never_changed(tmp_path):
    whole = _host_libraries()[-1].read_bytes()
    cases = {"text": b"#!/bin/sh\n", "empty": b"", "half": whole[: len(whole) // 2], "head": whole[:70]}
    cases["big-endian"] = whole[:5] + b"\2" + whole[6:]
    cases["section table beyond the end"] = whole[:40] + (1 << 60).to_bytes(8, "little") + whole[48:]
    for name, data in cases.items():
        path = tmp_path / name
        path.write_bytes(data)
        assert elf.strip(data) == data, name
        if name not in ("half", "section table beyond the end"):
            with pytest.raises(ValueError):
                elf.needs(path)

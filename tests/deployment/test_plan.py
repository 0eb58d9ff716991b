"""Facts and a bundle → the exact steps, as data; nothing is run here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.bundle import Bundle, BundleFile
from edgekit.deployment.plan import Needs, Options, plan
from edgekit.deployment.probe import AppState, Release
from edgekit.errors import DeviceError

from .conftest import this_board

BIG, BIG2, SMALL, TWIN = "a" * 64, "b" * 64, "c" * 64, "d" * 64
ID, OLD = "1" * 64, "2" * 64
OPTIONS = Options("alice@laptop")


def file(path: str, sha: str, size: int, executable: bool = False) -> BundleFile:
    return BundleFile(path, Path("/nowhere") / path, sha, size, executable, 0)


BUNDLE = Bundle(
    app="demo",
    files=(
        file("model/model.json", SMALL, 900),
        file("model/model.onnx", BIG, 5_000_000),
        file("runtime/a/__init__.py", TWIN, 0),
        file("runtime/b/__init__.py", TWIN, 0),
        file("runtime/numpy/lib.so", BIG2, 21_000_000, executable=True),
    ),
    manifest=b"m" * 400,
    id=ID,
)
RECV_MODEL = ("RECV", "recv", ("alice@laptop", BIG, "5000000", "0", "0444"), 5_000_000)
RECV_LIBRARY = ("RECV", "recv", ("alice@laptop", BIG2, "21000000", "0", "0555"), 21_000_000)
COMMIT = ("COMMIT", "commit", ("alice@laptop", "demo", ID), 1300)
PYTHON = "/usr/bin/python3"
ACTIVATE = ("CHECK+ACTIVATE", "activate", ("alice@laptop", "demo", ID, PYTHON, "-", "120"), 0)
HASH_ACTIVATE = ("CHECK+ACTIVATE", "activate", ("alice@laptop", "demo", ID, PYTHON, "hash", "120"), 0)


def app(current: str | None, *releases: str) -> tuple[AppState, ...]:
    return (AppState("demo", current, None, tuple(Release(r) for r in releases)),)


CASES = {
    "nothing there": ({}, [RECV_MODEL, RECV_LIBRARY, COMMIT, ACTIVATE]),
    "another app is there": (
        {"apps": (AppState("other", ID, None, (Release(ID),)),)},
        [RECV_MODEL, RECV_LIBRARY, COMMIT, ACTIVATE],
    ),
    "runtime known, model new": (
        {"apps": app(OLD, OLD), "blobs": frozenset((BIG2, TWIN))},
        [RECV_MODEL, COMMIT, ACTIVATE],
    ),
    "all blobs known": (
        {"blobs": frozenset((BIG, BIG2, SMALL, TWIN))},
        [("COMMIT", "commit", ("alice@laptop", "demo", ID), 400), ACTIVATE],
    ),
    "cut before": (
        {"parts": {BIG: 3_000_000}, "blobs": frozenset((BIG2,))},
        [("RECV", "recv", ("alice@laptop", BIG, "5000000", "3000000", "0444"), 2_000_000), COMMIT, ACTIVATE],
    ),
    "part longer than the file": (
        {"parts": {BIG: 5_000_001}, "blobs": frozenset((BIG2,))},
        [RECV_MODEL, COMMIT, ACTIVATE],
    ),
    "current already": ({"apps": app(ID, ID)}, [HASH_ACTIVATE]),
    "there, but not current": ({"apps": app(OLD, OLD, ID)}, [HASH_ACTIVATE]),
}


@pytest.mark.parametrize("changes,steps", CASES.values(), ids=CASES)
def test_steps(changes: dict, steps: list) -> None:
    planned = plan(BUNDLE, replace(this_board(), **changes), Needs("aarch64", ("glibc", (2, 28)), (3, 11)), OPTIONS)
    assert [(s.name, s.script, s.args, s.size_bytes) for s in planned.steps] == steps


def test_the_texts_say_what_happens() -> None:
    facts = replace(this_board(), apps=app(OLD, OLD), parts={BIG: 1_000_000})
    texts = [step.what for step in plan(BUNDLE, facts, Needs(), OPTIONS).steps]
    assert texts == [
        "send model.onnx (4.0 MB, from byte 1000000)",
        "send lib.so (21.0 MB)",
        "send 2 small files and put release 111111111111 together from 5 files",
        "run the self test of release 111111111111, then make it current by one rename",
    ]


def test_long_names_of_files_are_cut_in_the_middle() -> None:
    names = "libscipy_openblas64_-0f683016.so", "onnxruntime_pybind11_state.cpython-311-aarch64-linux-gnu.so", "a" * 36
    bundle = replace(BUNDLE, files=tuple(file(f"runtime/{n}", str(i) * 64, 2 << 20) for i, n in enumerate(names)))
    texts = [step.what for step in plan(bundle, this_board(), Needs(), OPTIONS).steps[:3]]
    shown = "libscipy_openblas64_-0f683016.so", "onnxruntime_pybind11_state.cp…gnu.so", "a" * 36
    assert texts == [f"send {name} (2.1 MB)" for name in shown]


def test_damaged_blobs_are_planned_again() -> None:
    facts = replace(this_board(), apps=app(ID, ID), blobs=frozenset((BIG, BIG2, SMALL, TWIN)))
    again = plan(BUNDLE, facts, Needs(), OPTIONS).without([BIG2])
    assert [(s.name, s.args[1]) for s in again.steps] == [
        ("RECV", BIG2), ("COMMIT", "demo"), ("CHECK+ACTIVATE", "demo"),
    ]  # fmt: skip


BOARD = this_board("pi")
RASPBIAN = replace(BOARD, arch="armv7l", bits=32)
REFUSED = {
    "32-bit programs": (RASPBIAN, r"its programs are armv7l \(32 bits\), the release needs aarch64"),
    "musl": (replace(BOARD, libc=("musl", None)), "its C library is musl, the release needs glibc"),
    "old libc": (replace(BOARD, libc=("glibc", (2, 27))), r"glibc 2\.27, the release needs glibc 2\.28"),
    "no python": (replace(BOARD, python=None), r"it has no python3, the release needs 3\.11"),
    "broken python": (
        replace(BOARD, python=replace(BOARD.python, unusable="No module named 'ctypes'")),
        "python3 does not work: No module named 'ctypes'",
    ),
    "other python": (
        replace(BOARD, python=replace(BOARD.python, version=(3, 13, 1))), r"is 3\.13\.1, the release needs 3\.11",
    ),
    "free-threaded": (replace(BOARD, python=replace(BOARD.python, free_threaded=True)), "free-threaded"),
    "noexec": (replace(BOARD, capabilities=BOARD.capabilities | {"exec": False}), "mounted noexec"),
    "FAT": (replace(BOARD, capabilities=BOARD.capabilities | {"hard_link": False}), "no hard links, as on FAT"),
    "read-only": (replace(BOARD, capabilities={"write": False}), "cannot be written"),
    "newer format": (replace(BOARD, format="2"), "has format 2, this edgekit knows format 1"),
    "full": (
        replace(BOARD, disk_bytes=1 << 30, free_bytes=40 << 20),
        r"41\.9 MB free in /home/pi/\.edgekit, needed: 62\.2 MB \(26\.0 MB of files, 10 % margin, 33\.6 MB reserve\)",
    ),
    "no inodes": (replace(BOARD, free_inodes=90), "can hold 90 more files, the deploy needs 108"),
}  # fmt: skip


@pytest.mark.parametrize("facts,message", REFUSED.values(), ids=REFUSED)
def test_refused_before_any_transfer(facts, message) -> None:
    with pytest.raises(DeviceError, match=message) as caught:
        plan(BUNDLE, facts, Needs("aarch64", ("glibc", (2, 28)), (3, 11)), OPTIONS)
    assert caught.value.hint.startswith("nothing was sent")


def test_all_reasons_are_named_at_once() -> None:
    facts = replace(RASPBIAN, libc=("glibc", (2, 13)), python=None)
    with pytest.raises(DeviceError, match=r"armv7l.*2\.13.*no python3"):
        plan(BUNDLE, facts, Needs("aarch64", ("glibc", (2, 28)), (3, 11)), OPTIONS)


def test_space_is_not_asked_for_what_is_there() -> None:
    facts = replace(BOARD, apps=app(ID, ID), free_bytes=0, free_inodes=0)
    assert len(plan(BUNDLE, facts, Needs(), OPTIONS).steps) == 1

"""Whole deploys to this machine with a HOME of its own: the real scripts, the real runtime, a real model."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from pathlib import Path

import pytest

from edgekit.bundle import make_bundle
from edgekit.deployment.apply import planned, usage_line
from edgekit.deployment.benchmark import BenchOptions, run_benchmark
from edgekit.deployment.plan import Needs, Options, plan
from edgekit.deployment.probe import probe
from edgekit.deployment.status import read_status
from edgekit.errors import ConnectionFailed, DeviceError, HealthError

from .conftest import APP, current, deploy, write_build


def store(device) -> Path:
    return device.home / ".edgekit"


def test_first_deploy_is_complete_and_current(bundle, device):
    done = deploy(bundle, device)
    release = store(device) / "apps" / APP / "releases" / bundle.id
    assert current(device) == bundle.id == done.release
    assert (done.activated, done.previous) == (True, None)
    assert done.blobs_sent == done.blobs_total == len({f.sha256 for f in bundle.files})
    assert 0 < done.bytes_sent < bundle.size_bytes  # library.so and the sources shrink
    assert (release / "manifest").read_bytes() == bundle.manifest
    for file in bundle.files:
        path = release / file.path
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
        assert path.stat().st_ino == (store(device) / "blobs" / file.sha256).stat().st_ino
        assert stat.S_IMODE(path.stat().st_mode) & 0o222 == 0
    found = {str(p.relative_to(release)) for p in release.rglob("*") if p.is_file()}
    assert found == {f.path for f in bundle.files} | {"manifest"}  # and no __pycache__ of the self test
    assert not any(p.stat().st_mode & 0o222 for p in [release, *release.rglob("*")] if p.is_dir())
    assert not list((store(device) / "tmp").iterdir())
    assert not (store(device) / "stage").exists()


def test_execs_are_few(bundle, device):
    deploy(bundle, device)
    assert device.execs == 1 + 2 + 1 + 1  # PROBE, RECV of model.onnx and library.so, COMMIT, CHECK+ACTIVATE
    device.execs = 0
    deploy(bundle, device)
    assert device.execs == 2


def dry_run(bundle, device):
    wanted = plan(bundle, probe(device), Needs(), Options("alice@laptop"))
    return planned(wanted, device, target="local", python="python3")


def test_a_plan_tells_what_would_be_sent(bundle, device, build, runtime):
    first = dry_run(bundle, device)
    assert (first.activated, first.blobs_sent, first.bytes_sent) == (False, first.blobs_total, first.bytes_total)
    done = deploy(bundle, device)
    assert (done.blobs_sent, done.bytes_total) == (first.blobs_sent, first.bytes_sent)
    again = dry_run(bundle, device)
    assert (again.blobs_sent, again.bytes_sent, again.blobs_total) == (0, 0, done.blobs_total)
    write_build(build, seed=2)
    other = make_bundle(APP, build, runtime)
    newer = dry_run(other, device)
    assert (newer.blobs_sent, newer.bytes_sent) == (3, newer.bytes_total)  # model.onnx, model.json, golden.npz
    assert current(device) == bundle.id
    assert deploy(other, device).blobs_sent == 3


def test_second_deploy_sends_nothing(bundle, device):
    deploy(bundle, device)
    again = deploy(bundle, device)
    assert (again.blobs_sent, again.bytes_sent, again.activated) == (0, 0, True)
    assert again.previous is None
    assert current(device) == bundle.id


def test_changed_model_sends_only_what_changed(bundle, device, build, runtime):
    deploy(bundle, device)
    write_build(build, seed=2)
    newer = make_bundle(APP, build, runtime)
    done = deploy(newer, device)
    assert done.blobs_sent == 3  # model.onnx, model.json, golden.npz
    assert (done.release, done.previous, current(device)) == (newer.id, bundle.id, newer.id)
    back = deploy(bundle, device)
    assert (back.blobs_sent, current(device)) == (0, bundle.id)
    assert read_status(device).apps[0].previous == newer.id


def cut_after(size: int):
    """Ends a stream after `size` bytes, as a lost link does."""

    def spoil(chunks):
        left = size
        for chunk in chunks:
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                return

    return spoil


@pytest.mark.parametrize("size", [1, 100_000, 300_000])
def test_cut_transfer_resumes(bundle, device, size):
    device.spoil = cut_after(size)
    with pytest.raises(ConnectionFailed, match=f"nothing of {APP} is active"):
        deploy(bundle, device)
    device.spoil = None
    arrived = sum(probe(device).parts.values())
    assert arrived > 0 or size == 1
    done = deploy(bundle, device)
    assert current(device) == bundle.id
    assert any("from byte" in step.what for step in done.steps) == (arrived > 0)


@pytest.mark.parametrize("size", [700, 5_000, 12_000])
def test_cut_commit_leaves_the_previous_release(bundle, device, build, runtime, size):
    deploy(bundle, device)
    (runtime / "edgekit_runtime" / "more.py").write_bytes(os.urandom(20_000))
    newer = make_bundle(APP, build, runtime)
    device.spoil = cut_after(size)
    with pytest.raises(ConnectionFailed, match=f"release {bundle.id[:12]} is still current"):
        deploy(newer, device)
    device.spoil = None
    assert current(device) == bundle.id
    assert not (store(device) / "stage").exists()
    assert [p.name for p in (store(device) / "apps" / APP / "releases").iterdir()] == [bundle.id]
    deploy(newer, device)
    assert current(device) == newer.id


def test_damaged_blob_in_the_store_is_replaced(bundle, device):
    """Bit rot (fault 38): the same bytes in the store and in the release, since they are one file."""
    deploy(bundle, device)
    big = next(f for f in bundle.files if f.path == "runtime/library.so")
    small = next(f for f in bundle.files if f.path == "runtime/edgekit_runtime/board.py")
    for file in (big, small):
        blob = store(device) / "blobs" / file.sha256
        blob.chmod(0o644)
        blob.write_bytes(b"x" + blob.read_bytes()[1:])
    done = deploy(bundle, device)
    assert done.blobs_sent == 2
    release = store(device) / "apps" / APP / "releases" / bundle.id
    for file in (big, small):
        assert hashlib.sha256((release / file.path).read_bytes()).hexdigest() == file.sha256
    assert deploy(bundle, device).blobs_sent == 0


def test_blob_damaged_before_its_first_use_is_sent_again(bundle, device):
    wrong = store(device) / "blobs" / next(f.sha256 for f in bundle.files if f.path == "runtime/library.so")
    wrong.parent.mkdir(parents=True)
    wrong.write_bytes(b"not what its name says")
    done = deploy(bundle, device)
    assert done.blobs_sent == done.blobs_total
    assert current(device) == bundle.id


def test_bytes_damaged_on_the_way_are_sent_once_more(bundle, device):
    broken = []

    def flip(chunks):
        for chunk in chunks:
            if not broken and len(chunk) > 1000:
                broken.append(True)
                chunk = chunk[:500] + bytes([chunk[500] ^ 1]) + chunk[501:]
            yield chunk

    device.spoil = flip
    deploy(bundle, device)
    assert broken and current(device) == bundle.id


def test_wrong_model_is_never_activated(bundle, device, build, runtime):
    """Golden outputs that the model does not give: the self test ends before the switch."""
    deploy(bundle, device)
    other = write_build(build.parent / "other", seed=9)
    (build / "golden.npz").write_bytes((other / "golden.npz").read_bytes())
    with pytest.raises(HealthError, match=r"golden.*still current"):
        deploy(make_bundle(APP, build, runtime), device)
    assert current(device) == bundle.id


def test_usage_line_runs_as_an_app_on_the_board(bundle, device):
    """The line that deploy prints, as a second process with nothing of edgekit's own environment."""
    done = deploy(bundle, device)
    assert done.use == usage_line(APP)
    ran = subprocess.run(
        ["sh", "-c", done.use], env={"HOME": str(device.home), "PATH": device.path},
        capture_output=True, text=True, cwd="/",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("[[") and len(ran.stdout) > 20


def test_status_is_read_from_the_device_alone(bundle, device):
    assert read_status(device).document()["apps"] == []
    assert not store(device).exists()  # status writes nothing
    deploy(bundle, device)
    document = read_status(device).document()
    (app,) = document["apps"]
    assert (app["app"], app["current"], app["previous"]) == (APP, bundle.id, None)
    assert app["releases"] == [{"id": bundle.id, "model": "demo", "bytes": bundle.size_bytes}]
    assert document["store_bytes"] == sum(f.size_bytes for f in bundle.blobs.values())
    assert document["free_bytes"] > 0


def test_benchmark_measures_the_current_release(bundle, device):
    deploy(bundle, device)
    options = BenchOptions(seconds=0.5, threads=1)
    result = run_benchmark(device, APP, target="local", python="python3", options=options)
    assert (result.release, result.golden["checked"], result.runtime["name"]) == (bundle.id, True, "onnxruntime")
    assert 0 < result.min_s <= result.p50_s <= result.p90_s <= result.max_s
    assert result.runs >= 50 and result.peak_rss_bytes > 10 << 20
    assert not result.interrupted


def test_benchmark_of_nothing(device, bundle):
    probe(device)
    with pytest.raises(DeviceError, match='nothing of "demo" is deployed'):
        run_benchmark(device, APP, target="local", python="python3", options=BenchOptions())

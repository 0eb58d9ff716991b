"""Stores that something else has damaged or put things into: each deploy repairs what it needs, or says what to do."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

from edgekit.bundle import make_bundle
from edgekit.deployment.apply import apply, usage_line
from edgekit.deployment.benchmark import BenchOptions, run_benchmark
from edgekit.deployment.plan import Needs, Options, plan
from edgekit.deployment.probe import check_root, probe
from edgekit.deployment.status import read_status
from edgekit.errors import BusyError, DeviceError, UsageError

from .conftest import APP, HomeDevice, current, deploy, write_build

ODD = ["a b", "x\ny", "$(touch pwned)", "-rf", ".hidden", "ü", "a" * 65, "*"]


def store(device: HomeDevice) -> Path:
    return device.home / ".edgekit"


def release(device: HomeDevice, id: str) -> Path:
    return store(device) / "apps" / APP / "releases" / id


def spoil(path: Path) -> None:
    """One other byte in the same file, as bit rot would."""
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def whole(device: HomeDevice) -> bool:
    """Whether every blob has its hash and every file of every release that of its manifest."""
    blobs = all(sha256(b) == b.name for b in (store(device) / "blobs").iterdir())
    releases = [m.parent for m in store(device).glob("apps/*/releases/*/manifest")]
    good = all(
        subprocess.run(["sha256sum", "-c", "--status", "manifest"], cwd=r).returncode == 0
        and sha256(r / "manifest") == r.name
        for r in releases
    )
    return blobs and bool(releases) and good


def test_odd_folders_in_the_store_block_nothing(bundle, device) -> None:
    deploy(bundle, device)
    for name in ODD:
        (store(device) / "apps" / name / "releases").mkdir(parents=True)
        odd = release(device, name)
        odd.mkdir()
        (odd / "manifest").write_text("nothing")
        (store(device) / "blobs" / name).write_text("nothing")
        (store(device) / "tmp" / f"{name}.part").write_text("nothing")
    facts = probe(device)
    assert [app.name for app in facts.apps] == [APP]
    assert facts.ignored == 2 * (len(ODD) - 1)  # the hidden one is not even looked at
    assert facts.parts == {}
    assert deploy(bundle, device).activated
    (app,) = read_status(device).apps
    assert [r.id for r in app.releases] == [bundle.id]
    options = BenchOptions(seconds=0.1, threads=1)
    assert run_benchmark(device, APP, target="local", python="python3", options=options).release == bundle.id


def test_links_to_anything_but_a_release_count_as_none(bundle, device) -> None:
    deploy(bundle, device)
    folder = store(device) / "apps" / APP
    (folder / "current").unlink()
    (folder / "current").symlink_to("releases/x\ny=$(touch pwned)")
    (folder / "previous").symlink_to("/etc")
    state = probe(device).app(APP)
    assert (state.current, state.previous) == (None, None)
    deploy(bundle, device)
    assert current(device) == bundle.id


def test_small_damaged_blobs_are_replaced_in_the_store(device, build, runtime) -> None:
    """Of files below 1 MiB, which travel in the tar: one after the other, so the second finds what the first left."""
    write_build(build, width=20)
    small = make_bundle(APP, build, runtime)
    deploy(small, device)
    for path in ("model/model.onnx", "model/golden.npz"):
        spoil(release(device, small.id) / path)
        assert not whole(device)
        assert deploy(small, device).blobs_sent == 1
        assert whole(device)


def test_a_blob_apart_from_its_release_is_replaced(bundle, device) -> None:
    """Only the file of the release is damaged, then only the blob."""
    deploy(bundle, device)
    path = release(device, bundle.id) / "model" / "model.json"
    good = path.read_bytes()
    path.parent.chmod(0o755)
    path.unlink()
    path.write_bytes(good[:-1])
    deploy(bundle, device)
    assert whole(device)
    path.parent.chmod(0o755)
    path.unlink()
    path.write_bytes(good)
    spoil(store(device) / "blobs" / sha256(path))
    path.write_bytes(good[:-1])
    deploy(bundle, device)
    assert whole(device)


@pytest.mark.parametrize("content", [b"", b"not a manifest\n", None])
@pytest.mark.parametrize("more", [(), ("model/model.json", "runtime/library.so")])
def test_a_damaged_manifest_is_written_again(bundle, device, content, more) -> None:
    """Also when files that it should name are damaged: those are found by the second look."""
    deploy(bundle, device)
    manifest = release(device, bundle.id) / "manifest"
    manifest.parent.chmod(0o755)
    manifest.unlink() if content is None else (manifest.chmod(0o644), manifest.write_bytes(content))
    for path in more:
        spoil(release(device, bundle.id) / path)
    done = deploy(bundle, device)
    assert done.blobs_sent == len(more)
    assert whole(device) and manifest.read_bytes() == bundle.manifest
    assert current(device) == bundle.id


@pytest.mark.parametrize("content", [b"", b"\0\0", b"\n"])
def test_an_empty_format_is_written_again(bundle, device, content) -> None:
    deploy(bundle, device)
    (store(device) / "format").write_bytes(content)
    deploy(bundle, device)
    assert (store(device) / "format").read_bytes() == b"1\n"


def test_a_newer_format_is_refused(bundle, device) -> None:
    deploy(bundle, device)
    planned = plan(bundle, probe(device), Needs(), Options("a"))
    (store(device) / "format").write_text("2\n")
    with pytest.raises(DeviceError, match="format 2"):
        deploy(bundle, device)
    with pytest.raises(DeviceError, match=r"newer edgekit \(format 2\)") as caught:
        apply(planned, device, lambda *_: None, target="local", python="python3")
    assert "update edgekit" in caught.value.hint


def test_a_release_that_is_gone_is_no_previous(bundle, device, build, runtime) -> None:
    deploy(bundle, device)
    subprocess.run(["chmod", "-R", "u+w", str(release(device, bundle.id))], check=True)
    subprocess.run(["rm", "-rf", str(release(device, bundle.id))], check=True)
    write_build(build, seed=2)
    newer = make_bundle(APP, build, runtime)
    done = deploy(newer, device)
    assert (done.previous, current(device)) == (None, newer.id)
    assert not (store(device) / "apps" / APP / "previous").is_symlink()
    deploy(bundle, device)
    assert read_status(device).apps[0].previous == newer.id


def test_what_killed_deploys_left_is_removed(bundle, device, tmp_path) -> None:
    deploy(bundle, device)
    dead = subprocess.Popen(["true"])
    dead.wait()
    tmp, folder = store(device) / "tmp", store(device) / "apps" / APP
    for kind in ("selftest", "bad", "check", "bench", "probe"):
        (tmp / f"{kind}.{dead.pid}").write_text("x")
    (tmp / f"selftest.{dead.pid}.json").write_text("x")
    (tmp / f"bench.{dead.pid}.Ab12Cd").mkdir()
    (tmp / f"bench.{dead.pid}.Ab12Cd" / "log").write_text("x")
    living = tmp / f"bench.{os.getpid()}.Ab12Cd"  # a benchmark that runs now
    living.mkdir()
    part = tmp / f"{'0' * 64}.part"
    part.write_text("x")
    (folder / f".current.{dead.pid}").symlink_to("releases/x")
    leftovers = set(tmp.iterdir())

    lock = ["flock", str(store(device) / "lock"), "sh", "-c", "echo locked; exec sleep 60"]
    holder = subprocess.Popen(lock, stdout=subprocess.PIPE, start_new_session=True)
    assert holder.stdout.readline() == b"locked\n"
    try:
        with pytest.raises(BusyError):
            deploy(bundle, device)
        assert set(tmp.iterdir()) == leftovers  # they may be the other's
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.communicate()
    deploy(bundle, device)
    assert set(tmp.iterdir()) == {living, part}


@pytest.mark.parametrize("root", ["rel", "-rf", "/a\nb", "/a:b", "/" + "x" * 2000])
def test_odd_roots_are_refused_before_any_contact(root) -> None:
    with pytest.raises(UsageError, match="root"):
        check_root(root)


def test_the_usage_line_holds_any_root(bundle, device, tmp_path) -> None:
    assert "'/tmp/ro ot'\"'\"'s $x'" in usage_line(APP, "python3", "/tmp/ro ot's $x")

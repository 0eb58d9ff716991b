"""What goes wrong on boards, made to happen here: full disks, damaged files, two deploys at once, other tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.bundle import make_bundle
from edgekit.deployment.apply import apply
from edgekit.deployment.plan import Needs, Options, plan
from edgekit.deployment.probe import probe
from edgekit.errors import BusyError, DeviceError, UnsupportedError

from .conftest import APP, HomeDevice, current, deploy, write_build

needs_mount = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")


@pytest.fixture
def small_disk(tmp_path: Path):
    """A device whose home is a file system of its own; call it with mount options."""
    home = tmp_path / "small"
    home.mkdir()

    def mounted(options: str) -> HomeDevice:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(home)], check=True)
        return HomeDevice(home)

    yield mounted
    subprocess.run(["umount", str(home)], check=False)


@needs_mount
def test_disk_too_small_is_refused_before_any_transfer(bundle, small_disk) -> None:
    device = small_disk("size=20m")
    with pytest.raises(DeviceError, match=r"2[01]\.[0-9] MB free"):
        deploy(bundle, device)
    assert device.execs == 1


@needs_mount
def test_too_few_inodes(bundle, small_disk) -> None:
    with pytest.raises(DeviceError, match="more files"):
        deploy(bundle, small_disk("size=200m,nr_inodes=60"))


@needs_mount
def test_noexec(bundle, small_disk) -> None:
    with pytest.raises(DeviceError, match="noexec"):
        deploy(bundle, small_disk("size=200m,noexec"))


@needs_mount
@pytest.mark.parametrize("room_kib", [24, 1600, 2640])
def test_disk_fills_in_the_middle(bundle, build, runtime, small_disk, room_kib) -> None:
    """Real ENOSPC after the plan was made (fault 14): exit 7, the previous release runs, nothing is left over."""
    device = small_disk("size=64m")
    first = replace(probe(device), free_bytes=1 << 40)
    apply(plan(bundle, first, Needs(), Options("a")), device, lambda *_: None, target="local", python="python3")
    write_build(build, seed=3)
    (runtime / "second.so").write_bytes(os.urandom(1_200_000))
    for n in range(30):
        (runtime / f"m{n}.py").write_bytes(os.urandom(4000))
    newer = make_bundle(APP, build, runtime)
    facts = replace(probe(device), free_bytes=1 << 40)  # the disk fills between the plan and the transfer
    free = shutil.disk_usage(device.home).free
    (device.home / "filler").write_bytes(b"x" * (free - room_kib * 1024))
    with pytest.raises(DeviceError, match=f"No space left on device.*{bundle.id[:12]} is still current") as caught:
        apply(plan(newer, facts, Needs(), Options("a")), device, lambda *_: None, target="local", python="python3")
    assert caught.value.code == 7
    assert current(device) == bundle.id
    store = device.home / ".edgekit"
    assert not (store / "stage").exists() and not list((store / "tmp").glob("check*"))
    assert [p.name for p in (store / "apps" / APP / "releases").iterdir()] == [bundle.id]
    (device.home / "filler").unlink()
    facts = replace(probe(device), free_bytes=1 << 40)
    apply(plan(newer, facts, Needs(), Options("a")), device, lambda *_: None, target="local", python="python3")
    assert current(device) == newer.id


def test_a_second_deploy_at_the_same_time_is_refused(bundle, device) -> None:
    """Fault 23: while one transfer runs, another deploy gets 9 and hears whose it is."""
    started, go_on = threading.Event(), threading.Event()

    def slow(chunks):
        for chunk in chunks:
            yield chunk
            started.set()
            go_on.wait(20)

    first = HomeDevice(device.home, spoil=slow)
    thread = threading.Thread(target=deploy, args=(bundle, first, "alice@laptop"))
    thread.start()
    assert started.wait(20)
    try:
        with pytest.raises(BusyError, match=r"alice@laptop, process [0-9]+.*is deploying") as caught:
            deploy(bundle, device, "bob@desk")
        assert caught.value.code == 9
    finally:
        go_on.set()
        thread.join()
    assert current(device) == bundle.id
    deploy(bundle, device, "bob@desk")


def without(tmp_path: Path, *missing: str) -> str:
    """A PATH with every program of this machine but `missing`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for source in reversed(HomeDevice(tmp_path).path.split(":")):
        for program in Path(source).iterdir() if Path(source).is_dir() else ():
            link = folder / program.name
            if program.name not in missing:
                link.unlink(missing_ok=True)
                link.symlink_to(program)
    (folder / "python3").unlink()
    (folder / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')  # a link would lose its environment
    (folder / "python3").chmod(0o755)
    return str(folder)


def test_lock_without_flock(bundle, device, tmp_path) -> None:
    """busybox systems without flock: a folder is the lock, and one whose owner died is taken over (fault 24)."""
    device.path = without(tmp_path, "flock")
    assert probe(device).capabilities["flock"] is False
    deploy(bundle, device)
    lock = device.home / ".edgekit" / "lock.d"
    assert not lock.exists()
    lock.mkdir()
    (lock / "pid").write_text(str(os.getpid()))
    (lock / "owner").write_text("alice@laptop")
    with pytest.raises(BusyError, match="alice@laptop"):
        deploy(bundle, device)
    dead = subprocess.Popen(["true"])
    dead.wait()
    (lock / "pid").write_text(str(dead.pid))
    deploy(bundle, device)
    assert not lock.exists()


def test_without_gzip_everything_goes_raw(bundle, device, tmp_path) -> None:
    device.path = without(tmp_path, "gzip")
    done = deploy(bundle, device)
    assert done.bytes_sent > bundle.size_bytes
    assert current(device) == bundle.id


@pytest.mark.skipif(shutil.which("busybox") is None, reason="busybox is not installed")
def test_board_with_busybox_only(bundle, device, tmp_path) -> None:
    """Fault 35: no GNU tool on the board but Python."""
    device.path = without(tmp_path, "flock")
    for tool in subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split():
        (tmp_path / "bin" / tool).unlink(missing_ok=True)
        (tmp_path / "bin" / tool).symlink_to(shutil.which("busybox"))
    deploy(bundle, device)
    assert current(device) == bundle.id
    assert deploy(bundle, device).blobs_sent == 0


@pytest.mark.parametrize("tool", ["tar", "sha256sum", "timeout"])
def test_missing_tools_are_named(bundle, device, tmp_path, tool) -> None:
    device.path = without(tmp_path, tool)
    with pytest.raises(DeviceError, match=tool):
        deploy(bundle, device)


@pytest.mark.parametrize("signal,message", [("ILL", "wrong CPU feature set"), ("KILL", "too little memory")])
def test_runtime_that_dies_by_a_signal(bundle, device, runtime, build, signal, message) -> None:
    """Faults 27 and 29: the runtime on the board is stopped; the release before stays current."""
    deploy(bundle, device)
    main = runtime / "edgekit_runtime" / "__main__.py"
    main.write_text(f"import os, signal\nos.kill(os.getpid(), signal.SIG{signal})\n")
    with pytest.raises(UnsupportedError, match=f"{message}.*still current"):
        deploy(make_bundle(APP, build, runtime), device)
    assert current(device) == bundle.id


@pytest.mark.parametrize("home", ["it's a $(touch pwned) ünï", "-rf"])
def test_odd_home_folders(bundle, tmp_path, home) -> None:
    (tmp_path / home).mkdir()
    device = HomeDevice(tmp_path / home)
    done = deploy(bundle, device)
    assert current(device) == bundle.id
    ran = subprocess.run(
        ["sh", "-c", done.use], env={"HOME": str(device.home), "PATH": device.path}, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr

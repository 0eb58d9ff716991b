"""The virtual board: that it is what it says, and what happens to its processes, mounts and files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.device import Device, virtual
from edgekit.device.board_image import mirror
from edgekit.device.emulation import check_host, registered
from edgekit.errors import DeviceError, UsageError
from edgekit.resources import cache_dir
from edgekit.target import load_target


@pytest.fixture(scope="module")
def device(board: virtual.Board) -> Iterator[Device]:
    connected = virtual.connect(board)
    yield connected
    connected.close()


def text(device: Device, script: str, *args: str) -> str:
    result = device.run(script, *args)
    assert result.returncode == 0, result.stderr
    return result.stdout.decode().strip()


pytestmark = pytest.mark.board


def test_it_is_an_emulated_arm_board(device: Device) -> None:
    assert (device.emulated, device.label) == (True, "virtual rpi4")
    assert text(device, "uname -m; echo $QEMU_CPU; id -un; id -u").split() == ["aarch64", "cortex-a72", "pi", "1000"]
    assert text(device, "od -An -tx1 -j18 -N2 /bin/sh").split() == ["b7", "00"]


def test_its_cpu_has_no_dot_product(device: Device) -> None:
    code = "import ctypes; print(ctypes.CDLL(None).getauxval(16) >> 20 & 1)"  # AT_HWCAP, HWCAP_ASIMDDP
    assert text(device, 'python3 -c "$1"', code) == "0"


def test_its_python_and_libc_are_those_of_the_target(device: Device) -> None:
    target = load_target("rpi4")
    version = text(device, "python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'")
    assert version in target.abi.pythons
    assert text(device, "getconf GNU_LIBC_VERSION") == f"glibc {target.abi.libc_version}"


def test_fakes_name_the_target_and_say_what_they_are(device: Device) -> None:
    info = text(device, "cat /proc/cpuinfo")
    assert info.count("CPU part\t: 0xd08") == load_target("rpi4").clusters[0].count == 4
    assert "asimddp" not in info
    assert text(device, "cat /sys/devices/system/cpu/possible") == "0-3"
    assert "emulated by edgekit" in text(device, "tr -d '\\0' </sys/firmware/devicetree/base/model")


def test_it_sees_neither_processes_nor_devices_nor_mounts_of_this_machine(device: Device) -> None:
    assert text(device, "cat /proc/1/comm") in ("sshd", "qemu-aarch64", "aarch64-binfmt-", "qemu-aarch64-st")
    assert int(text(device, "ls /proc | grep -c '^[0-9]'")) < 30
    nodes = {"fd", "full", "null", "ptmx", "pts", "random", "shm", "tty", "urandom", "zero"}
    assert set(text(device, "ls /dev").split()) == nodes
    assert not [line for line in Path("/proc/mounts").read_text().splitlines() if "/boards/" in line]


def test_it_cannot_become_root(device: Device) -> None:
    assert device.run("cat /etc/shadow /root/.profile").returncode != 0
    assert device.run("echo x >/etc/motd").returncode != 0
    assert device.run("echo 1 >/sys/devices/system/cpu/online").returncode != 0


def test_noisy_bashrc_of_the_board(device: Device) -> None:
    device.run('cp ~/.bashrc ~/.kept; { echo "echo welcome; echo careful >&2"; cat ~/.kept; } >~/.bashrc')
    try:
        result = device.run("echo hello")
    finally:
        device.run("mv ~/.kept ~/.bashrc")
    assert (result.stdout, result.stderr) == (b"hello\n", b"")


def test_up_again_is_the_same_board(board: virtual.Board) -> None:
    assert virtual.up(load_target("rpi4"), name=board.name) == board
    assert board in virtual.boards()
    assert board.document()["state"] == "up"


def test_card_survives_a_restart_unless_erased() -> None:
    target, name = load_target("rpi-zero-2w"), f"card-{os.getpid()}"
    try:
        first = virtual.up(target, name=name)
        device = virtual.connect(first)
        device.run("echo kept >~/file")
        stopped = virtual.down(name)
        assert not stopped.running
        again = virtual.connect(virtual.up(target, name=name))
        assert text(again, "cat ~/file; echo $QEMU_CPU; grep -m1 part /proc/cpuinfo").split()[:2] == [
            "kept",
            "cortex-a53",
        ]
        empty = virtual.connect(virtual.up(target, name=name, erase=True))
        assert text(empty, "ls ~") == ""
    finally:
        virtual.remove(name)
    assert not [b for b in virtual.boards() if b.name == name]


def test_killed_board_is_seen_and_started_again() -> None:
    target, name = load_target("rpi5"), f"killed-{os.getpid()}"
    try:
        first = virtual.up(target, name=name)
        os.kill(first.pid, signal.SIGKILL)
        end = time.monotonic() + 5
        while first.running and time.monotonic() < end:
            time.sleep(0.02)
        assert not first.running
        second = virtual.up(target, name=name)
        assert second.pid != first.pid
        assert text(virtual.connect(second), "echo $QEMU_CPU; grep -c asimddp /proc/cpuinfo").split() == [
            "cortex-a76",
            "4",
        ]
    finally:
        virtual.remove(name)


def test_board_outlives_the_process_that_started_it_and_its_inside_dies_with_it() -> None:
    name = f"outlives-{os.getpid()}"
    code = "from edgekit.device import virtual as v; from edgekit.target import load_target as t; "
    code += f"v.up(t('rpi4'), name={name!r})"
    subprocess.run([sys.executable, "-c", code], check=True)
    board = next(b for b in virtual.boards() if b.name == name)
    try:
        assert board.running
        device = virtual.connect(board)
        with pytest.raises(Exception, match="nothing came"):
            device.run("sleep 987654", deadline_s=0.5)
    finally:
        virtual.remove(name)
    left = subprocess.run(["pgrep", "-f", "sleep 98765[4]"], capture_output=True, text=True).stdout
    assert left == ""


def test_reused_process_id_is_not_taken_for_the_board(board: virtual.Board) -> None:
    from dataclasses import replace

    assert not replace(board, pid=os.getpid()).running
    assert not replace(board, pid=2**22 + 1).running


def test_cache_of_a_relative_name_is_found_from_any_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEKIT_CACHE", "cache")
    assert cache_dir() == tmp_path / "cache"


def test_no_board_of_this_name() -> None:
    with pytest.raises(UsageError, match='no virtual board "nowhere"'):
        virtual.down("nowhere")


def test_device_commands(board: virtual.Board) -> None:
    edgekit = [sys.executable, "-m", "edgekit", "device"]
    done = subprocess.run([*edgekit, "list", "--json", "-"], capture_output=True, text=True, check=True)
    shown = next(d for d in json.loads(done.stdout)["devices"] if d["name"] == board.name)
    address = f"pi@127.0.0.1:{board.port}"
    assert shown == {"name": board.name, "target": "rpi4", "host": "virtual", "state": "up", "address": address}
    assert subprocess.run([*edgekit, "down"], capture_output=True).returncode == 2
    assert subprocess.run([*edgekit, "up", "pico"], capture_output=True).returncode == 4
    assert subprocess.run([*edgekit, "up", "rpi44"], capture_output=True).returncode == 2


def test_everything_that_is_missing_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("shutil.which", lambda name, path=None: None if name in ("mmdebstrap", "unshare") else name)
    with pytest.raises(DeviceError, match="root, mmdebstrap, unshare") as e:
        check_host("aarch64")
    assert "apt-get install" in e.value.hint
    assert "--host local" in e.value.hint


def test_qemu_is_registered_where_no_package_has_done_it(board: virtual.Board, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Path("/proc/sys/fs/binfmt_misc/qemu-aarch64")
    monkeypatch.setattr("edgekit.device.emulation._update_binfmts", lambda arch: None)
    entry.write_text("-1")
    assert not registered("aarch64")
    check_host("aarch64")
    assert registered("aarch64")
    assert text(virtual.connect(board), "uname -m") == "aarch64"


SOURCES = "sources.list.d/debian.sources"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("sources.list", "# deb http://no/debian x main\ndeb [arch=amd64 signed-by=/k] http://mirror/debian x main\n"),
        ("sources.list", "deb-src http://no/debian a b\ndeb http://mirror/debian/ bookworm main\n"),
        (SOURCES, "Types: deb\n# URIs: http://no/debian\nURIs: http://mirror/debian\nSuites: bookworm\n"),
        (SOURCES, "Types: deb\nURIs: http://no/debian-security http://mirror/debian\n"),
    ],
)
def test_mirror_is_that_of_apt(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / name).write_text(content)
    assert mirror(tmp_path).rstrip("/") == "http://mirror/debian"


def test_no_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceError, match="no Debian mirror"):
        mirror(tmp_path)
    monkeypatch.setenv("EDGEKIT_DEBIAN_MIRROR", "http://chosen/debian")
    assert mirror(tmp_path) == "http://chosen/debian"


@pytest.mark.slow
def test_board_of_an_older_system() -> None:
    name = f"old-{os.getpid()}"
    device = virtual.connect(virtual.up(load_target("rpi4-bullseye"), name=name))
    try:
        assert text(device, "python3 -V; getconf GNU_LIBC_VERSION").split() == ["Python", "3.9.2", "glibc", "2.31"]
    finally:
        virtual.remove(name)


@pytest.mark.slow
def test_file_system_that_cannot_be_an_overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("lower", "upper", "work", "merged"):
        (tmp_path / folder).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", tmp_path / "merged"], check=True)
    try:
        monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "merged" / "odd, a:b"))
        virtual.connect(virtual.up(load_target("rpi4"))).run("echo kept >~/file")
        virtual.down("rpi4")
        assert text(virtual.connect(virtual.up(load_target("rpi4"))), "id -un; cat ~/file").split() == ["pi", "kept"]
        virtual.remove("rpi4")
    finally:
        subprocess.run(["umount", tmp_path / "merged"], check=True)


@pytest.mark.slow
def test_interrupted_build_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgekit", "device", "up", "rpi4"]
    environment = {**os.environ, "EDGEKIT_CACHE": str(tmp_path)}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    images = tmp_path / "boards" / "images"
    while not (images.is_dir() and list(images.iterdir())):
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(2)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(20) == 130
    assert list(images.iterdir()) == []
    assert str(tmp_path) not in Path("/proc/mounts").read_text()

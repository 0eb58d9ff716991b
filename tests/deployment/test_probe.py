"""What a device may answer: this machine, other kinds of boards, and hostile ones."""

from __future__ import annotations

import os
import platform
import time

import pytest

from edgekit.deployment.answers import shown
from edgekit.deployment.probe import parse, probe
from edgekit.device import Result
from edgekit.errors import DeviceError

HEADER_ARM32 = "7f454c46010101000000000000000000" + "02002800"
HEADER_ARM64 = "7f454c46020101000000000000000000" + "0300b700"
ID = "5" * 64


def answer(**changes: str) -> str:
    lines = {
        "long_bit": "64", "elf": HEADER_ARM64, "machine": "aarch64", "kernel": "Linux 6.6.31", "hostname": "pi",
        "libc": "glibc 2.36", "page_bytes": "4096", "cpu_features": "fp asimd crc32", "board": "Raspberry Pi 4",
        "boot_id": "8d4f", "machine_id_sha256": "", "ram_kib": "3884000", "python": "/usr/bin/python3",
        "python_facts": "3.11.2 gil 1.24.2 yes", "root": "/home/pi/.edgekit", "can.exec": "yes", "can.flock": "no",
        "disk_kib": "30000000 20000000", "inodes": "1900000 1800000", "format": "1",
    }  # fmt: skip
    return "".join(f"{k}={v}\n" for k, v in (lines | changes).items())


def test_this_machine(device) -> None:
    facts = probe(device)
    assert facts.arch == platform.machine()
    assert facts.libc == ("glibc", tuple(map(int, platform.libc_ver()[1].split("."))))
    assert facts.python is not None and facts.python.unusable is None
    assert ".".join(map(str, facts.python.version)) == platform.python_version()
    assert facts.page_bytes == os.sysconf("SC_PAGESIZE")
    assert facts.root == str(device.home / ".edgekit")
    assert facts.capabilities and all(facts.capabilities.values()), facts.capabilities
    assert 0 < facts.free_bytes <= facts.disk_bytes
    assert list((device.home / ".edgekit").rglob("probe*")) == []


def test_noise_of_a_login_shell_is_ignored(device) -> None:
    run = device.run

    def noisy(*args, **kwargs):
        result = run(*args, **kwargs)
        return Result(result.returncode, b"Welcome!\r\n\x1b[31m__EK_BEGIN__0\n" + result.stdout + b"bye", result.stderr)

    device.run = noisy
    assert probe(device).bits == 64


@pytest.mark.parametrize(
    "changes,arch",
    [
        ({}, ("aarch64", 64)),
        ({"elf": HEADER_ARM32, "long_bit": "32"}, ("armv7l", 32)),  # 32-bit system on a 64-bit kernel (fault 30)
        ({"elf": HEADER_ARM32, "long_bit": "32", "machine": "armv6l"}, ("armv6l", 32)),
        ({"elf": "", "machine": "riscv64"}, ("riscv64", 64)),
    ],
)
def test_architecture_is_that_of_the_programs(changes, arch) -> None:
    facts = parse(answer(**changes), "pi")
    assert (facts.arch, facts.bits) == arch


def test_values() -> None:
    more = f"app=demo releases/{ID} -\nrelease=demo {ID}\nblob=blobs/{ID}\npart={ID} 77\n"
    facts = parse(answer() + more, "pi")
    assert facts.python.version == (3, 11, 2) and facts.python.numpy == "1.24.2"
    assert facts.capabilities == {"exec": True, "flock": False}
    assert facts.free_bytes == 20_000_000 * 1024
    assert (facts.app("demo").current, facts.app("demo").previous) == (ID, None)
    assert (facts.blobs, facts.parts) == (frozenset({ID}), {ID: 77})
    assert facts.app("other").releases == ()


@pytest.mark.parametrize(
    "changes,libc",
    [
        ({"libc": "musl libc (aarch64)Version 1.2.4"}, ("musl", None)),
        ({"libc": ""}, ("unknown", None)),
        ({"libc": "glibc 2.9999"}, ("unknown", None)),
    ],
)
def test_libc(changes, libc) -> None:
    assert parse(answer(**changes), "pi").libc == libc


HOSTILE = {
    "no numbers": answer(disk_kib="lots"),
    "negative": answer(disk_kib="30000 -5"),
    "huge": answer(disk_kib="9" * 4000 + " 1"),
    "missing": answer().replace("disk_kib", "disk"),
    "twice": answer() + "root=/etc\n",
    "no lines": "\x00\x01\x02",
    "contradiction": answer(long_bit="32"),
    "too many lines": answer() + f"blob=blobs/{ID}\n" * 50_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_answers_are_refused(text) -> None:
    with pytest.raises(DeviceError) as caught:
        parse(text, "pi")
    assert len(caught.value.message) < 2000 and caught.value.message.isprintable()


def test_hostile_names_are_dropped() -> None:
    more = (
        f"app=../../etc releases/{ID} -\napp=ok ../../x -\nrelease=ok ../../etc\nblob=blobs/../../etc/passwd\n"
        f"part={ID} -1\npart={ID} 1e9\nmodel={ID} {'[' * 9000}\n"
    )
    facts = parse(answer(hostname="\x1b[2Jpi\x07\u202e") + more, "pi")
    assert facts.hostname == "[2Jpi"
    assert [(a.name, a.current, a.releases) for a in facts.apps] == [("ok", None, ())]
    assert (facts.blobs, facts.parts) == (frozenset(), {})


class Liar:
    """A device that answers every script with the same bytes."""

    label, emulated = "liar", False

    def __init__(self, stdout: bytes) -> None:
        self.stdout = stdout

    def run(self, script, *args, **_) -> Result:
        return Result(0, self.stdout, b"")


@pytest.mark.parametrize(
    "stdout", [b"", b"hi\n", b"y\n" * 500_000, b"\xff\xfe" * 1000, b"__EK_BEGIN__1\n__EK_END__1\n"]
)
def test_no_posix_shell_behind_it(stdout) -> None:
    """Forced command, restricted shell, endless output (faults 8 and 57)."""
    started = time.monotonic()
    with pytest.raises(DeviceError, match="does not answer like a POSIX shell") as caught:
        probe(Liar(stdout))
    assert caught.value.message.isprintable() and time.monotonic() - started < 2


def test_shown_cannot_steer_a_terminal() -> None:
    assert shown(b"\x1b[31mred\x1b[0m \x07bell\nline\r\t \xe2\x80\xae x\xff") == "[31mred[0m bell line x\ufffd"
    assert len(shown(b"a" * 10**6)) == 1000

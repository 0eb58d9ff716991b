"""This machine → can it run programs of another CPU? Registers QEMU with the kernel's binfmt_misc where a package has
not (services may be forbidden when packages are installed), or says everything that is missing at once."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from edgekit.errors import DeviceError

BINFMT = Path("/proc/sys/fs/binfmt_misc")
INSTALL = "apt-get install -y --no-install-recommends qemu-user-static binfmt-support mmdebstrap"
TOOLS = ("mmdebstrap", "qemu-aarch64-static", "unshare", "mount")

# ELF, 64 or 32 bits, little-endian, executable or shared object, the machine; the ABI byte and the type's low bit are
# masked
_MAGIC = {
    "aarch64": rb"\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00",
    "arm": rb"\x7f\x45\x4c\x46\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00",
}
_MASK = rb"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
_PRESERVING = Path("/usr/libexec/qemu-binfmt")  # Debian's folder of names for a QEMU that is told argv[0]


def check_host(arch: str) -> None:
    """Raises DeviceError, naming everything that is missing and the command that fixes it. arch: QEMU's name."""
    missing = missing_tools()
    if not is_root():
        missing.insert(0, "root")
    if not missing and not registered(arch):
        register(arch)
        if not registered(arch):
            missing.append(f"a binfmt_misc entry for {arch} with flag F")
    if missing:
        raise DeviceError(
            f"a virtual board needs {', '.join(missing)}",
            hint=f"as root: {INSTALL} && update-binfmts --enable; --host local works without",
        )


def is_root() -> bool:
    """False on systems that have no such thing."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def missing_tools() -> list[str]:
    """The programs that a virtual board needs and this machine lacks."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return [tool for tool in TOOLS if shutil.which(tool, path=path) is None]


def registered(arch: str) -> bool:
    """Whether the kernel runs programs of `arch`, by an interpreter that it holds open (flag F: a chroot has none)."""
    try:
        lines = (BINFMT / f"qemu-{arch}").read_text().splitlines()
    except OSError:
        return False
    flags = "".join(line.partition("flags:")[2] for line in lines)
    return "enabled" in lines and "F" in flags


def _update_binfmts(arch: str) -> None:
    if shutil.which("update-binfmts"):
        subprocess.run(["update-binfmts", "--enable", f"qemu-{arch}"], capture_output=True)


def register(arch: str) -> None:
    """Mounts binfmt_misc if need be, and enters QEMU there: by Debian's tool, else by hand. Needs root."""
    if not (BINFMT / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT)], capture_output=True)
    _update_binfmts(arch)
    if registered(arch):
        return
    interpreter, flags = shutil.which(f"qemu-{arch}-static") or "", b"F"
    preserving = _PRESERVING / f"{arch}-binfmt-P"
    if preserving.exists():
        interpreter, flags = str(preserving), b"PF"
    line = b":".join((b"", f"qemu-{arch}".encode(), b"M", b"", _MAGIC[arch], _MASK, interpreter.encode(), flags))
    try:
        if (BINFMT / f"qemu-{arch}").exists():  # an entry that is disabled, or lacks the flag
            (BINFMT / f"qemu-{arch}").write_text("-1")
        (BINFMT / "register").write_bytes(line)
    except OSError:
        return  # `registered` tells

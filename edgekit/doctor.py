"""This machine → what edgekit finds on it: each tool with its version, what does not work without it, and the command
that provides it. Nothing is changed, nothing is imported that is slow."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from edgekit.device.emulation import BINFMT, INSTALL, is_root, registered
from edgekit.resources import cache_dir, runtime_dir, targets_dir

MIN_PYTHON = (3, 10)
MIN_FREE_BYTES = 2 << 30  # wheels of a board's Python, unpacked, an image and some cards
_GIB = 1 << 30

# version, or None where it is missing
Probe = Callable[[], "str | None"]


@dataclass(frozen=True)
class Tool:
    """One thing that edgekit needs; `core`: without it neither convert nor deploy to a real board works."""

    name: str
    needed_for: str
    fix: str
    probe: Probe
    core: bool = False


@dataclass(frozen=True)
class Finding:
    """What was found of a tool; an entry of `tools` in docs/json.md. `fix` is empty where nothing is to be done."""

    name: str
    found: bool
    version: str | None
    needed_for: str
    fix: str
    core: bool

    def document(self) -> dict[str, object]:
        return {name: value for name, value in asdict(self).items() if name != "core"}


def examine() -> tuple[Finding, ...]:
    """Every tool, in the order of TOOLS."""
    return tuple(_find(tool) for tool in TOOLS)


def healthy(findings: tuple[Finding, ...]) -> bool:
    """Whether the core works: convert, check and deploy to a board over SSH."""
    return all(finding.found for finding in findings if finding.core)


def _find(tool: Tool) -> Finding:
    version = tool.probe()
    found = version is not None
    return Finding(tool.name, found, version, tool.needed_for, "" if found else tool.fix, tool.core)


def _distribution(name: str) -> Probe:
    def probe() -> str | None:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return None

    return probe


def _program(name: str, *arguments: str) -> Probe:
    """The version that a program says it has; "yes" where it says none."""

    def probe() -> str | None:
        path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if path is None:
            return None
        try:
            done = subprocess.run([path, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return None
        if done.returncode != 0:
            return None
        version = re.search(r"\d+(\.\d+)+", done.stdout.decode(errors="replace"))
        return version[0] if version else "yes"

    return probe


def _python() -> str | None:
    return sys.version.split()[0] if sys.version_info >= MIN_PYTHON else None


def _shipped() -> str | None:
    whole = (targets_dir() / "rpi4.toml").is_file() and (runtime_dir() / "python" / "edgekit_runtime").is_dir()
    return "yes" if whole else None


def _pip() -> str | None:
    return _program(sys.executable, "-m", "pip", "--version")()


def _ssh_keys() -> str | None:
    """Private keys in ~/.ssh, and whether an agent is there. No key is read."""
    files = [
        path.stem for path in sorted(Path("~/.ssh").expanduser().glob("id_*.pub")) if path.with_suffix("").is_file()
    ]
    agent = ["an agent"] if os.environ.get("SSH_AUTH_SOCK") else []
    return ", ".join([*files, *agent]) or None


def _root() -> str | None:
    return "yes" if is_root() else None


def _binfmt() -> str | None:
    if registered("aarch64"):
        return "registered"
    # an unmounted binfmt_misc is no fault: starting a board mounts it and registers QEMU
    return "on demand" if is_root() and BINFMT.is_dir() else None


def _space() -> str | None:
    folder = cache_dir()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return f"{free / _GIB:.0f} GiB free" if free >= MIN_FREE_BYTES and os.access(folder, os.W_OK) else None


_CONVERT, _VIRTUAL = "convert", "virtual boards"
_SDK = "pip install --upgrade edgekit-sdk"
_TORCH = "PyTorch's CPU build first (README, Install), then pip install 'edgekit-sdk[torch]'; in a clone: '.[torch]'"
FIRMWARE_TOOLS = "apt install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"
_APT = f"as root: {INSTALL}"

TOOLS = (
    Tool("python", "everything", "install Python 3.10 or newer", _python, core=True),
    Tool("edgekit data", "targets and what runs on boards", _SDK, _shipped, core=True),
    Tool("onnx", _CONVERT, _SDK, _distribution("onnx"), core=True),
    Tool("onnx-ir", _CONVERT, _SDK, _distribution("onnx-ir"), core=True),
    Tool("onnxruntime", "convert", _SDK, _distribution("onnxruntime"), core=True),
    Tool("paramiko", "deploy, bench, status over SSH", _SDK, _distribution("paramiko"), core=True),
    Tool("pip", "deploy: wheels for the board", "python3 -m ensurepip", _pip, core=True),
    Tool("cache", f"deploy ({MIN_FREE_BYTES // _GIB} GiB)", "free some space, or EDGEKIT_CACHE=DIR", _space, core=True),
    Tool("torch", "convert from PyTorch", _TORCH, _distribution("torch")),
    Tool("onnxscript", "convert from PyTorch", _TORCH, _distribution("onnxscript")),
    Tool("ai-edge-litert", "run and judge .tflite files here", "pip install ai-edge-litert",
         _distribution("ai-edge-litert")),
    Tool("tflite-micro", "compare .tflite files with TFLite Micro (x86-64)", "pip install tflite-micro",
         _distribution("tflite-micro")),
    Tool("cc", "compile and check C here", "as root: apt install gcc libc6-dev", _program("cc", "--version")),
    Tool("ziglang", "deploy --runtime native", "pip install 'edgekit-sdk[native]'; in a clone: '.[native]'",
         _distribution("ziglang")),
    Tool("arm-none-eabi-gcc", "deploy to emulated microcontrollers", f"as root: {FIRMWARE_TOOLS}",
         _program("arm-none-eabi-gcc", "--version")),
    Tool("qemu-system-arm", "deploy to emulated microcontrollers", f"as root: {FIRMWARE_TOOLS}",
         _program("qemu-system-arm", "--version")),
    Tool("ssh keys", "log in to a board",
         "only for a real board: ssh-keygen -t ed25519 && ssh-copy-id pi@BOARD", _ssh_keys),
    Tool("root", _VIRTUAL, "run that command as root (sudo)", _root),
    Tool("qemu-aarch64", _VIRTUAL, _APT, _program("qemu-aarch64-static", "--version")),
    Tool("mmdebstrap", _VIRTUAL, _APT, _program("mmdebstrap", "--version")),
    Tool("unshare", _VIRTUAL, "as root: apt-get install -y util-linux", _program("unshare", "--version")),
    Tool("binfmt", _VIRTUAL, "as root: update-binfmts --enable qemu-aarch64", _binfmt),
)  # fmt: skip

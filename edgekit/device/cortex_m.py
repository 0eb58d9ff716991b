"""A firmware image and a file of inputs → its file of outputs, run on a Cortex-M under QEMU, with instructions counted.

Counted exactly by a plugin, by function; where the plugin cannot be built, by SysTick, whose ticks are some 30 to 50
instructions. No times come out of this. Refused: firmware that faults, does not end or answers with an error.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from edgekit.building.cortex_m import counting_plugin
from edgekit.building.image import Image
from edgekit.device import printable
from edgekit.errors import DeviceError, InternalError, UnsupportedError, UsageError
from edgekit.target import Target

QEMU = "qemu-system-arm"
HOW_TO_GET = "apt install qemu-system-arm"
LIMIT_S = 600.0
MARKER = "port_instructions"
BENCH = frozenset({MARKER, "main", "bench_model", "bench_once"})  # functions between the markers that are not the model

# exit codes of runtime/c/ports: bench.c, port.c, startup.c
CODES = {
    41: "there is no memory for the arena",
    42: "the inputs ended early",
    43: "the outputs could not be written",
    50: "stack overflow",
    52: "NMI",
    53: "HardFault",
    54: "MemManage fault",
    55: "BusFault",
    56: "UsageFault",
    57: "SecureFault",
}
_NOT_KNOWN = 0xFFFF_FFFF
_FAULT = re.compile(rb"^edgekit: fault 0x([0-9a-f]{8}) 0x([0-9a-f]{8})$", re.MULTILINE)


@dataclass(frozen=True)
class Profile:
    """Instructions of one inference, those of the bench left out.

    functions  by name
    steps      of what the caller called, one after the other; empty where no caller was named
    """

    functions: Mapping[str, int]
    steps: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.functions.values())


@dataclass(frozen=True)
class Answer:
    """outputs: the file that the firmware wrote; profiles: of each inference, None where only SysTick counted."""

    outputs: bytes
    profiles: tuple[Profile, ...] | None


def command(target: Target, program: Path, *plugin: str) -> list[str]:
    """QEMU on a firmware; it reads and writes files in the folder that it is started in. plugin: arguments of one, else
    SysTick counts instructions."""
    if target.emulator is None:
        raise UnsupportedError(f"QEMU has no {target.id}", hint="targets whose name starts with mps have an emulator")
    machine = [QEMU, "-M", target.emulator.machine, "-cpu", target.emulator.cpu]
    quiet = ["-display", "none", "-monitor", "none", "-serial", "null", "-nodefaults"]
    counting = ["-plugin", ",".join(plugin)] if plugin else ["-icount", "shift=0"]
    return [*machine, *quiet, "-semihosting-config", "enable=on,target=native", *counting, "-kernel", str(program)]


def run(
    image: Image, inputs: bytes, target: Target, limit_s: float = LIMIT_S, *, exact: bool = True, caller: str = ""
) -> Answer:
    """inputs: the file of edgekit/building/bench.py; exact: count with the plugin where it can be had; caller: the
    function whose calls are the steps of a profile.

    Raises UsageError where QEMU is not installed, DeviceError where the firmware fails or runs longer than `limit_s`.
    """
    if shutil.which(QEMU) is None:
        raise UsageError(f"{QEMU} is not installed", hint=HOW_TO_GET)
    try:
        with tempfile.TemporaryDirectory(prefix="edgekit-firmware-") as folder:
            here = Path(folder)
            (here / "inputs").write_bytes(inputs)
            done = _start(image, target, here, limit_s, _plugin(image, caller) if exact else ())
            if done.returncode != 0:
                raise _failure(done.returncode, done.stderr, image, target)
            return Answer(_outputs(here, target), _counted(here / "counts", image, caller))
    except OSError as e:
        hint = f"set TMPDIR to a folder with space, or get another {QEMU}: {HOW_TO_GET}"
        raise UsageError(f"firmware cannot be run here: {e.strerror}", hint=hint) from e


def _outputs(folder: Path, target: Target) -> bytes:
    if not (folder / "outputs").is_file():
        raise DeviceError(f"{QEMU} ended on {target.id} and left no answers", hint=f"get another: {HOW_TO_GET}")
    return (folder / "outputs").read_bytes()


def _counted(counts: Path, image: Image, caller: str) -> tuple[Profile, ...] | None:
    """None where no plugin counted, or none of ours."""
    try:
        return read_profiles(counts.read_text(), image, caller)
    except (FileNotFoundError, ValueError, IndexError):
        return None


def _plugin(image: Image, caller: str) -> tuple[str, ...]:
    path = _available_plugin()
    if path is None:
        return ()
    words = (str(path).replace(",", ",,"), f"marker={image.function(MARKER).address:#x}", "out=counts")
    if not caller:
        return words
    start, count = image.function(caller).address, image.function(caller).bytes
    return (*words, f"steps={start:x}-{start + count:x}")


@lru_cache(maxsize=1)
def _available_plugin() -> Path | None:
    """None where there is no compiler that makes it, or QEMU takes no plugins."""
    if b"-plugin " not in _said("--help"):
        return None
    version = re.search(rb"version (\d+)", _said("--version"))
    try:
        return counting_plugin(1 if version and int(version[1]) < 9 else 2)
    except (UsageError, InternalError):
        return None


def _said(option: str) -> bytes:
    try:
        return subprocess.run([QEMU, option], stdin=subprocess.DEVNULL, capture_output=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return b""


def _start(
    image: Image, target: Target, folder: Path, limit_s: float, plugin: tuple[str, ...]
) -> subprocess.CompletedProcess[bytes]:
    words = command(target, image.path, *plugin)
    try:
        done = subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s)
    except subprocess.TimeoutExpired as e:
        hint = "give fewer samples, or more time"
        raise DeviceError(f"the firmware on {target.id} did not end in {limit_s:g} s", hint=hint) from e
    if plugin and done.returncode == 1 and b"plugin" in done.stderr:  # this QEMU does not take it
        (folder / "counts").unlink(missing_ok=True)
        return _start(image, target, folder, limit_s, ())
    return done


def _failure(code: int, stderr: bytes, image: Image, target: Target) -> DeviceError:
    if code not in CODES:
        text = printable(stderr[-300:]).strip()
        hint = f"it has no {target.id}, perhaps: get another, {HOW_TO_GET}"
        return DeviceError(f"{QEMU} ended with {code} on {target.id}: {text}", hint=hint)
    fault, where = _FAULT.search(stderr), ""
    if fault is not None:
        pc, address = (int(word, 16) for word in fault.groups())
        where = "" if pc == _NOT_KNOWN else f" in {image.function_at(pc)} at {pc:#x}"
        where += "" if address == _NOT_KNOWN else f", address {address:#010x}"
    return DeviceError(f"the firmware on {target.id} failed: {CODES[code]}{where}", hint="this is a bug: report it")


def read_profiles(text: str, image: Image, caller: str = "") -> tuple[Profile, ...]:
    """What the plugin wrote; `caller` as for `run`."""
    inferences: list[list[Counter[str]]] = []
    for line in text.splitlines():
        if line == "inference":
            inferences.append([])
        elif line == "step":
            inferences[-1].append(Counter())
        else:
            address, instructions, times = line.split()
            name = image.function_at(int(address, 16))
            if name.partition(".")[0] not in BENCH:
                inferences[-1][-1][name] += int(instructions) * int(times)
    return tuple(_profile(steps, caller) for steps in inferences)


def _profile(steps: list[Counter[str]], caller: str) -> Profile:
    """The first step is what ran before the caller; one with nothing but the caller is what ran after its last call."""
    inside = [sum(count for name, count in step.items() if name != caller) for step in steps[1:]]
    return Profile(sum(steps, Counter()), tuple(count for count in inside if count))

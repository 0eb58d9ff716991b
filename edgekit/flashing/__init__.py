"""A firmware file and a kind of board → the firmware on the board, by the tool or the drive that the board takes it by.

`ways.WAYS` is the table. Only tools that are installed are run. Refused: boards that take none of these ways, firmware
that is for another board, and what does not fit.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import DeviceError, ModelError, UnsupportedError, UsageError
from edgekit.flashing.drives import find_drive
from edgekit.flashing.images import Block, arm_blocks, is_elf, read_firmware
from edgekit.flashing.uf2 import is_uf2, read_uf2, write_uf2
from edgekit.flashing.ways import WAYS, Esptool, Pyocd, Uf2, Way, ways_of
from edgekit.target import Target, load_target

__all__ = ["NOTE", "WAYS", "Flashed", "Options", "flash"]

NOTE = "not verified on a board by the authors of edgekit"
LIMIT_S = 600.0
_ESP_APP_AT, _ESP_APP_MAGIC, _ESP_APP_ADDRESS = 0x20, b"\x32\x54\xcd\xab", 0x10000
_PIP = {"pyocd": "pip install pyocd", "esptool": "pip install 'esptool>=5'"}


@dataclass(frozen=True)
class Options:
    """by: a way where the board has several; port: serial port; probe: id of a debug probe; drive: of the boot ROM."""

    by: str | None = None
    port: str | None = None
    probe: str | None = None
    drive: Path | None = None


@dataclass(frozen=True)
class Flashed:
    """What was done, or would be; `document()` is the `flash` document of docs/json.md.

    command  as it ran; of a drive: what the copy comes to
    """

    firmware: Path
    target: str
    by: str
    command: tuple[str, ...]
    bytes: int
    done: bool
    advice: str = ""

    def document(self) -> dict[str, Any]:
        return {
            "firmware": str(self.firmware),
            "target": self.target,
            "by": self.by,
            "command": list(self.command),
            "bytes": self.bytes,
            "done": self.done,
            "advice": self.advice or None,
            "note": NOTE,
        }


def flash(
    firmware: Path,
    target: str,
    options: Options | None = None,
    *,
    dry_run: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> Flashed:
    """Write a firmware file to a board that is connected; dry_run: look at the file, and say what would be done.

    Raises UsageError, ModelError, UnsupportedError, ConnectionFailed or DeviceError.
    """
    kind, chosen = load_target(target), options or Options()
    way = _way(ways_of(kind), chosen, kind)
    content = read_firmware(firmware)
    if isinstance(way, Uf2):
        return _by_drive(firmware, content, kind, way, chosen, dry_run, progress)
    advice = ""
    if isinstance(way, Pyocd):
        command = _pyocd(firmware, content, way, chosen)
        advice = f"pyocd pack install {way.target}" if way.pack else ""
    else:
        command = _esptool(firmware, content, way, chosen)
    if not dry_run:
        command = (*_tool(way.name), *command[1:])
        progress(f"writing {len(content):,} bytes with {way.name}")
        _run(command, way.name, advice)
    return Flashed(firmware, kind.id, way.name, command, len(content), not dry_run, advice)


def _way(ways: tuple[Way, ...], options: Options, kind: Target) -> Way:
    names = [way.name for way in ways]
    if options.by is not None and options.by not in names:
        raise UsageError(f"{kind.id} is not flashed by {options.by}", hint=f"allowed: {', '.join(names)}")
    return ways[0] if options.by is None else ways[names.index(options.by)]


# --- tools


def _pyocd(firmware: Path, content: bytes, way: Pyocd, options: Options) -> tuple[str, ...]:
    if is_elf(content):
        arm_blocks(content)
    elif firmware.suffix not in (".bin", ".hex"):
        raise ModelError(f"{firmware} is no ELF file", hint="pyocd takes .elf, .hex and .bin")
    probe = ("--probe", options.probe) if options.probe else ()
    form = "elf" if is_elf(content) else firmware.suffix[1:]
    return ("pyocd", "load", "--no-wait", "--target", way.target, *probe, "--format", form, str(firmware))


def _esptool(firmware: Path, content: bytes, way: Esptool, options: Options) -> tuple[str, ...]:
    """An application goes behind boot loader and partition table; everything else is a whole image of the flash."""
    if is_elf(content) or firmware.suffix != ".bin":
        hint = "idf.py build makes build/NAME.bin; idf.py merge-bin one with boot loader and partitions"
        raise ModelError(f"{firmware}: esptool takes .bin files", hint=hint)
    application = content[_ESP_APP_AT : _ESP_APP_AT + 4] == _ESP_APP_MAGIC
    port = ("--port", options.port) if options.port else ()
    address = f"0x{_ESP_APP_ADDRESS if application else 0:x}"
    return ("esptool", "--chip", way.chip, *port, "write-flash", address, str(firmware))


def _tool(name: str) -> tuple[str, ...]:
    """How a tool is started here. Raises UsageError with the line that installs it."""
    if importlib.util.find_spec(name) is not None:
        return (sys.executable, "-m", name)
    path = shutil.which(name)
    if path is None:
        raise UsageError(f"{name} is not installed", hint=_PIP[name])
    return (path,)


def _run(command: tuple[str, ...], name: str, advice: str) -> None:
    """What it prints goes to stderr: standard output is for the result."""
    sys.stderr.flush()
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=2, stderr=2, timeout=LIMIT_S)
    except subprocess.TimeoutExpired as e:
        raise DeviceError(f"{name} did not finish in {LIMIT_S:g} s", hint="check the connection") from e
    if done.returncode != 0:
        hint = "is the board connected, and not in use?" + (f" pyocd may need: {advice}" if advice else "")
        raise DeviceError(f"{name} ended with {done.returncode}; see above", hint=hint)


# --- drives


def _by_drive(
    firmware: Path,
    content: bytes,
    kind: Target,
    way: Uf2,
    options: Options,
    dry_run: bool,
    progress: Callable[[str], None],
) -> Flashed:
    image = _uf2_image(firmware, content, kind, way)
    if dry_run:
        drive = options.drive or Path(f"<drive of the {way.board_id}>")
    else:
        drive = find_drive(way.board_id, options.drive)
        progress(f"copying {len(image):,} bytes to {drive}")
        _copy(image, drive / "firmware.uf2")
    command = ("cp", f"{firmware.stem}.uf2", str(drive / "firmware.uf2"))
    return Flashed(firmware, kind.id, way.name, command, len(image), not dry_run)


def _uf2_image(firmware: Path, content: bytes, kind: Target, way: Uf2) -> bytes:
    if is_uf2(content):
        _check_fits(read_uf2(content, way.family), kind, way)
        return content
    if is_elf(content):
        blocks = arm_blocks(content)
    elif firmware.suffix == ".bin":
        blocks = (Block(way.address, content),)
    else:
        raise ModelError(f"{firmware} is no UF2 and no ELF file", hint="allowed: .uf2, .elf, .bin")
    _check_fits(blocks, kind, way)
    return write_uf2(blocks, way.family)


def _check_fits(blocks: tuple[Block, ...], kind: Target, way: Uf2) -> None:
    size = kind.storage_bytes or 0
    outside = [b for b in blocks if b.address < way.address or b.end > way.address + size]
    if outside:
        where = f"0x{outside[0].address:08x} to 0x{outside[0].end:08x}"
        have = f"the flash of {kind.id} from 0x{way.address:08x} to 0x{way.address + size:08x}"
        raise UnsupportedError(f"the firmware has bytes at {where}, {have}", hint="link it for this board")


def _copy(image: bytes, path: Path) -> None:
    """The board restarts, and its drive goes, when the last record has arrived: errors after that are none."""
    try:
        with path.open("wb") as file:
            file.write(image)
            file.flush()
            os.fsync(file.fileno())
    except OSError as e:
        if path.parent.is_dir() and any(path.parent.iterdir()):
            raise DeviceError(f"cannot write to {path.parent}: {e.strerror}", hint="plug the board in again") from e

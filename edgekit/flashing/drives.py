"""The drives of boards in boot mode: known by their file INFO_UF2.TXT, told apart by its Board-ID."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edgekit.errors import ConnectionFailed, UsageError

_INFO = ("INFO_UF2.TXT", "info_uf2.txt")  # FAT knows no case, mounted it may


def board_id(folder: Path) -> str | None:
    """What the boot ROM behind a drive calls its board; None where it is no such drive."""
    for name in _INFO:
        try:
            text = (folder / name).read_text(encoding="ascii", errors="replace")[:1000]
        except OSError:
            continue
        found = re.search(r"^Board-ID:\s*(\S+)", text, re.MULTILINE)
        return found.group(1) if found else ""
    return None


def find_drive(wanted: str, given: Path | None) -> Path:
    """The drive of a board whose Board-ID is `wanted`; given: the only one to look at.

    Raises UsageError where `given` is none or several fit, ConnectionFailed where no board is in boot mode.
    """
    if given is not None:
        found = board_id(given)
        if found != wanted:
            got = "is no drive of a board in boot mode" if found is None else f'is a "{found}"'
            raise UsageError(f'{given} {got}, wanted a "{wanted}"', hint="hold BOOTSEL while you plug the board in")
        return given
    fitting = [folder for folder in _mounted() if board_id(folder) == wanted]
    if not fitting:
        hint = "hold BOOTSEL while you plug it in, wait until its drive is mounted, or name that with --drive"
        raise ConnectionFailed(f'no drive of a "{wanted}" in boot mode is mounted', hint=hint)
    if len(fitting) > 1:
        raise UsageError(f"several boards: {', '.join(map(str, fitting))}", hint="choose one with --drive")
    return fitting[0]


def _mounted() -> Iterator[Path]:
    """Where file systems are mounted: Linux, macOS."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        yield from sorted(Path("/Volumes").glob("*"))
        return
    for line in lines:
        _, where, kind, *_ = line.split(" ")
        if kind in ("vfat", "msdos"):
            yield Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code.group(1), 8)), where))

"""The constant POSIX shell scripts that run on a device: values reach them only as "$1", "$2", ..."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent


@cache
def script(name: str) -> str:
    """The text of `name`.sh behind the part that all scripts share."""
    return (_FOLDER / "common.sh").read_text(encoding="ascii") + (_FOLDER / f"{name}.sh").read_text(encoding="ascii")

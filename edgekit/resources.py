"""Where the data that ships with edgekit lies: in a clone beside the package, in an installed wheel inside it."""

from __future__ import annotations

import os
from pathlib import Path

from edgekit.errors import UsageError

_PACKAGE = Path(__file__).resolve().parent


def _shipped(name: str) -> Path:
    inside = _PACKAGE / "_data" / name  # a wheel maps targets/ and runtime/ here (pyproject.toml)
    return inside if inside.is_dir() else _PACKAGE.parent / name


def targets_dir() -> Path:
    """Folder of the shipped target profiles (`*.toml`, `cores/*.toml`)."""
    return _shipped("targets")


def runtime_dir() -> Path:
    """Folder of what runs on devices (`python/edgekit_runtime`)."""
    return _shipped("runtime")


def licence_text() -> str:
    """The licence of edgekit, for code of it that goes into other people's projects."""
    inside = _PACKAGE / "_data" / "LICENSE"
    return (inside if inside.is_file() else _PACKAGE.parent / "LICENSE").read_text(encoding="utf-8")


def cache_dir() -> Path:
    """The user's cache for edgekit: `$EDGEKIT_CACHE`, else `$XDG_CACHE_HOME/edgekit`, else `~/.cache/edgekit`."""
    chosen = os.environ.get("EDGEKIT_CACHE")
    if chosen:
        return Path(chosen).absolute()  # a board is started from another folder
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else _home() / ".cache") / "edgekit"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as e:  # a user without an entry, as in containers
        raise UsageError("this user has no home folder", hint="set EDGEKIT_CACHE to a folder for files to keep") from e

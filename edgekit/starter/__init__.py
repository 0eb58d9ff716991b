"""The small project that `edgekit init` writes: a model file that trains in seconds on data it makes itself, and an
edgekit.toml whose device is the virtual board, so that it deploys unedited. Existing files are never overwritten."""

from __future__ import annotations

import re
from pathlib import Path

from edgekit.errors import UsageError

TEMPLATE = Path(__file__).parent / "project"
FILES = ("model.py", "edgekit.toml")


def write_project(folder: Path, name: str | None = None) -> tuple[Path, ...]:
    """Write the starter project into `folder`; returns the files. UsageError when one of them is there already."""
    paths = tuple(folder / file for file in FILES)
    there = [str(path) for path in paths if path.exists()]
    if there:
        raise UsageError(f"{', '.join(there)} exists already", hint="name an empty folder: edgekit init FOLDER")
    app = name or app_name(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            text = (TEMPLATE / path.name).read_text(encoding="utf-8")
            path.write_text(text.replace("waveforms", app) if path.suffix == ".toml" else text, encoding="utf-8")
    except OSError as e:
        raise UsageError(f"cannot write to {folder}: {e.strerror}", hint="name a folder that is writable") from e
    return paths


def app_name(folder: Path) -> str:
    """The folder's name with everything that is not allowed in a name made a dash."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-._").lower()
    return name[:64] or "app"

"""Text by path → a folder, and the note in it by which it is known again.

edgekit-export.json lists every file with its hash. Refused: a folder with something else in it, and overwriting files
that somebody changed since.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import UsageError
from edgekit.files import write_together

NOTE, SCHEMA = "edgekit-export.json", 1


def write(out: Path, files: Mapping[str, str], facts: Mapping[str, Any], *, force: bool = False) -> None:
    """All files or none; what an earlier export left there and this one does not have is removed.

    force: also where files were changed. Raises UsageError.
    """
    earlier = _earlier(out)
    changed = [path for path, digest in earlier.items() if _digest(out / path) not in (digest, None)]
    if changed and not force:
        shown = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        raise UsageError(f"{out}: {shown} changed since the export", hint="--force overwrites, --out names another")
    stale = [path for path in earlier if path not in files]
    note = {**facts, "schema": SCHEMA, "files": {path: _hash(text.encode()) for path, text in sorted(files.items())}}
    texts = {**files, NOTE: json.dumps(note, indent=2) + "\n"}
    write_together(out, {path: text.encode() for path, text in texts.items()} | dict.fromkeys(stale))


def _earlier(out: Path) -> dict[str, str]:
    """Hash by path of the files that an earlier export wrote; none where the folder is new or empty."""
    try:
        if not out.exists() or (out.is_dir() and not any(out.iterdir())):
            return {}
    except (OSError, ValueError) as e:  # a path that is too long, a folder that cannot be listed
        raise UsageError(f"{out} cannot be read: {e}", hint="name another folder with --out") from e
    files = _note(out).get("files") if out.is_dir() else None
    if not isinstance(files, dict) or not all(_safe(path) for path in files):
        raise UsageError(f"{out} is there and is no export of edgekit", hint="name a new or empty folder with --out")
    return files


def _note(out: Path) -> dict[str, Any]:
    try:
        note = json.loads((out / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) and note.get("schema") == SCHEMA else {}


def _safe(path: str) -> bool:
    """A path inside of the folder: files are removed by this list."""
    parts = Path(path).parts
    return bool(parts) and not Path(path).is_absolute() and ".." not in parts and "\0" not in path


def _digest(path: Path) -> str | None:
    try:
        return _hash(path.read_bytes())
    except OSError:
        return None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

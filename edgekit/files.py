"""A file is written whole or not at all: beside its name first, synced, then renamed. Devices and pipes get it as it
comes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edgekit.errors import UsageError


def write_whole(path: Path, content: bytes | str) -> None:
    """Write `content` (text as UTF-8) to `path`. Raises UsageError (no folder, no permission, no space)."""
    data = content.encode() if isinstance(content, str) else content
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        handle, part = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(part).chmod(0o666 & ~_umask())
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as e:
        raise UsageError(f"cannot write {path}: {e.strerror}", hint="name a writable folder with space") from e


def write_together(out: Path, files: Mapping[str, bytes | None], whole: str = "") -> None:
    """Files of a folder by path in it: all of them into a temporary folder first, then each to its name.

    files  None: removed, where it is there
    whole  a file that tells that the folder is complete: gone until all others are there

    Raises UsageError (no folder, no permission, no space).
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".edgekit-", dir=out))
    except OSError as e:
        raise UsageError(f"cannot write to {out}: {e.strerror}", hint="name another folder with --out") from e
    try:
        for name, content in files.items():
            if content is not None:
                (stage / name).parent.mkdir(parents=True, exist_ok=True)
                (stage / name).write_bytes(content)
        if whole:
            (out / whole).unlink(missing_ok=True)
        for name, content in files.items():
            if content is None:
                (out / name).unlink(missing_ok=True)
            else:
                (out / name).parent.mkdir(parents=True, exist_ok=True)
                (stage / name).replace(out / name)
    except OSError as e:
        raise UsageError(f"cannot write to {out}: {e.strerror}", hint="free some space, or name another --out") from e
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _umask() -> int:
    """The permissions that the user takes away from new files; there is no way to ask but to set."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask

"""A build folder and a runtime tree → Bundle: the files of a release, their hashes, the manifest and the release id.

Refuses names that some file system, shell or archive reads in another way than meant, links, and files that change
while they are read.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgekit.artifacts import MODEL_JSON, description_of, read_model_json
from edgekit.errors import ModelError

MAX_FILES = 10_000
CHUNK_BYTES = 1 << 18

# Python packages need a leading underscore (`__init__.py`); a leading '.' or '-' is never needed and often misread.
_COMPONENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}")
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_NOT_SHIPPED = ("__pycache__",)


@dataclass(frozen=True)
class BundleFile:
    """One file of a release: `path` inside it, and where its bytes are on this machine."""

    path: str
    source: Path
    sha256: str
    size_bytes: int
    executable: bool
    mtime_ns: int

    def read(self, offset: int = 0) -> Iterator[bytes]:
        """The bytes from `offset`. Raises ModelError when the file is no longer the one that was hashed."""
        with self.source.open("rb") as stream:
            self._check(stream.fileno())
            stream.seek(offset)
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk
            self._check(stream.fileno())

    def _check(self, descriptor: int) -> None:
        now = os.fstat(descriptor)
        if (now.st_size, now.st_mtime_ns) != (self.size_bytes, self.mtime_ns):
            raise _changed(self.source)


@dataclass(frozen=True)
class Bundle:
    """What is sent to a board. `manifest` holds a line `<sha256>  <path>` of every file, sorted; `id` is its sha256."""

    app: str
    files: tuple[BundleFile, ...]
    manifest: bytes
    id: str

    @property
    def size_bytes(self) -> int:
        """Unpacked size of the release in bytes."""
        return sum(f.size_bytes for f in self.files) + len(self.manifest)

    @property
    def blobs(self) -> dict[str, BundleFile]:
        """sha256 → a file with that content; files with equal content are one blob."""
        return {f.sha256: f for f in self.files}


def make_bundle(app: str, build: Path, runtime: Path, file_type: str | None = None) -> Bundle:
    """The release of `app`: `model/` from the build folder, `runtime/` from a folder that goes on PYTHONPATH.

    Of a build with several files, `model/` holds the one with the ending `file_type` (".tflite"; by default the one
    that model.json names), with its description as model.json. Raises ModelError when `build` is no build folder or
    has no such file, and for names that a bundle cannot hold.
    """
    sources = {f"model/{name}": build / source for name, source in _model_files(build, file_type).items()}
    sources |= {f"runtime/{path}": runtime / path for path in _tree(runtime)}
    check_names(sources)
    files = tuple(_hashed(path, source) for path, source in sorted(sources.items()))
    manifest = "".join(sorted(f"{f.sha256}  {f.path}\n" for f in files)).encode()
    return Bundle(app=app, files=files, manifest=manifest, id=hashlib.sha256(manifest).hexdigest())


def check_names(paths: Iterable[str]) -> None:
    """Refuse paths that are not plain relative names everywhere; all offenders are named in one ModelError."""
    paths = list(paths)
    problems = [f"{path!r}: {why}" for path in paths if (why := _problem(path))]
    same: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        same[unicodedata.normalize("NFC", path).casefold()].append(path)
    problems += [" and ".join(map(repr, group)) + ": equal but for case" for group in same.values() if len(group) > 1]
    if len(paths) > MAX_FILES:
        problems.append(f"{len(paths)} files, allowed {MAX_FILES}")
    if problems:
        raise ModelError("a release cannot hold " + "; ".join(problems[:10]), hint="rename or remove these files")


def _problem(path: str) -> str | None:
    parts = path.split("/")
    for part in parts:
        if not _COMPONENT.fullmatch(part):
            return "allowed are letters, digits and ._+- (up to 100, not '.' or '-' first)"
        if part.endswith("."):
            return "ends with a dot"
        if _WINDOWS_DEVICES.fullmatch(part):
            return "is a device name on Windows"
    return None


def _model_files(build: Path, file_type: str | None) -> dict[str, str]:
    """Name in `model/` → name in the build folder."""
    source, document = description_of(build, file_type) if file_type else (MODEL_JSON, read_model_json(build))
    names = (document["file"], document.get("golden"))
    if not all(isinstance(name, str) and "/" not in name for name in names):
        raise ModelError(f"{build / source}: `file` and `golden` must be names of files beside it, got {names}")
    return {str(name): str(name) for name in names} | {MODEL_JSON: source}


def _tree(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_dir() or any(part in _NOT_SHIPPED for part in relative.parts):
            continue
        yield str(PurePosixPath(relative))


def _hashed(path: str, source: Path) -> BundleFile:
    if source.is_symlink() or not source.is_file():
        raise ModelError(f"{source} is not a regular file", hint="run `edgekit convert` again")
    before = source.stat()
    digest = hashlib.sha256()
    try:
        with source.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError as e:
        raise ModelError(f"cannot read {source}: {e.strerror}") from e
    after = source.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise _changed(source)
    return BundleFile(path, source, digest.hexdigest(), after.st_size, bool(after.st_mode & 0o100), after.st_mtime_ns)


def _changed(source: Path) -> ModelError:
    return ModelError(f"{source} changed while it was read", hint="deploy again when nothing writes to it any more")

"""Source files and a compiler → a program, built once: the same text and the same compiler give the same file again.

Kernels are compiled once for all programs: their objects are kept by what they were made of, as the programs are.

Refused: compilers that are not installed (UsageError with what to install), and sources that do not compile, which is
a bug of edgekit.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.errors import InternalError, UsageError
from edgekit.resources import cache_dir

LIMIT_S = 1200.0
_INCLUDE = re.compile(r'^#include "([\w.]+)"', re.MULTILINE)
KEPT = ("kernels/", "port/")  # folders of sources that many programs share


@dataclass(frozen=True)
class Compiler:
    """command: the compiler and its flags, such as ("cc", "-O2"); links: flags behind the sources.

    environment  variables that it gets beside those of this process; version: where its path does not tell it
    separately   each source by itself, several at once, and kernels kept; otherwise the compiler does so on its own
    """

    name: str
    command: tuple[str, ...]
    links: tuple[str, ...] = ()
    how_to_get: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    version: str = ""
    separately: bool = True

    @property
    def installed(self) -> bool:
        return shutil.which(self.command[0]) is not None


STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wdouble-promotion")


def host_compiler(*flags: str) -> Compiler:
    """The C compiler of this machine."""
    return Compiler("cc", ("cc", "-O2", *flags), ("-lm",), "install a C compiler, such as the package gcc")


def build(files: Mapping[str, str], compiler: Compiler, name: str = "program") -> Path:
    """The program that the .c files of `files` (text by relative path) make; all of their folders are searched for
    headers. Raises UsageError or InternalError."""
    if not compiler.installed:
        raise UsageError(f"{compiler.command[0]} is not installed", hint=compiler.how_to_get)
    found = built(files, compiler, name)
    if found is not None:
        return found
    program = _place(files, compiler, name)
    try:
        with (
            _alone(program),
            tempfile.TemporaryDirectory(prefix="edgekit-build-", ignore_cleanup_errors=True) as folder,
        ):
            if built(files, compiler, name) is None:
                _keep(_compile(files, compiler, Path(folder), name), program, Path(folder).name)
    except OSError as e:
        hint = "free some space, or set EDGEKIT_CACHE and TMPDIR to folders that can be written to"
        raise UsageError(f"cannot build {name} for {cache_dir()}: {e.strerror or e}", hint=hint) from e
    return program


@contextmanager
def _alone(program: Path) -> Iterator[None]:
    """Builds of the same wait for each other: a compiler need not give the same bytes twice, and they may be in use."""
    program.parent.mkdir(parents=True, exist_ok=True)
    with (program.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def built(files: Mapping[str, str], compiler: Compiler, name: str = "program") -> Path | None:
    """What an earlier `build` made of the same; None where it is to be made."""
    program = _place(files, compiler, name)
    return program if _is_whole(program) else None


def _keep(made: Path, kept: Path, word: str) -> None:
    """A file that was made goes to its place in the cache, its hash beside it. word: of this process alone."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    digest = _digest(made)
    part, told = (path.with_name(f".{path.name}.{word}") for path in (kept, _hash_file(kept)))
    try:
        shutil.copy2(made, part)
        told.write_text(digest)
        told.replace(_hash_file(kept))
        part.replace(kept)
    finally:
        part.unlink(missing_ok=True)
        told.unlink(missing_ok=True)


def _is_whole(kept: Path) -> bool:
    """Whether a file in the cache is what was put there: a machine that lost its power leaves empty ones."""
    try:
        return _hash_file(kept).read_text() == _digest(kept)
    except (OSError, ValueError):
        return False


def _hash_file(kept: Path) -> Path:
    return kept.with_name(f"{kept.name}.sha256")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _place(files: Mapping[str, str], compiler: Compiler, name: str) -> Path:
    return cache_dir() / "programs" / _key(files, compiler) / name


def _key(files: Mapping[str, str], compiler: Compiler) -> str:
    digest = hashlib.sha256()
    for word in (*compiler.command, "", *compiler.links, "", _version(compiler)):
        digest.update(word.encode() + b"\0")
    for path, text in sorted(files.items()):
        digest.update(f"{path}\0{len(text)}\0{text}".encode())
    return digest.hexdigest()[:32]


def _version(compiler: Compiler) -> str:
    """A new compiler builds again."""
    path = shutil.which(compiler.command[0])
    return "" if path is None else f"{Path(path).resolve()}{compiler.version}"


def _compile(files: Mapping[str, str], compiler: Compiler, folder: Path, name: str) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    # not -I: a model's features.h must not stand before that of the C library
    folders = sorted({str(Path(path).parent) for path in files if path.endswith(".h")})
    includes = [word for place in folders for word in ("-iquote", place)]
    sources = sorted(path for path in files if path.endswith((".c", ".S")))
    if compiler.separately:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            sources = list(pool.map(lambda source: _object(source, files, compiler, includes, folder), sources))
    _run(compiler, [*compiler.command, *includes, *sources, "-o", name, *compiler.links], folder)
    return folder / name


def _object(source: str, files: Mapping[str, str], compiler: Compiler, includes: Sequence[str], folder: Path) -> str:
    """The object file of a source; that of a kernel is kept."""
    made = folder / f"{source}.o"
    kept = _kept(source, files, compiler) if source.startswith(KEPT) else made
    if kept != made and _is_whole(kept):
        return str(kept)
    _run(compiler, [*compiler.command, *includes, "-c", source, "-o", str(made)], folder)
    if kept != made:
        _keep(made, kept, folder.name)
    return str(made)


def _kept(source: str, files: Mapping[str, str], compiler: Compiler) -> Path:
    """Where the object of a source is kept, by its text and that of every header that it includes."""
    seen = {source: files[source]}
    wanted = _INCLUDE.findall(files[source])
    by_name = {Path(path).name: path for path in files if path.endswith(".h")}
    while wanted:
        path = by_name.get(wanted.pop())
        if path is not None and path not in seen:
            seen[path] = files[path]
            wanted += _INCLUDE.findall(files[path])
    return cache_dir() / "objects" / f"{_key(seen, replace(compiler, links=()))}.o"


def _run(compiler: Compiler, command: Sequence[str], folder: Path) -> None:
    done = _done(compiler, command, folder)
    if done.returncode == 0:
        return
    text = done.stderr.decode(errors="replace")
    error = next((line for line in text.splitlines() if "error" in line), text[-300:])[:300]
    if not _works(compiler, folder):
        hint = f"free some space, try it by itself, or {compiler.how_to_get}"
        raise UsageError(f"{compiler.command[0]} compiles no C here: {error}", hint=hint)
    raise InternalError(f"{compiler.name} refused generated C: {error}", hint="this is a bug: report it")


def _works(compiler: Compiler, folder: Path) -> bool:
    """Whether it compiles anything: no broken tool, no full disk, not out of memory."""
    (folder / "_any.c").write_text("int edgekit_any(void);\nint edgekit_any(void) { return 0; }\n" + " " * 100_000)
    return _done(compiler, [*compiler.command, "-c", "_any.c", "-o", "_any.o"], folder).returncode == 0


def _done(compiler: Compiler, command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | dict(compiler.environment)
    try:
        return subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S
        )
    except subprocess.TimeoutExpired as e:
        hint = f"try it by itself, or {compiler.how_to_get}"
        raise UsageError(f"{command[0]} did not end in {LIMIT_S:g} s", hint=hint) from e
    except OSError as e:
        raise UsageError(f"{command[0]} cannot be started: {e.strerror}", hint=compiler.how_to_get) from e

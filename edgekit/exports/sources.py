"""A library → the files that every export has: src/ with the model, its kernels and its self-test, and the licence."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.exports.library import Library
from edgekit.exports.private import private_sources
from edgekit.exports.selftest import selftest_sources


def source_files(library: Library) -> dict[str, str]:
    """Text by path, sorted. One flat folder: a quoted #include finds the library's own headers before all others."""
    files = private_sources(library) | selftest_sources(library)
    return {f"src/{name}": text for name, text in sorted(files.items())} | {"LICENSE": library.licence}


def c_files(files: Mapping[str, str]) -> list[str]:
    """The paths of what is compiled."""
    return [path for path in files if path.startswith("src/") and path.endswith(".c")]


def indented(paths: list[str], by: int = 2) -> str:
    return "\n".join(" " * by + path for path in paths)

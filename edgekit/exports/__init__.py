"""A model as C → a library for somebody else's firmware project. `EXPORTS` is the one table of ecosystems.

Every export holds the sources, a self-test with known answers, the licence, a README and an example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import UsageError, did_you_mean
from edgekit.exports import folder
from edgekit.exports.arduino import arduino
from edgekit.exports.cmake import cmake
from edgekit.exports.esp_idf import esp_idf
from edgekit.exports.library import Library, Sample, Value, sample, values
from edgekit.exports.platformio import platformio
from edgekit.exports.zephyr import zephyr

__all__ = ["EXPORTS", "Export", "Library", "Sample", "Value", "export", "files_of", "sample", "values"]

EXPORTS: dict[str, Callable[[Library], Mapping[str, str]]] = {
    "cmake": cmake,
    "arduino": arduino,
    "platformio": platformio,
    "zephyr": zephyr,
    "esp-idf": esp_idf,
}


@dataclass(frozen=True)
class Export:
    """What was written; `document()` is the `export` document of docs/json.md."""

    library: Library
    kind: str
    out: Path
    files: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        return {**_facts(self.library, self.kind), "out": str(self.out), "files": list(self.files)}


def files_of(library: Library, kind: str) -> dict[str, str]:
    """Text by path, sorted. Raises UsageError for an unknown kind."""
    if kind not in EXPORTS:
        raise UsageError(f'no export "{kind}"', hint=did_you_mean(kind, EXPORTS))
    return dict(sorted(EXPORTS[kind](library).items()))


def export(library: Library, kind: str, out: Path, *, force: bool = False) -> Export:
    """Write a library into a new or empty folder, or over an earlier export.

    kind   a name in EXPORTS
    force  also over files that somebody changed since

    Raises UsageError.
    """
    files = files_of(library, kind)
    folder.write(out, files, _facts(library, kind), force=force)
    return Export(library, kind, out, (*files, folder.NOTE))


def _facts(library: Library, kind: str) -> dict[str, Any]:
    return {
        "name": library.name,
        "as": kind,
        "version": library.version,
        "arena_bytes": library.arena_bytes,
        "inputs": [_value(v) for v in library.inputs],
        "outputs": [_value(v) for v in library.outputs],
        "selftest_samples": len(library.samples),
    }


def _value(value: Value) -> dict[str, Any]:
    return {
        "name": value.name,
        "function": value.function,
        "shape": list(value.shape),
        "dtype": value.dtype,
        "scale": value.scale,
        "zero_point": None if value.scale is None else value.zero_point,
    }

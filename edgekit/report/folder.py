"""A build folder → the documents that lie in it, and from them report.html. Refuses a folder that no convert wrote, and
files that are no documents of docs/json.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import ModelError
from edgekit.files import write_whole
from edgekit.report.documents import Document, part
from edgekit.report.firmware import is_firmware

MAX_FILE_BYTES = 64 << 20


@dataclass(frozen=True)
class Source:
    """Where a document lies in the build folder, the command whose document it is, and the line that writes it."""

    file: str
    command: str
    line: str


SOURCES: dict[str, Source] = {
    "convert": Source("report.json", "convert", "edgekit convert SOURCE --out {build}"),
    "profile": Source("profile.json", "profile", "edgekit profile {build} --target TARGET --json {build}/profile.json"),
    "deploy": Source("deploy.json", "deploy", "edgekit deploy {build} --json {build}/deploy.json"),
    "redeploy": Source("redeploy.json", "deploy", "edgekit deploy {build} --no-bench --json {build}/redeploy.json"),
    "bench": Source("bench.json", "bench", "edgekit bench --json {build}/bench.json"),
    "status": Source("status.json", "status", "edgekit status --json {build}/status.json"),
}


@dataclass(frozen=True)
class Report:
    """A report that was written; `document()` is the `report` document of docs/json.md."""

    file: Path
    documents: tuple[str, ...]
    missing: Mapping[str, str]  # what is not there → the line that makes it

    def document(self) -> dict[str, Any]:
        missing = [{"document": name, "make": line} for name, line in self.missing.items()]
        return {"file": str(self.file), "documents": list(self.documents), "missing": missing}


def write_report(build: Path, out: Path | None = None) -> Report:
    """Write the HTML report of `build` to `out` (default: report.html in it), whole or not at all.

    Raises ModelError when `build` holds no report.json or one of its documents cannot be read, UsageError when `out`
    cannot be written.
    """
    from edgekit.report.html import html_report

    documents = read_documents(build)
    file = build / "report.html" if out is None else out
    write_whole(file, html_report(documents))
    missing = {name: s.line.format(build=build) for name, s in SOURCES.items() if name not in documents}
    return Report(file, tuple(documents), missing)


def read_documents(build: Path) -> dict[str, Document]:
    """The documents of a build folder by their keys in SOURCES. Raises ModelError naming every one that is wrong."""
    if not (build / SOURCES["convert"].file).is_file():
        raise ModelError(
            f"{build} is no build folder: it holds no {SOURCES['convert'].file}",
            hint=f"write one with `{SOURCES['convert'].line.format(build=build)}`",
        )
    found, problems = {}, []
    for name, source in SOURCES.items():
        try:
            if (build / source.file).exists():
                found[name] = _read(build / source.file, source.command)
        except ValueError as e:
            problems.append((f"{build / source.file}: {e}", source.line.format(build=build)))
    if problems:
        message = "; ".join(problem for problem, _ in problems)
        raise ModelError(message, hint=" and ".join(f"write it again with `{line}`" for _, line in problems))
    return _without_deploys_of_firmware(found)


def _without_deploys_of_firmware(documents: dict[str, Document]) -> dict[str, Document]:
    """A deploy to an emulated microcontroller leaves nothing there: it is its benchmark."""
    found = dict(documents)
    for name in ("deploy", "redeploy"):
        measured = part(found.get(name, {}), "benchmark")
        if is_firmware(measured) and "release" not in found[name]:
            del found[name]
            found.setdefault("bench", measured)
    return found


def _read(file: Path, command: str) -> Document:
    """Raises ValueError when `file` does not hold a document of `command`."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise OSError(0, f"larger than {MAX_FILE_BYTES >> 20} MiB")
        document = json.loads(content)
    except OSError as e:
        raise ValueError(f"cannot be read: {e.strerror}") from e
    except (ValueError, RecursionError) as e:
        raise ValueError(f"not JSON ({e})") from e
    if not isinstance(document, dict):
        raise ValueError("no JSON object")
    if "error" in document:
        raise ValueError(f"{command} failed when it was written")
    if document.get("schema") != 1 or document.get("command") != command:
        raise ValueError(f"not a document of `edgekit {command}`, schema 1")
    return document

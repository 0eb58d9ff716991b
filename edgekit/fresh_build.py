"""The build folder to deploy: the project's own is converted first when what it was made of has changed.

What a conversion was made of, and with which options, is in its report; files are compared by their hashes.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from edgekit import artifacts
from edgekit.artifacts import Conversion
from edgekit.conversion import Progress, convert
from edgekit.errors import ModelError, UsageError
from edgekit.model import file_sha256
from edgekit.project import ConvertOptions, Project


def fresh_build(project: Project | None, build: str | Path | None, progress: Progress, file_type: str = "") -> Path:
    """The build folder to deploy; the project's own is converted first when what it was made of has changed, or when it
    has no file with the ending `file_type` ("" for any)."""
    folder = Path(build).resolve() if build is not None else project.build if project else None
    if folder is None:
        raise UsageError("what shall be deployed?", hint="name a build folder, or run where an edgekit.toml is")
    if project is None or folder != project.build.resolve():
        return folder
    report = artifacts.read_report(folder)
    if not project.source.is_file():
        if report is None:
            raise ModelError(f"{project.source} does not exist", hint="it is `source` in edgekit.toml")
        return folder
    options = _with_format(project.convert or _recorded_options(report), file_type)
    why = _changed(project, report, options)
    if why is None:
        return folder
    progress(f"{project.source.name} {why}: converting it first")
    done = convert(project.source, out=folder, progress=progress, **asdict(options))
    progress(_accuracy_line(done))
    return folder


def _changed(project: Project, report: dict[str, Any] | None, options: ConvertOptions) -> str | None:
    """What differs from the conversion that a report tells of, in words; None where nothing does."""
    if report is None:
        return "is not converted yet"
    source = report.get("source")
    recorded = source if isinstance(source, dict) else {}
    if recorded.get("sha256") != file_sha256(project.source):
        return "has changed"
    files = recorded.get("files")
    for name, digest in (files if isinstance(files, dict) else {}).items():
        path = project.source.parent / str(name)
        if not path.is_file() or file_sha256(path) != digest:
            return f"reads {name}, which has changed"
    last = _recorded_options(report)
    missing = [name for name in options.formats if name not in last.formats]
    if missing:
        return f"is not converted to {' and '.join(missing)} yet"
    same = replace(last, formats=options.formats) == options  # more formats than wanted do no harm
    return None if same else "is to be converted with other options"


def _with_format(options: ConvertOptions, file_type: str) -> ConvertOptions:
    """`options`, so that the build has a file with the ending `file_type`."""
    wanted = file_type.removeprefix(".")
    if not wanted or wanted in options.formats:
        return options
    return replace(options, formats=(*options.formats, wanted))


def _recorded_options(report: dict[str, Any] | None) -> ConvertOptions:
    """The options of the last conversion; the usual ones where there was none."""
    recorded = (report or {}).get("options")
    if not isinstance(recorded, dict):
        return ConvertOptions()
    shapes = {str(k): tuple(v) for k, v in (recorded.get("shapes") or {}).items()}
    return ConvertOptions(
        recorded.get("precision", "int8"),
        tuple(recorded.get("formats", ("onnx",))),
        recorded.get("observer", "minmax"),
        recorded.get("calibration"),
        shapes,
        recorded.get("target"),
        bool(recorded.get("keep_input", False)),
    )


def _accuracy_line(conversion: Conversion) -> str:
    accuracy = conversion.accuracy
    if accuracy.float32 is None and accuracy.int8 is None:
        return f"converted to {conversion.precision}; accuracy unknown: {accuracy.reason}"
    figures = {"float": accuracy.float32, "int8": accuracy.int8}
    shown = ", ".join(f"{name} {figure:.4g}" for name, figure in figures.items() if figure is not None)
    return f"converted to {conversion.precision}; accuracy {shown}"

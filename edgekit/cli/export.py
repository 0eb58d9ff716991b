"""`edgekit export`: a build folder with C → a library for a firmware project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.output import emit, json_option

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("build", type=click.Path(path_type=Path))
@click.option("--as", "kind", required=True, metavar="KIND", help="cmake, arduino, platformio, zephyr or esp-idf.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="New, empty or exported before."
)
@click.option("--version", default="1.0.0", show_default=True, metavar="X.Y.Z", help="Version of the library.")
@click.option("--force", is_flag=True, help="Overwrite files of an earlier export that were changed since.")
@json_option
def export(build: Path, kind: str, out: Path, version: str, force: bool) -> None:
    """Write the C of BUILD as a library for a firmware project: sources, self-test, licence, README, example.

    BUILD is a folder that `edgekit convert --formats c` wrote. Export again to the same folder to update it.
    """
    from edgekit import exports
    from edgekit.exports.of_build import library_of_build

    document = exports.export(library_of_build(build, version), kind, out, force=force).document()
    emit(document, lambda console: _table(document, console))


def _table(document: Mapping[str, Any], console: Console) -> None:
    """What was written, and what it needs."""
    console.print(
        f"{document['name']} as {document['as']}: {len(document['files'])} files in {document['out']}, "
        f"arena {document['arena_bytes']:,} bytes",
        markup=False,
    )
    samples = document["selftest_samples"]
    tested = f"{document['name']}_selftest() checks {samples} known answer{'s' if samples != 1 else ''}"
    console.print(f"{tested}; README.md says how to add it to a project", markup=False)

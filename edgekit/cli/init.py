"""`edgekit init`: a small project to start from."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--name", help="Name of the app; default: the folder's name.")
def init(folder: Path, name: str | None) -> None:
    """Write a small project into FOLDER that converts and deploys as it is."""
    from edgekit.starter import write_project

    for path in write_project(folder, name):
        click.echo(f"wrote {path}")
    click.echo("next: edgekit deploy --target rpi4" + ("" if folder == Path() else f"   (in {folder})"))

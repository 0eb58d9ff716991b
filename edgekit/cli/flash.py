"""`edgekit flash`: a firmware file → a microcontroller board."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.output import emit, json_option, stages

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("firmware", type=click.Path(path_type=Path))
@click.option("--target", required=True, metavar="TARGET", help="Kind of board, such as pico (see `edgekit targets`).")
@click.option("--by", type=click.Choice(["uf2", "pyocd", "esptool"]), help="Where the board takes several ways.")
@click.option("--port", metavar="PORT", help="esptool: serial port; default: the first that answers.")
@click.option("--probe", metavar="ID", help="pyocd: which debug probe, where several are connected.")
@click.option("--drive", type=click.Path(path_type=Path), metavar="DIR", help="uf2: the board's drive; default: found.")
@click.option("--dry-run", is_flag=True, help="Check the file and print the command; write nothing.")
@json_option
def flash(firmware: Path, target: str, dry_run: bool, **options: Any) -> None:
    """Write FIRMWARE (.elf, .bin, .hex, .uf2) to a connected board.

    The Raspberry Pi Pico takes it as a file on its drive, STM32 and nRF52 boards through pyocd, ESP32 boards through
    esptool; these two are installed with pip. Not verified on a board by the authors.
    """
    from edgekit import flashing

    with stages() as progress:
        chosen = flashing.Options(**options)
        done = flashing.flash(firmware, target, chosen, dry_run=dry_run, progress=progress)
    emit(done.document(), lambda console: _table(done.document(), console))


def _table(document: Mapping[str, Any], console: Console) -> None:
    """What ran, or would run, and how far it can be trusted."""
    done = f"{document['bytes']:,} bytes written to {document['target']}"
    console.print(done if document["done"] else "would run:", markup=False)
    console.print(f"  {shlex.join(document['command'])}", markup=False, soft_wrap=True)
    if document["advice"] and not document["done"]:
        console.print(f"once before: {document['advice']}", markup=False)
    console.print(document["note"], markup=False)

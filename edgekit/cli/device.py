"""`edgekit device`: start, stop and list virtual boards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edgekit.cli.output import emit, json_option, stages
from edgekit.errors import UsageError

if TYPE_CHECKING:
    from edgekit.device.virtual import Board


@click.group()
def device() -> None:
    """Virtual boards: a target's userland with a real SSH server, emulated on this machine.

    They are for trying out and testing a deployment; the figures they measure mean nothing.
    """


@device.command()
@click.argument("target")
@click.option("--erase", is_flag=True, help="Begin with an empty card: forget what was deployed to it.")
@json_option
def up(target: str, erase: bool) -> None:
    """Start the virtual board of TARGET, such as rpi4; it runs until `edgekit device down`."""
    from edgekit.device import virtual
    from edgekit.target import load_target

    with stages() as progress:
        board = virtual.up(load_target(target), progress, erase=erase)
    _show((board,))


@device.command()
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="Stop all of them.")
@json_option
def down(name: str | None, everything: bool) -> None:
    """Stop the virtual board NAME; what was deployed to it is kept."""
    from edgekit.device import virtual

    if everything == (name is not None):
        raise UsageError("which board is to stop?", hint="give its name (`edgekit device list`) or --all")
    names = [board.name for board in virtual.boards()] if name is None else [name]
    _show(tuple(virtual.down(each) for each in names))


@device.command("list")
@json_option
def list_() -> None:
    """The virtual boards of this machine, running or not."""
    from edgekit.device import virtual

    _show(virtual.boards())


def _show(boards: tuple[Board, ...]) -> None:
    documents = [board.document() for board in boards]
    lines = [f"{d['name']}: {d['state']}" + (f", {d['address']}" if d["address"] else "") for d in documents]
    text = "\n".join(lines or ["no virtual boards; start one with `edgekit device up rpi4`"])
    emit({"devices": documents}, lambda console: console.print(text, markup=False))

"""What the commands share: `--json FILE|-`, the result on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.files import write_whole
from edgekit.finite import finite

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA = 1


@dataclass
class Session:
    """What one run of the command line must remember until its end: where the JSON document goes, and if it went."""

    command: str = ""
    json: str | None = None
    written: bool = False


def _remember(context: click.Context, _: click.Parameter, value: str | None) -> str | None:
    session = context.find_root().obj
    session.command = context.command_path.partition(" ")[2]
    session.json = value
    return value


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--json FILE|-` to a command; `emit` and the error path of `main` use it."""
    return click.option(
        "--json",
        "json_file",
        metavar="FILE|-",
        is_eager=True,
        expose_value=False,
        callback=_remember,
        help="Write the result as JSON (docs/json.md) to FILE, or '-' for standard output.",
    )(command)


def emit(document: Mapping[str, Any], render: Callable[[Console], None]) -> None:
    """The result of a command: a table on stdout, or the JSON document where `--json` asks for it."""
    session = click.get_current_context().find_root().obj
    if session.json is not None:
        write_json(document, session)
        session.written = True  # an error after this (a verdict, an exit code) must not replace or follow it
    if session.json != "-":
        from rich.console import Console

        render(Console(soft_wrap=False, highlight=False))


def progress_console() -> Console:
    """For progress and logs: stderr."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


@contextmanager
def stages() -> Iterator[Callable[[str], None]]:
    """A function that shows what is going on, on stderr: a spinner on a terminal, a line each elsewhere."""
    console = progress_console()
    if not console.is_terminal:
        yield lambda text: console.print(text, markup=False)
        return
    with console.status("") as status:
        from rich.markup import escape

        yield lambda text: status.update(escape(text))


def write_json(document: Mapping[str, Any], session: Session) -> None:
    """`document` with the common head, finite floats only, to where the user asked for it."""
    from edgekit import __version__

    whole = {"schema": SCHEMA, "edgekit": __version__, "command": session.command, **document}
    text = json.dumps(finite(whole), indent=2, allow_nan=False) + "\n"
    if session.json == "-":
        sys.stdout.write(text)
        return
    assert session.json is not None
    write_whole(Path(session.json), text)

"""The command line. Each command parses, calls one function of the library and prints; errors become one message and an
exit code (edgekit.errors), never a traceback unless EDGEKIT_DEBUG is set."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback

import click

from edgekit import __version__
from edgekit.cli.output import Session, write_json
from edgekit.errors import EdgekitError, InternalError, Interrupted, UsageError

# command → module of edgekit.cli that holds it under the same name; help lists them in this order
COMMANDS = {
    "init": "init",
    "convert": "convert",
    "show": "show",
    "run": "run",
    "profile": "profile",
    "deploy": "deploy",
    "bench": "deploy",
    "status": "deploy",
    "export": "export",
    "flash": "flash",
    "report": "report",
    "targets": "targets",
    "device": "device",
    "doctor": "doctor",
}


class _Commands(click.Group):
    """Imports the module of a command when the command (or its help line) is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"edgekit.cli.{COMMANDS[name]}"), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            from edgekit.errors import did_you_mean

            raise UsageError(f'no command "{args[0]}"', hint=did_you_mean(args[0], COMMANDS))
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="edgekit")
def cli() -> None:
    """Take a trained model to a Raspberry Pi or a microcontroller: convert, check, deploy, benchmark."""


def main() -> None:
    """Entry point of the `edgekit` command."""
    session = Session(command=_asked_command(sys.argv), json=_asked_json(sys.argv))
    signal.signal(signal.SIGINT, _interrupt)
    try:
        code = cli.main(prog_name="edgekit", obj=session, standalone_mode=False)
        sys.stdout.flush()
    except EdgekitError as e:
        code = _fail(e, session)
    except click.ClickException as e:
        code = _fail(UsageError(e.format_message(), hint=_usage_hint(e)), session)
    except (KeyboardInterrupt, click.exceptions.Abort):
        code = _fail(Interrupted("interrupted"), session)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader went away; no message at exit
        code = 0
    except Exception as e:
        if _interrupted:  # a library turned the interruption into an error of its own
            sys.exit(_fail(Interrupted("interrupted"), session))
        if os.environ.get("EDGEKIT_DEBUG"):
            traceback.print_exc()
        hint = "this is a bug of edgekit: run again with EDGEKIT_DEBUG=1 and report what it prints"
        code = _fail(InternalError(f"internal error: {type(e).__name__}: {e}", hint=hint), session)
    sys.exit(code if isinstance(code, int) else 0)


_interrupted: list[int] = []


def _interrupt(number: int, _: object) -> None:
    """Ctrl-C, remembered: in the middle of an import it can end in an ImportError instead of a KeyboardInterrupt."""
    _interrupted.append(number)
    raise KeyboardInterrupt


def _asked_json(arguments: list[str]) -> str | None:
    """Where `--json` points, for errors that come before the options are parsed."""
    for i, argument in enumerate(arguments):
        if argument.startswith("--json="):
            return argument.partition("=")[2]
        if argument == "--json" and i + 1 < len(arguments):
            return arguments[i + 1]
    return None


def _asked_command(arguments: list[str]) -> str:
    return next((argument for argument in arguments[1:] if argument in COMMANDS), "")


def _usage_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"see `{context.command_path} --help`" if context else "see `edgekit --help`"


def _fail(error: EdgekitError, session: Session) -> int:
    if os.environ.get("EDGEKIT_DEBUG"):
        traceback.print_exc()
    if session.json is not None and not session.written:
        try:
            write_json({"error": error.document()}, session)
        except EdgekitError as e:
            click.echo(f"error: {e.message}", err=True)
    click.echo(f"error: {error.message}", err=True)
    if error.hint:
        click.echo(f"hint: {error.hint}", err=True)
    return error.code

"""`edgekit doctor`: what edgekit finds on this machine, and the command that provides what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edgekit.cli.output import emit, json_option
from edgekit.errors import DeviceError

if TYPE_CHECKING:
    from rich.console import Console

    from edgekit.doctor import Finding


@click.command()
@json_option
def doctor() -> None:
    """Check this machine: tools, versions, what does not work without them, and the command that fixes it.

    Exit code 0 when models can be converted and deployed over SSH; what only virtual boards need may be missing.
    """
    from edgekit.doctor import examine, healthy

    findings = examine()
    emit({"tools": [finding.document() for finding in findings]}, lambda console: _show(findings, console))
    if not healthy(findings):
        click.get_current_context().exit(DeviceError.code)


def _show(findings: tuple[Finding, ...], console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("", "tool", "version", "needed for"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        mark = Text("ok", "green") if finding.found else Text("missing", "red" if finding.core else "yellow")
        table.add_row(mark, Text(finding.name), Text(finding.version or "–"), Text(finding.needed_for))
    console.print(table)
    for finding in findings:
        if finding.fix:
            console.print(f"{finding.name}: {finding.fix}", markup=False, soft_wrap=True)

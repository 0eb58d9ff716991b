"""`edgekit report`: everything that is known about a build folder → one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.output import emit, json_option


@click.command()
@click.argument("build", type=click.Path(path_type=Path), default=Path("build"))
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Default: report.html in BUILD.")
@json_option
def report(build: Path, out: Path | None) -> None:
    """Write one HTML file about BUILD, to look at and to send on: accuracy, noise, memory, deploy, benchmark.

    Takes report.json of BUILD and, where they are there, profile.json, deploy.json, redeploy.json, bench.json and
    status.json, as `--json` of these commands writes them.
    """
    from edgekit.report.folder import write_report
    from edgekit.report.tables import report_table

    document = write_report(build, out).document()
    emit(document, lambda console: report_table(document, console))

"""`edgekit profile`: does a model fit on a board?"""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.output import emit, json_option
from edgekit.errors import UnsupportedError


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--target", "targets", multiple=True, required=True, metavar="ID|FILE", help="Kind of board; repeatable.")
@click.option("--runtime", help="What executes the model; default: the target's own.")
@click.option("--shape", "shapes", multiple=True, metavar="NAME=1,3,96", help="Fix a dynamic shape.")
@click.option("--all-layers", is_flag=True, help="Show every layer, not only the heaviest.")
@json_option
def profile(
    model: Path, targets: tuple[str, ...], runtime: str | None, shapes: tuple[str, ...], all_layers: bool
) -> None:
    """Judge MODEL (an .onnx file or a build folder) on each target: memory with bounds, MACs, layers, verdict.

    Exit code 4 when it does not fit on one of them.
    """
    from edgekit import pipeline
    from edgekit.project import read_shapes
    from edgekit.report.tables import profile_table

    profiles = pipeline.profile(model, targets, runtime=runtime, shapes=read_shapes(shapes))
    document = {"model": str(model), "targets": [p.document() for p in profiles]}
    emit(document, lambda console: profile_table(document, console, all_layers=all_layers))
    failed = [p for p in profiles if p.verdict == "DOES NOT FIT"]
    if failed:
        names = ", ".join(p.target for p in failed)
        raise UnsupportedError(f"{model} does not fit on {names}", hint=pipeline.advice(failed[0]))

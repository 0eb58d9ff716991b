"""`edgekit show`: what is inside a model file, as text."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.output import emit, json_option


@click.command()
@click.argument("model", type=click.Path(path_type=Path), default=Path("build"))
@click.option("--program", "whole", is_flag=True, help="Print the lowered program: every operation with its tensors.")
@json_option
def show(model: Path, whole: bool) -> None:
    """Print what MODEL (a build folder, .tflite or .onnx) takes, gives and is made of.

    With --program every operation, as the runtimes without ONNX run it: shapes, types, scales.
    """
    from edgekit import pipeline
    from edgekit.report.tables import program_table

    program = pipeline.program(model)
    document = {"model": str(model), **program.document()}
    if whole:
        document["text"] = program.text()
    emit(document, lambda console: program_table(document, console))

"""`edgekit run`: what a model file answers, on any runtime of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.deploy import SECONDS
from edgekit.cli.output import emit, json_option, stages

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--inputs", type=click.Path(path_type=Path), required=True, metavar="FILE.npz", help="Arrays by input name."
)
@click.option("--outputs", type=click.Path(path_type=Path), required=True, metavar="FILE.npz", help="Written.")
@click.option(
    "--runtime",
    metavar="NAME",
    help="litert, litert-reference, tflite-micro, interpreter, onnxruntime or c; default: by the file.",
)
@click.option(
    "--target", metavar="NAME", help="With --runtime c: on this emulated microcontroller, such as mps2-an386."
)
@click.option("--limit", type=SECONDS, default=600.0, show_default=True, metavar="S", help="Give up after S seconds.")
@json_option
def run(model: Path, inputs: Path, outputs: Path, runtime: str | None, target: str | None, limit: float) -> None:
    """Run MODEL (a .tflite, an .onnx or a build folder) here, once per sample of the first axis.

    Inputs are in the file's own types, such as int8; a model with one input takes any name. Samples run in order, and
    a model that remembers goes on from one to the next.
    """
    from edgekit import pipeline

    with stages() as progress:
        progress(f"running {model}")
        done = pipeline.run(model, inputs, outputs, runtime=runtime, target=target, limit_s=limit, progress=progress)
        document = done.document()
    emit(document, lambda console: _table(document, console))


def _table(document: Mapping[str, Any], console: Console) -> None:
    """What ran, and what came out."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("output", "shape", "type", "smallest", "largest")
    for output in document["outputs"]:
        shape = " x ".join(map(str, output["shape"])) or "-"
        extremes = ("-" if n is None else f"{n:g}" for n in (output["min"], output["max"]))
        table.add_row(escape(output["name"]), shape, output["dtype"], *extremes)
    samples = document["samples"]
    console.print(
        f"{document['version']}: {samples} sample{'s' if samples > 1 else ''} of {document['file']}", markup=False
    )
    console.print(table)
    console.print(f"written to {document['out']}", markup=False)

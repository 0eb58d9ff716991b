"""`edgekit convert`: a trained model → the build folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgekit.cli.output import emit, json_option, stages


@click.command()
@click.argument("source", type=click.Path(path_type=Path), required=False)
@click.option("--out", type=click.Path(path_type=Path), help="Build folder; default: edgekit.toml's, else build.")
@click.option("--calibration", metavar="FILE.npz|random", help="Arrays by input name, or 'random'.")
@click.option("--precision", type=click.Choice(["int8", "float"]), help="Default: int8.")
@click.option("--formats", metavar="onnx,tflite,c", help="What to write; default: onnx.")
@click.option("--target", metavar="NAME", help="C: the board that it is made for; default: any.")
@click.option("--keep-input", is_flag=True, default=None, help="C: an inference leaves its inputs as they were.")
@click.option(
    "--observer",
    type=click.Choice(["minmax", "percentile", "entropy", "mse"]),
    help="How the ranges of activations are taken from the calibration data; default: minmax.",
)
@click.option("--shape", "shapes", multiple=True, metavar="NAME=1,3,96", help="Fix a dynamic shape.")
@click.option("--name", help="Name of the model; default: from the file.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="Keep the graph of every stage there.")
@click.option("--allow-pickle", is_flag=True, help="Look into a .pt file (weights only) to say what it holds.")
@json_option
def convert(
    source: Path | None, out: Path | None, formats: str | None, shapes: tuple[str, ...], **options: Any
) -> None:
    """Turn SOURCE into int8 ONNX, TFLite and C, the float graph, golden data and a report.

    SOURCE is a model file (.py with model() and example_inputs(), optionally calibration_data() and
    evaluate(predict)), a float .onnx or .tflite with --calibration, or one that is quantized already (QDQ .onnx, int8
    .tflite). By default it is that of edgekit.toml, whose [convert] also gives the options that are not given here.
    """
    from edgekit import pipeline
    from edgekit.project import read_formats, read_shapes
    from edgekit.report.tables import conversion_table

    given = options | {"formats": read_formats(formats) if formats else None, "shapes": read_shapes(shapes)}
    chosen = pipeline.conversion_options(source, out, given)
    with stages() as progress:
        document = pipeline.convert(progress=progress, **chosen).document()
    emit(document, lambda console: conversion_table(document, console))

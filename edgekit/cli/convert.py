"""`edgekit convert`: a trained model → the build folder."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.output import emit, json_option, stages
from edgekit.errors import UsageError


def read_shapes(values: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """`name=1,3,96,96` → {"name": (1, 3, 96, 96)}; UsageError shows how it is written."""
    shapes = {}
    for value in values:
        name, _equals, dims = value.rpartition("=")
        sizes = dims.split(",")
        if not name or not all(size.strip().isdigit() and int(size) > 0 for size in sizes):
            raise UsageError(f"--shape {value!r} is not a shape", hint="write it as --shape name=1,3,96,96")
        shapes[name] = tuple(int(size) for size in sizes)
    return shapes


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("build"), show_default=True, help="Build folder.")
@click.option("--calibration", metavar="FILE.npz|random", help="Arrays by input name, or 'random'.")
@click.option("--precision", type=click.Choice(["int8", "float"]), default="int8", show_default=True)
@click.option(
    "--observer",
    type=click.Choice(["minmax", "percentile", "entropy", "mse"]),
    default="minmax",
    show_default=True,
    help="How the ranges of activations are taken from the calibration data.",
)
@click.option("--shape", "shapes", multiple=True, metavar="NAME=1,3,96", help="Fix a dynamic shape.")
@click.option("--name", help="Name of the model; default: from the file.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="Keep the graph of every stage there.")
@click.option("--allow-pickle", is_flag=True, help="Look into a .pt file (weights only) to say what it holds.")
@json_option
def convert(source: Path, shapes: tuple[str, ...], **options: object) -> None:
    """Turn SOURCE into int8 ONNX, the float graph, golden data and a report.

    SOURCE is a model file (.py with model() and example_inputs(), optionally calibration_data() and
    evaluate(predict)), a float .onnx with --calibration, or an already quantized (QDQ) .onnx.
    """
    from edgekit import pipeline
    from edgekit.report.tables import conversion_table

    with stages() as progress:
        document = pipeline.convert(source, shapes=read_shapes(shapes), progress=progress, **options).document()  # type: ignore[arg-type]
    emit(document, lambda console: conversion_table(document, console))

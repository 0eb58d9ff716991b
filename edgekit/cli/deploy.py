"""`edgekit deploy`, `bench` and `status`: a build folder → a board, its speed there, and what is on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from edgekit.cli.output import emit, json_option, stages
from edgekit.errors import UntrustedResult


class _Seconds(click.FloatRange):
    """A duration; click's own range lets NaN through."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds: float = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        return seconds


SECONDS = _Seconds(0.1, 3600)
_BOARD_OPTIONS = (
    click.option("--target", metavar="TARGET", help="Kind of board, such as rpi4 (see `edgekit targets`)."),
    click.option("--device", metavar="NAME", help="A device of edgekit.toml; needed where several fit."),
    click.option("--host", metavar="HOST", help="pi@ADDRESS[:PORT], local or virtual; instead of edgekit.toml's."),
    click.option("--host-key", metavar="SHA256:...", help="Fingerprint that the board's host key must have."),
    click.option("--identity", type=click.Path(path_type=Path), metavar="FILE", help="Private key to log in with."),
    click.option("--root", default="", metavar="DIR", help="Folder on the board; default: .edgekit in its home."),
)
_BENCH_OPTIONS = (
    click.option("--rigor", type=click.Choice(["normal", "mlperf"]), default="normal", show_default=True),
    click.option("--threads", type=click.IntRange(1, 1024), help="Threads of the runtime; default: all big cores."),
    click.option("--require-trusted", is_flag=True, help="Exit with 12 for an emulated board's figures as well."),
)


def _with(options: tuple[Callable[..., Any], ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _trust(benchmark: Mapping[str, Any] | None, require_trusted: bool) -> None:
    """Exit code 12 for figures that cannot be trusted; those of an emulated board say so themselves."""
    if benchmark is None or benchmark["trusted"] or (benchmark["emulated"] and not require_trusted):
        return
    reasons = "; ".join(benchmark["reasons"]) or "the board is emulated"
    click.echo(f"measured, but not trusted: {reasons}", err=True)
    click.get_current_context().exit(UntrustedResult.code)


@click.command()
@click.argument("build", type=click.Path(path_type=Path), required=False)
@_with(_BOARD_OPTIONS)
@click.option("--app", metavar="NAME", help="Name on the board; default: from edgekit.toml, else the model's.")
@click.option(
    "--runtime", metavar="NAME", help="What runs the model there: onnxruntime, litert, tflite-runtime or native."
)
@click.option("--dry-run", is_flag=True, help="Look at the board and print the steps; send nothing.")
@click.option("--no-bench", is_flag=True, help="Do not measure afterwards.")
@click.option("--bench-seconds", type=SECONDS, metavar="S", help="Seconds of timed runs.")
@_with(_BENCH_OPTIONS)
@json_option
def deploy(
    build: Path | None,
    no_bench: bool,
    bench_seconds: float | None,
    rigor: str,
    threads: int | None,
    require_trusted: bool,
    **options: Any,
) -> None:
    """Bring a model and its runtime to a board, check it there, make it current, measure it.

    BUILD is the folder that `edgekit convert` wrote; by default that of edgekit.toml, converted first if need be. An
    emulated microcontroller, such as mps2-an386, gets firmware made of the C in it, and needs no --host.
    """
    from edgekit import pipeline
    from edgekit.deployment import BenchOptions
    from edgekit.report.firmware import is_firmware
    from edgekit.report.tables import benchmark_table, deployment_table

    bench = None if no_bench else BenchOptions(bench_seconds, rigor, threads)
    with stages() as progress:
        document = pipeline.deploy(build, bench=bench, progress=progress, **options).document()
    if is_firmware(document):
        emit({"benchmark": document}, lambda console: benchmark_table(document, console))
        return
    emit(document, lambda console: deployment_table(document, console))
    _trust(document["benchmark"], require_trusted)


@click.command()
@_with(_BOARD_OPTIONS)
@click.option("--app", metavar="NAME", help="Name on the board; default: from edgekit.toml, else the only one there.")
@click.option("--seconds", type=SECONDS, metavar="S", help="Seconds of timed runs; default 10.")
@_with(_BENCH_OPTIONS)
@json_option
def bench(seconds: float | None, rigor: str, threads: int | None, require_trusted: bool, **options: Any) -> None:
    """Measure the model that is current on a board: load time, latency, memory, and whether the outputs are right."""
    from edgekit import pipeline
    from edgekit.deployment import BenchOptions
    from edgekit.report.tables import benchmark_table

    with stages() as progress:
        measured = pipeline.benchmark(bench=BenchOptions(seconds, rigor, threads), progress=progress, **options)
    document = measured.document()
    emit(document, lambda console: benchmark_table(document, console))
    _trust(document, require_trusted)


@click.command()
@_with(_BOARD_OPTIONS)
@json_option
def status(**options: Any) -> None:
    """What edgekit has on a board: apps, releases, sizes."""
    from edgekit import pipeline
    from edgekit.report.tables import status_table

    with stages() as progress:
        document = pipeline.status(progress=progress, **options).document()
    emit(document, lambda console: status_table(document, console))

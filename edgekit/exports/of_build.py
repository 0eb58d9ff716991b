"""A build folder with C sources → Library. Refused: folders without them, and sources that say no arena size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit import artifacts
from edgekit.c_folder import golden_samples, read_model
from edgekit.emitters.c import CSources
from edgekit.exports.library import Library, Sample, Value, sample, values
from edgekit.resources import licence_text

SAMPLES = 2  # they are constants of the program that calls the self-test


def library_of_build(build: Path, version: str = "1.0.0") -> Library:
    """The model of a build folder, tested with its first golden samples. Raises ModelError, UsageError."""
    sources = read_model(build)
    document = artifacts.description_of(build, ".c")[1]
    inputs, outputs = (values(kind, _facts(document[f"{kind}s"])) for kind in ("input", "output"))
    return Library(
        sources=sources,
        arena_bytes=sources.arena_bytes,
        inputs=inputs,
        outputs=outputs,
        samples=tuple(_samples(build, inputs, outputs, uses_float(sources))),
        licence=licence_text(),
        version=version,
    )


def uses_float(sources: CSources) -> bool:
    """Whether a kernel that it calls computes in float."""
    return any(name.endswith("_f32.c") for name in sources.kernel_files)


def _facts(ends: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, tuple[int, ...], str, float | None, int]]:
    for v in ends:
        yield v["name"], tuple(v["shape"]), v["dtype"], v["scale"], v["zero_point"] or 0


def _samples(build: Path, inputs: Sequence[Value], outputs: Sequence[Value], float_inside: bool) -> Iterator[Sample]:
    for given, answers in list(zip(*golden_samples(build), strict=True))[:SAMPLES]:
        yield sample(inputs, outputs, given, answers, float_inside=float_inside)

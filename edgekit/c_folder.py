"""A build folder with C → its sources, its inputs and outputs, its golden samples. Refused: what is damaged or does not
fit together, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import artifacts
from edgekit.building import End
from edgekit.emitters.c import CSources
from edgekit.errors import ModelError
from edgekit.program.tensor import Array

Ends = tuple[list[End], list[End]]


def read_model(build: Path) -> CSources:
    """The C sources of a build folder. Raises ModelError where it has none."""
    return CSources.of_texts(artifacts.read_sources(build))


def ends_of(build: Path) -> Ends:
    """Inputs and outputs as the arena holds them."""
    document = artifacts.description_of(build, ".c")[1]
    return _ends(document["inputs"]), _ends(document["outputs"])


def golden_samples(build: Path) -> tuple[list[dict[str, Array]], list[dict[str, Array]]]:
    """Golden inputs and the outputs that they gave, sample by sample, as the arena holds them. Raises ModelError."""
    found = []
    for ends, arrays in zip(ends_of(build), artifacts.read_golden(build), strict=True):
        wrong = [end.name for end in ends if not _holds(arrays.get(end.name), end)]
        if wrong:
            hint = "run edgekit convert again"
            raise ModelError(f"{build / artifacts.C_GOLDEN_FILE} has no fitting {wrong[:5]}", hint=hint)
        found.append({end.name: arrays[end.name] for end in ends})
    counts = {len(array) for arrays in found for array in arrays.values()}
    if len(counts) > 1:
        lengths = f"{artifacts.C_GOLDEN_FILE} has arrays of {sorted(counts)} samples"
        raise ModelError(f"{build}: {lengths}", hint="run edgekit convert again")
    count = max(counts, default=0)
    inputs, outputs = ([{name: array[i] for name, array in a.items()} for i in range(count)] for a in found)
    return inputs, outputs


def _holds(array: Array | None, end: End) -> bool:
    return array is not None and array.ndim > 0 and array.shape[1:] == end.shape and array.dtype == end.dtype


def _ends(values: Sequence[Mapping[str, Any]]) -> list[End]:
    return [End(v["name"], tuple(v["shape"]), np.dtype(v["dtype"])) for v in values]

"""What came out of running a model: the .npz of outputs, and the part of the `run` document that tells of it."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.runtimes.session import Array, Value


def told(
    version: str, samples: int, inputs: Sequence[Value], outputs: Sequence[Value], answers: Mapping[str, Array]
) -> dict[str, Any]:
    """What ran and what came out; answers: arrays by output name, first axis = samples."""
    return {
        "version": version,
        "samples": samples,
        "inputs": [_document(v) for v in inputs],
        "outputs": [_document(v) | _extremes(answers[v.name]) for v in outputs],
    }


def write_npz(path: Path, arrays: Mapping[str, Array]) -> None:
    """As numpy.savez, which cannot hold an array of the name "file"."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _document(value: Value) -> dict[str, Any]:
    return asdict(value) | {"shape": list(value.shape)}


def _extremes(array: Array) -> dict[str, Any]:
    """Of an output: the shape that it had, smallest and largest number."""
    low, high = (array.min().item(), array.max().item()) if array.size else (None, None)
    return {"shape": list(array.shape[1:]), "min": low, "max": high}

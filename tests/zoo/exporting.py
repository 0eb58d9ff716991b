"""Trained networks → .cache/zoo/NAME.float.onnx (edgekit's own export, simplified) and NAME.npz (calibration samples).

python -m zoo.exporting         # in tests/: exports what is missing
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from zoo.catalogue import ZOO
from zoo.model import ZooModel
from zoo.training import CACHE, trained, weights_path

SAMPLES = 128


@dataclass(frozen=True)
class Files:
    """The float graph, and 128 training samples by input name: (128, *shape without the first axis)."""

    onnx: Path
    samples: Path


def exported(model: ZooModel) -> Files:
    """The files of one network; written where they are missing or older than its weights."""
    files = Files(CACHE / f"{model.name}.float.onnx", CACHE / f"{model.name}.npz")
    net = trained(model)
    since = weights_path(model).stat().st_mtime
    if not all(f.is_file() and f.stat().st_mtime >= since for f in (files.onnx, files.samples)):
        write(model, net, files)
    return files


def write(model: ZooModel, net: nn.Module, files: Files) -> None:
    """Export anew."""
    from edgekit.graph.export import export
    from edgekit.graph.save import to_bytes, value_specs
    from edgekit.graph.simplify import simplify
    from edgekit.model import from_module

    graph = simplify(export(from_module(net, (model.example(),), name=model.name)).model)
    inputs, _ = value_specs(graph)
    np.savez(files.samples, **{inputs[0].name: model.data().train_x[:SAMPLES]})
    files.onnx.write_bytes(to_bytes(graph))


if __name__ == "__main__":
    for each in ZOO:
        started = time.monotonic()
        made = exported(each)
        print(
            f"{made.onnx.name:24} {made.onnx.stat().st_size:9,} bytes, {time.monotonic() - started:.1f} s", flush=True
        )

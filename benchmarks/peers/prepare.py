"""A trained network of the zoo → the inputs of every tool, and how long each kind of export took.

python prepare.py NAME INPUTS REPORT
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))
from zoo.catalogue import named  # noqa: E402
from zoo.exporting import SAMPLES  # noqa: E402
from zoo.training import trained  # noqa: E402

from edgekit.graph.export import export  # noqa: E402
from edgekit.graph.save import to_bytes, value_specs  # noqa: E402
from edgekit.graph.simplify import simplify  # noqa: E402
from edgekit.model import from_module  # noqa: E402


def prepare(name: str, folder: Path) -> dict[str, float]:
    model = named(name)
    net = trained(model)
    exported, seconds = None, {}
    started = time.perf_counter()
    exported = export(from_module(net, (model.example(),), name=name)).model
    seconds["onnx_export_seconds"] = time.perf_counter() - started
    (folder / "float.onnx").write_bytes(to_bytes(simplify(exported)))
    np.savez(folder / "samples.npz", **{value_specs(exported)[0][0].name: model.data().train_x[:SAMPLES]})
    torch.export.save(torch.export.export(net, (model.example(),)), folder / "program.pt2")
    return seconds


if __name__ == "__main__":
    figures = prepare(sys.argv[1], Path(sys.argv[2]))
    Path(sys.argv[3]).write_text(json.dumps(figures), encoding="utf-8")

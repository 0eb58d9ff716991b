"""Measures what the first examples give, and writes benchmarks/first_light.md and .json.

    make bench

Two tables, neither a time of an emulated board: accuracy and size of the int8 file beside ONNX Runtime's own static
quantization (same float file, same samples, judged by the same runtime); and a first deploy beside a second one with
nothing changed (bytes, and the ratio of both times in this run).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parent / "examples" / "fashion_mnist"
sys.path.insert(0, str(EXAMPLE))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        build = Path(folder) / "build"
        conversion = edgekit("convert", str(EXAMPLE / "model.py"), "--out", str(build), cwd=folder)
        document = {
            "date": date.today().isoformat(),
            "versions": {name: version(name) for name in ("onnxruntime", "onnx", "torch", "numpy")},
            "quantization": quantization(conversion, build, Path(folder)),
            "deploy": deploys(build, folder),
        }
    write(document)


def edgekit(*arguments: str, cwd: str) -> dict:
    """The JSON document of a command."""
    command = [sys.executable, "-m", "edgekit", *arguments, "--json", "-"]
    done = subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def quantization(conversion: dict, build: Path, folder: Path) -> list[dict]:
    """One row per file: float, edgekit's int8, ONNX Runtime's int8."""
    ours = build / "model.onnx"
    theirs = folder / "theirs.onnx"
    stock_quantization(build / "model.float.onnx", theirs)
    rows = [("float", build / "model.float.onnx"), ("edgekit int8", ours), ("onnxruntime static int8", theirs)]
    return [judge(name, path) for name, path in rows]


def judge(name: str, path: Path) -> dict:
    import model

    from edgekit.graph.evaluation import Predictor
    from edgekit.graph.int8_spec import violations
    from edgekit.graph.load import load_onnx, parse

    graph = parse(load_onnx(path))
    broken = len(violations(graph)) if name != "float" else None
    accuracy = model.evaluate(Predictor(path).predict)
    as_written = model.evaluate(Predictor(path, optimise=False).predict)
    return {
        "file": name,
        "bytes": path.stat().st_size,
        "accuracy": accuracy,
        "accuracy_unoptimised": as_written,
        "tflite_violations": broken,
    }


def stock_quantization(float_file: Path, out: Path) -> None:
    """ONNX Runtime's static quantization, set up as its documents recommend for this form (QDQ, per channel, int8)."""
    import dataset
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            name = input_name(float_file)
            self.rows = iter([{name: row[None]} for row in dataset.images("train", 256)])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.rows, None)

    prepared = out.with_suffix(".prepared.onnx")
    quant_pre_process(str(float_file), str(prepared))
    kinds = {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8}
    quantize_static(str(prepared), str(out), Reader(), QuantFormat.QDQ, per_channel=True, **kinds)


def input_name(file: Path) -> str:
    import onnxruntime

    return onnxruntime.InferenceSession(str(file)).get_inputs()[0].name


def deploys(build: Path, folder: str) -> list[dict]:
    """A deploy to a board that has nothing, and the same again."""
    (Path(folder) / "edgekit.toml").write_text('[app]\nname = "bench"\n', encoding="utf-8")
    os.environ["EDGEKIT_CACHE"] = str(HERE.parent / ".cache" / "bench")  # a board of its own: the user's keeps its card
    edgekit("device", "up", "rpi4", "--erase", cwd=folder)
    try:
        command = ["deploy", str(build), "--target", "rpi4", "--host", "virtual", "--no-bench"]
        rows = [edgekit(*command, cwd=folder) for _ in range(2)]
    finally:
        edgekit("device", "down", "rpi4", cwd=folder)
    keys = ("release_bytes", "blobs_total", "blobs_sent", "bytes_total", "bytes_sent", "seconds")
    return [{key: row[key] for key in keys} for row in rows]


def write(document: dict) -> None:
    (HERE / "first_light.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    (HERE / "first_light.md").write_text(markdown(document), encoding="utf-8")
    print(markdown(document))


def markdown(document: dict) -> str:
    first, second = document["deploy"]
    versions = ", ".join(f"{k} {v}" for k, v in document["versions"].items())
    lines = [
        "# First light",
        "",
        f"Made by `make bench` on {document['date']} ({versions}). Fashion-MNIST, 10,000 test pictures. Both int8 "
        "files come from the same float file and the same 256 training pictures, and were judged by ONNX Runtime with "
        "x64quantprecision=1, and once more with all optimisations off.",
        "",
        "| file | bytes | accuracy | optimisations off | breaches of TFLite's int8 rules |",
        "|---|---|---|---|---|",
    ]
    for row in document["quantization"]:
        broken = "–" if row["tflite_violations"] is None else row["tflite_violations"]
        figures = f"{row['bytes']:,} | {row['accuracy']:.2%} | {row['accuracy_unoptimised']:.2%}"
        lines.append(f"| {row['file']} | {figures} | {broken} |")
    lines += [
        "",
        "Deploying it to a virtual Raspberry Pi 4 that holds nothing, and again with nothing changed:",
        "",
        "| deploy | files sent | bytes sent | unpacked on the board | time, ratio to the first |",
        "|---|---|---|---|---|",
    ]
    for name, row in (("first", first), ("second", second)):
        sent = f"{row['blobs_sent']} of {row['blobs_total']} | {row['bytes_sent']:,} | {row['release_bytes']:,}"
        lines.append(f"| {name} | {sent} | {row['seconds'] / first['seconds']:.2f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

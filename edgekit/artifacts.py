"""The build folder: what `convert` leaves behind and `profile`, `deploy` and `report` read (docs/design.md).

Every file is written whole or not at all; a folder that is not one, or is incomplete, is refused with what to run.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ModelError, UsageError
from edgekit.model import ValueSpec

SCHEMA = 1
INT8_FILE, FLOAT_FILE = "model.onnx", "model.float.onnx"
MODEL_JSON, GOLDEN_FILE, REPORT_FILE = "model.json", "golden.npz", "report.json"


@dataclass(frozen=True)
class Layer:
    """One layer of the converted model; `sqnr_db`: signal to quantization noise ratio, None where it stayed float."""

    name: str
    op: str
    quantized: bool
    reason: str | None
    sqnr_db: float | None
    output_bytes: int


@dataclass(frozen=True)
class Accuracy:
    """What the user's evaluate() says of the float and the int8 file; `reason` says why a figure is unknown."""

    float32: float | None = None
    int8: float | None = None
    evaluated_with: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Golden:
    """Inputs and the outputs that a runtime must give for them: arrays of shape (samples, *shape of the value).

    tolerance: by output name, the largest absolute difference that still counts as equal.
    """

    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]
    tolerance: Mapping[str, float]


@dataclass(frozen=True)
class Conversion:
    """The result of `convert`; `document()` is the `convert` document of docs/json.md."""

    name: str
    out: Path
    source: Mapping[str, Any]
    precision: str
    inputs: tuple[ValueSpec, ...]
    outputs: tuple[ValueSpec, ...]
    macs: int
    parameters: int
    bytes: Mapping[str, int | None]
    export: Mapping[str, float | int | None]
    calibration: Mapping[str, str | int | None]
    accuracy: Accuracy
    parity: Mapping[str, float | None]
    layers: tuple[Layer, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = field(default=())
    seconds: float = 0.0

    @property
    def artifacts(self) -> Mapping[str, str | None]:
        """File names relative to `out`; None for what was not asked for."""
        int8 = INT8_FILE if self.precision == "int8" else None
        return {
            "onnx": int8,
            "float_onnx": FLOAT_FILE if self.bytes["float_onnx"] is not None else None,
            "tflite": None,
            "c": None,
            "model": MODEL_JSON,
            "golden": GOLDEN_FILE,
        }

    def document(self) -> dict[str, Any]:
        values = asdict(self)
        values["accuracy"]["float"] = values["accuracy"].pop("float32")
        return values | {"out": str(self.out), "artifacts": dict(self.artifacts)}


def model_document(conversion: Conversion, content: bytes, golden: Golden) -> dict[str, Any]:
    """model.json: what a runtime on the board needs to know of the file it runs."""
    return {
        "schema": SCHEMA,
        "name": conversion.name,
        "file": INT8_FILE if conversion.precision == "int8" else FLOAT_FILE,
        "precision": conversion.precision,
        "inputs": [_value(v) for v in conversion.inputs],
        "outputs": [_value(v) | {"tolerance": golden.tolerance[v.name]} for v in conversion.outputs],
        "golden": GOLDEN_FILE,
        "sha256": hashlib.sha256(content).hexdigest(),
        "opset": conversion.export["opset"],
    }


def _value(value: ValueSpec) -> dict[str, Any]:
    return {"name": value.name, "shape": list(value.shape), "dtype": value.dtype, "scale": None, "zero_point": None}


def write_build(conversion: Conversion, int8: bytes | None, float_: bytes | None, golden: Golden) -> None:
    """Write the build folder: all files into a temporary folder first, then each to its name, report.json last."""
    deployed = int8 if int8 is not None else float_
    assert deployed is not None
    files: dict[str, bytes | None] = {
        FLOAT_FILE: float_,
        INT8_FILE: int8,
        GOLDEN_FILE: _npz(golden),
        MODEL_JSON: _json(model_document(conversion, deployed, golden)),
        REPORT_FILE: _json({"schema": SCHEMA, "command": "convert"} | conversion.document()),
    }
    out = conversion.out
    try:
        out.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".edgekit-", dir=out))
    except OSError as e:
        raise UsageError(f"cannot write to {out}: {e.strerror}", hint="name another folder with --out") from e
    try:
        for name, content in files.items():
            if content is not None:
                (stage / name).write_bytes(content)
        for name, content in files.items():
            if content is None:
                (out / name).unlink(missing_ok=True)  # of an earlier conversion with another precision
            else:
                (stage / name).replace(out / name)
    except OSError as e:
        raise UsageError(f"cannot write to {out}: {e.strerror}", hint="free some space, or name another --out") from e
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def read_model_json(build: Path) -> dict[str, Any]:
    """model.json of a build folder; ModelError when it is not one."""
    path = build / MODEL_JSON
    if build.is_file():
        hint = f"edgekit convert {build} --out build"
        raise ModelError(f"{build} is a file, not a build folder", hint=hint)
    if not path.is_file():
        hint = f"edgekit convert MODEL --out {build}"
        raise ModelError(f"{build} is no build folder: it has no {MODEL_JSON}", hint=hint)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise ModelError(f"{path} cannot be read: {e}", hint="run edgekit convert again") from e
    if not isinstance(document, dict) or document.get("schema") != SCHEMA or not isinstance(document.get("file"), str):
        raise ModelError(f"{path} is not of schema {SCHEMA}", hint="run edgekit convert again")
    return document


def model_file(build: Path) -> Path:
    """The file of a build folder that runs on the board."""
    path = build / Path(read_model_json(build)["file"]).name
    if not path.is_file():
        raise ModelError(f"{path} is missing", hint="run edgekit convert again")
    return path


def read_report(build: Path) -> dict[str, Any] | None:
    """report.json of a complete build folder; None where there is none, or it cannot be read."""
    try:
        model_file(build)
        report = json.loads((build / REPORT_FILE).read_text(encoding="utf-8"))
    except (ModelError, OSError, ValueError):
        return None
    return report if isinstance(report, dict) else None


def _npz(golden: Golden) -> bytes:
    arrays = {f"input.{k}": v for k, v in golden.inputs.items()} | {f"output.{k}": v for k, v in golden.outputs.items()}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # array names are keywords here
    return file.getvalue()


def _json(document: Mapping[str, Any]) -> bytes:
    from edgekit.finite import finite

    return (json.dumps(finite(document), indent=2, allow_nan=False) + "\n").encode()

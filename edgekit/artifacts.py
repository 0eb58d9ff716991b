"""The build folder: what `convert` leaves behind and `profile`, `deploy` and `report` read (docs/design.md).

It holds one model in one or several file formats, each with a description of its inputs and outputs: model.json of the
file that runs unless another is asked for, FILE.json (model.tflite.json) of each further one. C sources lie in a folder
c/ of their own, described by model.c.json. Every file is written whole or not at all; a folder that is not one, or is
incomplete, is refused with what to run.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.c_description import check_c_description
from edgekit.errors import ModelError
from edgekit.files import write_together
from edgekit.model import ValueSpec
from edgekit.npz import load_npz

SCHEMA = 1
INT8_FILE, FLOAT_FILE, TFLITE_FILE = "model.onnx", "model.float.onnx", "model.tflite"
MODEL_FILES = (INT8_FILE, FLOAT_FILE, TFLITE_FILE)
MODEL_JSON, GOLDEN_FILE, REPORT_FILE = "model.json", "golden.npz", "report.json"
C_FILE, C_DIR, C_GOLDEN_FILE = "model.c", "c", "model.c.npz"  # C_FILE stands for the folder in the names of formats
_SOURCE_NAME = re.compile(r"(edgekit/)?[A-Za-z0-9_]{1,100}\.[ch]|memory\.(txt|html)|LICENSE")


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
    """What the user's evaluate() says of the float, int8 and .tflite file; `reason`: why a figure is unknown."""

    float32: float | None = None
    int8: float | None = None
    evaluated_with: str | None = None
    reason: str | None = None
    tflite: float | None = None
    tflite_evaluated_with: str | None = None


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
    formats: tuple[str, ...]
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
    tflite: Mapping[str, Any] | None = None
    c: Mapping[str, Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = field(default=())
    seconds: float = 0.0

    @property
    def artifacts(self) -> Mapping[str, str | None]:
        """File names relative to `out`; None for what was not asked for."""
        files = {"onnx": INT8_FILE, "float_onnx": FLOAT_FILE, "tflite": TFLITE_FILE}
        return {key: file if self.bytes.get(key) is not None else None for key, file in files.items()} | {
            "c": None if self.c is None else C_DIR,
            "model": MODEL_JSON,
            "golden": GOLDEN_FILE,
        }

    def document(self) -> dict[str, Any]:
        values = asdict(self)
        values["accuracy"]["float"] = values["accuracy"].pop("float32")
        return values | {"out": str(self.out), "artifacts": dict(self.artifacts)}


@dataclass(frozen=True)
class FileValue:
    """An input or output as one model file holds it.

    shape, dtype  the file's own; `scale` and `zero_point` are set where an integer type stands for real values
    permutation   axes by which an app's array is transposed before it is given `shape`, such as (0, 2, 3, 1) for an
                  NCHW picture in an NHWC file; None: not at all. Outputs go the same way back
    app_shape     shape of an app's array and of golden data; None: `shape` without the permutation
    tolerance     outputs: the largest absolute difference from the golden output, in real values
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None
    permutation: tuple[int, ...] | None = None
    app_shape: tuple[int, ...] | None = None
    tolerance: float | None = None


@dataclass(frozen=True)
class Description:
    """What a runtime must know of one model file; `opset` is None where the file is not ONNX.

    golden  the .npz of samples with their outputs: GOLDEN_FILE has those of the app, C_GOLDEN_FILE stored integers
    files   names of a model that is several files: C sources
    """

    precision: str
    inputs: tuple[FileValue, ...]
    outputs: tuple[FileValue, ...]
    opset: int | None = None
    golden: str = GOLDEN_FILE
    files: tuple[str, ...] = ()

    @classmethod
    def of_onnx(cls, conversion: Conversion, golden: Golden) -> Description:
        """Of an ONNX file: its inputs and outputs are those of the model."""
        inputs = tuple(FileValue(v.name, v.shape, v.dtype) for v in conversion.inputs)
        outputs = tuple(
            FileValue(v.name, v.shape, v.dtype, tolerance=golden.tolerance[v.name]) for v in conversion.outputs
        )
        opset = conversion.export["opset"]
        return cls(conversion.precision, inputs, outputs, None if opset is None else int(opset))

    def document(self, name: str, file: str, content: bytes) -> dict[str, Any]:
        """model.json: what a runtime on the board needs to know of the file it runs."""
        document = {
            "schema": SCHEMA,
            "name": name,
            "file": file,
            "precision": self.precision,
            "inputs": [_value(v) for v in self.inputs],
            "outputs": [_value(v) | {"tolerance": v.tolerance} for v in self.outputs],
            "golden": self.golden,
            "sha256": hashlib.sha256(content).hexdigest(),
            "opset": self.opset,
        }
        return document | ({"files": list(self.files)} if self.files else {})


def _value(value: FileValue) -> dict[str, Any]:
    document = {
        "name": value.name,
        "shape": list(value.shape),
        "dtype": value.dtype,
        "scale": value.scale,
        "zero_point": value.zero_point,
    }
    layout = {"permutation": value.permutation, "app_shape": value.app_shape}
    return document | {key: list(axes) for key, axes in layout.items() if axes is not None}


def description_file(file: str, default: str) -> str:
    """Name of the description of the model file `file` in a build whose model.json describes `default`."""
    return MODEL_JSON if file == default else f"{file}.json"


@dataclass(frozen=True)
class CFiles:
    """A model as C sources: text by path below c/, and .npz samples of stored integers with their outputs."""

    sources: Mapping[str, str]
    golden: Golden


def write_build(
    conversion: Conversion,
    files: Mapping[str, bytes | None],
    descriptions: Mapping[str, Description],
    golden: Golden,
    c_files: CFiles | None = None,
) -> None:
    """Write the build folder: all files into a temporary folder first, then each to its name, report.json last.

    files         model files by name (INT8_FILE, FLOAT_FILE, TFLITE_FILE)
    descriptions  of those that a board can run, by the same names and C_FILE; the first is what runs unless a runtime
                  needs another: model.json

    What an earlier conversion left in `out` under these names and this one does not make is removed.
    """
    default = next(iter(descriptions))
    wanted: dict[str, bytes | None] = {name: content for name, content in files.items() if content is not None}
    wanted[GOLDEN_FILE] = _npz(golden)
    if c_files is not None:
        wanted |= {f"{C_DIR}/{name}": text.encode() for name, text in c_files.sources.items()}
        wanted[C_GOLDEN_FILE] = _npz(c_files.golden)
    for file, description in descriptions.items():
        content = _content(file, files, c_files)
        wanted[description_file(file, default)] = _json(description.document(conversion.name, file, content))
    wanted[REPORT_FILE] = _json({"schema": SCHEMA, "command": "convert"} | conversion.document())
    possible = (
        *MODEL_FILES,
        GOLDEN_FILE,
        MODEL_JSON,
        *(f"{file}.json" for file in (*MODEL_FILES, C_FILE)),
        C_GOLDEN_FILE,
    )
    earlier = [name for name in (*possible, *_earlier_sources(conversion.out)) if name not in wanted]
    write_together(conversion.out, dict.fromkeys(earlier) | wanted, whole=REPORT_FILE)


def _content(file: str, files: Mapping[str, bytes | None], c_files: CFiles | None) -> bytes:
    """What a description's hash is of; the C sources one after the other."""
    if file == C_FILE and c_files is not None:
        return joined_sources(c_files.sources)
    content = files[file]
    assert content is not None, f"{file} is described but was not made"
    return content


def joined_sources(sources: Mapping[str, str]) -> bytes:
    """What the hash of C sources is of, texts by path below c/."""
    return b"".join(f"{name}\0{text}\0".encode() for name, text in sorted(sources.items()))


def _earlier_sources(build: Path) -> list[str]:
    """The files of c/ that an earlier conversion wrote."""
    try:
        return [f"{C_DIR}/{name}" for name in source_names(build)]
    except ModelError:
        return []


def source_names(build: Path) -> list[str]:
    """Paths below c/ of the C sources of a build folder. Raises ModelError where it has none."""
    names = description_of(build, ".c")[1].get("files")
    if not isinstance(names, list) or not all(isinstance(n, str) and _SOURCE_NAME.fullmatch(n) for n in names):
        raise ModelError(f"{build}: the list of C sources is damaged", hint="run edgekit convert again")
    return names


def read_sources(build: Path) -> dict[str, str]:
    """Text by path below c/ of the C sources of a build folder. Raises ModelError where they are not those that
    model.c.json is of: changed by hand, or left by a conversion that was stopped."""
    try:
        texts = {name: (build / C_DIR / name).read_bytes().decode() for name in source_names(build)}
    except (OSError, UnicodeDecodeError) as e:
        raise ModelError(f"{build / C_DIR} cannot be read: {e}", hint="run edgekit convert again") from e
    if hashlib.sha256(joined_sources(texts)).hexdigest() != description_of(build, ".c")[1].get("sha256"):
        raise ModelError(f"{build / C_DIR} changed since it was converted", hint="run edgekit convert again")
    return texts


def read_golden(build: Path, file: str = C_GOLDEN_FILE) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(inputs, outputs) of the golden samples of a build folder: arrays by name, first axis = samples.

    Raises ModelError.
    """
    try:
        arrays = load_npz(build / file)
    except ModelError as e:
        raise ModelError(e.message, hint="run edgekit convert again") from e
    kinds = ("input.", "output.")
    inputs, outputs = ({k.removeprefix(p): v for k, v in arrays.items() if k.startswith(p)} for p in kinds)
    return inputs, outputs


def read_model_json(build: Path) -> dict[str, Any]:
    """model.json of a build folder; ModelError when it is not one."""
    path = build / MODEL_JSON
    if build.is_file():
        hint = f"edgekit convert {build} --out build"
        raise ModelError(f"{build} is a file, not a build folder", hint=hint)
    if not path.is_file():
        hint = f"edgekit convert MODEL --out {build}"
        raise ModelError(f"{build} is no build folder: it has no {MODEL_JSON}", hint=hint)
    return _read_description(path)


def _read_description(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        raise ModelError(f"{path} cannot be read: {e}", hint="run edgekit convert again") from e
    if not isinstance(document, dict) or document.get("schema") != SCHEMA or not isinstance(document.get("file"), str):
        raise ModelError(f"{path} is not of schema {SCHEMA}", hint="run edgekit convert again")
    return document


def descriptions(build: Path) -> dict[str, dict[str, Any]]:
    """The descriptions of a build folder by the names of their files, model.json first. Raises ModelError."""
    found = {MODEL_JSON: read_model_json(build)}
    further = [build / f"{file}.json" for file in (*MODEL_FILES, C_FILE)]
    return found | {path.name: _read_description(path) for path in further if path.is_file()}


def description_of(build: Path, file_type: str) -> tuple[str, dict[str, Any]]:
    """(file name, content) of the description of the model file with the ending `file_type`, such as ".tflite".

    Raises ModelError with what to run where the build has no such file.
    """
    found = descriptions(build)
    for name, document in found.items():
        if Path(document["file"]).suffix == file_type:
            if file_type == Path(C_FILE).suffix:
                check_c_description(document, build / name)
            return name, document
    have = [Path(document["file"]).name for document in found.values()]
    formats = ",".join(sorted({Path(name).suffix[1:] for name in have} | {file_type[1:]}))
    raise ModelError(
        f"{build} has no {file_type} file, only {' and '.join(have)}",
        hint=f"edgekit convert MODEL --formats {formats} --out {build}",
    )


def model_file(build: Path, file_type: str | None = None) -> Path:
    """The file of a build folder with the ending `file_type`; by default the one that runs unless another is asked for.

    Raises ModelError.
    """
    document = read_model_json(build) if file_type is None else description_of(build, file_type)[1]
    path = build / (C_DIR if document["file"] == C_FILE else Path(document["file"]).name)
    if not path.exists():
        raise ModelError(f"{path} is missing", hint="run edgekit convert again")
    return path


def read_report(build: Path) -> dict[str, Any] | None:
    """report.json of a complete build folder; None where there is none, or it cannot be read."""
    try:
        for document in descriptions(build).values():
            if document["file"] != C_FILE and not (build / Path(document["file"]).name).is_file():
                return None
            if document["file"] == C_FILE and not all((build / C_DIR / n).is_file() for n in source_names(build)):
                return None
        report = json.loads((build / REPORT_FILE).read_text(encoding="utf-8"))
    except (ModelError, OSError, ValueError, RecursionError):
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

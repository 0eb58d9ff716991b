"""A build folder with C sources and the facts of a board → the release that runs there without any runtime to install.

It holds the program with the model inside (runtime/model), its golden samples (model/golden.raw) and model.json; where
the board has a Python also edgekit_runtime and the model as a library for it. Refused: builds without C sources, CPUs
that nothing can be compiled for, and big-endian boards.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import artifacts, resources
from edgekit.building.native import NativeModel, NativeTarget, app_shape
from edgekit.bundle import Bundle, make_bundle
from edgekit.c_folder import read_model
from edgekit.deployment.plan import Needs
from edgekit.deployment.probe import Facts
from edgekit.errors import ModelError
from edgekit.program.tensor import Array

Progress = Callable[[str], None]

GOLDEN_RAW = "golden.raw"
PROGRAM = "model"  # below runtime/, where the scripts on the board look for it
_MAGIC = b"EKGOLD1\0"
RUNTIME_NAME = "native"


@dataclass(frozen=True)
class NativeTree:
    """Folders whose files become model/ and runtime/ of a release."""

    model: Path
    runtime: Path


def native_bundle(app: str, build: Path, facts: Facts, core: str, progress: Progress) -> tuple[Bundle, Needs]:
    """The release of `build` for the board that described itself with `facts`, and what it asks of such a board.

    core: of the target, such as "cortex-a72"; "" for any of the board's architecture. Raises ModelError where the build
    has no C sources, UnsupportedError for the CPU, UsageError without a compiler.
    """
    document = artifacts.description_of(build, ".c")[1]
    sources = read_model(build)
    inputs, outputs = artifacts.read_golden(build, artifacts.GOLDEN_FILE)
    target = NativeTarget(facts.arch, core)
    python = facts.python is not None and facts.python.unusable is None
    tree = native_tree(
        NativeModel(sources, document),
        golden_raw(document, inputs, outputs),
        target,
        progress,
        python=python,
        soft_float=facts.hard_float is False,
    )
    return make_bundle(app, tree.model, tree.runtime), Needs(arch=facts.arch)


def native_tree(
    model: NativeModel,
    golden: bytes,
    target: NativeTarget,
    progress: Progress,
    *,
    python: bool = False,
    soft_float: bool = False,
) -> NativeTree:
    """The folders of a release, kept in the cache.

    golden      what `golden_raw` gave
    python      also the library and edgekit_runtime, for apps in Python there
    soft_float  the board's ABI passes floats in integer registers (Debian's armel)
    """
    program = model.program(target, progress)
    library = model.library(target, progress, soft_float=soft_float) if python else None
    file = library or program
    described = release_description(model.document, file, target)
    parts = {"model/" + artifacts.MODEL_JSON: described, "model/" + GOLDEN_RAW: golden}
    copies = {f"model/{file.name}": file, f"runtime/{PROGRAM}": program}
    if python:
        copies |= _python_runtime()
    place = _written(parts, copies)
    return NativeTree(place / "model", place / "runtime")


def release_description(document: Mapping[str, Any], file: Path, target: NativeTarget) -> bytes:
    """model.json of a native release, whose model is `file`; document: of the C sources in the build folder."""
    known = {key: document[key] for key in ("schema", "name", "precision", "inputs", "outputs", "opset")}
    of_file = {
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "golden": GOLDEN_RAW,
        "built_for": str(target),
    }
    return (json.dumps(known | of_file, indent=2, allow_nan=False) + "\n").encode()


def _python_runtime() -> dict[str, Path]:
    source = resources.runtime_dir() / "python"
    files = sorted((source / "edgekit_runtime").rglob("*.py"))
    return {f"runtime/{path.relative_to(source).as_posix()}": path for path in files}


def _written(parts: Mapping[str, bytes], copies: Mapping[str, Path]) -> Path:
    """The folder with these files in the cache, written once."""
    digest = hashlib.sha256()
    contents = dict(parts) | {path: source.read_bytes() for path, source in copies.items()}
    for path, content in sorted(contents.items()):
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    place = resources.cache_dir() / "trees" / f"native-{digest.hexdigest()[:24]}"
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".native-", dir=place.parent))
    try:
        for path, content in parts.items():
            (part / path).parent.mkdir(parents=True, exist_ok=True)
            (part / path).write_bytes(content)
        for path, source in copies.items():
            (part / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, part / path)
        part.replace(place)
    except OSError:
        if not place.is_dir():  # else another process was faster
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return place


def golden_raw(document: Mapping[str, Any], inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> bytes:
    """Golden samples for a native program: the format is told in runtime/c/ports/linux/golden.h.

    inputs, outputs: real values in the application's layout by name, first axis = samples, as golden.npz has them.
    """
    given = {value["name"]: _stored(value, _samples(value, inputs)) for value in document["inputs"]}
    wanted = {value["name"]: _expected(value, _samples(value, outputs)) for value in document["outputs"]}
    counts = {len(array) for array in (*given.values(), *wanted.values())}
    if len(counts) != 1 or counts == {0}:
        raise ModelError("the golden data is damaged: its arrays differ in length", hint="run edgekit convert again")
    count = counts.pop()
    digest = hashlib.sha256()
    parts = []
    for k in range(count):
        for value in document["inputs"]:
            digest.update(_little(inputs[value["name"]][k]))
        parts += [_little(array[k]) for array in (*given.values(), *wanted.values())]
    head = _MAGIC + struct.pack("<II", count, 0) + digest.hexdigest().encode()
    return head + b"".join(parts)


def _samples(value: Mapping[str, Any], arrays: Mapping[str, Array]) -> Array:
    found = arrays.get(value["name"])
    if found is None or found.shape[1:] != app_shape(value):
        raise ModelError(f'the golden data has no fitting "{value["name"]}"', hint="run edgekit convert again")
    return found


def _stored(value: Mapping[str, Any], x: Array) -> Array:
    """Samples of an input as the model stores them."""
    dtype = np.dtype(value["dtype"])
    axes = value.get("permutation")
    if value["scale"] is not None:
        limits = np.iinfo(dtype)
        q = np.rint(x.astype(np.float32) / np.float32(value["scale"])) + np.float32(value["zero_point"] or 0)
        x = np.clip(q, limits.min, limits.max)
    if axes is not None:
        x = x.transpose(0, *(axis + 1 for axis in axes))
    return np.ascontiguousarray(x).reshape(len(x), *value["shape"]).astype(dtype)


def _expected(value: Mapping[str, Any], y: Array) -> Array:
    """Samples of an output as applications get them."""
    real = value["scale"] is not None or value["dtype"].startswith("float")
    return y.astype(np.float32 if real else np.dtype(value["dtype"]))


def _little(array: Array) -> bytes:
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()

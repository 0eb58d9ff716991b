"""A model that gives back what it gets, written by hand as C: every kind of value, one of them transposed.

As a program and as a library of this machine, made by its own compiler.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.artifacts import joined_sources
from edgekit.building import STRICT, build, host_compiler
from edgekit.building.compiler import Compiler
from edgekit.building.native import NativeModel, NativeTarget, library_exports
from edgekit.deployment.native import golden_raw, release_description
from edgekit.emitters.c import CSources
from edgekit.resources import runtime_dir

SCALE, ZERO = 0.5, 3
TARGET = NativeTarget("x86_64")
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1", "-D_FORTIFY_SOURCE=0")

_MODEL = """\
#include <string.h>
#include "edgekit.h"
extern const ek_model copy_model;
static const int32_t picture[4] = {1, 2, 3, 4}, pair[1] = {2}, reals[2] = {1, 3};
static const ek_value inputs[3] = {
  {"x", EK_S8, 4, picture, 24, 0, 0.5f, 3},
  {"state", EK_S64, 1, pair, 16, 24, 0.0f, 0},
  {"r", EK_F32, 2, reals, 12, 40, 0.0f, 0},
};
static const ek_value outputs[3] = {
  {"y", EK_S8, 4, picture, 24, 56, 0.5f, 3},
  {"next", EK_S64, 1, pair, 16, 80, 0.0f, 0},
  {"s", EK_F32, 2, reals, 12, 96, 0.0f, 0},
};
static void init(void *arena) { memset(arena, 0, 108); }
static ek_status invoke(void *arena) {
  if (((const uint8_t *)arena)[24] == 99) return EK_RANGE;
  memcpy((uint8_t *)arena + 56, arena, 52);
  return EK_OK;
}
const ek_model copy_model = {"copy", 112, 3, inputs, 3, outputs, init, invoke};
"""


def _value(name: str, shape: tuple[int, ...], dtype: str, scale=None, zero_point=None, **more) -> dict:
    return {"name": name, "shape": list(shape), "dtype": dtype, "scale": scale, "zero_point": zero_point, **more}


_PICTURE = ((1, 2, 3, 4), "int8", SCALE, ZERO)
_NCHW = {"permutation": [0, 2, 3, 1]}  # applications have (1, 4, 2, 3)
DOCUMENT = {
    "schema": 1,
    "name": "copy",
    "file": "model.c",
    "precision": "int8",
    "opset": None,
    "inputs": [_value("x", *_PICTURE, **_NCHW), _value("state", (2,), "int64"), _value("r", (1, 3), "float32")],
    "outputs": [
        _value("y", *_PICTURE, **_NCHW, tolerance=0.25),
        _value("next", (2,), "int64", tolerance=0.0),
        _value("s", (1, 3), "float32", tolerance=0.0),
    ],
}
SOURCES = CSources(
    "copy",
    {"copy.h": '#include "edgekit.h"\n', "copy_model.c": _MODEL},
    {"edgekit.h": (runtime_dir() / "c" / "include" / "edgekit.h").read_text()},
)
MODEL = NativeModel(SOURCES, DOCUMENT)


@dataclass(frozen=True)
class Samples:
    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]

    def raw(self) -> bytes:
        return golden_raw(DOCUMENT, self.inputs, self.outputs)


def samples(count: int = 3) -> Samples:
    rng = np.random.default_rng(4)
    x = rng.uniform(-70, 70, (count, 1, 4, 2, 3)).astype(np.float32)
    state = rng.integers(-(1 << 40), 1 << 40, (count, 2))
    r = rng.normal(size=(count, 1, 3)).astype(np.float32)
    return Samples({"x": x, "state": state, "r": r}, {"y": stored_as_real(x), "next": state, "s": r})


def stored_as_real(x: np.ndarray) -> np.ndarray:
    """What an int8 value keeps of real numbers."""
    q = np.clip(np.rint(x / np.float32(SCALE)) + ZERO, -128, 127)
    return ((q - ZERO) * SCALE).astype(np.float32)


def program() -> Path:
    """The native program under AddressSanitizer and UBSan."""
    return build(MODEL.program_files(TARGET), host_compiler(*STRICT, *SANITIZED), "copy")


def library(folder: Path) -> Path:
    """A model folder with the library of this machine, its golden data and model.json."""
    flags = ("-shared", "-fPIC", "-Wl,--gc-sections", *library_exports())
    made = build(MODEL.library_files(TARGET), Compiler("cc", ("cc", "-O2", *STRICT, *flags)), "libcopy.so")
    folder.mkdir(parents=True)
    (folder / "libcopy.so").write_bytes(made.read_bytes())
    (folder / "golden.raw").write_bytes(samples().raw())
    (folder / "model.json").write_bytes(release_description(DOCUMENT, made, TARGET))
    return folder


def build_folder(folder: Path, golden: Samples) -> Path:
    """What `edgekit convert --formats c` would have left of it."""
    texts = SOURCES.texts()
    for name, text in texts.items():
        (folder / "c" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "c" / name).write_text(text)
    digest = hashlib.sha256(joined_sources(texts)).hexdigest()
    described = DOCUMENT | {"golden": "model.c.npz", "sha256": digest, "files": sorted(texts)}
    (folder / "model.json").write_text(json.dumps(described))
    arrays = {f"input.{k}": v for k, v in golden.inputs.items()} | {f"output.{k}": v for k, v in golden.outputs.items()}
    np.savez_compressed(folder / "golden.npz", **arrays)
    return folder

"""model.json of a release → `Description`: what the model wants and gives, and the hash of its file.

Refuses fields that are missing or of another type, and a `file` or `golden` outside the folder of the model.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from typing import NamedTuple

SCHEMA = 1
_DTYPES = (
    "float32", "float16", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool",
)  # fmt: skip


class LoadError(Exception):
    """The model cannot be loaded here: description, file, hash or runtime. The message says which and why."""


class Value(NamedTuple):
    """An input or output: `shape` and `dtype` are those of the model file, `app_shape` is that of an app's array.

    `scale` and `zero_point` are set where an integer `dtype` stands for real values. An app's array, transposed by the
    axes `permutation` (None: not at all) and given `shape`, is the model's; outputs go the same way back.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None
    tolerance: float | None = None  # outputs: largest absolute difference from the golden output, in real values
    permutation: tuple[int, ...] | None = None
    app_shape: tuple[int, ...] | None = None


class Description(NamedTuple):
    """model.json, checked. `folder` is absolute and free of links: a later switch of `current` does not touch it."""

    folder: str
    name: str
    file: str
    precision: str
    sha256: str
    golden: str | None
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]

    @property
    def model_path(self) -> str:
        return os.path.join(self.folder, self.file)


def read(path) -> Description:
    """Description of the release folder, model folder or model.json at `path`. Raises LoadError."""
    source = _find(os.path.realpath(os.fspath(path)))
    try:
        with open(source, encoding="utf-8") as f:
            return _parse(json.load(f), os.path.dirname(source))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as e:
        reason = f"{e} is missing" if isinstance(e, KeyError) else e
        raise LoadError(f"{source}: {reason}") from e


def verify(description: Description) -> None:
    """Raise LoadError unless the model file has the hash that model.json names."""
    digest = hashlib.sha256()
    try:
        with open(description.model_path, "rb") as f:
            for block in iter(lambda: f.read(1 << 20), b""):
                digest.update(block)
    except OSError as e:
        raise LoadError(f"{description.model_path}: {e.strerror}") from e
    got, want = digest.hexdigest(), description.sha256
    if got != want:
        raise LoadError(f"{description.model_path}: sha256 is {got}, model.json says {want}; deploy again")


def _find(real: str) -> str:
    places = [real, os.path.join(real, "model.json"), os.path.join(real, "model", "model.json")]
    for place in places:
        if os.path.isfile(place):
            return os.path.realpath(place)
    raise LoadError(f"{real}: neither a release folder, nor a model folder, nor a model.json")


def _parse(raw: dict, folder: str) -> Description:
    if raw["schema"] != SCHEMA:
        raise ValueError(f"schema {raw['schema']!r}, this runtime reads {SCHEMA}; deploy again to renew the runtime")
    golden = raw.get("golden")
    return Description(
        folder=folder,
        name=_text(raw, "name"),
        file=_inside(_text(raw, "file")),
        precision=_text(raw, "precision"),
        sha256=_text(raw, "sha256"),
        golden=None if golden is None else _inside(golden),
        inputs=tuple(_value(v) for v in raw["inputs"]),
        outputs=tuple(_value(v) for v in raw["outputs"]),
    )


def _value(raw: dict) -> Value:
    dtype = _text(raw, "dtype")
    if dtype not in _DTYPES:
        raise ValueError(f"{raw.get('name')}: dtype {dtype!r}, known are {', '.join(_DTYPES)}")
    scale, zero_point, tolerance = raw.get("scale"), raw.get("zero_point"), raw.get("tolerance")
    if scale is not None and not float(scale) > 0:
        raise ValueError(f"{raw.get('name')}: scale {scale!r}, must be positive")
    shape = _sizes(raw["shape"])
    permutation, app_shape = raw.get("permutation"), raw.get("app_shape")
    axes = None if permutation is None else _sizes(permutation)
    return Value(
        name=_text(raw, "name"),
        shape=shape,
        dtype=dtype,
        scale=None if scale is None else float(scale),
        zero_point=None if scale is None else int(zero_point or 0),
        tolerance=None if tolerance is None else float(tolerance),
        permutation=axes,
        app_shape=_app_shape(raw, shape, axes, None if app_shape is None else _sizes(app_shape)),
    )


def _sizes(numbers: list) -> tuple[int, ...]:
    return tuple(int(n) for n in numbers)


def _app_shape(raw: dict, shape: tuple[int, ...], axes: tuple[int, ...] | None, given: tuple[int, ...] | None):
    """`shape` before the permutation, unless model.json gives another; ValueError where the three contradict."""
    rank = len(shape if given is None else given)
    if axes is not None and sorted(axes) != list(range(rank)):
        raise ValueError(f"{raw['name']}: permutation {axes} of {rank} dimensions")
    if given is None:
        return shape if axes is None else tuple(shape[axes.index(axis)] for axis in range(rank))
    if math.prod(given) != math.prod(shape):
        raise ValueError(f"{raw['name']}: app_shape {given} does not hold as many numbers as shape {shape}")
    return given


def _text(raw: dict, key: str) -> str:
    if not isinstance(raw[key], str):
        raise ValueError(f"{key} is {raw[key]!r}, must be text")
    return raw[key]


def _inside(name: str) -> str:
    if not isinstance(name, str) or os.path.basename(name) != name or name in ("", ".", ".."):
        raise ValueError(f"{name!r} must name a file in the folder of model.json")
    return name

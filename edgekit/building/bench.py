"""Models as C → the files of the test bench that runs them on samples, and what goes into it and comes out as bytes.

The format is that of runtime/c/ports/bench.c. Refused: an output file that does not hold what was asked for.
"""

from __future__ import annotations

import math
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.building.compiler import build, host_compiler
from edgekit.emitters.c import CSources
from edgekit.errors import InternalError, ModelError, UsageError
from edgekit.program import Tensor
from edgekit.program.tensor import Array
from edgekit.resources import runtime_dir

Arrays = Mapping[str, Array]
FLOAT_CLOSE = 1e-4  # of the largest number: C adds floats in another order than NumPy
_HEAD = struct.Struct("<IIQ")
_CODES = {  # of runtime/c/ports: bench.c and host/port.c
    41: "there is no memory for the arena",
    42: "its file of inputs ends early",
    43: "its outputs could not be written",
}


@dataclass(frozen=True)
class Sample:
    """What one inference gave. status: 0, or why it failed (ek_status); the counts are 0 where nothing counts them."""

    status: int
    stack_bytes: int
    instructions: int
    outputs: Arrays


def bench_files(models: Sequence[CSources], port: str) -> dict[str, str]:
    """Text by path of the bench for `models`, whose names differ, on a port: a folder of runtime/c/ports."""
    files = {f"model/{name}": text for model in models for name, text in model.files.items()}
    files |= {f"kernels/{name}": text for model in models for name, text in model.kernel_files.items()}
    ports = runtime_dir() / "c" / "ports"
    files |= {f"port/{name}": (ports / name).read_text(encoding="utf-8") for name in ("bench.c", "port.h")}
    files |= {
        f"port/{path.name}": path.read_text(encoding="utf-8")
        for path in sorted((ports / port).iterdir())
        if path.is_file()
    }
    return files | {"model/models.c": _models(models)}


def _models(models: Sequence[CSources]) -> str:
    names = [f"{model.name}_model" for model in models]
    lines = ['#include "port.h"', *(f"extern const ek_model {name};" for name in names)]
    lines.append(f"const ek_model *const ek_models[] = {{{', '.join(f'&{name}' for name in names)}}};")
    lines.append(f"const int32_t ek_model_count = {len(names)};")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class End:
    """An input or output as the arena holds it."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, tensor: Tensor) -> End:
        return cls(tensor.name, tensor.shape, tensor.numpy_dtype)


def write_samples(cases: Iterable[tuple[Sequence[End], Sequence[Arrays]]]) -> bytes:
    """The input file: for each model, of its inputs, the samples, arrays by input name."""
    parts = []
    for ends, samples in cases:
        parts.append(struct.pack("<I", len(samples)))
        parts += [_bytes(sample[end.name]) for sample in samples for end in ends]
    return b"".join(parts)


def read_samples(content: bytes, cases: Iterable[tuple[Sequence[End], int]]) -> list[list[Sample]]:
    """The output file: for each model, of its outputs and number of samples, what came out. Raises InternalError."""
    reader = _Reader(content)
    found = [[_sample(reader, ends) for _ in range(count)] for ends, count in cases]
    if reader.at != len(content):
        raise InternalError(f"the test bench wrote {len(content)} bytes, wanted {reader.at}")
    return found


def run_here(
    sources: CSources, inputs: Sequence[End], outputs: Sequence[End], samples: Sequence[Arrays], limit_s: float = 600.0
) -> list[Sample]:
    """Build a model for this machine and run it on samples in order.

    Raises UsageError where there is no compiler or programs may not run, ModelError where it takes longer than
    `limit_s` or dies.
    """
    program = build(bench_files([sources], "host"), host_compiler())
    try:
        with tempfile.TemporaryDirectory(prefix="edgekit-run-") as folder:
            given, made = Path(folder) / "inputs", Path(folder) / "outputs"
            given.write_bytes(write_samples([(inputs, samples)]))
            done = subprocess.run([program, given, made], capture_output=True, cwd=folder, timeout=limit_s)
            if done.returncode != 0:
                why = _CODES.get(done.returncode, f"it ended with {done.returncode}")
                raise ModelError(f"the C program failed: {why}", hint="fewer samples need less memory and disk")
            return read_samples(made.read_bytes(), [(outputs, len(samples))])[0]
    except subprocess.TimeoutExpired as e:
        raise ModelError(f"it did not finish in {limit_s:g} s", hint="give fewer samples, or more time") from e
    except OSError as e:
        hint = "set EDGEKIT_CACHE to a folder that programs may be started from, TMPDIR to one with space"
        raise UsageError(f"the C program cannot be run here: {e.strerror}", hint=hint) from e


def apart(got: Array, wanted: Array) -> tuple[float, float]:
    """The largest difference, the largest of all numbers where one is none, and what is allowed: 0 but for floats."""
    a, b = got.astype(np.float64), wanted.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not np.isfinite(a[finite]).all():
        return sys.float_info.max, 0.0
    gap = float(np.abs(a[finite] - b[finite]).max(initial=0.0))
    return gap, FLOAT_CLOSE * float(np.abs(b[finite]).max(initial=1.0)) if wanted.dtype.kind == "f" else 0.0


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.content):
            raise InternalError(f"the test bench stopped after {len(self.content)} bytes of answers")
        self.at += count
        return self.content[self.at - count : self.at]


def _sample(reader: _Reader, ends: Sequence[End]) -> Sample:
    status, stack_bytes, instructions = _HEAD.unpack(reader.take(_HEAD.size))
    return Sample(status, stack_bytes, instructions, {end.name: _array(reader, end) for end in ends})


def _array(reader: _Reader, end: End) -> Array:
    content = reader.take(math.prod(end.shape) * end.dtype.itemsize)
    return np.frombuffer(content, end.dtype.newbyteorder("<")).reshape(end.shape).astype(end.dtype)


def _bytes(array: Array) -> bytes:
    little = array.dtype.newbyteorder("<")
    return np.ascontiguousarray(array).astype(little).tobytes()

"""Small models as libraries, for the tests of the exports, and how their files are put on disk and compiled."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from random_operators import PROGRAMS

from edgekit.emitters.c import emit_c
from edgekit.exports import Library, sample, values
from edgekit.exports.of_build import uses_float
from edgekit.interpreter import Interpreter
from edgekit.ops.convolution import Conv2D, Padding
from edgekit.ops.fully_connected import FullyConnected
from edgekit.ops.shape import Reshape
from edgekit.program import Activation, Op, Program, QuantParams, Tensor
from edgekit.resources import licence_text

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wdouble-promotion")


def weight(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Tensor:
    return Tensor(name, shape, "s8", QuantParams.of(0.02), rng.integers(-127, 128, shape, np.int8))


def classifier(name: str, seed: int = 0) -> Program:
    """A convolution and a product: 6x5 pixels of two channels → four classes."""
    rng = np.random.default_rng(seed)
    x = Tensor("x", (1, 6, 5, 2), "s8", QuantParams.of(0.5, 3))
    hidden = Tensor("hidden", (1, 6, 5, 3), "s8", QuantParams.of(1.5, -10))
    flat = Tensor("flat", (1, 90), "s8", hidden.quant)
    y = Tensor("y", (1, 4), "s8", QuantParams.of(9.0, 5))
    same: Padding = ((1, 1), (1, 1))
    convolution = Conv2D(
        name="conv",
        inputs=(x, weight(rng, "w0", (3, 3, 3, 2))),
        outputs=(hidden,),
        stride=(1, 1),
        dilation=(1, 1),
        padding=same,
        groups=1,
        activation=Activation.RELU,
    )
    reshape = Reshape(name="flatten", inputs=(hidden,), outputs=(flat,))
    product = FullyConnected(
        name="fc", inputs=(flat, weight(rng, "w1", (4, 90))), outputs=(y,), activation=Activation.NONE
    )
    return Program(name, (x,), (y,), (convolution, reshape, product))


def random_program(cls: type[Op], kind: str, name: str, seed: int = 0) -> Program:
    made = PROGRAMS[cls](np.random.default_rng(seed), kind)
    return Program(name, made.inputs, made.outputs, made.ops, made.states)


def random_array(rng: np.random.Generator, tensor: Tensor) -> np.ndarray:
    if tensor.dtype == "f32":
        return rng.normal(size=tensor.shape).astype(np.float32)
    low, high = (0, 1) if tensor.dtype == "b8" else (-100, 100)
    return rng.integers(low, high + 1, tensor.shape).astype(tensor.numpy_dtype)


def library_of(program: Program, samples: int = 2, version: str = "1.2.3") -> Library:
    """The library of a program, tested with random inputs; the interpreter gives the answers."""
    model = emit_c(program)
    ends = []
    for kind, tensors in (("input", program.inputs), ("output", program.outputs)):
        quants = [t.quant if t.quant is not None and t.quant.per_tensor else None for t in tensors]
        facts = [
            (t.name, t.shape, str(t.numpy_dtype), q.scale if q else None, q.zero_point if q else 0)
            for t, q in zip(tensors, quants, strict=True)
        ]
        ends.append(values(kind, facts))
    running, rng = Interpreter(program), np.random.default_rng(99)
    made = []
    for _ in range(samples):
        given = {t.name: random_array(rng, t) for t in program.inputs}
        made.append(sample(*ends, given, running.run(given), float_inside=uses_float(model.sources)))
    return Library(model.sources, model.arena_bytes, *ends, tuple(made), licence_text(), version)


def put(folder: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def ran(command: Sequence[str | Path], cwd: Path | None = None) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=cwd, timeout=600)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout

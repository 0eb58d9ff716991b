"""Names of strangers in generated C: models, operators, inputs and outputs, compiled strictly and run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from c_cases import ends, truths
from runtimes_of_cases import random_inputs, tensor

from edgekit.building import STRICT, bench_files, build, host_compiler, run_here
from edgekit.building.native import NativeModel, NativeTarget
from edgekit.emitters.c import emit_c, text
from edgekit.ops.functions import Clamp
from edgekit.program import Program

HOSTILE = [
    "a*/b",
    "//x",
    "/*",
    "a??/",
    "x\\",
    "x\\\ny",
    "é日本\u202e",
    "q\"uo'te",
    "%s%n",
    "a\0b",
    "*/ int x; /*",
    " ",
    "n" * 5000,
]
MODELS = ["shape", "ek", "models", "native", "port", "features", "stdarg", "golden", "NULL", "int8_t", "inline", "main"]
ENDS = [
    "EK_OK",
    "NULL",
    "INT8_MAX",
    "arena",
    "init",
    "invoke",
    "input",
    "INPUT",
    "in/put",
    "in-put",
    "a",
    "a_size",
    "size",
]
X, Y = tensor("x", (2, 3), 0.1, 3), tensor("y", (2, 3), 0.1, 3)
ONE = Program("m", (X,), (Y,), (Clamp(name="op", inputs=(X,), outputs=(Y,), low=0.0, high=6.0),))


def named(model: str, node: str, *ends_of: str) -> Program:
    pairs = [(replace(X, name=f"in{name}"), replace(Y, name=f"out{name}")) for name in ends_of]
    ops = [Clamp(name=node, inputs=(x,), outputs=(y,), low=0.0, high=6.0) for x, y in pairs]
    return Program(model, tuple(x for x, _ in pairs), tuple(y for _, y in pairs), tuple(ops))


def check(program: Program) -> None:
    sample = random_inputs(program)
    model = emit_c(program).sources
    build(bench_files([model], "host"), host_compiler(*STRICT, "-Wtrigraphs", "-Wcomment"))
    (got,) = run_here(model, ends(program.inputs), ends(program.outputs), [sample])
    (wanted,) = truths((program, [sample]))
    assert all(np.array_equal(got.outputs[name], array) for name, array in wanted.items())


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names(name):
    check(named(name, name, name))


@pytest.mark.parametrize("name", MODELS)
def test_models_named_like_something_of_ours_or_of_c(name):
    check(named(name, "op", ""))


def test_inputs_and_outputs_of_any_name():
    check(named("m", "op", *ENDS))


def test_long_names_are_cut_and_stay_apart():
    words = text.identifiers(["n" * 5000 + "a", "n" * 5000 + "b"])
    assert len(set(words)) == 2 and all(len(word) < 70 for word in words)


@pytest.mark.parametrize("name", ["native", "values", "json"])
def test_a_program_for_boards_has_the_files_of_the_model_and_its_own(name):
    sources = emit_c(replace(ONE, name=name)).sources
    document = {"name": name, "precision": "int8", "inputs": [], "outputs": []}
    files = NativeModel(sources, document).program_files(NativeTarget("x86_64"))
    assert all(files[path] == content for path, content in sources.texts().items())

"""Every mutated file is read or refused: no other exception, no signal, no hang, no gigabytes.

500 files in `make test`, 20,000 with `pytest -m slow`; another seed by EDGEKIT_FUZZ_SEED. Files that fail are kept in
.cache/fuzz; `python -m fuzz.server KIND SEED NUMBER` in the folder tests reads one of them again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.errors import UnsupportedError
from edgekit.lowering import from_tflite
from edgekit.ops import TFLITE
from fuzz import onnx_seeds, reading, tflite_seeds

TESTS = Path(__file__).resolve().parents[1]
FOLDER = TESTS.parent / ".cache" / "fuzz"
SEED = int(os.environ.get("EDGEKIT_FUZZ_SEED", "1"))
KINDS = ("tflite", "onnx")
FEW, MANY = 250, 10_000  # of each kind
# Operators that are read from no file of their own: inside others.
INSIDE = {"QUANTIZE", "DEQUANTIZE", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM", "FILL", "RANGE"}
REFUSED = {"branches", "custom", "densify", "sparse"}


def served(first: int, count: int) -> dict[str, dict]:
    """Both kinds at the same time, in a server each."""
    command = [sys.executable, "-m", "fuzz.server"]
    quiet = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    running = {
        kind: subprocess.Popen(
            [*command, kind, str(SEED), str(first), str(count), str(FOLDER)],
            cwd=TESTS, env=quiet, stdout=subprocess.PIPE, text=True,
        )
        for kind in KINDS
    }  # fmt: skip
    answers = {kind: process.communicate()[0] for kind, process in running.items()}
    ended = {kind: process.returncode for kind, process in running.items()}
    assert not any(ended.values()), f"a server ended: {ended}"
    return {kind: json.loads(answer) for kind, answer in answers.items()}


def check(found: dict[str, dict]) -> None:
    failures = []
    for kind, document in found.items():
        print(f"{kind}: seed {document['seed']}, {document['counts']}")
        failures += [f"{kind} {SEED} {f['number']}: {f['what']} ({f['file']})" for f in document["failures"]]
        assert document["counts"]["read"] > 0 and document["counts"]["refused"] > 0
    assert not failures, "\n".join(failures)


def test_500_mutated_files() -> None:
    check(served(0, FEW))


@pytest.mark.slow
def test_20000_mutated_files() -> None:
    check(served(FEW, MANY))


def test_every_operator_has_a_seed_that_is_read() -> None:
    """Mutations of files that are refused at once would show nothing."""
    read = set()
    for name, content in tflite_seeds.seeds().items():
        try:
            reading.check(from_tflite(content, name))
            read.add(name.removesuffix("_s8").removesuffix("_f32"))
        except UnsupportedError:
            pass
    assert set(TFLITE) - INSIDE <= read
    assert set(tflite_seeds.FORMS) - read == REFUSED


def test_most_onnx_seeds_are_read() -> None:
    refused = {}
    for name, content in onnx_seeds.seeds().items():
        try:
            reading.read_onnx(content, lambda _: None)
        except UnsupportedError as e:
            refused[name] = e.message
    assert len(refused) <= len(onnx_seeds.seeds()) // 2, refused

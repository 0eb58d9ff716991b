"""The native library in Python: the same answers with NumPy and without, from whatever an app has its numbers in."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from array import array
from pathlib import Path

import native_copy as copying
import numpy as np
import pytest
from conftest import RUNTIME
from edgekit_runtime import native, selftest
from edgekit_runtime.description import LoadError
from edgekit_runtime.model import Model

STATE, REALS = [1, -(1 << 40)], [[0.5, -1.25, 3.0]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copying.library(tmp_path_factory.mktemp("native") / "model")


@pytest.fixture(scope="module")
def plain(folder: Path) -> native.Model:
    """The model for boards without NumPy."""
    return native.Model(folder)


def picture() -> np.ndarray:
    return copying.samples().inputs["x"][0]


def test_with_numpy_it_is_a_model_as_any_other(folder):
    model = Model(folder)
    result = selftest.check(model)
    assert (result["ok"], result["samples"], result["max_abs_error"]) == (True, 3, 0.0)
    assert (model.runtime.name, model.threads) == ("native", 1)
    x = picture()
    y, following, reals = model(x, np.array(STATE), np.array(REALS, np.float32))
    assert np.array_equal(y, copying.stored_as_real(x)) and y.dtype == np.float32
    assert following.tolist() == STATE and reals.tolist() == REALS
    raw = np.arange(24, dtype=np.int8).reshape(1, 2, 3, 4)
    assert np.array_equal(model.raw(raw, np.array(STATE), np.array(REALS, np.float32))[0], raw)


def test_the_two_answer_alike_and_quantize_alike(folder, plain):
    """Also halves, and what is clipped."""
    whole = Model(folder)
    rng = np.random.default_rng(6)
    pictures = [rng.uniform(-80, 80, (1, 4, 2, 3)), np.arange(24).reshape(1, 4, 2, 3) / 4 - 3, rng.normal(0, 1e30, 24)]
    for x in pictures:
        x = x.astype(np.float32).reshape(1, 4, 2, 3)
        wanted = whole(x, np.array(STATE), np.array(REALS, np.float32))[0]
        assert np.array_equal(np.asarray(plain(x, STATE, REALS)[0]), wanted)
    for (inputs, outputs), (its_inputs, its_outputs) in zip(plain.golden(), whole.golden(), strict=True):
        assert all(np.array_equal(np.asarray(inputs[name]), its_inputs[name]) for name in inputs)
        assert all(np.array_equal(np.asarray(outputs[name]), its_outputs[name]) for name in outputs)


FLOATS = picture()


@pytest.mark.parametrize(
    "x",
    [
        FLOATS, FLOATS.tolist(), FLOATS.ravel().tolist(), tuple(FLOATS.ravel().tolist()), FLOATS.tobytes(),
        bytearray(FLOATS.tobytes()), array("f", FLOATS.ravel()), memoryview(FLOATS), FLOATS.ravel(),
        FLOATS.astype(np.float64), np.asfortranarray(FLOATS), array("d", FLOATS.ravel().tolist()),
        FLOATS.astype(">f4"), FLOATS.astype(">f8"),
    ],
    ids=lambda x: f"{type(x).__name__}-{getattr(x, 'dtype', '')}",
)  # fmt: skip
def test_numbers_in_any_container(plain, x):
    y, following, reals = plain(x, array("q", STATE), REALS)
    assert np.array_equal(np.asarray(y), copying.stored_as_real(FLOATS))
    assert (y.shape, y.format) == ((1, 4, 2, 3), "f")
    assert following.tolist() == STATE and reals.tolist() == REALS


def test_by_name(plain):
    named = plain(r=REALS, state=STATE, x=FLOATS)
    assert named[0].tolist() == plain({"x": FLOATS, "state": STATE, "r": REALS})[0].tolist()


@pytest.mark.parametrize(
    "changed,why",
    [
        ({"x": FLOATS[0]}, "shape"), ({"x": FLOATS.ravel()[:23]}, "shape"),
        ({"x": FLOATS.astype(np.uint8)}, "scale it"),
        ({"x": FLOATS.tobytes()[:-1]}, "95 bytes, expected 96"), ({"x": [FLOATS[0].tolist()] * 2}, "shape"),
        ({"x": np.full_like(FLOATS, math.nan)}, "NaN or infinity"), ({"r": [[1.0, math.inf, 0.0]]}, "NaN or infinity"),
        ({"state": [1.5, 2]}, "state"), ({"state": [1 << 70, 2]}, "state"), ({"state": array("d", [1, 2])}, "state"),
        ({"x": [[[["a"] * 3] * 2] * 4]}, "x"), ({"x": None}, "got NoneType"), ({"x": "abc"}, "got str"),
        ({"x": FLOATS.astype(object)}, "scale it"), ({"x": FLOATS.astype(complex)}, "scale it"),
        ({"x": np.zeros(24, "f4,f4")}, "scale it"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(plain, changed, why):
    with pytest.raises(ValueError, match=why):
        plain({"x": FLOATS, "state": STATE, "r": REALS} | changed)


def test_inputs_must_be_all_there(plain):
    with pytest.raises(ValueError, match="expected"):
        plain(FLOATS, STATE)
    with pytest.raises(ValueError, match="expected"):
        plain(x=FLOATS, state=STATE, z=REALS)


def test_raw_bytes(plain):
    stored = [bytes(range(24)), array("q", STATE).tobytes(), array("f", REALS[0]).tobytes()]
    y, following, reals = plain.raw(*stored)
    assert (y.format, y.shape, y.tobytes()) == ("b", (1, 2, 3, 4), stored[0])
    assert (following.tobytes(), reals.tobytes()) == (stored[1], stored[2])
    with pytest.raises(ValueError, match="23 bytes, expected 24"):
        plain.raw(stored[0][:-1], *stored[1:])


def test_a_model_that_fails(plain):
    with pytest.raises(IndexError):
        plain(FLOATS, [99, 0], REALS)


def test_what_is_not_a_library(folder, tmp_path):
    changed = tmp_path / "model"
    changed.mkdir()
    for file in folder.iterdir():
        (changed / file.name).write_bytes(file.read_bytes())
    (changed / "libcopy.so").write_bytes(b"no library")
    with pytest.raises(LoadError, match="sha256"):
        native.Model(changed)
    with pytest.raises(LoadError, match="libcopy"):
        native.Model(changed, verify=False)
    described = json.loads((folder / "model.json").read_text())
    described["inputs"][1]["shape"] = [3]
    (changed / "model.json").write_text(json.dumps(described))
    (changed / "libcopy.so").write_bytes((folder / "libcopy.so").read_bytes())
    with pytest.raises(LoadError, match="describes inputs"):
        native.Model(changed)


def test_without_numpy(folder):
    """A Python that has none: what `Model` is there, and that nothing else of the package needs one."""
    code = (
        "import sys; sys.modules['numpy'] = None; sys.path.insert(0, sys.argv[1])\n"
        "from edgekit_runtime import Model\n"
        "m = Model(sys.argv[2]); y = m(m.example())\n"
        "print(m.runtime[0], [e.tolist() for e in y] == [o.tolist() for o in next(m.golden())[1].values()])"
    )
    done = subprocess.run([sys.executable, "-c", code, RUNTIME, folder], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("native True\n", "")


def test_without_numpy_other_models_are_refused(tmp_path):
    import tiny

    tiny.qdq_model(tmp_path / "model")
    with pytest.raises(LoadError, match="without NumPy"):
        native.Model(tmp_path / "model")

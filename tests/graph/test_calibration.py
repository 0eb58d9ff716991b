"""Calibration data is checked before it is used, and a graph's ranges are those of its values."""

from __future__ import annotations

import contextlib
import io
import zipfile
from dataclasses import dataclass

import numpy as np
import pytest
from hostile_models import mutations
from int8_nets import Net, classifier, data, images

from edgekit.errors import ModelError, UnsupportedError
from edgekit.graph.calibration import calibration_data, observe
from edgekit.graph.observers import OBSERVERS
from edgekit.npz import load_npz


@dataclass(frozen=True)
class Spec:
    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"


X = Spec("x", (1, 3, 4))
TWO = (X, Spec("n", (1,), "int64"))


def good(samples=40, *shape):
    return np.random.default_rng(0).standard_normal((samples, *(shape or (1, 3, 4)))).astype(np.float32)


def test_array_with_and_without_the_first_dimension():
    for raw in (good(), good()[:, 0], {"x": good()}):
        checked = calibration_data(raw, [X])
        assert checked.arrays["x"].shape == (40, 1, 3, 4)
        assert (checked.kind, checked.samples, checked.warnings) == ("data", 40, ())
        np.testing.assert_array_equal(checked.sample(7)["x"], good()[7])


def test_limit():
    assert calibration_data(good(), [X], samples_limit=33).samples == 33


@pytest.mark.parametrize("dtype", [">f4", "<f8", "float16", "uint8", "int16", "bool"])
def test_types_that_cast(dtype):
    array = calibration_data(good().astype(dtype), [X]).arrays["x"]
    assert array.dtype == np.float32 and array.dtype.isnative
    np.testing.assert_allclose(array, good().astype(dtype).astype(np.float32))


def test_integers_for_a_float_input_are_a_warning():
    (warning,) = calibration_data((good() * 9).astype("uint8"), [X]).warnings
    assert all(word in warning for word in ('"x"', "uint8", "float32", "/ 255"))
    integers = calibration_data({"x": good(), "n": np.zeros((40, 1), np.int32)}, TWO)
    assert integers.warnings == ()


def test_no_data_says_how_to_give_it():
    with pytest.raises(ModelError) as e:
        calibration_data(None, [X])
    assert e.value.code == 3
    for way in ("calibration_data()", "--calibration FILE.npz", "--calibration random", "unknown"):
        assert way in e.value.hint


def with_number(bad):
    array = good()
    array.flat[3] = bad
    return array


@pytest.mark.parametrize(
    ("raw", "inputs", "message"),
    [
        (good(0), [X], "0 samples"),
        (good()[:, :, :2], [X], r"shape \[40, 1, 2, 4\], wanted \[samples, 1, 3, 4\]"),
        (np.float32(3), [X], "shape"),
        (with_number(np.nan), [X], "1 values are NaN or infinite"),
        (with_number(-np.inf), [X], "1 values are NaN or infinite"),
        (np.full((40, 1, 3, 4), 1e300), [X], "480 values are NaN or infinite, or too large for float32"),
        (good().astype(np.complex64), [X], "dtype complex64, wanted float32"),
        (good().astype(np.int64), [X], "dtype int64, wanted float32"),
        (np.array([["a"]]), [X], "dtype"),
        ([[1.0], [1.0, 2.0]], [X], "not an array"),
        ({"y": good()}, [X], r"missing: x; not an input: y"),
        (good(), TWO, "one array, the model has 2 inputs"),
        ({"x": good(), "n": np.zeros((39, 1), np.int64)}, TWO, "different numbers of samples"),
        ({"x": good(), "n": np.zeros((40, 1), np.float32)}, TWO, 'of "n": dtype float32, wanted int64'),
        ("rnadom", [X], "random"),
    ],
)
def test_refused(raw, inputs, message):
    with pytest.raises(ModelError, match=message) as e:
        calibration_data(raw, inputs)
    assert e.value.code == 3


def test_all_offenders_are_named():
    with pytest.raises(ModelError, match=r'of "x": 0 samples; calibration of "n": dtype'):
        calibration_data({"x": good(0), "n": np.zeros((40, 1))}, TWO)


def test_warnings():
    few, flat = calibration_data(np.ones((5, 1, 3, 4), np.float32), [X]).warnings
    assert "only 5 calibration samples" in few and "all values are 1" in flat


def test_an_input_of_a_type_that_numpy_has_not():
    with pytest.raises(UnsupportedError, match='"x" is bfloat16'):
        calibration_data("random", [Spec("x", (1, 4), "bfloat16")])


def test_random_is_repeatable_and_says_so():
    a, b = (calibration_data("random", TWO, seed=4) for _ in range(2))
    assert a.kind == "random" and "accuracy" in a.warnings[0]
    assert a.arrays["n"].dtype == np.int64 and a.arrays["x"].shape == (64, 1, 3, 4)
    np.testing.assert_array_equal(a.arrays["x"], b.arrays["x"])
    assert not np.array_equal(a.arrays["x"], calibration_data("random", TWO, seed=5).arrays["x"])


def test_npz_round_trip(tmp_path):
    np.savez(tmp_path / "d.npz", x=good())
    np.testing.assert_array_equal(load_npz(tmp_path / "d.npz")["x"], good())


def npz_bytes(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def huge_entry():
    """A few kilobytes that claim to unpack to 4 GiB."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("x.npy", b"0" * 100)
    raw = bytearray(stream.getvalue())
    size = raw.rfind(b"PK\x01\x02") + 24
    raw[size : size + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    return bytes(raw)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a zip file",
        npz_bytes(x=good())[:-30],
        npz_bytes(x=good())[:200],
        npz_bytes(x=np.array([{"a": 1}], dtype=object)),
        npz_bytes(**{f"a{i}": np.zeros(1) for i in range(100)}),
        huge_entry(),
    ],
    ids=["empty", "text", "no directory", "truncated", "pickle", "many arrays", "bomb"],
)
def test_npz_that_is_refused(tmp_path, content):
    file = tmp_path / "d.npz"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"d\.npz"):
        load_npz(file)


def test_damaged_npz_end_in_an_edgekit_error_or_load(tmp_path):
    stream = io.BytesIO()
    np.savez_compressed(stream, x=good(3))
    file = tmp_path / "d.npz"
    for content in mutations(npz_bytes(x=good(3)), 150) + mutations(stream.getvalue(), 150):
        file.write_bytes(content)
        with contextlib.suppress(ModelError):
            load_npz(file)


@pytest.mark.parametrize(
    "header",
    [
        f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({10**30},)}}",
        "{'descr': (), 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,",
    ],
    ids=["shape", "descr", "open"],
)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_LZMA])
def test_headers_that_numpy_stumbles_over(tmp_path, header, method):
    text = header.encode().ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "d.npz", "w", method) as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(4))
    with pytest.raises(ModelError, match=r"d\.npz: not a readable .npz file"):
        load_npz(tmp_path / "d.npz")


def test_npz_that_is_missing(tmp_path):
    with pytest.raises(ModelError, match="No such file"):
        load_npz(tmp_path / "none.npz")


def test_minmax_is_the_extent_of_every_value():
    net = Net()
    x = net.input("x", 1, 1, 12, 12)
    doubled = net.op("Mul", x, net.constant(np.float32(2)))
    model = net.model(net.op("Relu", doubled))
    ranges = observe(model, data(), "minmax")
    low, high = float(images().min()), float(images().max())
    assert set(ranges) == {"x", "mul0_out", "relu1_out"}
    assert (ranges["x"].low, ranges["x"].high) == (low, high)
    assert (ranges["mul0_out"].low, ranges["mul0_out"].high) == (2 * low, 2 * high)
    assert (ranges["relu1_out"].low, ranges["relu1_out"].high) == (0, 2 * high)


@pytest.mark.parametrize("name", OBSERVERS)
def test_observers_stay_inside_the_extremes(name):
    model = classifier()
    widest, ranges = observe(model, data(), "minmax"), observe(model, data(), name)
    assert set(ranges) == set(widest)
    for value, held in ranges.items():
        step = (widest[value].high - widest[value].low) * 1e-6
        assert widest[value].low - step <= held.low <= held.high <= widest[value].high + step


def test_progress_counts_both_passes():
    seen = []
    observe(classifier(), data(images(5)), "mse", lambda done, total: seen.append((done, total)))
    assert seen == [(i, 10) for i in range(1, 11)]


def test_unknown_observer():
    with pytest.raises(ModelError, match='no observer "percentil"') as e:
        observe(classifier(), data(), "percentil")
    assert "percentile" in e.value.hint


def test_values_that_are_not_finite_name_the_node():
    net = Net()
    model = net.model(net.op("Log", net.input("x", 1, 1, 12, 12), name="logarithm"))
    with pytest.raises(ModelError, match=r'node "logarithm" computes \d+ values that are not finite'):
        observe(model, data(), "minmax")

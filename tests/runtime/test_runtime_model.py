"""`edgekit_runtime.Model` on real ONNX Runtime and LiteRT, against a NumPy reference."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny
from edgekit_runtime import LoadError, Model, selftest

BUILDERS = {
    "float": tiny.float_model,
    "qdq": tiny.qdq_model,
    "int8-io": tiny.int8_model,
    "tflite": tiny.tflite_model,
}


@pytest.fixture(params=BUILDERS)
def folder(request, tmp_path: Path) -> Path:
    if request.param == "tflite":
        pytest.importorskip("ai_edge_litert", reason="needs the tflite extra")
    return BUILDERS[request.param](tmp_path / "model")


def test_real_values_in_and_out(folder):
    model = Model(folder)
    for inputs, outputs in model.golden():
        y = model(inputs["x"])
        assert y.dtype == np.float32 and y.shape == (1, 4)
        np.testing.assert_allclose(y, outputs["y"], atol=model.outputs[0].tolerance)
        np.testing.assert_allclose(y, tiny.layer().real(inputs["x"]), atol=2 * tiny.Y_SCALE)


@pytest.mark.parametrize("build", [tiny.int8_model, tiny.tflite_model])
def test_raw_is_the_models_own_type(build, tmp_path):
    if build is tiny.tflite_model:
        pytest.importorskip("ai_edge_litert", reason="needs the tflite extra")
    model = Model(build(tmp_path))
    q = tiny.quantize(tiny.samples(1)[0])
    y = model.raw(q)
    assert y.dtype == np.int8
    assert np.abs(y.astype(int) - tiny.layer().integer(q)).max() <= 1
    np.testing.assert_array_equal(model(tiny.samples(1)[0]), tiny.dequantize(y))
    with pytest.raises(ValueError, match="dtype float32, expected int8"):
        model.raw(tiny.samples(1)[0])


def test_the_same_arrays_whatever_the_layout_of_the_file(tmp_path):
    """An NHWC file behind an NCHW app: values, golden data and their check, against NumPy and the ONNX file."""
    pytest.importorskip("ai_edge_litert", reason="needs the tflite extra")
    onnx, tflite = (Model(folder) for folder in tiny.pool_models(tmp_path))
    assert onnx.inputs[0].app_shape == tflite.inputs[0].app_shape == tiny.PICTURE
    assert tflite.inputs[0].shape == (1, 4, 6, 3)
    x = tiny.pictures(1)[0]
    y = tflite(x)
    assert y.shape == (1, 3, 2, 3) and y.flags.c_contiguous
    np.testing.assert_allclose(y, onnx(x), atol=0.0501)  # half a step of int8
    np.testing.assert_allclose(onnx(x), tiny.pooled(x[None])[0])
    assert selftest.check(tflite)["ok"] and selftest.check(onnx)["ok"]
    q = np.clip(np.rint(x / np.float32(0.1)) - 5, -128, 127).astype(np.int8)
    np.testing.assert_array_equal(tflite.raw(q.transpose(0, 2, 3, 1)), tiny.pooled(q[None])[0].transpose(0, 2, 3, 1))
    with pytest.raises(ValueError, match=r"shape \(1, 4, 6, 3\), expected \(1, 3, 4, 6\)"):
        tflite(x.transpose(0, 2, 3, 1))
    with pytest.raises(ValueError, match=r"shape \(1, 3, 4, 6\), expected \(1, 4, 6, 3\)"):
        tflite.raw(q)


def test_a_file_of_another_rank(tmp_path):
    """(batch, channels, time) of a 1-D network in a file that holds (batch, 1, time, channels)."""
    pytest.importorskip("ai_edge_litert", reason="needs the tflite extra")
    from small_tflite import max_pool

    values = {"scale": 1.0, "zero_point": 0, "permutation": [0, 2, 1]}
    io = (
        [tiny.value("x", (1, 2, 8, 3), "int8", app_shape=[1, 3, 16], **values)],
        [tiny.value("y", (1, 1, 4, 3), "int8", app_shape=[1, 3, 4], **values)],
    )
    model = Model(tiny.write(tmp_path, "model.tflite", max_pool((1, 2, 8, 3), 1.0, 0), io, {}))
    x = np.random.default_rng(0).integers(-100, 100, (1, 3, 16)).astype(np.float32)
    rows = x.reshape(1, 3, 2, 4, 2)  # the file takes the 16 steps as two rows of 8
    np.testing.assert_array_equal(model(x), rows.max(axis=(2, 4)))


def test_values_beyond_the_range_saturate(tmp_path):
    model = Model(tiny.int8_model(tmp_path))
    low, high = np.full((1, 8), -1e6, np.float32), np.full((1, 8), 3e38, np.float32)
    np.testing.assert_array_equal(model(low), model(np.full((1, 8), -125 * tiny.X_SCALE, np.float32)))
    np.testing.assert_array_equal(model(high), model(np.full((1, 8), 130 * tiny.X_SCALE, np.float32)))


def test_several_inputs_and_outputs(tmp_path):
    model = Model(tiny.state_model(tmp_path))
    x, state = np.array([[1, 2]], np.float32), np.array([41], np.int64)
    for outputs in (model(x, state), model({"x": x, "state": state}), model(x=x, state=state)):
        assert isinstance(outputs, tuple)
        np.testing.assert_array_equal(outputs[0], [[2, 4]])
        np.testing.assert_array_equal(outputs[1], [42])
        assert outputs[1].dtype == np.int64
    assert set(model.example()) == {"x", "state"}
    model(model.example())
    np.testing.assert_array_equal(model(x, [7])[1], [8])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((8,), np.float32),), r"shape \(8,\), expected \(1, 8\)"),
        ((np.zeros((2, 8), np.float32),), r"shape \(2, 8\), expected \(1, 8\)"),
        ((np.zeros((1, 8), np.uint8),), "dtype uint8, expected float32"),
        ((np.zeros((1, 8), complex),), "dtype complex128, expected float32"),
        ((np.full((1, 8), np.nan, np.float32),), "NaN"),
        (({"z": np.zeros((1, 8), np.float32)},), r"got \['z'\], expected \['x'\]"),
        ((np.zeros((1, 8), np.float32),) * 2, r"got 2 arrays, expected \['x'\]"),
        ((), r"got 0 arrays, expected \['x'\]"),
    ],
)
@pytest.mark.parametrize("build", [tiny.float_model, tiny.int8_model])
def test_wrong_inputs_are_refused(build, arguments, message, tmp_path):
    model = Model(build(tmp_path))
    with pytest.raises(ValueError, match=message):
        model(*arguments)


def test_integers_that_do_not_fit_are_refused(tmp_path):
    model = Model(tiny.state_model(tmp_path))
    with pytest.raises(ValueError, match="do not fit into int64"):
        model(np.zeros((1, 2), np.float32), np.array([2**63], np.uint64))
    with pytest.raises(ValueError, match="dtype float64, expected int64"):
        model(np.zeros((1, 2), np.float32), np.array([0.5]))


def test_float64_and_strided_inputs_are_taken(tmp_path):
    model = Model(tiny.float_model(tmp_path))
    x = tiny.samples(1)[0]
    wide = np.zeros((1, 16))
    wide[:, ::2] = x
    np.testing.assert_allclose(model(wide[:, ::2]), model(x), atol=1e-6)


def test_a_switch_of_current_does_not_mix_releases(tmp_path):
    """The app keeps the release that it opened, although `current` moves and even the golden file is read later."""
    old, new, current = tmp_path / "releases/old", tmp_path / "releases/new", tmp_path / "current"
    tiny.float_model(old / "model")
    tiny.int8_model(new / "model")
    current.symlink_to(old)
    model = Model(current)
    (tmp_path / "next").symlink_to(new)
    (tmp_path / "next").replace(current)
    assert Path(model.folder) == (old / "model").resolve()
    assert model(model.example()).shape == (1, 4)
    assert Model(current).inputs[0].dtype == "int8"


def test_every_form_of_path(tmp_path):
    folder = tiny.float_model(tmp_path / "release/model")
    for path in (tmp_path / "release", folder, str(folder / "model.json")):
        assert Model(path).folder == str(folder.resolve())


def test_a_changed_model_file_is_refused(tmp_path):
    folder = tiny.float_model(tmp_path)
    data = bytearray((folder / "model.onnx").read_bytes())
    data[-1] ^= 1
    (folder / "model.onnx").write_bytes(data)
    with pytest.raises(LoadError, match="sha256"):
        Model(folder)
    Model(folder, verify=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "schema 2"),
        ({"file": "../model.onnx"}, "must name a file in the folder"),
        ({"golden": "/etc/passwd"}, "must name a file in the folder"),
        ({"inputs": [tiny.value("x", (1, 8), "float8")]}, "dtype 'float8'"),
        ({"inputs": [tiny.value("x", (1, 8), "int8", -1.0, 0)]}, "scale -1.0"),
        ({"inputs": [{"name": "x", "dtype": "float32"}]}, "'shape' is missing"),
        ({"inputs": [tiny.value("other", (1, 8))]}, "the model file has"),
        ({"inputs": [tiny.value("x", (1, 9))]}, "the model file has"),
        ({"inputs": [tiny.value("x", (1, 8), "int8", 1.0, 0)]}, "the model file has"),
        ({"inputs": [tiny.value("x", (1, 8), permutation=[0, 0])]}, r"permutation \(0, 0\) of 2 dimensions"),
        (
            {"inputs": [tiny.value("x", (1, 8), permutation=[1, 0], app_shape=[8])]},
            r"permutation \(1, 0\) of 1 dimensions",
        ),
        ({"inputs": [tiny.value("x", (1, 8), app_shape=[2, 3])]}, r"app_shape \(2, 3\) does not hold as many"),
        ({"inputs": [tiny.value("x", (1, 8), permutation=3)]}, "not iterable"),
        ({"name": 3}, "name is 3"),
    ],
)
def test_wrong_descriptions_are_refused(changes, message, tmp_path):
    with pytest.raises(LoadError, match=message):
        Model(tiny.edit(tiny.float_model(tmp_path), **changes))


@pytest.mark.parametrize("content", ["[" * 100_000, "[]", "3", '{"schema": 1, "inputs": 1e999}', "\ud800"])
def test_descriptions_of_another_form_are_refused(content, tmp_path):
    folder = tiny.float_model(tmp_path)
    (folder / "model.json").write_bytes(content.encode(errors="surrogatepass"))
    with pytest.raises(LoadError, match=r"model\.json"):
        Model(folder)


@pytest.mark.parametrize("build", [tiny.float_model, tiny.qdq_model, tiny.int8_model])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_what_is_not_finite_in_the_models_type_is_refused(build, bad, tmp_path):
    model = Model(build(tmp_path))
    x = np.zeros((1, 8))
    x[0, 3] = bad
    with pytest.raises(ValueError, match="input x: contains"):
        model(x)
    if model.inputs[0].dtype == "float32":
        with pytest.raises(ValueError, match="input x: contains"), np.errstate(over="ignore"):
            model.raw(x.astype(np.float32))


def test_missing_things_are_named(tmp_path):
    with pytest.raises(LoadError, match="neither a release folder"):
        Model(tmp_path / "nothing")
    folder = tiny.float_model(tmp_path)
    (folder / "golden.npz").write_bytes(b"PK\3\4 not a zip")
    with pytest.raises(LoadError, match=r"golden\.npz"):
        Model(folder).example()
    (folder / "model.json").write_text("{")
    with pytest.raises(LoadError, match=r"model\.json"):
        Model(folder)


def test_every_failed_runtime_gives_its_reason(tmp_path):
    """tflite_runtime is not installed, LiteRT refuses the content: both reasons are told."""
    pytest.importorskip("ai_edge_litert", reason="needs the tflite extra")
    folder = tiny.float_model(tmp_path)
    shutil.move(folder / "model.onnx", folder / "model.tflite")
    with pytest.raises(LoadError, match=r"(?s)ai_edge_litert: \w+.*tflite_runtime: \w+"):
        Model(tiny.edit(folder, file="model.tflite"))
    with pytest.raises(LoadError, match=r"files of type '\.bin' are not known"):
        (folder / "model.bin").write_bytes((folder / "model.tflite").read_bytes())
        Model(tiny.edit(folder, file="model.bin"))
    with pytest.raises(LoadError, match="runtime 'onnxruntime' cannot run it, only ai_edge_litert, tflite_runtime"):
        Model(tiny.edit(folder, file="model.tflite"), runtime="onnxruntime")


def test_a_runtime_that_imports_but_cannot_build_is_passed_over(tmp_path, monkeypatch):
    """What tflite_runtime does with NumPy 2: the import works, the interpreter does not."""
    pytest.importorskip("ai_edge_litert", reason="needs the tflite extra")
    from edgekit_runtime import runtimes

    package = tmp_path / "broken_runtime"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "interpreter.py").write_text("def Interpreter(**_):\n    raise SystemError('_ARRAY_API not found')\n")
    monkeypatch.syspath_prepend(tmp_path)

    class Broken(runtimes.LiteRt):
        module = "broken_runtime"

    monkeypatch.setitem(runtimes.CANDIDATES, ".tflite", {"broken": Broken, "ai_edge_litert": runtimes.LiteRt})
    assert Model(tiny.tflite_model(tmp_path / "model")).runtime.name == "ai_edge_litert"


def test_runtime_is_named(tmp_path):
    import onnxruntime

    runtime = Model(tiny.float_model(tmp_path), threads=1).runtime
    assert (runtime.name, runtime.version) == ("onnxruntime", onnxruntime.__version__)
    assert runtime.providers == ("CPUExecutionProvider",)

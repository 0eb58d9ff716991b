"""Sessions of every runtime on this machine: the same small models against NumPy; states; what each refuses."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from small_network import small_network
from small_tflite import Node, T, max_pool, tflite

from edgekit import runtimes
from edgekit.errors import ModelError, UnsupportedError, UsageError
from edgekit.runtimes.samples import joined, samples
from edgekit.runtimes.session import Value

TFLITE = [name for name, runtime in runtimes.RUNTIMES.items() if ".tflite" in runtime.file_types]
CPLUSPLUS = [name for name in TFLITE if name != "interpreter"]


def opened(name: str, content: bytes) -> runtimes.Session:
    if not runtimes.RUNTIMES[name].installed:
        pytest.skip(f"{runtimes.RUNTIMES[name].package} is not installed")
    return runtimes.open_runtime(name, content)


@pytest.mark.parametrize("name", TFLITE)
def test_every_runtime_of_tflite_files_gives_the_same(name: str) -> None:
    session = opened(name, max_pool())
    scale = float(np.float32(0.1))
    assert session.inputs == (Value("x", (1, 4, 6, 3), "int8", scale, -5),)
    assert session.outputs == (Value("y", (1, 2, 3, 3), "int8", scale, -5),)
    x = np.random.default_rng(0).integers(-128, 128, (1, 4, 6, 3)).astype(np.int8)
    y = session.run({"x": x})["y"]
    np.testing.assert_array_equal(y, x.reshape(1, 2, 2, 3, 2, 3).max(axis=(2, 4)))
    np.testing.assert_array_equal(session.run({"x": x[:, ::-1, :, :]})["y"], y[:, ::-1])  # a view is as good
    assert re.search(r"\d", session.name)


@pytest.mark.parametrize("name", TFLITE)
def test_a_session_checks_what_it_is_given(name: str) -> None:
    session = opened(name, max_pool())
    x = np.zeros((1, 4, 6, 3), np.int8)
    for wrong in ({}, {"x": x.astype(np.float32)}, {"x": x[0]}):
        with pytest.raises(ModelError, match=r"missing|wanted int8 \[1, 4, 6, 3\], scale"):
            session.run(wrong)


def remembering(bias: bool = True) -> bytes:
    """y = x of the last call + 10 times x: an SVDF with one filter that looks two calls back."""
    tensors = [
        T("x", (1, 1), "float32"),
        T("feature", (1, 1), "float32", data=np.ones((1, 1))),
        T("time", (1, 2), "float32", data=np.array([[1, 10]])),
        T("state", (1, 2), "float32", variable=True),
        T("y", (1, 1), "float32"),
        T("bias", (1,), "float32", data=np.zeros(1)),
    ]
    inputs = (0, 1, 2, 5 if bias else -1, 3)
    return tflite(tensors, [Node("SVDF", inputs, (4,), {"rank": 1}, 1, "SVDFOptions")], [0], [4])


@pytest.mark.parametrize("name", TFLITE)
def test_states_carry_over_from_run_to_run(name: str) -> None:
    session = opened(name, remembering())
    given = [1, 2, 3, 0]
    answers = [session.run({"x": np.full((1, 1), x, np.float32)})["y"].item() for x in given]
    assert answers == [10, 21, 32, 3]
    assert opened(name, remembering()).run({"x": np.zeros((1, 1), np.float32)})["y"].item() == 0


@pytest.mark.parametrize("name", ["onnxruntime", "interpreter"])
def test_onnx_files_keep_their_own_types_and_layout(name: str, tmp_path: Path) -> None:
    import onnx

    from edgekit.graph.evaluation import Predictor

    onnx.save(small_network(), tmp_path / "small.onnx")
    session = runtimes.open_runtime(name, tmp_path / "small.onnx")
    assert [(v.shape, v.dtype) for v in session.inputs] == [((1, 1, 8, 8), "float32")]
    x = np.random.default_rng(0).normal(size=(1, 1, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(session.run({"x": x})["y"], Predictor(tmp_path / "small.onnx").predict(x), rtol=1e-4)


def test_a_quantized_onnx_file_is_run_in_integers_by_the_interpreter(tmp_path: Path) -> None:
    """Float NCHW in and out, as ONNX Runtime has it; one step of the output apart at most."""
    import onnx

    import edgekit

    x = np.random.default_rng(0).normal(size=(20, 1, 8, 8)).astype(np.float32)
    onnx.save(small_network(), tmp_path / "small.onnx")
    edgekit.convert(tmp_path / "small.onnx", calibration={"x": x}, out=tmp_path / "build")
    one, other = (
        runtimes.open_runtime(name, tmp_path / "build" / "model.onnx") for name in ("onnxruntime", "interpreter")
    )
    assert one.inputs == other.inputs and one.outputs == other.outputs
    answers = [joined(s.run(row) for row in samples({"x": x}, s.inputs))["y"] for s in (one, other)]
    step = np.unique(np.diff(np.unique(answers[0])))[0]
    assert np.abs(answers[0] - answers[1]).max() <= 1.01 * step


@pytest.mark.parametrize("name", CPLUSPLUS)
def test_a_model_that_the_runtime_cannot_do_is_refused_with_its_words(name: str) -> None:
    tensors = [T("x", (1, 4), "int8", 0.1), T("y", (1, 4), "int8", 0.1)]
    with pytest.raises(UnsupportedError, match=r"(?i)does not load the model: .*\bround\b"):
        opened(name, tflite(tensors, [Node("ROUND", (0,), (1,))], [0], [1]))


@pytest.mark.parametrize("name", CPLUSPLUS)
def test_an_input_that_the_model_fails_on(name: str) -> None:
    tensors = [T("x", (4,), "int8", 0.1), T("i", (1,), "int32"), T("y", (1,), "int8", 0.1)]
    session = opened(name, tflite(tensors, [Node("GATHER", (0, 1), (2,), {}, 2, "GatherOptions")], [0, 1], [2]))
    x = np.arange(4, dtype=np.int8)
    assert session.run({"x": x, "i": np.array([2], np.int32)})["y"] == [2]
    with pytest.raises(ModelError, match=r"fails on an input.*GATHER"):
        session.run({"x": x, "i": np.array([100_000_000], np.int32)})


def test_tflite_micro_finds_a_large_enough_arena() -> None:
    """5 MB of activations, and the largest first tensor."""
    session = opened("tflite-micro", max_pool((1, 1024, 1024, 4)))
    x = np.random.default_rng(0).integers(-128, 128, (1, 1024, 1024, 4)).astype(np.int8)
    assert session.run({"x": x})["y"].shape == (1, 512, 512, 4)
    assert 5 << 20 <= session.arena_bytes <= 64 << 20  # type: ignore[attr-defined]


def with_external_weights() -> bytes:
    """One fully connected layer whose weights lie behind the FlatBuffer, as litert-torch's quantizer writes them."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    tensors = [
        T("x", (1, 8), "int8", 0.1),
        T("w", (4, 8), "int8", 0.1, data=np.ones((4, 8))),
        T("y", (1, 4), "int8", 1.0),
    ]
    inline = tflite(tensors, [Node("FULLY_CONNECTED", (0, 1, -1), (2,), {}, 4, "FullyConnectedOptions")], [0], [2])
    model = schema.ModelT.InitFromPackedBuf(inline, 0)
    buffer = next(b for b in model.buffers if b.data is not None and len(b.data) == 32)
    weights, buffer.data = bytes(buffer.data), None
    content = b""
    for offset in (1 << 20, None):  # the second time with the length that the first has
        buffer.offset, buffer.size = offset or len(content), len(weights)
        builder = flatbuffers.Builder(4096)
        builder.Finish(model.Pack(builder), b"TFL3")
        content = bytes(builder.Output())
    return content + weights


def test_tflite_micro_is_not_given_weights_that_it_does_not_see() -> None:
    content = with_external_weights()
    x = np.full((1, 8), 10, np.int8)
    assert opened("litert", content).run({"x": x})["y"].tolist() == [[1, 1, 1, 1]]  # 8 x 1.0 x 0.1 = 0.8
    with pytest.raises(UnsupportedError, match="1 buffers of the") as refused:
        opened("tflite-micro", content)
    assert "--formats tflite" in refused.value.hint


@pytest.mark.parametrize("content", [b"", b"\x1c\0\0\0TFL3", b"\x1c\0\0\0TFL3" + b"\xff" * 200])
@pytest.mark.parametrize("name", TFLITE)
def test_broken_files_do_not_reach_the_runtime(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.tflite").write_bytes(content)
    with pytest.raises(ModelError, match="TFLite file is broken"):
        runtimes.open_runtime(name, tmp_path / "broken.tflite")


def test_names_and_files_that_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is unknown") as refused:
        runtimes.open_runtime("litert-refrence", max_pool())
    assert refused.value.hint == 'did you mean "litert-reference"?'
    with pytest.raises(UsageError, match="is unknown") as refused:
        runtimes.open_runtime("native", max_pool())
    assert refused.value.hint.startswith("allowed: c, interpreter")
    with pytest.raises(UsageError, match=r"onnxruntime runs \.onnx files, not \.tflite") as refused:
        runtimes.open_runtime("onnxruntime", max_pool())
    assert "litert" in refused.value.hint
    with pytest.raises(UsageError, match=r"not \.h5"):
        runtimes.open_runtime("litert", tmp_path / "model.h5")
    with pytest.raises(UsageError, match=r"what is a \.h5"):
        runtimes.default_runtime(".h5")
    with pytest.raises(ModelError, match="cannot be read"):
        runtimes.open_runtime("litert", tmp_path / "nowhere.tflite")


def test_a_runtime_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = runtimes.Runtime((".tflite",), runtimes.RUNTIMES["litert"].open, "no_such_module", "no-such-package")
    monkeypatch.setitem(runtimes.RUNTIMES, "litert", gone)
    with pytest.raises(UsageError, match="litert is not installed here") as refused:
        runtimes.open_runtime("litert", max_pool())
    assert refused.value.hint == "python3 -m pip install no-such-package"
    monkeypatch.setitem(runtimes.RUNTIMES, "litert-reference", gone)
    assert runtimes.default_runtime(".tflite") == "interpreter"


# --- samples

INT8 = Value("x", (1, 2), "int8", 0.5, -3)
ROWS = np.array([[1, 2], [3, 4], [5, 6]])


@pytest.mark.parametrize("shape", [(3, 1, 2), (3, 2)])
@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8"])
def test_samples_of_a_single_input(shape: tuple[int, ...], dtype: str) -> None:
    rows = samples({"any name": ROWS.reshape(shape).astype(dtype)}, (INT8,))
    assert [row["x"].tolist() for row in rows] == [[[1, 2]], [[3, 4]], [[5, 6]]]
    assert all(row["x"].dtype == np.int8 for row in rows)


def test_samples_by_name_scalars_and_free_dimensions() -> None:
    inputs = (Value("a", (), "float32"), Value("b", (None, None), "int64"))
    rows = samples({"b": np.zeros((2, 5), np.int32), "a": np.array([1.5, 2.5])}, inputs)
    assert [(row["a"].item(), row["b"].shape) for row in rows] == [(1.5, (1, 5)), (2.5, (1, 5))]


WRONG_SAMPLES = [
    ({"x": ROWS.astype(np.float32)}, r"is float32, wanted int8 of shape \(n, 1, 2\) with scale 0\.5 and zero point -3"),
    ({"x": ROWS * 50}, "values from 50 to 300, wanted int8"),
    ({"x": ROWS[:, :1]}, r"has the shape \[3, 1\]"),
    ({"x": ROWS[0]}, r"has the shape \[2\]"),
    ({"x": np.array(3, np.int8)}, r"has the shape \[\]"),
    ({"x": ROWS.astype(complex)}, "is complex128"),
    ({"x": np.array([["a", "b"]])}, "is <U1"),
    ({"x": np.zeros((0, 1, 2), np.int8)}, r"samples \(first axis\): \{'x': 0\}"),
    ({"x": ROWS, "z": ROWS}, r"missing \[\], not known \['z'\]"),
    ({}, r"missing \['x'\]"),
]


@pytest.mark.parametrize(("arrays", "message"), WRONG_SAMPLES)
def test_wrong_samples_are_refused(arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ModelError, match=message) as refused:
        samples(arrays, (INT8,))
    assert refused.value.hint


def test_the_hint_moves_channels_last() -> None:
    picture = Value("x", (1, 4, 6, 3), "int8", 0.5, -3)
    for shape, axis in (((5, 3, 4, 6), 1), ((5, 1, 3, 4, 6), 2)):
        with pytest.raises(ModelError, match="has the shape") as refused:
            samples({"x": np.zeros(shape, np.int8)}, (picture,))
        assert refused.value.hint == f"channels come last: numpy.moveaxis(x, {axis}, -1)"


def test_the_hint_quantizes() -> None:
    """What the message says to do, done."""
    x = np.array([[-80.0, 1.0]])
    with pytest.raises(ModelError) as refused:
        samples({"x": x}, (INT8,))
    code = refused.value.hint.removeprefix("from real values x: ")
    (row,) = samples({"x": eval(code, {"numpy": np, "x": x})}, (INT8,))
    assert row["x"].tolist() == [[-128, -1]]


def test_all_inputs_that_are_wrong_are_named() -> None:
    floats = Value("y", (1, 2), "float32")
    with pytest.raises(ModelError, match=r'"x" is float64.*; input "y" is int64, wanted float32'):
        samples({"x": ROWS.astype(float), "y": ROWS}, (INT8, floats))
    with pytest.raises(ModelError, match=r"'x': 3, 'y': 2"):
        samples({"x": ROWS, "y": ROWS[:2].astype(np.float32)}, (INT8, floats))
    with pytest.raises(ModelError, match=r"values from -1e\+300 to 0"):
        samples({"x": ROWS, "y": np.array([[0, -1e300]] * 3)}, (INT8, floats))


def test_outputs_of_different_shapes_cannot_be_joined() -> None:
    with pytest.raises(ModelError, match="outputs of other shapes"):
        joined([{"y": np.zeros(1)}, {"y": np.zeros(2)}])

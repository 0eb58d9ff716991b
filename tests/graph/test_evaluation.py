"""Predictions in any number, errors named by layer, golden data that another architecture's rounding still meets."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from int8_nets import Net, classifier, data, images, initializers, node_of, quantized, to_bytes

from edgekit.errors import ModelError
from edgekit.graph import sessions
from edgekit.graph.calibration import CalibrationData
from edgekit.graph.evaluation import Predictor, golden, layer_sqnr, output_storage, parity


@pytest.fixture(scope="module")
def model():
    return classifier()


@pytest.fixture(scope="module")
def int8(model):
    return quantized(model).model


def test_predict_any_number_of_samples(int8):
    predictor = Predictor(to_bytes(int8))
    many = images(30)[:, 0]
    assert predictor.predict(many).shape == (30, 5)
    np.testing.assert_array_equal(predictor.predict(many)[7:8], predictor.predict(many[7:8]))
    np.testing.assert_array_equal(predictor.predict(many), predictor.predict({"x": many.astype(np.float64)}))


def test_predict_from_a_file(int8, tmp_path):
    (tmp_path / "m.onnx").write_bytes(to_bytes(int8))
    many = images(3)[:, 0]
    np.testing.assert_array_equal(Predictor(tmp_path / "m.onnx").predict(many), Predictor(to_bytes(int8)).predict(many))


def test_predict_with_a_static_batch():
    net = Net()
    x = net.input("x", 4, 3)
    predictor = Predictor(to_bytes(net.model(net.op("Abs", x), net.op("Neg", x))))
    given = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
    positive, negative = predictor.predict(given)
    np.testing.assert_array_equal(positive, np.abs(given))
    np.testing.assert_array_equal(negative, -given)
    with pytest.raises(ModelError, match=r'shape \[6, 3\] for input "x": wanted \[n x 4, 3\]'):
        predictor.predict(given[:6])


@pytest.mark.parametrize("bad", [np.zeros((2, 1, 12, 11)), np.zeros((0, 1, 12, 12)), {"y": np.zeros((1, 1, 12, 12))}])
def test_predict_refuses(int8, bad):
    with pytest.raises(ModelError, match="predict got"):
        Predictor(to_bytes(int8)).predict(bad)


def test_names_what_judged(int8, monkeypatch):
    import onnxruntime as ort

    monkeypatch.setattr(sessions.platform, "machine", lambda: "x86_64")
    assert Predictor(to_bytes(int8)).name == f"onnxruntime {ort.__version__}, CPU, x64quantprecision=1"
    monkeypatch.setattr(sessions.platform, "machine", lambda: "aarch64")
    assert Predictor(to_bytes(int8)).name == f"onnxruntime {ort.__version__}, CPU"
    assert Predictor(to_bytes(int8), optimise=False).name == f"onnxruntime {ort.__version__}, CPU, optimisations off"


def two_constants_with_one_zero_point():
    """ONNX Runtime 1.32 does not load this with x64quantprecision; 1.23 does."""
    net = Net()
    x = net.op("Mul", net.conv(net.input("x", 1, 1, 12, 12), 1, 2), net.constant(np.float32(2)), name="double")
    int8 = quantized(net.model(net.op("Mul", x, net.constant(np.float32(3)), name="triple"))).model
    first, second = (node_of(int8, name).inputs[1].producer() for name in ("double", "triple"))
    second.replace_input_with(2, first.inputs[2])
    return to_bytes(int8)


def loads_precisely(content):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        ort.InferenceSession(content, options)
    except Exception:
        return False
    return True


def test_falls_back_to_the_graph_as_written(monkeypatch):
    monkeypatch.setattr(sessions.platform, "machine", lambda: "x86_64")
    content = two_constants_with_one_zero_point()
    precise = "x64quantprecision=1" if loads_precisely(content) else "optimisations off"
    predictor = Predictor(content)
    assert predictor.name.endswith(precise)
    given = images(4)[:, 0]
    np.testing.assert_allclose(predictor.predict(given), Predictor(content, optimise=False).predict(given), atol=0.1)


def test_broken_model():
    with pytest.raises(ModelError, match="does not load"):
        Predictor(b"not a model")


def test_inputs_on_which_the_model_fails():
    net = Net()
    picked = net.op("Gather", net.constant(np.ones((3, 2), np.float32)), net.op("Cast", net.input("x", 1), to=7))
    predictor = Predictor(to_bytes(net.model(picked)))
    assert predictor.predict(np.zeros(1, np.float32)).shape == (1, 2)
    with pytest.raises(ModelError, match="the model fails on an input"):
        predictor.predict(np.full(1, 99, np.float32))


def test_sqnr_names_the_bad_layer(model, int8):
    good = layer_sqnr(model, int8, data())
    assert set(good) == {n.name for n in model.graph}
    assert good["stem"] == good[node_of(model, "stem").outputs[0].consumers()[0].name]  # its ReLU, folded
    assert min(good.values()) > 25
    worse = quantized(model).model
    weights = worse.graph.initializers["point_weight_quantized"].const_value.numpy()
    coarse = (np.rint(weights / 64.0) * 64).clip(-127, 127).astype(np.int8)  # three bits instead of eight
    worse.graph.initializers["point_weight_quantized"].const_value = ir.tensor(coarse)
    bad = layer_sqnr(model, worse, data())
    assert bad["stem"] == good["stem"] and bad["depthwise"] == good["depthwise"]
    assert bad["point"] < good["point"] - 10


def test_sqnr_equals_its_definition(model, int8):
    truth = Predictor(to_bytes(model), optimise=False).predict(images()[:8, 0]).astype(np.float64)
    got = Predictor(to_bytes(int8), optimise=False).predict(images()[:8, 0])
    expected = 10 * np.log10(np.square(truth).sum() / np.square(truth - got).sum())
    assert layer_sqnr(model, int8, data(), max_samples=8)["softmax"] == pytest.approx(expected, rel=1e-5)


def test_parity_is_small_and_counts_lsb(int8):
    assert parity(to_bytes(int8), data()) <= 1.0
    assert float(parity(to_bytes(int8), data())).is_integer()


def test_parity_of_a_float_model_is_zero(model):
    assert parity(to_bytes(model), data()) == 0.0


def test_golden(int8):
    made = golden(to_bytes(int8), data(), count=6)
    ((name, outputs),) = made.outputs.items()
    assert made.inputs["x"].shape == (6, 1, 1, 12, 12) and outputs.shape == (6, 1, 5)
    np.testing.assert_array_equal(outputs[:, 0], Predictor(to_bytes(int8)).predict(images()[:6, 0]))
    (storage,) = output_storage(to_bytes(int8))
    assert (storage.scale, storage.steep, storage.int8) == (1 / 256, "Softmax", True) and storage.step > 0
    assert 4 / 256 <= made.tolerance[name] < 0.2


def test_golden_tolerance_separates_rounding_from_faults(int8):
    """A float run of the same graph is within the tolerance, a graph with one wrong weight channel is not."""
    made = golden(to_bytes(int8), data())
    name = next(iter(made.outputs))
    plain = Predictor(to_bytes(int8), optimise=False)
    same = np.stack([plain.run({"x": x})[0] for x in made.inputs["x"]])
    assert np.abs(same - made.outputs[name]).max() <= made.tolerance[name]
    broken = quantized(classifier()).model
    weights = initializers(broken)["linear_weight_quantized"].copy()
    weights[0] = 0
    broken.graph.initializers["linear_weight_quantized"].const_value = ir.tensor(weights)
    wrong = Predictor(to_bytes(broken))
    other = np.stack([wrong.run({"x": x})[0] for x in made.inputs["x"]])
    assert np.abs(other - made.outputs[name]).max() > made.tolerance[name]


def test_golden_of_a_float_output_behind_int8_layers():
    net = Net()
    conv = net.conv(net.input("x", 1, 1, 12, 12), 1, 4)
    made = golden(to_bytes(quantized(net.model(net.op("Softplus", conv))).model), data())
    (tolerance,), (output,) = made.tolerance.values(), made.outputs.values()
    assert np.ptp(output) / 100 < tolerance < np.ptp(output) / 20


def test_golden_of_a_float_model(model):
    made = golden(to_bytes(model), data(), count=100)
    assert len(next(iter(made.outputs.values()))) == 48
    assert 1e-4 <= next(iter(made.tolerance.values())) < 1e-3


def test_two_inputs():
    net = Net()
    total = net.op("Add", net.input("x", 1, 4), net.input("n", 1, 4))
    int8 = to_bytes(quantized(net.model(total), pair()).model)
    assert set(golden(int8, pair()).inputs) == {"x", "n"}


def pair():
    rng = np.random.default_rng(0)
    return CalibrationData({n: rng.standard_normal((40, 1, 4)).astype(np.float32) for n in "xn"}, "data")

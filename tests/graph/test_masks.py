"""Masks before Softmax keep int8 useful; what int8 cannot hold is warned about, and what it cannot quantize is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from int8_nets import Net, data, quantized, sqnr_db
from onnx import TensorProto, helper

from edgekit.conversion import convert
from edgekit.graph.evaluation import Predictor, layer_sqnr
from edgekit.graph.int8_spec import violations
from edgekit.graph.masks import masks
from edgekit.graph.save import to_bytes

LOWEST = float(np.finfo(np.float32).min)


def attention(mask, *, also_output=False):
    net = Net()
    logits = net.op("MatMul", net.input("x", 1, 4, 8), net.weights(8, 4), name="logits")
    scores = net.op("Add", logits, net.constant(np.asarray(mask, np.float32)), name="mask")
    weights = net.op("Softmax", scores, axis=-1, name="softmax")
    return net.model(weights, scores) if also_output else net.model(weights)


def samples():
    return np.random.default_rng(2).standard_normal((48, 1, 4, 8)).astype(np.float32)


@pytest.mark.parametrize("lowest", [LOWEST, -1e9, -1e4])
@pytest.mark.parametrize("form", ["row", "triangle"])
def test_masked_softmax_is_close_to_float(lowest, form):
    mask = [0, 0, lowest, 0] if form == "row" else np.triu(np.full((4, 4), lowest), 1)
    model = attention(mask)
    made = quantized(model, data(samples()))
    float_run, int8_run = (Predictor(to_bytes(m), optimise=False) for m in (model, made.model))
    pairs = [(float_run.run({"x": s})[0], int8_run.run({"x": s})[0]) for s in samples()]
    truth, got = (np.stack(side) for side in zip(*pairs, strict=True))
    assert sqnr_db(truth, got) > 25
    assert not got[np.broadcast_to(np.asarray(mask) <= lowest, truth.shape)].any(), "what is masked is 0"
    assert min(layer_sqnr(model, made.model, data(samples())).values()) > 25
    assert violations(made.model) == ()


@pytest.mark.parametrize(
    "model", [attention([0, 0, LOWEST, 0], also_output=True), attention([LOWEST] * 4), attention([0, 0, -3, 0])]
)
def test_what_is_no_mask_is_left_as_it_is(model):
    assert list(masks(model)) == []


def test_useless_int8_is_warned_about(tmp_path: Path):
    (tmp_path / "m.onnx").write_bytes(to_bytes(attention([0, 0, LOWEST, 0], also_output=True)))
    made = convert(tmp_path / "m.onnx", out=tmp_path / "out", calibration=samples())
    (warning,) = [w for w in made.warnings if "under 12 dB" in w]
    assert "softmax" in warning
    (tmp_path / "m.onnx").write_bytes(to_bytes(attention([0, 0, LOWEST, 0])))
    assert convert(tmp_path / "m.onnx", out=tmp_path / "good", calibration=samples()).warnings == ()


ODD = {
    "float16": (TensorProto.FLOAT16, TensorProto.FLOAT16, helper.make_node("Relu", ["x"], ["y"], "n")),
    "float64": (TensorProto.DOUBLE, TensorProto.DOUBLE, helper.make_node("Add", ["x", "x"], ["y"], "n")),
    "int64": (TensorProto.INT64, TensorProto.INT64, helper.make_node("Add", ["x", "x"], ["y"], "n")),
}


@pytest.mark.parametrize("name", ODD)
def test_models_without_float32_inside_say_that_nothing_was_quantized(tmp_path: Path, name: str):
    given, answer, node = ODD[name]
    infos = [helper.make_tensor_value_info(v, t, (1, 4)) for v, t in (("x", given), ("y", answer))]
    graph = helper.make_graph([node], "odd", infos[:1], infos[1:])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(proto, str(tmp_path / "m.onnx"))
    made = convert(tmp_path / "m.onnx", out=tmp_path / "out", calibration="random")
    assert [(layer.quantized, layer.sqnr_db) for layer in made.layers] == [(False, None)]
    assert any("nothing was quantized" in w for w in made.warnings)

"""MACs of single operators, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper

from edgekit.graph.shapes import infer_shapes
from edgekit.profiling.macs import count_macs


def graph(op: str, x: list[int], weights: list[list[int]], outputs: int = 1, **attributes: Any) -> ir.Model:
    """One node with random constant weights, shapes inferred."""
    names = [f"w{i}" for i in range(len(weights))]
    node = helper.make_node(op, ["x", *names], [f"y{i}" for i in range(outputs)], name="node", **attributes)
    rng = np.random.default_rng(0)
    constants = [
        onnx.numpy_helper.from_array(rng.normal(size=w).astype(np.float32), n)
        for n, w in zip(names, weights, strict=True)
    ]
    proto = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, x)],
        [helper.make_tensor_value_info("y0", onnx.TensorProto.FLOAT, None)],
        constants,
    )
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return infer_shapes(ir.from_proto(model))


CASES = {
    "convolution 3x3": (graph("Conv", [1, 8, 10, 10], [[16, 8, 3, 3]]), 8 * 8 * 16 * 8 * 9),
    "with padding and stride": (
        graph("Conv", [1, 8, 10, 10], [[16, 8, 3, 3]], pads=[1, 1, 1, 1], strides=[2, 2]),
        5 * 5 * 16 * 8 * 9,
    ),
    "depthwise": (graph("Conv", [1, 8, 10, 10], [[8, 1, 3, 3]], group=8), 8 * 8 * 8 * 9),
    "one dimension": (graph("Conv", [1, 4, 32], [[6, 4, 5]], dilations=[2]), 24 * 6 * 4 * 5),
    "transposed": (graph("ConvTranspose", [1, 4, 5, 5], [[4, 6, 3, 3]], strides=[2, 2]), 4 * 5 * 5 * 6 * 9),
    "linear": (graph("Gemm", [3, 20], [[7, 20]], transB=1), 3 * 20 * 7),
    "batched product": (graph("MatMul", [2, 5, 8], [[8, 3]]), 2 * 5 * 8 * 3),
    "lstm": (graph("LSTM", [20, 1, 40], [[1, 256, 40], [1, 256, 64]], hidden_size=64), 20 * 256 * (40 + 64)),
    "gru, both directions": (
        graph("GRU", [20, 1, 40], [[2, 192, 40], [2, 192, 64]], hidden_size=64, direction="bidirectional"),
        20 * 2 * 192 * (40 + 64),
    ),
    "elementwise": (graph("Relu", [1, 8, 10, 10], []), 0),
}


@pytest.mark.parametrize("name", CASES)
def test_macs(name: str) -> None:
    model, expected = CASES[name]
    counted = count_macs(model)
    assert counted.total == expected
    assert counted.unknown == ()


def test_an_operator_that_nobody_counted_is_named() -> None:
    counted = count_macs(graph("Det", [1, 4, 4], []))
    assert counted.unknown == ("Det (node)",)

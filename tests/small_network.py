"""One small convolutional network as ONNX, for tests that need any real model."""

from __future__ import annotations

import numpy as np
import onnx


def small_network(channels: int = 4) -> onnx.ModelProto:
    """Convolution, Relu, global average pool, classifier; (1, 1, 8, 8) → (1, 3)."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(size=(channels, 1, 3, 3)),
        "b": rng.normal(size=channels),
        "f": rng.normal(size=(3, channels)),
    }
    nodes = [
        onnx.helper.make_node("Conv", ["x", "w", "b"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        onnx.helper.make_node("Relu", ["c"], ["r"], name="relu"),
        onnx.helper.make_node("GlobalAveragePool", ["r"], ["p"], name="pool"),
        onnx.helper.make_node("Flatten", ["p"], ["v"], name="flatten"),
        onnx.helper.make_node("Gemm", ["v", "f"], ["y"], name="classifier", transB=1),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "small",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 1, 8, 8])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 3])],
        [onnx.numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)

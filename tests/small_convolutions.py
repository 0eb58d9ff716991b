"""One network of convolutions and a classifier, that has no operator but those that every runtime has."""

from __future__ import annotations

import numpy as np
import onnx


def small_convolutions(channels: int = 4, size: int = 8) -> onnx.ModelProto:
    """Two convolutions with Relu, classifier; (1, 1, size, size) → (1, 3)."""
    rng = np.random.default_rng(0)
    features = 2 * channels * (size // 4) ** 2
    weights = {
        "w": rng.normal(size=(channels, 1, 3, 3)),
        "b": rng.normal(size=channels),
        "v": rng.normal(size=(2 * channels, channels, 3, 3)) / 3,
        "f": rng.normal(size=(3, features)) / 4,
        "g": rng.normal(size=3),
    }
    nodes = [
        onnx.helper.make_node("Conv", ["x", "w", "b"], ["c"], name="conv", pads=[1, 1, 1, 1], strides=[2, 2]),
        onnx.helper.make_node("Relu", ["c"], ["r"], name="relu"),
        onnx.helper.make_node("Conv", ["r", "v"], ["d"], name="conv2", pads=[1, 1, 1, 1], strides=[2, 2]),
        onnx.helper.make_node("Relu", ["d"], ["s"], name="relu2"),
        onnx.helper.make_node("Flatten", ["s"], ["t"], name="flatten"),
        onnx.helper.make_node("Gemm", ["t", "f", "g"], ["y"], name="classifier", transB=1),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "convolutions",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 1, size, size])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 3])],
        [onnx.numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)

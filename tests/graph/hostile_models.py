"""Small ONNX models and their hostile relatives, made by code: every function returns a ModelProto or bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def network(
    opset: int = 20, *, constants: bool = False, shape: tuple[int | str, ...] = (1, 3, 8, 8)
) -> onnx.ModelProto:
    """conv, batch normalization, Relu, Identity, flatten, gemm; weights as Constant nodes where asked."""
    rng = np.random.default_rng(3)
    arrays = {
        "conv.weight": rng.normal(size=(4, 3, 3, 3)),
        "scale": rng.uniform(0.5, 2, 4),
        "shift": rng.normal(size=4),
        "mean": rng.normal(size=4),
        "variance": rng.uniform(0.5, 2, 4),
        "fc.weight": rng.normal(size=(5, 256)),
        "fc.bias": rng.normal(size=5),
    }
    tensors = [numpy_helper.from_array(a.astype(np.float32), n) for n, a in arrays.items()]
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight"], ["c"], "c0", pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "scale", "shift", "mean", "variance"], ["b"], "b0"),
        helper.make_node("Relu", ["b"], ["r"], "r0"),
        helper.make_node("Identity", ["r"], ["i"], "i0"),
        helper.make_node("Flatten", ["i"], ["f"], "f0"),
        helper.make_node("Gemm", ["f", "fc.weight", "fc.bias"], ["y"], "g0", transB=1, doc_string="what is not needed"),
    ]
    if constants:
        nodes = [helper.make_node("Constant", [], [t.name], f"k_{t.name}", value=t) for t in tensors] + nodes
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", FLOAT, shape)],
        [helper.make_tensor_value_info("y", FLOAT, (shape[0], 5))],
        [] if constants else tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def one_node(node: onnx.NodeProto, *extra: onnx.OperatorSetIdProto, opset: int = 20) -> onnx.ModelProto:
    """x (1, 4) → node → y (1, 4)."""
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", FLOAT, (1, 4))],
        [helper.make_tensor_value_info("y", FLOAT, (1, 4))],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset), *extra], ir_version=8)


def custom_operator() -> onnx.ModelProto:
    node = helper.make_node("Steal", ["x"], ["y"], "thief", domain="com.evil")
    return one_node(node, helper.make_opsetid("com.evil", 1))


def branch() -> onnx.ModelProto:
    """An If whose branches are constants."""
    value = helper.make_tensor("v", FLOAT, (1, 4), [1.0] * 4)
    sides = [
        helper.make_graph(
            [helper.make_node("Constant", [], [side], value=value)],
            side,
            [],
            [helper.make_tensor_value_info(side, FLOAT, (1, 4))],
        )
        for side in ("then", "else")
    ]
    model = one_node(helper.make_node("If", ["c"], ["y"], "choice", then_branch=sides[0], else_branch=sides[1]))
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "c"))
    return model


def endless_function() -> onnx.ModelProto:
    """A local function that calls itself."""
    node = helper.make_node("Again", ["x"], ["y"], "first", domain="local")
    model = one_node(node, helper.make_opsetid("local", 1))
    body = [helper.make_node("Again", ["a"], ["b"], domain="local")]
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)]
    model.functions.append(helper.make_function("local", "Again", ["a"], ["b"], body, opsets))
    return model


def doubling_functions(doublings: int) -> onnx.ModelProto:
    """Each local function calls the one below twice: a kilobyte that inlines to 2 ** doublings nodes."""
    model = one_node(
        helper.make_node(f"F{doublings}", ["x"], ["y"], "first", domain="local"), helper.make_opsetid("local", 1)
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)]
    for k in range(doublings + 1):
        twice = [("", "Relu")] if k == 0 else [("local", f"F{k - 1}")] * 2
        names = ["a", *(f"t{i}" for i in range(len(twice) - 1)), "b"]
        body = [helper.make_node(op, [names[i]], [names[i + 1]], domain=d) for i, (d, op) in enumerate(twice)]
        model.functions.append(helper.make_function("local", f"F{k}", ["a"], ["b"], body, opsets))
    return model


def changed(change: Callable[[onnx.ModelProto], object]) -> onnx.ModelProto:
    model = network()
    change(model)
    return model


def external(folder: Path, **entries: str) -> onnx.ModelProto:
    """The network with the weight of its gemm (5 x 256 float32 = 5,120 bytes) in folder/weights.bin, after 16 bytes."""
    model = network()
    tensor = next(t for t in model.graph.initializer if t.name == "fc.weight")
    (folder / "weights.bin").write_bytes(bytes(16) + tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "weights.bin", "offset": "16", "length": "5120", **entries}.items():
        tensor.external_data.add(key=key, value=value)
    return model


def mutations(content: bytes, count: int, seed: int = 0) -> list[bytes]:
    """`content` with 1 to 8 bytes changed, cut short, or with a piece repeated."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        data = bytearray(content)
        if i % 10 == 9:
            del data[int(rng.integers(len(data))) :]
        elif i % 10 == 8:
            at, size = int(rng.integers(len(data))), int(rng.integers(1, 200))
            data[at:at] = data[at : at + size]
        else:
            for _ in range(int(rng.integers(1, 9))):
                data[int(rng.integers(len(data)))] = int(rng.integers(256))
        made.append(bytes(data))
    return made

"""Small real models with golden data from a NumPy reference that shares no code with the runtime."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

X_SCALE, X_ZERO = 0.05, -3
W_SCALE = 0.02
Y_SCALE, Y_ZERO = 0.2, 7


@dataclass(frozen=True)
class Layer:
    """One fully connected layer, 8 → 4, in integers and in real values."""

    weights: np.ndarray  # int8 (8, 4)
    bias: np.ndarray  # int32 (4,), scale X_SCALE * W_SCALE

    def real(self, x: np.ndarray) -> np.ndarray:
        return x @ (self.weights * W_SCALE) + self.bias * (X_SCALE * W_SCALE)

    def integer(self, q: np.ndarray) -> np.ndarray:
        """int8 (n, 8) → int8 (n, 4), exact accumulation, one rounding."""
        accumulator = (q.astype(np.int64) - X_ZERO) @ self.weights.astype(np.int64) + self.bias
        return np.clip(np.rint(accumulator * (X_SCALE * W_SCALE / Y_SCALE)) + Y_ZERO, -128, 127).astype(np.int8)


def layer() -> Layer:
    rng = np.random.default_rng(1)
    return Layer(rng.integers(-100, 100, (8, 4)).astype(np.int8), rng.integers(-500, 500, 4).astype(np.int32))


def samples(n: int = 3) -> np.ndarray:
    return np.random.default_rng(2).uniform(-4, 4, (n, 1, 8)).astype(np.float32)


def quantize(x: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(x / np.float32(X_SCALE)) + X_ZERO, -128, 127).astype(np.int8)


def dequantize(q: np.ndarray) -> np.ndarray:
    return (q.astype(np.float32) - Y_ZERO) * np.float32(Y_SCALE)


def value(name: str, shape: tuple[int, ...], dtype: str = "float32", scale=None, zero_point=None, **more) -> dict:
    return {"name": name, "shape": list(shape), "dtype": dtype, "scale": scale, "zero_point": zero_point, **more}


FLOAT_IO = ([value("x", (1, 8))], [value("y", (1, 4), tolerance=1e-4)])
INT8_IO = (
    [value("x", (1, 8), "int8", X_SCALE, X_ZERO)],
    [value("y", (1, 4), "int8", Y_SCALE, Y_ZERO, tolerance=Y_SCALE)],
)


def write(folder: Path, file: str, data: bytes, io: tuple[list, list], golden: dict[str, np.ndarray]) -> Path:
    """A model folder as `edgekit convert` writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(data)
    np.savez_compressed(folder / "golden.npz", **golden)
    described = {
        "schema": 1, "name": "tiny", "file": file, "precision": "int8" if io is INT8_IO else "float", "inputs": io[0],
        "outputs": io[1], "golden": "golden.npz", "sha256": hashlib.sha256(data).hexdigest(), "opset": 20,
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(described))
    return folder


def edit(folder: Path, **changes: object) -> Path:
    """Change fields of model.json in place."""
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder


def float_model(folder: Path) -> Path:
    x = samples()
    return write(folder, "model.onnx", _float_onnx(), FLOAT_IO, {"input.x": x, "output.y": _f32(layer().real(x))})


def qdq_model(folder: Path) -> Path:
    """Float in and out, int8 inside: what `edgekit convert` makes."""
    x = samples()
    golden = {"input.x": x, "output.y": dequantize(layer().integer(quantize(x)))}
    io = (FLOAT_IO[0], [value("y", (1, 4), tolerance=Y_SCALE)])
    return write(folder, "model.onnx", _qdq_onnx(), io, golden)


def int8_model(folder: Path) -> Path:
    """int8 in and out; model.json holds scale and zero_point."""
    return write(folder, "model.onnx", _int8_onnx(), INT8_IO, _int8_golden())


def tflite_model(folder: Path) -> Path:
    return write(folder, "model.tflite", _tflite(), INT8_IO, _int8_golden())


def state_model(folder: Path) -> Path:
    """Two inputs, one of them int64 without a scale, and two outputs: y = 2 x, next = state + 1."""
    from onnx import TensorProto, helper

    nodes = [helper.make_node("Add", ["x", "x"], ["y"]), helper.make_node("Add", ["state", "one"], ["next"])]
    graph = helper.make_graph(
        nodes,
        "state",
        [_info("x", TensorProto.FLOAT, (1, 2)), _info("state", TensorProto.INT64, (1,))],
        [_info("y", TensorProto.FLOAT, (1, 2)), _info("next", TensorProto.INT64, (1,))],
        [_constant("one", np.array([1], np.int64))],
    )
    io = ([value("x", (1, 2)), value("state", (1,), "int64")], [value("y", (1, 2)), value("next", (1,), "int64")])
    x = np.array([[[1, 2]], [[3, 4]]], np.float32)
    state = np.array([[5], [6]], np.int64)
    golden = {"input.x": x, "input.state": state, "output.y": 2 * x, "output.next": state + 1}
    return write(folder, "model.onnx", _save(graph), io, golden)


def _f32(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32)


def _int8_golden() -> dict[str, np.ndarray]:
    x = samples()
    return {"input.x": x, "output.y": dequantize(layer().integer(quantize(x)))}


def _info(name, kind, shape):
    from onnx import helper

    return helper.make_tensor_value_info(name, kind, shape)


def _constant(name: str, array: np.ndarray):
    from onnx import numpy_helper

    return numpy_helper.from_array(np.asarray(array), name)


def _save(graph) -> bytes:
    from onnx import checker, helper

    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    checker.check_model(model)
    return model.SerializeToString()


def _float_onnx() -> bytes:
    from onnx import TensorProto, helper

    tiny = layer()
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"])],
        "float",
        [_info("x", TensorProto.FLOAT, (1, 8))],
        [_info("y", TensorProto.FLOAT, (1, 4))],
        [
            _constant("w", _f32(tiny.weights * W_SCALE)),
            _constant("b", _f32(tiny.bias * (X_SCALE * W_SCALE))),
        ],
    )
    return _save(graph)


def _quantized_nodes() -> tuple[list, list]:
    """DequantizeLinear(xq), weights and bias → Gemm → QuantizeLinear to `yq`, and their constants."""
    from onnx import helper

    tiny = layer()
    nodes = [
        helper.make_node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"]),
        helper.make_node("DequantizeLinear", ["b", "bs"], ["bd"]),
        helper.make_node("Gemm", ["xd", "wd", "bd"], ["yf"]),
        helper.make_node("QuantizeLinear", ["yf", "ys", "yz"], ["yq"]),
    ]
    constants = {
        "xs": np.float32(X_SCALE), "xz": np.int8(X_ZERO), "ys": np.float32(Y_SCALE), "yz": np.int8(Y_ZERO),
        "w": tiny.weights, "ws": np.float32(W_SCALE), "wz": np.int8(0), "b": tiny.bias,
        "bs": np.float32(X_SCALE * W_SCALE),
    }  # fmt: skip
    return nodes, [_constant(name, array) for name, array in constants.items()]


def _qdq_onnx() -> bytes:
    from onnx import TensorProto, helper

    nodes, constants = _quantized_nodes()
    before = helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["xq"])
    after = helper.make_node("DequantizeLinear", ["yq", "ys", "yz"], ["y"])
    x, y = _info("x", TensorProto.FLOAT, (1, 8)), _info("y", TensorProto.FLOAT, (1, 4))
    return _save(helper.make_graph([before, *nodes, after], "qdq", [x], [y], constants))


def _int8_onnx() -> bytes:
    from onnx import TensorProto, helper

    nodes, constants = _quantized_nodes()
    nodes[0].input[0], nodes[-1].output[0] = "x", "y"
    x, y = _info("x", TensorProto.INT8, (1, 8)), _info("y", TensorProto.INT8, (1, 4))
    return _save(helper.make_graph(nodes, "int8", [x], [y], constants))


def _tflite() -> bytes:
    """The same layer as one FULLY_CONNECTED operator."""
    from small_tflite import Node, T, tflite

    tiny = layer()
    tensors = [
        T("x", (1, 8), "int8", X_SCALE, X_ZERO),
        T("w", (4, 8), "int8", W_SCALE, 0, tiny.weights.T),
        T("b", (4,), "int32", X_SCALE * W_SCALE, 0, tiny.bias),
        T("y", (1, 4), "int8", Y_SCALE, Y_ZERO),
    ]
    # version 4 is the first with symmetric int8 weights
    layers = [Node("FULLY_CONNECTED", (0, 1, 2), (3,), {}, 4, "FullyConnectedOptions")]
    return tflite(tensors, layers, [0], [3])


PICTURE = (1, 3, 4, 6)  # NCHW


def pictures(n: int = 2) -> np.ndarray:
    return np.random.default_rng(3).uniform(-12, 12, (n, *PICTURE)).astype(np.float32)


def pooled(x: np.ndarray) -> np.ndarray:
    """(n, 1, C, H, W) → the maximum of each 2x2 window, (n, 1, C, H/2, W/2)."""
    n, one, c, h, w = x.shape
    return x.reshape(n, one, c, h // 2, 2, w // 2, 2).max(axis=(4, 6))


def pool_models(folder: Path) -> tuple[Path, Path]:
    """One model of NCHW pictures twice: as float ONNX, and as int8 TFLite, whose file is NHWC."""
    from onnx import TensorProto, helper
    from small_tflite import max_pool

    x = pictures()
    golden = {"input.x": x, "output.y": pooled(x)}
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2])
    infos = _info("x", TensorProto.FLOAT, PICTURE), _info("y", TensorProto.FLOAT, (1, 3, 2, 3))
    onnx = _save(helper.make_graph([node], "pool", [infos[0]], [infos[1]]))
    nchw = ([value("x", PICTURE)], [value("y", (1, 3, 2, 3), tolerance=1e-6)])
    nhwc = (
        [value("x", (1, 4, 6, 3), "int8", 0.1, -5, permutation=[0, 2, 3, 1])],
        [value("y", (1, 2, 3, 3), "int8", 0.1, -5, permutation=[0, 2, 3, 1], tolerance=0.0501)],
    )
    return (
        write(folder / "onnx", "model.onnx", onnx, nchw, golden),
        write(folder / "tflite", "model.tflite", max_pool(), nhwc, golden),
    )

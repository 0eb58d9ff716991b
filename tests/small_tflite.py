"""Small .tflite files, written with ai-edge-litert's schema classes: a writer that shares no code with edgekit's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

TYPES = {"float32": "FLOAT32", "int8": "INT8", "uint8": "UINT8", "int16": "INT16", "int32": "INT32", "int64": "INT64"}


@dataclass(frozen=True)
class T:
    """A tensor; `variable` ones keep their values from one run to the next."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "int8"
    scale: float | None = None
    zero_point: int = 0
    data: np.ndarray | None = None
    variable: bool = False


@dataclass(frozen=True)
class Node:
    """An operator by its name in the schema; `options` are the fields of its options table of the same name."""

    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any] | None = None
    version: int = 1
    table: str | None = None


def tflite(tensors: Sequence[T], nodes: Sequence[Node], inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
    """The file of one graph; tensors are named by their place in `tensors`."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers, model.operatorCodes = 3, [schema.BufferT()], []
    graph.tensors = [_tensor(schema, model, t) for t in tensors]
    graph.operators = [_operator(schema, model, node) for node in nodes]
    graph.inputs, graph.outputs = list(inputs), list(outputs)
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(schema: Any, model: Any, t: T) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.isVariable = t.name, list(t.shape), t.variable
    tensor.type, tensor.buffer = getattr(schema.TensorType, TYPES[t.dtype]), 0
    if t.data is not None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(t.data, t.dtype).tobytes(), np.uint8)
        model.buffers.append(buffer)
        tensor.buffer = len(model.buffers) - 1
    if t.scale is not None:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [t.scale], [t.zero_point]
    return tensor


def _operator(schema: Any, model: Any, node: Node) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, node.op)
    code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), node.version
    model.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = list(node.inputs), list(node.outputs)
    if node.table is not None:
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, node.table)
        operator.builtinOptions = getattr(schema, f"{node.table}T")()
        for name, value in (node.options or {}).items():
            setattr(operator.builtinOptions, name, value)
    return operator


def max_pool(shape: tuple[int, int, int, int] = (1, 4, 6, 3), scale: float = 0.1, zero_point: int = -5) -> bytes:
    """x int8 NHWC → y: the maximum of each 2x2 window."""
    n, h, w, c = shape
    tensors = [T("x", shape, "int8", scale, zero_point), T("y", (n, h // 2, w // 2, c), "int8", scale, zero_point)]
    window = {"strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2, "padding": 1}
    return tflite(tensors, [Node("MAX_POOL_2D", (0,), (1,), window, 2, "Pool2DOptions")], [0], [1])

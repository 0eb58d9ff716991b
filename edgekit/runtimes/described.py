"""A .tflite file → its inputs and outputs: names, types, shapes and scales, the same for every runtime that loads it.

Names are those that the lowered program has (edgekit.lowering): the tensors' own where they have one, made unique.
Refused: files that contradict themselves, and types that NumPy has no word for.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.errors import UnsupportedError
from edgekit.runtimes.session import Value
from edgekit.tflite.model import TfliteTensor, load
from edgekit.tflite.schema import TensorType

DTYPES = {
    TensorType.FLOAT32: "float32",
    TensorType.FLOAT16: "float16",
    TensorType.FLOAT64: "float64",
    TensorType.INT8: "int8",
    TensorType.UINT8: "uint8",
    TensorType.INT16: "int16",
    TensorType.UINT16: "uint16",
    TensorType.INT32: "int32",
    TensorType.UINT32: "uint32",
    TensorType.INT64: "int64",
    TensorType.UINT64: "uint64",
    TensorType.BOOL: "bool",
}


@dataclass(frozen=True)
class TfliteBorder:
    """Inputs and outputs of a file, and the indices of their tensors in it."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    input_indices: tuple[int, ...]
    output_indices: tuple[int, ...]


def border(content: bytes) -> TfliteBorder:
    """The inputs and outputs of a .tflite file. Raises ModelError where it is broken, UnsupportedError for texts."""
    graph = load(content).subgraphs[0]
    ends = [graph.tensors[i] for i in (*graph.inputs, *graph.outputs)]
    foreign = sorted({f'"{t.name}" is {t.type.name}' for t in ends if t.type not in DTYPES})
    if foreign:
        raise UnsupportedError(f"an input or output of the .tflite file is no number: {', '.join(foreign)}")
    names: list[str] = []
    for tensor in ends[: len(graph.inputs)]:
        names.append(_free(tensor.name or f"tensor_{tensor.index}", names))
    for k, tensor in enumerate(ends[len(graph.inputs) :]):
        names.append(_free(tensor.name or f"output_{k}", names))
    values = tuple(_value(name, tensor) for name, tensor in zip(names, ends, strict=True))
    split = len(graph.inputs)
    return TfliteBorder(values[:split], values[split:], graph.inputs, graph.outputs)


def _value(name: str, tensor: TfliteTensor) -> Value:
    quantization = tensor.quantization
    single = quantization if quantization is not None and len(quantization.scales) == 1 else None
    scale, zero_point = (single.scales[0], single.zero_points[0]) if single else (None, None)
    return Value(name, tensor.shape, DTYPES[tensor.type], scale, zero_point)


def _free(name: str, taken: list[str]) -> str:
    made, i = name, 1
    while made in taken:
        made, i = f"{name}_{i}", i + 1
    return made

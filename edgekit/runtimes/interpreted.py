"""edgekit's own interpreter of a Program, with the types and layout that the model file itself has.

A .tflite file's are the program's. An ONNX graph is lowered to integers and NHWC where it can: its float inputs are
quantized and transposed here, its outputs brought back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx_ir as ir

from edgekit import __version__
from edgekit.errors import UnsupportedError
from edgekit.graph import load
from edgekit.graph.shapes import sizes
from edgekit.graph.simplify import check_quantized, simplify
from edgekit.interpreter import Interpreter, model_array, stored_array
from edgekit.lowering import from_onnx, from_tflite
from edgekit.program import Program, Tensor
from edgekit.runtimes.session import Array, Value, in_order

NAME = f"edgekit interpreter {__version__}"


def tflite_session(content: bytes) -> Interpreted:
    """A .tflite file. Raises ModelError, UnsupportedOpError."""
    program = from_tflite(content, "model")
    return Interpreted(program, [_value(t) for t in program.inputs], [_value(t) for t in program.outputs])


def onnx_session(content: bytes) -> Interpreted:
    """An ONNX file with static shapes, float or QDQ. Raises ModelError, UnsupportedError, UnsupportedOpError."""
    graph = load.static_shapes(load.parse(content), {})
    graph = check_quantized(graph) if load.is_quantized(graph) else simplify(graph)
    program = from_onnx(graph, "model")
    return Interpreted(program, _onnx_values(graph.graph.inputs), _onnx_values(graph.graph.outputs))


class Interpreted:
    """A session of the interpreter; `inputs` and `outputs` are the file's, in the order of the program's tensors."""

    def __init__(self, program: Program, inputs: Sequence[Value], outputs: Sequence[Value]) -> None:
        self.name = NAME
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self._program = program
        self._interpreter = Interpreter(program)

    def run(self, sample: Mapping[str, Array]) -> dict[str, Array]:
        tensors, orders = self._program.inputs, self._program.orders
        arrays = zip(tensors, in_order(self.inputs, sample), strict=True)
        answers = self._interpreter.run({t.name: stored_array(t, orders.get(t.name), x) for t, x in arrays})
        given = zip(self._program.outputs, self.outputs, strict=True)
        return {v.name: model_array(t, orders.get(t.name), answers[t.name], v.dtype) for t, v in given}


def _value(tensor: Tensor) -> Value:
    quant = tensor.quant if tensor.quant is not None and tensor.quant.per_tensor else None
    scale, zero_point = (None, None) if quant is None else (quant.scale, quant.zero_point)
    return Value(tensor.name, tensor.shape, str(tensor.numpy_dtype), scale, zero_point)


def _onnx_values(values: Sequence[ir.Value]) -> list[Value]:
    found = []
    for value in values:
        shape = sizes(value)
        if shape is None or value.dtype is None:
            raise UnsupportedError(f'"{value.name}" has no static shape', hint="fix its shape: edgekit convert --shape")
        found.append(Value(value.name or "", shape, str(value.dtype.numpy())))
    return found

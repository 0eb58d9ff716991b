"""Collects the nodes and initializers of one ONNX graph under names that are all different."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from edgekit.program import QuantParams
from edgekit.program.tensor import Array

DEQUANTIZED, QUANTIZED = "_dequantized", "_quantized"  # suffixes of the values that stand for a quantized one


class Nodes:
    """What every row needs of a graph: nodes and constants. A reserved name is given only where told `exact`."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self.nodes: list[ir.Node] = []
        self.initializers: dict[str, ir.Value] = {}
        self._values: dict[str, ir.Value | None] = dict.fromkeys(reserved)
        self._node_names: dict[str, None] = {}
        self._unnamed: set[ir.Value] = set()  # called after their node only
        self._shared: dict[tuple[Any, ...], ir.Value] = {}

    def node(self, op_type: str, *inputs: ir.Value | None, name: str, **attributes: Any) -> ir.Value:
        """Append a node with one output."""
        return self.split(op_type, *inputs, name=name, count=1, **attributes)[0]

    def split(
        self, op_type: str, *inputs: ir.Value | None, name: str, count: int, **attributes: Any
    ) -> tuple[ir.Value, ...]:
        """Append a node with `count` outputs."""
        node_name = _free(name, self._node_names)
        self._node_names[node_name] = None
        made = ir.node(op_type, inputs, attributes, num_outputs=count, name=node_name)
        self.nodes.append(made)
        for value in made.outputs:
            self.call(value, f"{node_name}_out")
        self._unnamed.update(made.outputs)
        return tuple(made.outputs)

    def constant(self, data: Array, name: str) -> ir.Value:
        """An initializer for what only ONNX needs; equal ones are stored once."""
        key = (name, str(data.dtype), data.shape, data.tobytes())
        if key not in self._shared:
            self._shared[key] = self.initializer(data, name)
        return self._shared[key]

    def numbers(self, values: Sequence[int]) -> ir.Value:
        """Shapes, axes, sizes: int64."""
        return self.constant(np.array(values, np.int64), "_".join(("numbers", *map(str, values))))

    def real(self, number: float) -> ir.Value:
        """A float32 scalar."""
        return self.constant(np.asarray(number, np.float32), f"real_{np.float32(number):g}")

    def dequantized(self, data: Array, quant: QuantParams, name: str) -> ir.Value:
        """A constant of integers behind DequantizeLinear.

        Scale and zero point are its own: ONNX Runtime's x64quantprecision fails to load a graph where the zero point of
        a constant is also used elsewhere.
        """
        scales, zeros = np.array(quant.scales, np.float32), np.array(quant.zero_points).astype(data.dtype)
        if quant.axis is None:
            scales, zeros = scales.reshape(()), zeros.reshape(())
        stored = self.initializer(data, f"{name}{QUANTIZED}")
        operands = (stored, self.initializer(scales, f"{name}_scale"), self.initializer(zeros, f"{name}_zero_point"))
        attributes = {} if quant.axis is None else {"axis": quant.axis}
        made = self.node("DequantizeLinear", *operands, name=f"{name}_dequantize", **attributes)
        return self.call(made, f"{name}{DEQUANTIZED}")

    def initializer(self, data: Array, name: str) -> ir.Value:
        """A constant of its own."""
        free = _free(name, self._values)
        tensor = ir.tensor(np.ascontiguousarray(data).reshape(data.shape), name=free)
        value = ir.Value(name=free, shape=ir.Shape(data.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
        self._values[free] = self.initializers[free] = value
        return value

    def call(self, value: ir.Value, name: str, *, exact: bool = False) -> ir.Value:
        """Name a value `name`, or `name_1` and so on where that is taken or (unless `exact`) reserved."""
        if value.name and self._values.get(value.name) is value:
            del self._values[value.name]
        taken = {n for n, v in self._values.items() if v is not None} if exact else self._values
        value.name = _free(name, taken)
        self._values[value.name] = value
        self._unnamed.discard(value)
        return value


def _free(name: str, taken: Container[str]) -> str:
    made, i = name, 1
    while made in taken:
        made, i = f"{name}_{i}", i + 1
    return made

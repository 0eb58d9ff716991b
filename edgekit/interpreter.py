"""Runs a Program in NumPy integers: the golden reference that every integer artefact must equal.

Rounding is that of TFLite's reference kernels (double). Refused: inputs of another type or shape.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgekit.errors import ModelError
from edgekit.program import Program, Tensor
from edgekit.program.tensor import Array

Order = tuple[int, ...]  # tensor axis → axis of the model's array


class Interpreter:
    """A program with its states. `run` once per sample; states carry over until `reset`."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._states: dict[Tensor, Array] = {}
        self.reset()

    def reset(self) -> None:
        """States as they were before the first call."""
        self._states = {s.before: s.initial for s in self.program.states}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name for inputs by name, each of its tensor's type and shape. Raises ModelError."""
        values = self.trace(inputs)
        return {t.name: values[t] for t in self.program.outputs}

    def trace(self, inputs: Mapping[str, Array]) -> dict[Tensor, Array]:
        """Every tensor's value of one run."""
        values: dict[Tensor, Array] = {t: _checked(t, inputs) for t in self.program.inputs} | self._states
        for op in self.program.ops:
            made = op.run(*(t.data if t.data is not None else values[t] for t in op.inputs))
            for tensor, value in zip(op.outputs, made, strict=True):
                assert value.shape == tensor.shape and value.dtype == tensor.numpy_dtype, (
                    f"{op.kind} {op.name} made {value.dtype} {value.shape} for {tensor}"
                )
                values[tensor] = value
        ends = (*self.program.outputs, *(s.after for s in self.program.states))
        values.update({t: t.data for t in ends if t.data is not None})
        self._states = {s.before: values[s.after] for s in self.program.states}
        return values


def run(program: Program, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """One run from the initial states; see `Interpreter`."""
    return Interpreter(program).run(inputs)


def stored_array(tensor: Tensor, order: Order | None, x: Array) -> Array:
    """An array of the model that `tensor` was lowered from, as the tensor holds it: transposed, quantized."""
    x = x if order is None else x.transpose(order)
    if tensor.quant is None or x.dtype.kind != "f" or tensor.dtype == "f32":
        return np.ascontiguousarray(x, tensor.numpy_dtype).reshape(x.shape)
    low, high = tensor.limits
    steps = np.rint(x.astype(np.float32) / np.float32(tensor.scale)) + tensor.zero_point
    stored: Array = np.clip(steps, low, high).astype(tensor.numpy_dtype)
    return stored


def model_array(tensor: Tensor, order: Order | None, y: Array, dtype: str = "float32") -> Array:
    """What a tensor holds, as the model gives it: in its own order of axes and type, real where that is float."""
    if tensor.quant is not None and tensor.dtype != "f32" and np.dtype(dtype).kind == "f":
        y = (y.astype(np.float32) - np.float32(tensor.zero_point)) * np.float32(tensor.scale)
    y = y if order is None else y.transpose(np.argsort(order))
    return np.ascontiguousarray(y, dtype).reshape(y.shape)


def _checked(tensor: Tensor, inputs: Mapping[str, Array]) -> Array:
    if tensor.name not in inputs:
        raise ModelError(f'input "{tensor.name}" is missing', hint=f"got: {', '.join(inputs) or 'nothing'}")
    value = np.asarray(inputs[tensor.name])
    if value.shape != tensor.shape or value.dtype != tensor.numpy_dtype:
        wanted = f"{tensor.numpy_dtype} {list(tensor.shape)}"
        raise ModelError(f'input "{tensor.name}" is {value.dtype} {list(value.shape)}, wanted {wanted}')
    return value

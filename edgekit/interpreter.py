"""Runs a Program in NumPy integers: the golden reference that every integer artefact must equal.

Rounding is that of TFLite's reference kernels (double). Refused: inputs of another type or shape.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgekit.errors import ModelError
from edgekit.program import Program, Tensor
from edgekit.program.tensor import Array


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
        values.update({t: t.data for t in self.program.outputs if t.data is not None})
        self._states = {s.before: values[s.after] for s in self.program.states}
        return values


def run(program: Program, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """One run from the initial states; see `Interpreter`."""
    return Interpreter(program).run(inputs)


def _checked(tensor: Tensor, inputs: Mapping[str, Array]) -> Array:
    if tensor.name not in inputs:
        raise ModelError(f'input "{tensor.name}" is missing', hint=f"got: {', '.join(inputs) or 'nothing'}")
    value = np.asarray(inputs[tensor.name])
    if value.shape != tensor.shape or value.dtype != tensor.numpy_dtype:
        wanted = f"{tensor.numpy_dtype} {list(tensor.shape)}"
        raise ModelError(f'input "{tensor.name}" is {value.dtype} {list(value.shape)}, wanted {wanted}')
    return value

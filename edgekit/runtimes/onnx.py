"""ONNX Runtime, set up so that int8 comes out right on every CPU (edgekit.graph.sessions)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.errors import UnsupportedError
from edgekit.graph.sessions import judging_session, run
from edgekit.runtimes.session import Array, Value, in_order

DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64", "tensor(bool)": "bool"}
DTYPES |= {f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}


class OnnxRuntime:
    """A session of ONNX Runtime, with one thread. Raises ModelError, UnsupportedError."""

    def __init__(self, content: bytes) -> None:
        self._session, self.name = judging_session(content)
        ends = (self._session.get_inputs(), self._session.get_outputs())
        foreign = [f'"{v.name}" is {v.type}' for end in ends for v in end if v.type not in DTYPES]
        if foreign:
            raise UnsupportedError(f"an input or output of the .onnx file is no array of numbers: {', '.join(foreign)}")
        self.inputs, self.outputs = (tuple(_value(v) for v in end) for end in ends)

    def run(self, sample: Mapping[str, Array]) -> dict[str, Array]:
        names = [value.name for value in self.inputs]
        answers = run(self._session, None, dict(zip(names, in_order(self.inputs, sample), strict=True)))
        return {value.name: np.asarray(y) for value, y in zip(self.outputs, answers, strict=True)}


def _value(described: Any) -> Value:
    shape = tuple(size if isinstance(size, int) else None for size in described.shape)
    return Value(described.name, shape, DTYPES[described.type])

"""What every runtime looks like: `Session`, and the check of what it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgekit.errors import ModelError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Value:
    """An input or output, as the model file has it.

    shape              None where a dimension is free
    dtype              NumPy's word
    scale, zero_point  where integers stand for real values, with one scale: real = (q - zero_point) * scale
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None

    def holds(self, array: Array) -> bool:
        """Whether `array` has this type and shape."""
        fits = len(array.shape) == len(self.shape) and all(
            want in (None, got) for want, got in zip(self.shape, array.shape, strict=True)
        )
        return fits and array.dtype == self.dtype

    def __str__(self) -> str:
        quant = "" if self.scale is None else f", scale {self.scale:.9g}, zero point {self.zero_point}"
        return f"{self.dtype} [{', '.join('?' if d is None else str(d) for d in self.shape)}]{quant}"


class Session(Protocol):
    """A loaded model. Not for two threads at once.

    name      what runs it, with version
    inputs    in the order of the file, as `outputs`
    """

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]

    def run(self, sample: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name for inputs by name, each of its value's type and shape. Raises ModelError.

        States of the model carry over to the next call.
        """


def in_order(inputs: Sequence[Value], sample: Mapping[str, Array]) -> list[Array]:
    """The arrays of `sample` in the order of `inputs`. Raises ModelError where one is missing or does not fit."""
    missing = [value.name for value in inputs if value.name not in sample]
    if missing:
        raise ModelError(f"inputs {missing} are missing", hint=f"got: {', '.join(sample) or 'nothing'}")
    arrays = [np.asarray(sample[value.name]) for value in inputs]
    wrong = [
        f'input "{value.name}" is {array.dtype} {list(array.shape)}, wanted {value}'
        for value, array in zip(inputs, arrays, strict=True)
        if not value.holds(array)
    ]
    if wrong:
        raise ModelError("; ".join(wrong))
    return [np.ascontiguousarray(array).reshape(array.shape) for array in arrays]

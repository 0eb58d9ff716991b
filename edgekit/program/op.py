"""The base of all operators: a name, what it reads, what it makes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from edgekit.program.tensor import Array, Tensor


class Activation(Enum):
    """The clamp that an operator does after its sum, in real values (TFLite's fused activations)."""

    NONE = (-np.inf, np.inf)
    RELU = (0.0, np.inf)
    RELU6 = (0.0, 6.0)
    RELU_N1_TO_1 = (-1.0, 1.0)

    def limits(self, output: Tensor) -> tuple[int, int]:
        """The clamp in stored integers of `output` (TFLite's CalculateActivationRangeQuantized)."""
        low, high = output.limits
        for real, pick in ((self.value[0], max), (self.value[1], min)):
            if np.isfinite(real):
                steps = np.float32(real) / np.float32(output.scale)
                # TfLiteRound: half away from zero
                stored = output.zero_point + int(np.trunc(steps + np.copysign(np.float32(0.5), steps)))
                low, high = (pick(low, stored), high) if pick is max else (low, pick(high, stored))
        return low, high

    def clamp(self, x: Array) -> Array:
        """The clamp of float values."""
        return np.clip(x, np.float32(self.value[0]), np.float32(self.value[1]))


@dataclass(frozen=True, eq=False, kw_only=True)
class Op:
    """One operation. Subclasses add fields, and say how it runs on integers.

    name     the node or layer that it came from
    inputs   what it reads, constants included
    outputs  what it makes
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def input(self) -> Tensor:
        return self.inputs[0]

    @property
    def output(self) -> Tensor:
        return self.outputs[0]

    @property
    def kind(self) -> str:
        """The word for it in texts and tables."""
        return type(self).__name__

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        """Outputs for inputs of exactly the types and shapes of `self.inputs`."""
        raise NotImplementedError(self.kind)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run."""
        return 0

    def details(self) -> str:
        """Its fields as a text, for `edgekit show --program`."""
        own = [name for name in self.__dataclass_fields__ if name not in Op.__dataclass_fields__]
        return " ".join(f"{name}={_shown(getattr(self, name))}" for name in own)


def _shown(value: object) -> str:
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, tuple):
        return "(" + ",".join(_shown(v) for v in value) + ")"
    if isinstance(value, np.ndarray):
        return f"<{value.dtype} {list(value.shape)}>"
    return str(value)

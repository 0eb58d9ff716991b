"""The base of all operators: a name, what it reads, what it makes."""

from __future__ import annotations

from dataclasses import dataclass, fields
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
        return stored_limits(*self.value, output)

    def clamp(self, x: Array) -> Array:
        """The clamp of float values."""
        return np.clip(x, np.float32(self.value[0]), np.float32(self.value[1]))


def stored_limits(low: float, high: float, output: Tensor) -> tuple[int, int]:
    """A clamp to real values in stored integers of `output`; a bound that is infinite is that of the type."""
    smallest, largest = output.limits
    return (
        max(smallest, _stored(low, output)) if np.isfinite(low) else smallest,
        min(largest, _stored(high, output)) if np.isfinite(high) else largest,
    )


def _stored(real: float, output: Tensor) -> int:
    """The integer nearest to a real value, halves away from zero, before saturation to the type."""
    with np.errstate(over="ignore"):
        steps = np.float32(real) / np.float32(output.scale)
    nearest = np.trunc(steps + np.copysign(np.float32(0.5), steps))
    return output.zero_point + int(np.clip(nearest, -(2.0**31), 2.0**31))


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
        own = [f.name for f in fields(self) if f.name not in Op.__dataclass_fields__]
        return " ".join(f"{name}={_shown(getattr(self, name))}" for name in own)


def _shown(value: object) -> str:
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, tuple):
        return "(" + ",".join(_shown(v) for v in value) + ")"
    if isinstance(value, np.ndarray):
        return f"<{value.dtype} {list(value.shape)}>"
    return str(value)

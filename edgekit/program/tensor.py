"""One value of a program: its shape, how its numbers are stored and, where it is a constant, the numbers themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Names as in the generated C: s8 is int8_t. Programs are s8 unless an operator needs another.
DTYPES: dict[str, np.dtype[Any]] = {
    "s8": np.dtype(np.int8),
    "u8": np.dtype(np.uint8),
    "s16": np.dtype(np.int16),
    "s32": np.dtype(np.int32),
    "s64": np.dtype(np.int64),
    "f32": np.dtype(np.float32),
    "b8": np.dtype(np.bool_),
}
DTYPE_OF = {numpy_type: name for name, numpy_type in DTYPES.items()}


@dataclass(frozen=True)
class QuantParams:
    """real = (q - zero_point) * scale. One scale and zero point, or one of each per slice along `axis`.

    Scales are float32 numbers, as the file formats store them.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int | None = None

    def __post_init__(self) -> None:
        if not self.scales or len(self.scales) != len(self.zero_points):
            raise ValueError(f"{len(self.scales)} scales and {len(self.zero_points)} zero points: wanted as many")
        if self.axis is None and len(self.scales) != 1:
            raise ValueError(f"{len(self.scales)} scales without an axis")
        if not all(math.isfinite(s) and s > 0 for s in self.scales):
            raise ValueError("scales must be finite and above 0")

    @classmethod
    def of(cls, scale: float, zero_point: int = 0) -> QuantParams:
        """One scale for the whole tensor, rounded to float32."""
        return cls((float(np.float32(scale)),), (int(zero_point),))

    @property
    def per_tensor(self) -> bool:
        return len(self.scales) == 1

    @property
    def scale(self) -> float:
        """The only scale. Asking for it where there are several is a bug."""
        assert self.per_tensor
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        assert self.per_tensor
        return self.zero_points[0]

    def __str__(self) -> str:
        if self.per_tensor:
            return f"scale {self.scale:.9g} zero {self.zero_point}"
        return f"{len(self.scales)} scales {min(self.scales):.4g}..{max(self.scales):.4g} along axis {self.axis}"


@dataclass(frozen=True, eq=False)
class Tensor:
    """A value. `data` holds the numbers of a constant; two tensors are the same only if they are one object."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "s8"
    quant: QuantParams | None = None
    data: Array | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f'tensor "{self.name}": dtype {self.dtype!r}, allowed: {", ".join(DTYPES)}')
        if any(d < 0 for d in self.shape):
            raise ValueError(f'tensor "{self.name}": shape {list(self.shape)}')
        if self.data is not None and (self.data.shape != self.shape or self.data.dtype != DTYPES[self.dtype]):
            got = f"{self.data.dtype} {list(self.data.shape)}"
            raise ValueError(f'tensor "{self.name}": data {got}, wanted {self.dtype} {list(self.shape)}')

    @property
    def constant(self) -> bool:
        return self.data is not None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.size * DTYPES[self.dtype].itemsize

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        return DTYPES[self.dtype]

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest integer of its type."""
        info = np.iinfo(DTYPES[self.dtype])
        return int(info.min), int(info.max)

    @property
    def scale(self) -> float:
        assert self.quant is not None, f"{self.name} is not quantized"
        return self.quant.scale

    @property
    def zero_point(self) -> int:
        assert self.quant is not None, f"{self.name} is not quantized"
        return self.quant.zero_point

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}[{', '.join(map(str, self.shape))}]"

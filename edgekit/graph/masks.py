"""Attention masks in a form that int8 can hold: constants of 0 and "minus infinity" (-1e4, -3.4e38) before a Softmax.

One int8 scale cannot hold both such a constant and the values beside it. Softmax only needs the masked places to be so
far below the others that they round to 0, so the constant and the range of the sum end there; saturation does the rest.
Left as they are: sums that anything but Softmax reads, and masks that leave nothing of a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.graph.operands import attribute, constant
from edgekit.graph.quant_params import Array, Range

MASKED = -1e4  # a constant at or below this, added before Softmax, stands for minus infinity
BELOW = 12.0  # exp(-12) = 6e-6: rounds to 0 in the 1/256 steps of Softmax


@dataclass(frozen=True)
class Mask:
    """Input `position` of the Add `node` holds masked numbers; `value` is its other input."""

    node: ir.Node
    position: int
    numbers: Array
    value: ir.Value

    @property
    def sum_name(self) -> str:
        return self.node.outputs[0].name or ""

    def bounded(self, values: Range, sums: Range) -> tuple[Array, Range]:
        """The constant and the range of the sum, where the other input is in `values` and the sum was in `sums`."""
        kept = self.numbers[self.numbers > MASKED]
        floor = values.low + float(kept.min()) - BELOW
        numbers = np.maximum(self.numbers, np.float32(floor - values.high))
        return numbers.astype(np.float32), Range(floor, max(sums.high, floor))


def masks(model: ir.Model) -> Iterator[Mask]:
    """The masks of a float graph."""
    for node in model.graph:
        if node.op_type == "Add" and _feeds_softmax_alone(node.outputs[0]):
            for i, j in ((0, 1), (1, 0)):
                numbers, value = constant(node.inputs[i]), node.inputs[j]
                if numbers is not None and value is not None and constant(value) is None and _is_mask(numbers):
                    yield Mask(node, i, numbers, value)


def unmasked(sums: Array) -> Array:
    """Which places of a masked sum count; True where nothing was masked."""
    kept: Array = sums > MASKED / 2
    return kept


def _feeds_softmax_alone(value: ir.Value) -> bool:
    readers = value.consumers()
    rank = None if value.shape is None else len(value.shape)
    return (
        bool(readers)
        and not value.is_graph_output()
        and all(r.op_type == "Softmax" and rank and int(attribute(r, "axis", -1)) in (-1, rank - 1) for r in readers)
    )


def _is_mask(numbers: Array) -> bool:
    """Whether there are masked numbers, and something is left in every row."""
    masked = numbers <= MASKED
    return numbers.dtype == np.float32 and numbers.ndim > 0 and bool(masked.any() and not masked.all(axis=-1).any())

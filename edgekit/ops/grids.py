"""ONNX's GatherND with constant indices that form a grid: one Gather for each axis.

That is how torch writes indexing by a list (`x[:, [2, 0, 1]]`) and some of its interpolations. Refused: indices that
are computed, or that take single points.
"""

from __future__ import annotations

import numpy as np

from edgekit.ops.reading import OnnxCall, Refusal
from edgekit.ops.slicing import Gather, inside
from edgekit.program.tensor import Array


def gather_nd(call: OnnxCall) -> None:
    """Append the Gathers of one GatherND node."""
    indices = call.constant(1)
    if indices is None or int(call.attribute("batch_dims", 0)):
        raise Refusal("its indices are computed at run time, or batched", "index with constants")
    lines = _lines(indices)
    order = call.order(0)
    x = call.input(0, order)
    y = call.output(0, order, quant=x.quant)
    for axis, line in enumerate(lines):
        place = order.index(axis)
        read = call.stored(f"{call.name}_indices", inside(line, x.shape[place]))
        shape = (*x.shape[:place], len(line), *x.shape[place + 1 :])
        made = y if axis == len(lines) - 1 else call.between(f"{call.name}_part", shape, x)
        call.add(Gather(name=call.name, inputs=(x, read), outputs=(made,), axis=place))
        x = made


def _lines(indices: Array) -> list[Array]:
    """For each of the first axes of the data the indices that are taken of it."""
    count = indices.shape[-1] if indices.ndim else 0
    if count < 1 or indices.ndim != count + 1 or indices.size == 0:
        raise Refusal(f"its indices {list(indices.shape)} are no grid", "index one axis after the other")
    lines = []
    for axis in range(count):
        numbers = np.moveaxis(indices[..., axis], axis, -1)
        line = numbers.reshape(-1, numbers.shape[-1])[0]
        if not np.array_equal(numbers, np.broadcast_to(line, numbers.shape)):
            raise Refusal("its indices take single points, not a grid", "index one axis after the other")
        lines.append(line)
    return lines

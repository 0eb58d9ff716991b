"""How tensors hold the values of an ONNX graph: the axes in another order (NHWC), or flattened in another order.

A Transpose costs nothing here: it is another `Form` of the same tensor. `reshaped` follows a Reshape through a changed
order where it can.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgekit.ops.reading import Order, plain
from edgekit.program import Tensor
from edgekit.program.tensor import Array

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Form:
    """One way in which a value is at hand.

    order  tensor axis → value axis
    inner  where the last axis of the value was flattened from several (their sizes in the value's order), the order in
           which the tensor holds them
    """

    tensor: Tensor
    order: Order
    inner: tuple[Shape, Order] | None = None

    @property
    def shape(self) -> Shape:
        """Shape of the value."""
        made = [0] * len(self.order)
        for size, axis in zip(self.tensor.shape, self.order, strict=True):
            made[axis] = size
        return tuple(made)

    def feature_order(self) -> Array | None:
        """Position on the last axis of the tensor → position on the last axis of the value."""
        if self.inner is None:
            return None
        sizes, order = self.inner
        return np.arange(math.prod(sizes)).reshape(sizes).transpose(order).reshape(-1)


def transposed(form: Form, permutation: Order) -> Form:
    """The form of Transpose(value, permutation): the same tensor."""
    return Form(form.tensor, tuple(permutation.index(axis) for axis in form.order))


def moves_only_units(shape: Shape, permutation: Order) -> bool:
    """Whether a transpose of a tensor of this shape leaves its numbers where they are."""
    moved = [axis for axis in permutation if shape[axis] != 1]
    return moved == sorted(moved)


def reshaped(order: Order, shape: Shape, wanted: Shape) -> tuple[Shape, Order] | None:
    """Shape and order of the tensor for Reshape(value of `shape`, `wanted`) where its numbers need not move, or None."""
    pieces = _pieces(shape, wanted)
    if pieces is None:
        return None
    seen = [axis for axis in order if shape[axis] != 1]
    places = []
    for old, new in pieces:
        real = [axis for axis in old if shape[axis] != 1]
        at = [seen.index(axis) for axis in real]
        if at != list(range(at[0], at[0] + len(at))) if at else False:
            return None
        places.append((at[0] if at else -1, new))
    axes = [axis for _, new in sorted(places, key=lambda place: place[0]) for axis in new]
    return tuple(wanted[axis] for axis in axes), tuple(axes)


def _pieces(shape: Shape, wanted: Shape) -> list[tuple[list[int], list[int]]] | None:
    """Runs of axes of the two shapes that hold the same numbers; None where a size is 0."""
    if 0 in shape or math.prod(shape) != math.prod(wanted):
        return None
    pieces = []
    i = j = 0
    while i < len(shape) or j < len(wanted):
        old, new, a, b = [], [], 1, 1
        while True:
            if i < len(shape) and (a <= b or j >= len(wanted)):
                a, i = a * shape[i], i + 1
                old.append(i - 1)
            elif j < len(wanted):
                b, j = b * wanted[j], j + 1
                new.append(j - 1)
            if a == b and (new or j >= len(wanted)) and (old or i >= len(shape)):
                break
        pieces.append((old, new))
    return pieces


def first_axis_kept(order: Order, shape: Shape, wanted: Shape) -> bool:
    """Whether a Reshape flattens everything behind the first axis, which the tensor also has first."""
    return len(wanted) == 2 and len(shape) > 2 and shape[0] == wanted[0] and order[0] == 0


def extended(shape: Shape, rank: int) -> Shape:
    """`shape` with leading axes of size 1, as broadcasting sees it."""
    return (1,) * (rank - len(shape)) + shape


__all__ = ["Form", "extended", "first_axis_kept", "moves_only_units", "plain", "reshaped", "transposed"]

"""Orders of axes: what becomes of them in a Reshape, and whether a Transpose moves anything.

A value is held with its axes in another order (NHWC for NCHW): axis k of what holds it is axis order[k] of the value.
The lowering holds ONNX values in tensors so, and the ONNX emitter tensors in ONNX values.
"""

from __future__ import annotations

import math

from edgekit.ops.reading import Order, plain

Shape = tuple[int, ...]


def moves_only_units(shape: Shape, permutation: Order) -> bool:
    """Whether a transpose of a tensor of this shape leaves its numbers where they are."""
    moved = [axis for axis in permutation if shape[axis] != 1]
    return moved == sorted(moved)


def reshaped(order: Order, shape: Shape, wanted: Shape) -> tuple[Shape, Order] | None:
    """Shape and order of the holder of Reshape(value of `shape`, `wanted`) where its numbers need not move, or None."""
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
    axes = [axis for _, new in sorted(places, key=lambda place: place[0]) for axis in new if wanted[axis] != 1]
    for axis in (a for a, size in enumerate(wanted) if size == 1):
        axes.insert(axes.index(axis - 1) + 1 if axis else 0, axis)  # it may lie anywhere: behind its neighbour
    return tuple(wanted[axis] for axis in axes), tuple(axes)


def joinable(order: Order, shape: Shape, wanted: Shape) -> Order:
    """An order in which a Reshape to `wanted` need not move numbers, as near to `order` as can be.

    What the Reshape joins lies together where the last of its axes lay: channels stay last.
    """
    pieces = _pieces(shape, wanted)
    if pieces is None:
        return plain(len(shape))
    places = [(max((order.index(axis) for axis in old if shape[axis] != 1), default=-1), old) for old, _ in pieces]
    return tuple(axis for _, old in sorted(places) for axis in old)


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


def extended(shape: Shape, rank: int) -> Shape:
    """`shape` with leading axes of size 1, as broadcasting sees it."""
    return (1,) * (rank - len(shape)) + shape

"""How tensors hold the values of an ONNX graph: the axes in another order (NHWC), or flattened in another order.

A Transpose costs nothing here: it is another `Form` of the same tensor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgekit.ops.orders import Shape
from edgekit.ops.reading import Order
from edgekit.program import Tensor
from edgekit.program.tensor import Array


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
        places: Array = np.arange(math.prod(sizes)).reshape(sizes).transpose(order).reshape(-1)
        return places


def transposed(form: Form, permutation: Order) -> Form:
    """The form of Transpose(value, permutation): the same tensor."""
    return Form(form.tensor, tuple(permutation.index(axis) for axis in form.order))


def first_axis_kept(order: Order, shape: Shape, wanted: Shape) -> bool:
    """Whether a Reshape flattens everything behind the first axis, which the tensor also has first."""
    return len(wanted) == 2 and len(shape) > 2 and shape[0] == wanted[0] and order[0] == 0

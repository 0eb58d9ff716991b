"""Normalizing operators become the means, products and one table (1 / sqrt(variance + epsilon)) that int8 can hold.

LayerNormalization, InstanceNormalization, GroupNormalization, RMSNormalization, and BatchNormalization that no layer
could take up. Scale and shift that only linear layers read move into their weights.

Left as they are, with the reason: weights that are computed, outputs besides the first, training mode.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from edgekit.graph.operands import attribute, constant
from edgekit.graph.quant_params import Array
from edgekit.graph.reductions import sum_of_squares
from edgekit.graph.rewriting import Place
from edgekit.graph.shapes import sizes

EPSILON = 1e-5  # ONNX's default


def refusal(node: ir.Node) -> str | None:
    """Why a normalizing operator cannot be taken apart, or None."""
    return next(_refusals(node), None)


def _refusals(node: ir.Node) -> Iterator[str]:
    x = node.inputs[0]
    if x is None or x.dtype is not ir.DataType.FLOAT or sizes(x) is None:
        yield "it normalizes values of another type or of unknown shape"
    if any(constant(v) is None for v in node.inputs[1:] if v is not None):
        yield "it normalizes with weights that are computed at run time"
    if any(v.uses() or v.is_graph_output() for v in node.outputs[1:]) or attribute(node, "training_mode", 0):
        yield "it normalizes and gives its statistics too"


def _layer(place: Place) -> ir.Value:
    x, axes = _input(place), _axes_from(place.node, -1)
    return _scaled(place, _normalized(place, x, axes, centred=True), *_weights(place, 1, 2))


def _root_mean_square(place: Place) -> ir.Value:
    x, axes = _input(place), _axes_from(place.node, -1)
    return _scaled(place, _normalized(place, x, axes, centred=False), *_weights(place, 1))


def _instance(place: Place) -> ir.Value:
    x = _input(place)
    rank = len(_shape(x))
    scale, shift = (_per_channel(a, rank) for a in _weights(place, 1, 2))
    return _scaled(place, _normalized(place, x, range(2, rank), centred=True), scale, shift)


def _group(place: Place) -> ir.Value:
    x, groups = _input(place), int(attribute(place.node, "num_groups", 1))
    shape = _shape(x)
    scale, shift = (np.repeat(a, shape[1] // len(a)) for a in _weights(place, 1, 2))  # per group up to opset 20
    parts = place.op("Reshape", x, place.integers([shape[0], groups, -1], "groups"), name="grouped")
    parts.shape = ir.Shape([shape[0], groups, math.prod(shape[1:]) // groups])
    whole = place.op(
        "Reshape", _normalized(place, parts, [2], centred=True), place.integers(shape, "shape"), name="whole"
    )
    return _scaled(place, whole, *(_per_channel(a, len(shape)) for a in (scale, shift)))


def _batch(place: Place) -> ir.Value:
    x = _input(place)
    gamma, beta, mean, variance = (a.astype(np.float64) for a in _weights(place, 1, 2, 3, 4))
    factor = gamma / np.sqrt(variance + float(attribute(place.node, "epsilon", EPSILON)))
    rank = len(_shape(x))
    return _scaled(place, x, _per_channel(factor, rank), _per_channel(beta - mean * factor, rank))


def _unless_refused(form: Callable[[Place], ir.Value]) -> Callable[[Place], ir.Value | None]:
    return lambda place: form(place) if refusal(place.node) is None else None


FORMS: Mapping[str, Callable[[Place], ir.Value | None]] = {
    "LayerNormalization": _unless_refused(_layer),
    "RMSNormalization": _unless_refused(_root_mean_square),
    "InstanceNormalization": _unless_refused(_instance),
    "GroupNormalization": _unless_refused(_group),
    "BatchNormalization": _unless_refused(_batch),
}


def _normalized(place: Place, x: ir.Value, axes: Sequence[int], *, centred: bool) -> ir.Value:
    """x, less its mean over `axes` where `centred`, over its root mean square."""
    shape = _shape(x)
    if centred:
        mean = place.op("ReduceMean", x, place.integers(list(axes), "axes"), keepdims=1, name="mean")
        x = place.op("Sub", x, mean, name="centred")
        x.shape = ir.Shape(shape)
    count = math.prod(shape[i] for i in axes)
    variance = place.op("Mul", sum_of_squares(place, x, axes), place.number(1 / count, "share"), name="variance")
    raised = place.op(
        "Add", variance, place.number(float(attribute(place.node, "epsilon", EPSILON)), "epsilon"), name="raised"
    )
    inverse = place.op("Reciprocal", place.op("Sqrt", raised, name="deviation"), name="inverse")
    return place.op("Mul", x, inverse, name="normalized")


def _scaled(place: Place, x: ir.Value, scale: Array, shift: Array | None = None) -> ir.Value:
    if not np.all(scale == 1):
        x = place.op("Mul", x, place.constant(scale.astype(np.float32), "scale"), name="scaled")
    if shift is not None and np.any(shift):
        x = place.op("Add", x, place.constant(shift.astype(np.float32), "shift"), name="shifted")
    return x


def _input(place: Place) -> ir.Value:
    x = place.node.inputs[0]
    assert x is not None
    return x


def _shape(value: ir.Value) -> tuple[int, ...]:
    known = sizes(value)
    assert known is not None
    return known


def _axes_from(node: ir.Node, default: int) -> range:
    x = node.inputs[0]
    assert x is not None
    rank = len(_shape(x))
    return range(int(attribute(node, "axis", default)) % rank, rank)


def _weights(place: Place, *positions: int) -> list[Array]:
    """The constants at these positions, of which the last may be left out."""
    values = [place.node.inputs[i] for i in positions if i < len(place.node.inputs)]
    return [a for v in values if (a := constant(v)) is not None]


def _per_channel(numbers: Array, rank: int) -> Array:
    return numbers.reshape(-1, *[1] * (rank - 2))

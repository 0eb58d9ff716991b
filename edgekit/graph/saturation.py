"""Where functions saturate, int8 needs no range: beyond some input the stored answer of Sigmoid, Tanh and HardSigmoid
no longer changes.

Values that only such functions read get a range that ends there, and finer steps inside it. What lies beyond is
saturated by int8, which changes no answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir

from edgekit.graph.int8_spec import RULES
from edgekit.graph.operands import attribute
from edgekit.graph.quant_params import QuantParams, Range


def _sigmoid(_: ir.Node) -> Range:
    low, high = _answers("Sigmoid")
    return Range(math.log(low / (1 - low)), math.log(high / (1 - high)))


def _tanh(_: ir.Node) -> Range:
    low, high = _answers("Tanh")
    return Range(math.atanh(low), math.atanh(high))


def _hard_sigmoid(node: ir.Node) -> Range:
    slope, shift = float(attribute(node, "alpha", 0.2)), float(attribute(node, "beta", 0.5))
    ends = sorted((answer - shift) / slope for answer in (0.0, 1.0)) if slope else [0.0, 0.0]
    return Range(*ends)


def _answers(op: str) -> tuple[float, float]:
    """The answers between which more than one integer can come out: half a step inside the ends."""
    params = RULES[op].output
    assert isinstance(params, QuantParams)
    return params.low + params.scale / 2, params.high - params.scale / 2


SATURATING: Mapping[str, Callable[[ir.Node], Range]] = {
    "Sigmoid": _sigmoid,
    "Tanh": _tanh,
    "HardSigmoid": _hard_sigmoid,
}


def useful_ranges(model: ir.Model) -> dict[str, Range]:
    """Value name → the range that matters, for the values that only saturating functions read."""
    values = [*model.graph.inputs, *(v for node in model.graph for v in node.outputs)]
    found = {}
    for value in values:
        readers = value.consumers()
        if value.name and readers and not value.is_graph_output() and all(r.op_type in SATURATING for r in readers):
            ends = [SATURATING[reader.op_type](reader) for reader in readers]
            found[value.name] = Range(min(e.low for e in ends), max(e.high for e in ends))
    return found


def within(observed: Range, useful: Range) -> Range:
    """The part of an observed range that matters."""
    low, high = (float(np.clip(end, useful.low, useful.high)) for end in (observed.low, observed.high))
    return Range(low, high)

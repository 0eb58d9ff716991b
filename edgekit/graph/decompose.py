"""A float graph in the form that int8 can hold: what TFLite's int8 has no operator for is taken apart.

`PASSES` is the one place that decides what happens and in which order. The answers stay what they were, up to rounding
in float32. Meant for the way to int8 only: the float model keeps its compact operators.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx_ir as ir

from edgekit.graph import elementwise, normalization, one_hot, products, reductions, variances
from edgekit.graph.affine import fold_affine
from edgekit.graph.recurrent import unroll
from edgekit.graph.rewriting import Place, Rewriter
from edgekit.graph.selection import select_directly
from edgekit.graph.shapes import infer_shapes
from edgekit.graph.simplify import drop_no_ops, drop_unused

Forms = Mapping[str, Callable[[Place], ir.Value | None]]


def for_int8(model: ir.Model) -> ir.Model:
    """A copy of a simplified float graph, taken apart. What stays float: see `quantization.float_layers`."""
    model = ir.from_proto(ir.to_proto(model))
    for step in PASSES:
        model = step(model)
    return model


def taken_apart(forms: Forms) -> Callable[[ir.Model], ir.Model]:
    """A pass: operator → what comes in its place, or None to leave that node. Needs known shapes, keeps them."""

    def step(model: ir.Model) -> ir.Model:
        rewriter = Rewriter(model)
        for node in list(model.graph):
            place = rewriter.at(node)
            result = forms[node.op_type](place) if node.domain == "" and node.op_type in forms else None
            if result is not None:
                place.replace(result, *[None] * (len(node.outputs) - 1))
        return infer_shapes(model)

    return step


PASSES: tuple[Callable[[ir.Model], ir.Model], ...] = (
    unroll,
    infer_shapes,
    taken_apart(variances.FORMS),
    taken_apart(one_hot.FORMS),
    taken_apart(normalization.FORMS),
    taken_apart(elementwise.FORMS),
    taken_apart(reductions.FORMS),  # after the operators that write sums and norms
    taken_apart(products.FORMS),
    drop_no_ops,
    select_directly,
    drop_unused,  # what is not selected is no reader any more
    fold_affine,
    infer_shapes,
    drop_no_ops,
    drop_unused,
)

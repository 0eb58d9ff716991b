"""A float graph in its plainest form: constants folded, batch normalization inside the weights, nothing that does
nothing, readable names, every shape known. The outputs stay what they were (up to rounding of the folded weights).

`PASSES` is the one place that decides what happens and in which order. Refused: shapes that depend on data, graphs that
contradict themselves, weights that are not finite.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from edgekit.errors import ModelError, UnsupportedError
from edgekit.graph.batch_norm import fold_batch_norm
from edgekit.graph.consistency import require_consistent, require_filled
from edgekit.graph.constants import fold_constants, is_random
from edgekit.graph.naming import name_plainly
from edgekit.graph.operands import constant
from edgekit.graph.shapes import infer_shapes, require_static, sizes

SAME_DATA_OPS = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Expand")
# Infinity has a meaning here (masks, open limits); in a weight it is a fault.
LIMITS = {"Max": -np.inf, "Min": np.inf}
MASK_OPS = ("Add", "Where", "Min", "Max", "Clip", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Pad")


def simplify(model: ir.Model) -> ir.Model:
    """A simplified copy. Raises UnsupportedError naming values whose shape is not static, and ModelError."""
    model = ir.from_proto(ir.to_proto(model))
    for step in PASSES:
        model = step(model)
    require_repeatable(model)
    require_static(model)
    require_filled(require_consistent(model))
    require_finite(model)
    return model


def check_quantized(model: ir.Model) -> ir.Model:
    """A graph that came quantized keeps its form: only its shapes are inferred, and the same things are refused."""
    model = infer_shapes(ir.from_proto(ir.to_proto(model)))
    require_repeatable(model)
    require_static(model)
    require_filled(require_consistent(model))
    require_finite(model)
    require_positive_scales(model)
    return model


def drop_no_ops(model: ir.Model) -> ir.Model:
    """Identity, Dropout (inference), Cast to the same type, Reshape, Transpose and the like that change nothing."""
    for node in list(model.graph):
        source = _passed(node)
        if source is not None:
            _bypass(model.graph, node, source)
    return model


def drop_unused(model: ir.Model) -> ir.Model:
    """Dead nodes and initializers, the second copy of equal ones, and what nothing refers to any more."""
    common.RemoveUnusedNodesPass()(model)
    _merge_equal_initializers(model.graph)
    common.RemoveUnusedOpsetsPass()(model)
    return model


def strip_metadata(model: ir.Model) -> ir.Model:
    """No stack traces, no doc strings: in small models they are most of the bytes."""
    common.ClearMetadataAndDocStringPass()(model)
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
    for value in [*model.graph.inputs, *model.graph.outputs, *model.graph.initializers.values()]:
        value.metadata_props.clear()
        value.doc_string = None
    model.graph.doc_string = model.doc_string = None
    model.producer_name, model.producer_version = "edgekit", None
    return model


def require_finite(model: ir.Model) -> None:
    """Raises ModelError naming constants with NaN, or with infinity where it is no mask and no limit."""
    problems = []
    for name, value in model.graph.initializers.items():
        numbers = None if value.const_value is None else value.const_value.numpy()
        if numbers is None or value.dtype is None or not value.dtype.is_floating_point():
            continue
        allowed = all(node.op_type in MASK_OPS for node in value.consumers())
        bad = int(np.isnan(numbers).sum() if allowed else (~np.isfinite(numbers)).sum())
        if bad:
            problems.append(f'initializer "{name}": {bad} of {numbers.size} numbers are NaN or infinite')
    if problems:
        raise ModelError("; ".join(problems[:5]), hint="train the model again, or repair the file")


def require_repeatable(model: ir.Model) -> None:
    """Raises UnsupportedError naming nodes that answer differently each time: nothing could be compared with them."""
    dice = [f'"{node.name or "no name"}" ({node.op_type})' for node in model.graph if is_random(node)]
    if dice:
        raise UnsupportedError(
            f"nodes draw random numbers: {', '.join(dice[:5])}{_more(dice)}; the answers of a device cannot be checked",
            hint="export the model in evaluation mode, or make the random numbers an input",
        )


def require_positive_scales(model: ir.Model) -> None:
    """Raises ModelError naming quantizing and dequantizing nodes whose scales are not all finite and above 0."""
    problems = []
    for node in model.graph:
        is_pair = node.op_type in ("QuantizeLinear", "DequantizeLinear") and len(node.inputs) > 1
        scales = constant(node.inputs[1]) if is_pair else None
        wrong = [] if scales is None else [float(s) for s in scales.flat if not 0 < float(s) < float("inf")]
        if wrong:
            problems.append(f'node "{node.name or "no name"}" ({node.op_type}): scale {wrong[0]:g}')
    if problems:
        raise ModelError(
            f"{', '.join(problems[:5])}{_more(problems)}: allowed are finite numbers above 0",
            hint="quantize the model again: its calibration saw no values, or broken ones",
        )


def _more(found: list[str]) -> str:
    return f" and {len(found) - 5} more" if len(found) > 5 else ""


PASSES: tuple[Callable[[ir.Model], ir.Model], ...] = (
    infer_shapes,  # folding needs to know the size of results
    fold_constants,  # first: the arguments of no-ops are constants
    require_consistent,  # now shapes are known, and the others trust them
    drop_no_ops,
    fold_batch_norm,
    drop_unused,
    name_plainly,  # reads the metadata that the next pass removes
    strip_metadata,
    infer_shapes,
)


def _passed(node: ir.Node) -> ir.Value | None:
    """The input that a node gives unchanged."""
    if node.op_type in LIMITS and node.domain == "":
        return _beside_limit(node)
    return node.inputs[0] if node.inputs and _does_nothing(node) else None


def _beside_limit(node: ir.Node) -> ir.Value | None:
    """The operand of Min or Max beside an infinity that limits nothing."""
    known = {v: constant(v) for v in node.inputs}
    others = [v for v, numbers in known.items() if numbers is None or not np.all(numbers == LIMITS[node.op_type])]
    alone = len(others) == 1 and others[0] is not None and sizes(others[0]) == sizes(node.outputs[0]) is not None
    return others[0] if alone else None


def _does_nothing(node: ir.Node) -> bool:
    source, result = node.inputs[0], node.outputs[0]
    if node.domain != "" or source is None or any(v.uses() or v.is_graph_output() for v in node.outputs[1:]):
        return False
    if node.op_type == "Identity" or (node.op_type == "Concat" and len(node.inputs) == 1):
        return True
    if node.op_type == "Dropout":
        return not is_random(node)
    if node.op_type == "Cast":
        return source.dtype is not None and source.dtype == result.dtype
    if node.op_type in SAME_DATA_OPS:
        return sizes(source) is not None and sizes(source) == sizes(result)
    if node.op_type == "Transpose":
        order = node.attributes.get("perm")
        return order is not None and list(order.as_ints()) == list(range(len(order.as_ints())))
    return False


def _bypass(graph: ir.Graph, node: ir.Node, source: ir.Value) -> None:
    """Take `node` out: whoever read its first output reads `source`; the graph's output keeps its name."""
    result = node.outputs[0]
    if result.is_graph_output():
        if source.is_graph_input() or source.is_graph_output() or source.producer() is None:
            return  # an output needs a node of its own
        result.replace_all_uses_with(source, replace_graph_outputs=True)
        graph.remove(node, safe=True)
        source.name = result.name
        return
    result.replace_all_uses_with(source)
    graph.remove(node, safe=True)


def _merge_equal_initializers(graph: ir.Graph) -> None:
    first: dict[tuple[object, ...], ir.Value] = {}
    for name, value in list(graph.initializers.items()):
        if value.const_value is None or value.is_graph_output() or value.is_graph_input():
            continue
        digest = hashlib.sha256(value.const_value.tobytes()).digest()
        kept = first.setdefault((value.dtype, sizes(value), digest), value)
        if kept is not value:
            value.replace_all_uses_with(kept)
            del graph.initializers[name]

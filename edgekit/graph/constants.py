"""Everything in a graph that depends on no input becomes an initializer: Constant nodes, shapes of static values, and
whatever is computed from them. Numbers are computed by ONNX Runtime.

Left as they are: random operators, and constants that would be much larger than what they are made from.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes import common

from edgekit.errors import ModelError
from edgekit.graph.operands import constant
from edgekit.graph.shapes import infer_shapes, sizes

ROUNDS = 8  # each brings shapes that the next one needs; three are the most that was seen
SMALL_BYTES = 1 << 20  # up to here a result may be larger than its operands
GROWTH = 4  # above, at most this many times (int8 weights that are cast to float)
TOTAL_BYTES = 64 << 20  # of all results together, beyond GROWTH times the weights
RANDOM_OPS = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial")
# Their results have a size that depends on data, and are at most as large as an operand (times its rank).
SHRINKING_OPS = ("NonZero", "Compress", "Unique", "Slice")


def fold_constants(model: ir.Model) -> ir.Model:
    """Constant nodes and all that depends on nothing else become initializers. Needs inferred shapes, keeps them."""
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    common.RemoveInitializersFromInputsPass()(model)
    budget = TOTAL_BYTES + GROWTH * sum(_bytes(v) or 0 for v in model.graph.initializers.values())
    for _ in range(ROUNDS):
        shapes = _fold_shapes(model.graph)
        nodes = _constant_nodes(model.graph, budget)
        budget -= sum(_cost(node) or 0 for node in nodes)
        if not _fold_nodes(model, nodes) and not shapes:
            break
        infer_shapes(model)
    return model


def add_constant(graph: ir.Graph, name: str, array: np.ndarray, taken: set[str]) -> ir.Value:
    """A new initializer called `name`, or `name_2` and so on where that is taken."""
    unique, k = name, 2
    while unique in taken:
        unique, k = f"{name}_{k}", k + 1
    taken.add(unique)
    tensor = ir.tensor(np.ascontiguousarray(array).reshape(array.shape), name=unique)
    value = ir.Value(name=unique, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(value)
    return value


def value_names(graph: ir.Graph) -> set[str]:
    """The names that are taken in a graph."""
    outputs = (v for node in graph for v in node.outputs)
    return {v.name for v in (*graph.inputs, *graph.initializers.values(), *outputs) if v.name}


def is_random(node: ir.Node) -> bool:
    """Whether a node answers differently each time: random operators, and Dropout in training mode."""
    training = node.inputs[2] if node.op_type == "Dropout" and len(node.inputs) > 2 else None
    known = constant(training)
    switched_on = training is not None and (known is None or bool(known.any()))
    return node.op_type in RANDOM_OPS or switched_on


def _fold_shapes(graph: ir.Graph) -> int:
    """Shape and Size of values whose shape is known; how many there were."""
    taken, count = value_names(graph), 0
    for node in list(graph):
        known = sizes(node.inputs[0]) if node.op_type in ("Shape", "Size") and node.inputs[0] is not None else None
        if known is None or node.outputs[0].is_graph_output():
            continue
        number = math.prod(known) if node.op_type == "Size" else known[_part(node)]
        _replace(graph, node.outputs[0], np.array(number, np.int64), taken)
        graph.remove(node, safe=True)
        count += 1
    return count


def _part(node: ir.Node) -> slice:
    ends = (node.attributes.get(key) for key in ("start", "end"))
    return slice(*(None if end is None else end.as_int() for end in ends))


def _fold_nodes(model: ir.Model, nodes: list[ir.Node]) -> int:
    """Compute constant nodes once; how many of their results the rest of the graph reads."""
    inside, taken = set(nodes), value_names(model.graph)
    # What is an output of the graph stays computed: an output needs a node.
    wanted = [
        value
        for node in nodes
        for value in node.outputs
        if not value.is_graph_output() and any(reader not in inside for reader in value.consumers())
    ]
    for value, array in zip(wanted, _run(model, nodes, wanted), strict=True):
        _replace(model.graph, value, array, taken)
    common.RemoveUnusedNodesPass()(model)
    return len(wanted)


def _constant_nodes(graph: ir.Graph, budget: int) -> list[ir.Node]:
    """In order, the nodes whose operands are all constant and whose results may be kept, up to `budget` bytes."""
    known = set(graph.initializers.values())
    nodes = []
    for node in graph:
        constant = node.domain == "" and not is_random(node) and all(v is None or v in known for v in node.inputs)
        cost = _cost(node) if constant else None
        if cost is not None and cost <= budget:
            budget -= cost
            nodes.append(node)
            known.update(node.outputs)
    return nodes


def _cost(node: ir.Node) -> int | None:
    """Bytes of a node's results; None where they are unknown, much larger than its operands, or no numbers."""
    operands = sum(_bytes(v) or 0 for v in node.inputs if v is not None)
    named = [v for v in node.outputs if v.name]
    if node.op_type in SHRINKING_OPS and all(v is None or sizes(v) is not None for v in node.inputs):
        return 8 * operands
    results = [_bytes(v) for v in named]
    if any(r is None for r in results):
        return None
    total = sum(r for r in results if r is not None)
    return total if total <= max(SMALL_BYTES, GROWTH * operands) else None


def _bytes(value: ir.Value) -> int | None:
    known = sizes(value)
    if known is None or value.dtype is None or value.dtype == ir.DataType.STRING:
        return None
    return math.ceil(math.prod(known) * value.dtype.itemsize)


def _replace(graph: ir.Graph, value: ir.Value, array: np.ndarray, taken: set[str]) -> None:
    """Whoever reads `value` reads an initializer."""
    value.replace_all_uses_with(add_constant(graph, f"{value.name}.constant", array, taken))


def _run(model: ir.Model, nodes: list[ir.Node], wanted: list[ir.Value]) -> list[np.ndarray]:
    """The wanted results of nodes that need no input."""
    import onnxruntime as ort

    if not wanted:
        return []
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        content = _part_of(model, nodes, wanted).SerializeToString()
        session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        results: list[np.ndarray] = session.run([v.name for v in wanted], {})
    except Exception as e:  # onnxruntime's exceptions share no public base class
        names = ", ".join(n.name or n.op_type for n in nodes[:5])
        raise ModelError(f"constant nodes cannot be computed ({names}): {str(e)[:200]}", hint="export it again") from e
    return results


def _part_of(model: ir.Model, nodes: list[ir.Node], wanted: list[ir.Value]) -> onnx.ModelProto:
    """A model of only these nodes and what they read."""
    proto = onnx.ModelProto(ir_version=model.ir_version)
    for domain, version in model.opset_imports.items():
        proto.opset_import.add(domain=domain, version=version)
    graph = proto.graph
    graph.name = "constants"
    graph.node.extend(ir.to_proto(node) for node in nodes)
    used = {v for node in nodes for v in node.inputs if v is not None}
    for value in used:
        if value.const_value is not None:
            graph.initializer.append(ir.to_proto(value.const_value))
            graph.initializer[-1].name = value.name  # a tensor's own name may be another, or none
    graph.output.extend(ir.to_proto(value) for value in wanted)
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")
    return proto

"""A float graph in its plainest form: constants folded, batch normalization inside the weights, nothing that does
nothing, readable names, every shape known. The outputs stay what they were (up to rounding of the folded weights).

`PASSES` is the one place that decides what happens and in which order.
"""

from __future__ import annotations

import ast
import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from edgekit.errors import ModelError
from edgekit.graph.shapes import infer_shapes, require_static, sizes

FOLD_LIMIT_BYTES = 64 << 20  # a constant that would grow beyond this stays computed (Expand of one number)
RANDOM_OPS = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial")
INFERENCE_NO_OPS = ("Identity", "Dropout")


def simplify(model: ir.Model) -> ir.Model:
    """A simplified copy. Raises UnsupportedError naming values whose shape is not static."""
    model = ir.from_proto(ir.to_proto(model))
    for step in PASSES:
        model = step(model)
    require_static(model)
    return model


def lift_constants(model: ir.Model) -> ir.Model:
    """Constant nodes become initializers."""
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    common.RemoveInitializersFromInputsPass()(model)
    return model


def drop_no_ops(model: ir.Model) -> ir.Model:
    """Identity, Dropout (inference), Cast to the same type, Reshape, Transpose and the like that change nothing."""
    for node in list(model.graph):
        if _does_nothing(node):
            source = node.inputs[0]
            assert source is not None
            _bypass(model.graph, node, source)
    return model


def fold_constants(model: ir.Model) -> ir.Model:
    """Nodes that depend on nothing but constants become initializers; Shape of a static value is a constant too."""
    _fold_shapes(model.graph)
    known = set(model.graph.initializers.values())
    constant_nodes = []
    for node in model.graph:
        foldable = node.op_type not in RANDOM_OPS and all(v is None or v in known for v in node.inputs)
        if foldable and node.domain in ("", "ai.onnx") and _small(node):
            constant_nodes.append(node)
            known.update(node.outputs)
    if constant_nodes:
        _replace_by_results(model, constant_nodes)
    return model


def fold_batch_norm(model: ir.Model) -> ir.Model:
    """BatchNormalization after a convolution moves into its weights and bias."""
    for node in list(model.graph):
        if node.op_type == "BatchNormalization":
            _fold_one_batch_norm(model.graph, node)
    return model


def drop_unused(model: ir.Model) -> ir.Model:
    """Dead nodes and initializers, and the second copy of equal ones."""
    common.RemoveUnusedNodesPass()(model)
    common.DeduplicateInitializersPass()(model)
    common.RemoveUnusedFunctionsPass()(model)
    common.RemoveUnusedOpsetsPass()(model)
    return model


def name_plainly(model: ir.Model) -> ir.Model:
    """Nodes get the name of the module they come from, where the exporter says it; values the name of their node."""
    taken = Counter(v.name for v in [*model.graph.inputs, *model.graph.outputs, *model.graph.initializers.values()])
    border = set(model.graph.outputs)
    nodes: Counter[str] = Counter()
    for node in model.graph:
        node.name = _unique(_plain_name(node), nodes)
        for i, value in enumerate(node.outputs):
            if value not in border:
                value.name = _unique(node.name if i == 0 else f"{node.name}.{i}", taken)
    return model


def strip_metadata(model: ir.Model) -> ir.Model:
    """No stack traces, no doc strings: in small models they are most of the bytes."""
    common.ClearMetadataAndDocStringPass()(model)
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
    for value in [*model.graph.inputs, *model.graph.outputs, *model.graph.initializers.values()]:
        value.metadata_props.clear()
    model.graph.doc_string = model.doc_string = None
    model.producer_name, model.producer_version = "edgekit", None
    return model


PASSES: tuple[Callable[[ir.Model], ir.Model], ...] = (
    lift_constants,
    infer_shapes,  # folding needs to know the size of results
    drop_no_ops,
    fold_constants,
    infer_shapes,  # shapes that hung on what was folded
    fold_constants,
    drop_no_ops,
    fold_batch_norm,
    drop_unused,
    name_plainly,  # reads the metadata that the next pass removes
    strip_metadata,
    infer_shapes,
)


def _does_nothing(node: ir.Node) -> bool:
    if node.op_type in INFERENCE_NO_OPS:
        return not any(v.consumers() or v.is_graph_output() for v in node.outputs[1:])
    if not node.inputs or node.inputs[0] is None or len(node.outputs) != 1:
        return False
    before, after = node.inputs[0], node.outputs[0]
    if node.op_type == "Cast":
        return before.dtype is not None and before.dtype == after.dtype
    if node.op_type in ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Expand"):
        return sizes(before) is not None and sizes(before) == sizes(after)
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
        name, shape, dtype = result.name, result.shape, result.dtype
        for i, output in enumerate(graph.outputs):
            if output is result:
                graph.outputs[i] = source
        result.name = f"{name}.before"
        source.name, source.shape, source.dtype = name, source.shape or shape, source.dtype or dtype
    result.replace_all_uses_with(source)
    graph.remove(node, safe=True)


def _small(node: ir.Node) -> bool:
    shapes = [sizes(v) for v in node.outputs]
    if any(s is None for s in shapes):
        return node.op_type not in ("ConstantOfShape", "Expand", "Tile", "Range")
    return sum(math.prod(s) * 8 for s in shapes if s is not None) <= FOLD_LIMIT_BYTES


def _fold_shapes(graph: ir.Graph) -> None:
    for node in list(graph):
        if node.op_type == "Shape" and node.inputs[0] is not None and not node.outputs[0].is_graph_output():
            shape = sizes(node.inputs[0])
            if shape is not None:
                start, end = (node.attributes[k].as_int() if k in node.attributes else d for k, d in _ENDS)
                _constant(graph, node.outputs[0], np.array(shape[slice(start, end)], np.int64))
                graph.remove(node, safe=True)


_ENDS = (("start", 0), ("end", None))


def _replace_by_results(model: ir.Model, nodes: list[ir.Node]) -> None:
    """Run the constant nodes once in ONNX Runtime; results that others need become initializers."""
    inside = set(nodes)
    needed = [
        v for n in nodes for v in n.outputs if v.is_graph_output() or any(user not in inside for user in v.consumers())
    ]
    needed = [v for v in needed if not v.is_graph_output()]
    results = _run(model, nodes, needed)
    for value, array in zip(needed, results, strict=True):
        _constant(model.graph, value, array)
    common.RemoveUnusedNodesPass()(model)


def _run(model: ir.Model, nodes: list[ir.Node], wanted: list[ir.Value]) -> list[np.ndarray]:
    import onnxruntime as ort

    if not wanted:
        return []
    proto = ir.to_proto(model)
    keep = {v.name for n in nodes for v in n.outputs}
    kept = [n for n in proto.graph.node if n.output[0] in keep]
    used = {name for n in kept for name in n.input}
    initializers = [t for t in proto.graph.initializer if t.name in used]
    del proto.graph.node[:], proto.graph.input[:], proto.graph.output[:], proto.graph.initializer[:]
    del proto.graph.value_info[:]
    proto.graph.node.extend(kept)
    proto.graph.initializer.extend(initializers)
    proto.graph.output.extend(type(v)(name=v.name) for v in map(ir.to_proto, wanted))
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        results: list[np.ndarray] = session.run([v.name for v in wanted], {})
    except Exception as e:  # onnxruntime's exceptions share no public base class
        names = ", ".join(n.name or n.op_type for n in nodes[:5])
        raise ModelError(f"constant nodes cannot be computed ({names}): {str(e)[:200]}", hint="export it again") from e
    return results


def _constant(graph: ir.Graph, value: ir.Value, array: np.ndarray) -> None:
    """Whoever read `value` reads an initializer of its name."""
    name = f"{value.name}.constant"
    tensor = ir.tensor(np.ascontiguousarray(array), name=name)
    constant = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(constant)
    value.replace_all_uses_with(constant)


def _fold_one_batch_norm(graph: ir.Graph, node: ir.Node) -> None:
    source = node.inputs[0]
    before = None if source is None else source.producer()
    if before is None or before.op_type not in ("Conv", "ConvTranspose") or source is None:
        return
    alone = len(source.uses()) == 1 and not source.is_graph_output()
    weight = None if before.inputs[1] is None else before.inputs[1].const_value
    statistics = [None if v is None else v.const_value for v in node.inputs[1:5]]
    inference = not any(v.consumers() for v in node.outputs[1:])
    if not alone or weight is None or any(s is None for s in statistics) or not inference:
        return
    group = before.attributes["group"].as_int() if "group" in before.attributes else 1
    if before.op_type == "ConvTranspose" and group != 1:
        return
    gamma, beta, mean, variance = (s.numpy().astype(np.float64) for s in statistics if s is not None)
    epsilon = node.attributes["epsilon"].as_float() if "epsilon" in node.attributes else 1e-5
    factor = gamma / np.sqrt(variance + epsilon)
    old = weight.numpy().astype(np.float64)
    axis = 0 if before.op_type == "Conv" else 1
    along = [-1 if i == axis else 1 for i in range(old.ndim)]
    bias_value = before.inputs[2] if len(before.inputs) > 2 else None
    bias = np.zeros_like(mean) if bias_value is None else _numpy(bias_value).astype(np.float64)
    name = before.inputs[1].name if before.inputs[1] is not None else "weight"
    before.resize_inputs(3)
    before.replace_input_with(1, _new(graph, f"{name}.folded", old * factor.reshape(along)))
    before.replace_input_with(2, _new(graph, f"{name}.folded_bias", (bias - mean) * factor + beta))
    _bypass(graph, node, source)


def _numpy(value: ir.Value) -> np.ndarray:
    assert value.const_value is not None
    return value.const_value.numpy()


def _new(graph: ir.Graph, name: str, array: np.ndarray) -> ir.Value:
    tensor = ir.tensor(array.astype(np.float32), name=name)
    value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(value)
    return value


def _plain_name(node: ir.Node) -> str:
    """`features.3.conv` rather than `node_Conv_101`."""
    if len(node.inputs) > 1 and node.inputs[1] is not None and node.inputs[1].const_value is not None:
        weight = node.inputs[1].name or ""
        if weight.endswith(".weight"):
            return weight.removesuffix(".weight")
    scopes = _listed(node, "pkg.torch.onnx.name_scopes")
    classes = _listed(node, "pkg.torch.onnx.class_hierarchy")
    if len(scopes) >= 2 and len(classes) >= 2:
        leaf = classes[-2].startswith("torch.nn.modules.") and ".container." not in classes[-2]
        path = scopes[-2]
        return path if leaf and path else ".".join(p for p in (path, node.op_type.lower()) if p)
    return node.name or node.op_type.lower()


def _listed(node: ir.Node, key: str) -> list[str]:
    try:
        found = ast.literal_eval(node.metadata_props.get(key, "[]"))
    except (ValueError, SyntaxError):
        return []
    return found if isinstance(found, list) and all(isinstance(x, str) for x in found) else []


def _unique(name: str, taken: Counter[str] | Counter[str | None]) -> str:
    """`name`, or `name_2`, `name_3` ... where it is taken."""
    candidate, k = name, 2
    while taken[candidate]:
        candidate, k = f"{name}_{k}", k + 1
    taken[candidate] += 1
    return candidate

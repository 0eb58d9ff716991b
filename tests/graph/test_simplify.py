"""simplify: the same answers from a plainer graph."""

from __future__ import annotations

import hostile_models as hostile
import numpy as np
import onnx
import onnx_ir as ir
import pytest
from int8_nets import Net
from onnx import TensorProto, helper

from edgekit.errors import ModelError, UnsupportedError
from edgekit.graph import load
from edgekit.graph.evaluation import Predictor
from edgekit.graph.save import to_bytes
from edgekit.graph.simplify import PASSES, check_quantized, simplify


def ops(model: ir.Model) -> list[str]:
    return [n.op_type for n in model.graph]


def assert_same(before: ir.Model, after: ir.Model, **tolerance: float) -> None:
    rng = np.random.default_rng(0)
    x = {v.name: rng.normal(size=v.shape.numpy()).astype(np.float32) for v in after.graph.inputs}
    wanted, got = (Predictor(to_bytes(m), optimise=False).run(x) for m in (before, after))
    for a, b in zip(wanted, got, strict=True):
        np.testing.assert_allclose(a, b, **({"rtol": 1e-4, "atol": 1e-4} | tolerance))


def simplified(model: ir.Model) -> ir.Model:
    """simplify(model), whose answers are compared."""
    before = to_bytes(model)
    after = simplify(model)
    assert to_bytes(model) == before, "the graph that was given has changed"
    assert_same(model, after)
    return after


def graph_of(net: Net, *outputs: str) -> ir.Model:
    return load.static_shapes(net.model(*outputs), {})


@pytest.mark.parametrize("constants", [False, True])
def test_the_plainest_form(constants: bool) -> None:
    model = load.parse(hostile.network(constants=constants).SerializeToString())
    after = simplified(model)
    assert ops(after) == ["Conv", "Relu", "Flatten", "Gemm"]
    assert all(v.shape is not None and v.shape.is_static() and v.dtype for n in after.graph for v in n.outputs)
    assert {v.name for v in after.graph.outputs} == {"y"}
    assert not any(n.doc_string or n.metadata_props for n in after.graph)


def test_twice_is_once_and_bytes_are_deterministic() -> None:
    model = load.parse(hostile.network().SerializeToString())
    once = simplify(model)
    assert to_bytes(simplify(model)) == to_bytes(once)
    assert ops(simplify(once)) == ops(once)


def test_every_pass_keeps_the_answers() -> None:
    model = load.static_shapes(load.parse(hostile.network(constants=True).SerializeToString()), {})
    reference = ir.from_proto(ir.to_proto(model))
    for step in PASSES:
        model = step(model)
        assert_same(reference, ir.from_proto(ir.to_proto(model)))


def test_shape_arithmetic_is_folded() -> None:
    """reshape(x, (shape(x)[0], -1)), as exporters before dynamo write it."""
    net = Net()
    x = net.input("x", 2, 3, 4)
    first = net.op("Gather", net.op("Shape", x), net.constant(np.int64(0)))
    rest = net.constant(np.array([-1], np.int64))
    target = net.op("Concat", net.op("Unsqueeze", first, net.constant(np.array([0], np.int64))), rest, axis=0)
    after = simplified(graph_of(net, net.op("Relu", net.op("Reshape", x, target))))
    assert ops(after) == ["Reshape", "Relu"]


def test_what_does_nothing_goes() -> None:
    net = Net()
    x = net.input("x", 1, 2, 3, 4)
    y = net.op("Transpose", net.op("Cast", x, to=TensorProto.FLOAT), perm=[0, 1, 2, 3])
    y = net.op("Reshape", net.op("Dropout", y), net.constant(np.array([1, 2, 3, 4], np.int64)))
    after = simplified(graph_of(net, net.op("Relu", net.op("Identity", y))))
    assert ops(after) == ["Relu"]


def test_what_does_something_stays() -> None:
    net = Net()
    x = net.input("x", 1, 2, 3, 4)
    y = net.op("Cast", net.op("Cast", net.op("Transpose", x, perm=[0, 2, 1, 3]), to=TensorProto.INT32), to=1)
    after = simplified(graph_of(net, net.op("Reshape", y, net.constant(np.array([1, -1], np.int64)))))
    assert ops(after) == ["Transpose", "Cast", "Cast", "Reshape"]


def test_outputs_keep_their_names_and_their_own_nodes() -> None:
    """An output that is an input, an output that is a constant, an output behind an Identity, one value twice."""
    net = Net()
    x = net.input("x", 1, 4)
    relu = net.op("Relu", x)
    outputs = [
        net.op("Identity", x),
        net.op("Identity", net.constant(np.ones((1, 4), np.float32))),
        net.op("Identity", relu),
        net.op("Identity", relu),
    ]
    after = simplified(graph_of(net, *outputs))
    assert [v.name for v in after.graph.outputs] == outputs


def batch_norm(net: Net, x: str, channels: int, **attributes) -> str:
    parts = [net.rng.uniform(0.5, 2, channels), *net.rng.normal(size=(2, channels)), net.rng.uniform(0.5, 2, channels)]
    return net.op("BatchNormalization", x, *[net.constant(p.astype(np.float32)) for p in parts], **attributes)


def after_conv(net: Net) -> str:
    return batch_norm(net, net.conv(net.input("x", 1, 4, 5, 5), 4, 6), 6, epsilon=0.1)


def after_depthwise(net: Net) -> str:
    return batch_norm(net, net.conv(net.input("x", 1, 4, 5, 5), 4, 4, group=4), 4)


def after_transposed(net: Net) -> str:
    x = net.input("x", 1, 4, 5, 5)
    return batch_norm(net, net.op("ConvTranspose", x, net.weights(4, 6, 3, 3)), 6)


def after_grouped_transposed(net: Net) -> str:
    x = net.input("x", 1, 4, 5, 5)
    return batch_norm(net, net.op("ConvTranspose", x, net.weights(4, 3, 3, 3), group=2), 6)


def after_gemm(net: Net) -> str:
    return batch_norm(net, net.gemm(net.input("x", 3, 8), 8, 6), 6)


def after_plain_gemm(net: Net) -> str:
    return batch_norm(net, net.op("Gemm", net.input("x", 3, 8), net.weights(8, 6)), 6)


@pytest.mark.parametrize(
    "build",
    [after_conv, after_depthwise, after_transposed, after_grouped_transposed, after_gemm, after_plain_gemm],
)
def test_batch_norm_is_folded(build) -> None:
    net = Net()
    assert "BatchNormalization" not in ops(simplified(graph_of(net, build(net))))


def test_batch_norm_in_training_mode_stays() -> None:
    net = Net()
    conv = net.conv(net.input("x", 1, 4, 5, 5), 4, 6)
    # all different: ONNX Runtime updates the statistics in place, and equal initializers are merged
    parts = [net.constant(np.full(6, 0.5 + i, np.float32)) for i in range(4)]
    outputs = net.op("BatchNormalization", conv, *parts, outputs=3, training_mode=1)
    assert "BatchNormalization" in ops(simplified(graph_of(net, outputs[0])))


def test_batch_norm_whose_input_others_read_stays() -> None:
    net = Net()
    conv = net.conv(net.input("x", 1, 4, 5, 5), 4, 6)
    after = simplified(graph_of(net, net.op("Add", conv, batch_norm(net, conv, 6))))
    assert ops(after) == ["Conv", "BatchNormalization", "Add"]


def test_scaled_gemm_keeps_its_batch_norm() -> None:
    net = Net()
    x = net.op("Gemm", net.input("x", 3, 8), net.weights(8, 6), net.constant(np.ones(6, np.float32)), beta=0.5)
    assert "BatchNormalization" in ops(simplified(graph_of(net, batch_norm(net, x, 6))))


def test_one_weight_with_two_batch_norms() -> None:
    net = Net()
    weight = net.weights(4, 4, 3, 3)
    branches = [batch_norm(net, net.op("Conv", net.input(name, 1, 4, 5, 5), weight), 4) for name in "ab"]
    after = simplified(graph_of(net, net.op("Concat", *branches, axis=1)))
    assert ops(after) == ["Conv", "Conv", "Concat"]


def test_equal_weights_are_stored_once_and_unused_ones_not_at_all() -> None:
    net = Net()
    x = net.input("x", 1, 8)
    weight = net.rng.normal(size=(8, 8)).astype(np.float32)
    y = net.op("MatMul", net.op("MatMul", x, net.constant(weight)), net.constant(weight.copy()))
    net.constant(np.ones(1000, np.float32), "unused")
    net.op("MatMul", x, net.constant(weight + 1), name="dead")
    after = simplified(graph_of(net, y))
    assert len(after.graph.initializers) == 1
    assert ops(after) == ["MatMul", "MatMul"]


def test_a_large_expansion_is_not_stored() -> None:
    net = Net()
    big = net.op("Expand", net.constant(np.float32(2)), net.constant(np.array([1, 3000, 3000], np.int64)))
    after = simplified(graph_of(net, net.op("ReduceSum", net.op("Mul", net.input("x", 1, 1, 1), big), keepdims=0)))
    assert "Expand" in ops(after)
    assert len(to_bytes(after)) < 10_000


@pytest.mark.parametrize("op", ["RandomNormal", "RandomNormalLike", "Bernoulli"])
def test_random_numbers_are_refused(op: str) -> None:
    net = Net()
    x = net.input("x", 1, 4)
    noise = net.op(op, name="dice", shape=[1, 4]) if op == "RandomNormal" else net.op(op, x, name="dice")
    model = graph_of(net, net.op("Add", x, noise))
    for check in (simplify, check_quantized):
        with pytest.raises(UnsupportedError, match=f'draw random numbers: "(dice|{op.lower()}.*)" \\({op}\\)'):
            check(model)


def test_optional_outputs_that_are_left_out_stay_out() -> None:
    net = Net()
    x = net.input("x", 5, 1, 4)
    w, r = net.weights(1, 12, 4), net.weights(1, 12, 3)
    net.nodes.append(helper.make_node("LSTM", [x, w, r], ["", "hidden"], "lstm", hidden_size=3))
    after = simplified(graph_of(net, net.op("Relu", "hidden")))
    assert after.graph.node("lstm").outputs[0].name in ("", None)


def test_a_shape_that_depends_on_data_is_named() -> None:
    net = Net()
    found = net.op("NonZero", net.input("x", 1, 4), name="where")
    model = net.model(net.op("Cast", found, to=TensorProto.FLOAT))
    with pytest.raises(UnsupportedError) as caught:
        simplify(load.static_shapes(model, {}))
    assert '"where", NonZero' in caught.value.message


def test_names_become_unique() -> None:
    """Nodes of one name, and a value that is called as a node will be."""
    model = hostile.network()
    for node in model.graph.node:
        node.name = "conv.weight"
    given = load.parse(model.SerializeToString())
    after = simplify(given)
    assert len({n.name for n in after.graph}) == len(after.graph)
    onnx.checker.check_model(ir.to_proto(after), full_check=True)
    assert_same(load.parse(hostile.network().SerializeToString()), after)


@pytest.mark.parametrize("bad", [0.0, -0.5, np.nan, np.inf])
def test_scales_that_are_no_scales_are_refused(bad: float) -> None:
    net = Net()
    scale, zero = net.constant(np.float32(bad)), net.constant(np.int8(0))
    q = net.op("QuantizeLinear", net.input("x", 1, 4), scale, zero, name="store")
    model = graph_of(net, net.op("DequantizeLinear", q, scale, zero, name="restore"))
    with pytest.raises(ModelError, match=r"scale|NaN or infinite") as caught:
        check_quantized(model)
    if np.isfinite(bad):
        assert 'node "store"' in caught.value.message and 'node "restore"' in caught.value.message


def test_one_huge_value_is_refused_before_anything_runs() -> None:
    net = Net()
    big = net.op("ConstantOfShape", net.constant(np.array([32768, 16384])), name="bomb")
    total = net.op("ReduceSum", big, name="fuse", keepdims=0)
    output = net.op("Add", net.input("x", 1, 4), total)
    with pytest.raises(ModelError, match=r'node "bomb" \(ConstantOfShape\) computes .* of 2147483648 bytes'):
        graph_of(net, output)  # infers the shapes


def test_an_operator_whose_shape_onnx_does_not_know_is_not_called_data_dependent() -> None:
    net = Net()
    parts = [net.constant(np.ones(4, np.float32)) for _ in range(2)]
    x = net.op("GroupNormalization", net.input("x", 1, 4, 2, 2), *parts, num_groups=2, name="norm")
    y = net.op("Relu", x)
    infos = [helper.make_tensor_value_info(y, TensorProto.FLOAT, None)]
    graph = helper.make_graph(net.nodes, "net", net.inputs, infos, net.initializers)
    model = ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    with pytest.raises(UnsupportedError, match=r"does not infer the shapes of .*norm.*GroupNormalization") as caught:
        simplify(model)
    assert "depend on data" not in caught.value.message and "Relu" not in caught.value.message


@pytest.mark.parametrize(("op", "limit", "kept"), [("Max", -np.inf, 0), ("Min", np.inf, 0), ("Max", 0.5, 1)])
def test_limits_at_infinity_disappear(op: str, limit: float, kept: int) -> None:
    net = Net()
    x = net.op("Neg", net.input("x", 1, 4))
    y = net.op(op, net.constant(np.float32(limit)), x)
    assert ops(simplified(graph_of(net, net.op("Exp", y)))).count(op) == kept


def test_a_limit_that_spreads_its_operand_stays() -> None:
    net = Net()
    spread = net.op("Max", net.constant(np.full((3, 4), -np.inf, np.float32)), net.input("x", 1, 4))
    assert "Max" in ops(simplified(graph_of(net, net.op("Neg", spread))))

"""Constants: what depends on no input is computed once, with the same answers; bombs and random numbers are not."""

from __future__ import annotations

import hostile_models as hostile
import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from int8_nets import Net
from onnx import helper, numpy_helper
from test_simplify import assert_same, graph_of, ops, simplified

from edgekit.errors import ModelError, UnsupportedError
from edgekit.graph import load
from edgekit.graph.constants import GROWTH, SMALL_BYTES
from edgekit.graph.save import to_bytes
from edgekit.graph.simplify import check_quantized, simplify

NAN, INF = float("nan"), float("inf")


def floats(*shape: int, value: float = 1.0) -> np.ndarray:
    return np.full(shape, value, np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_a_constant_node_whose_tensor_has_a_name_of_its_own() -> None:
    """As the Silero VAD files have it: the tensor inside a Constant node is called otherwise than its value."""
    net = Net()
    x = net.input("x", 2, 3)
    tensor = numpy_helper.from_array(ints(3, 2), "value")
    shape = net.op("Constant", value=tensor)
    turned = net.op(
        "Concat", net.op("Slice", shape, *map(net.constant, map(ints, (0, 1)))), net.constant(ints(2)), axis=0
    )
    after = simplified(graph_of(net, net.op("Relu", net.op("Reshape", x, turned))))
    assert ops(after) == ["Reshape", "Relu"]


def test_size_start_and_end_of_shapes() -> None:
    net = Net()
    x = net.input("x", 2, 3, 4, 5)
    middle = net.op("Shape", x, start=1, end=-1)  # 3, 4
    rest = net.op("Unsqueeze", net.op("Div", net.op("Size", x), net.constant(np.int64(12))), net.constant(ints(0)))
    after = simplified(graph_of(net, net.op("Relu", net.op("Reshape", x, net.op("Concat", middle, rest, axis=0)))))
    assert ops(after) == ["Reshape", "Relu"]
    assert [v.shape.numpy() for v in after.graph.outputs] == [(3, 4, 10)]


def test_sizes_that_only_the_numbers_tell() -> None:
    """The result of NonZero has a shape only once it is computed; what hangs on it is folded in a later round."""
    net = Net()
    found = net.op("NonZero", net.constant(np.array([1, 0, 0, 1, 1], np.float32)))
    columns = net.op("Squeeze", found, net.constant(ints(0)))
    after = simplified(graph_of(net, net.op("Gather", net.input("x", 2, 5), net.op("Neg", columns), axis=1)))
    assert ops(after) == ["Gather"]


def test_a_computed_output_stays_computed() -> None:
    net = Net()
    x = net.input("x", 1, 3)
    total = net.op("Add", net.constant(floats(1, 3)), net.constant(floats(1, 3, value=2)))
    after = simplified(graph_of(net, total, net.op("Mul", x, total)))
    assert [v.name for v in after.graph.outputs] == [total, "mul1_out"]


def test_names_that_are_taken() -> None:
    """An initializer and a node already have the names that folding would give."""
    net = Net()
    x = net.input("x", 1, 3)
    total = net.op("Add", net.constant(floats(1, 3)), net.constant(floats(1, 3, value=2)), name="sum")
    taken = net.constant(floats(1, 3, value=5), f"{total}.constant")
    net.nodes.append(helper.make_node("Mul", [x, taken], [f"{total}.constant_2"], "m"))
    after = simplified(graph_of(net, net.op("Sub", net.op("Mul", total, f"{total}.constant_2"), taken)))
    assert ops(after) == ["Mul", "Mul", "Sub"]
    onnx.checker.check_model(ir.to_proto(after), full_check=True)


def bomb(net: Net, name: str) -> str:
    """A small file, a large constant."""
    size = net.constant(ints(1, 4000, 4000))
    if name == "Expand":
        return net.op("Expand", net.constant(np.float32(1)), size)
    if name == "ConstantOfShape":
        return net.op("ConstantOfShape", size)
    if name == "Tile":
        return net.op("Tile", net.constant(floats(1, 40, 40)), net.constant(ints(1, 100, 100)))
    if name == "Range":
        zero, end, one = (net.constant(np.float32(v)) for v in (0, 16_000_000, 1))
        return net.op("Reshape", net.op("Range", zero, end, one), size)
    column, row = net.constant(floats(1, 4000, 1)), net.constant(floats(1, 1, 4000))
    return net.op("Mul", column, row)


@pytest.mark.parametrize("name", ["Expand", "ConstantOfShape", "Tile", "Range", "Mul"])
def test_bombs_are_not_stored(name: str) -> None:
    net = Net()
    total = net.op("ReduceSum", bomb(net, name), keepdims=1)
    after = simplify(graph_of(net, net.op("Add", net.input("x", 1, 1, 1), total)))
    assert name in ops(after) or len(to_bytes(after)) < SMALL_BYTES
    assert len(to_bytes(after)) < SMALL_BYTES


def test_many_small_results_have_a_common_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    import edgekit.graph.constants as constants

    monkeypatch.setattr(constants, "TOTAL_BYTES", 3 << 20)
    net = Net()
    y = net.input("x", 1, 1, 1)
    for i in range(8):  # each just under SMALL_BYTES
        large = net.op("Expand", net.constant(np.float32(i)), net.constant(ints(1, 512, 500)))
        y = net.op("Add", y, large)
    after = simplified(graph_of(net, y))
    assert ops(after).count("Expand") >= 5
    assert len(to_bytes(after)) < 4 << 20


def test_weights_that_are_cast_may_grow() -> None:
    net = Net()
    half = net.op("Cast", net.constant(np.ones((600, 600), np.float16)), to=1)
    after = simplified(graph_of(net, net.op("MatMul", net.input("x", 1, 600), half)))
    assert ops(after) == ["MatMul"] and 600 * 600 * 2 * GROWTH > SMALL_BYTES


RANDOM = {
    "Dropout": lambda net, c: net.op("Dropout", c, net.constant(np.float32(0.5)), net.constant(np.array(True))),
    "Bernoulli": lambda net, c: net.op("Bernoulli", c),
    "RandomNormalLike": lambda net, c: net.op("RandomNormalLike", c),
    "RandomUniform": lambda net, c: net.op("RandomUniform", shape=[1, 4]),
}


@pytest.mark.parametrize("name", RANDOM)
def test_random_operators_on_constants_are_refused_not_folded(name: str) -> None:
    net = Net()
    x = net.input("x", 1, 4)
    noise = RANDOM[name](net, net.constant(floats(1, 4, value=0.5)))
    with pytest.raises(UnsupportedError, match=rf"draw random numbers: .*\({name}\)"):
        simplify(graph_of(net, net.op("Add", x, noise)))


def test_dropout_in_training_mode_is_no_identity() -> None:
    net = Net()
    training = net.op("Dropout", net.input("x", 1, 4), "", net.constant(np.array(True)))
    with pytest.raises(UnsupportedError, match=r"draw random numbers: .*\(Dropout\)"):
        simplify(graph_of(net, net.op("Relu", training)))
    net = Net()
    off = net.op("Constant", value=numpy_helper.from_array(np.array(False)))
    model = graph_of(net, net.op("Relu", net.op("Dropout", net.input("x", 1, 4), "", off)))
    assert "Dropout" in ops(check_quantized(model))
    assert ops(simplified(model)) == ["Relu"]


# --- numbers that are none


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("name", ["conv.weight", "fc.bias", "variance"])
def test_weights_that_are_not_finite_are_refused(name: str, value: float) -> None:
    model = hostile.network()
    tensor = next(t for t in model.graph.initializer if t.name == name)
    numbers = numpy_helper.to_array(tensor).copy()
    numbers.flat[0] = value
    tensor.CopyFrom(numpy_helper.from_array(numbers, name))
    if (name, value) == ("variance", INF):
        return  # divides: the channel is switched off, and the folded weights are finite
    with pytest.raises(ModelError, match="NaN or infinite"):
        simplify(load.parse(model.SerializeToString()))


def test_infinity_in_a_mask_is_meant() -> None:
    """Attention masks add -inf; Clip may have no upper limit."""
    net = Net()
    masked = net.op("Add", net.input("x", 1, 4), net.constant(np.array([[0, -INF, 0, -INF]], np.float32)))
    limited = net.op("Clip", net.op("Softmax", masked), "", net.constant(np.float32(INF)))
    assert ops(simplified(graph_of(net, limited))) == ["Add", "Softmax", "Clip"]
    with pytest.raises(ModelError, match="NaN"):
        net = Net()
        simplify(graph_of(net, net.op("Add", net.input("x", 1, 4), net.constant(floats(1, 4, value=NAN)))))


def test_scales_of_quantized_graphs_must_be_finite() -> None:
    for scale in (NAN, INF):
        net = Net()
        parameters = (net.constant(np.float32(scale)), net.constant(np.int8(0)))
        q = net.op("QuantizeLinear", net.input("x", 1, 4), *parameters)
        with pytest.raises(ModelError, match="1 of 1 numbers"):
            check_quantized(graph_of(net, net.op("DequantizeLinear", q, *parameters)))


# --- any graph

UNARY = ("Relu", "Identity", "Neg", "Sigmoid")
BINARY = ("Add", "Mul", "Sub")


@st.composite
def graphs(draw) -> ir.Model:
    """Random nodes over two inputs and constants, all (2, 3) or shapes on the way there and back; several outputs."""
    net = Net(seed=draw(st.integers(0, 100)))
    values = [net.input("a", 2, 3), net.input("b", 2, 3), net.constant(floats(2, 3, value=0.5))]
    for _ in range(draw(st.integers(1, 12))):
        x, y = draw(st.sampled_from(values)), draw(st.sampled_from(values))
        kind = draw(st.sampled_from((*UNARY, *BINARY, "Reshape", "Transpose", "Cast", "Dropout", "Round trip")))
        if kind == "Reshape":
            x = net.op("Reshape", x, net.op("Shape", y))
        elif kind == "Transpose":
            x = net.op("Transpose", x, perm=[0, 1])
        elif kind == "Cast":
            x = net.op("Cast", x, to=1)
        elif kind == "Round trip":
            x = net.op("Transpose", net.op("Transpose", x, perm=[1, 0]), perm=[1, 0])
        elif kind in BINARY:
            x = net.op(kind, x, y)
        else:
            x = net.op(kind, x)
        values.append(x)
    made = values[3:]
    outputs = draw(st.lists(st.sampled_from(made), min_size=1, max_size=3, unique=True))
    return graph_of(net, *outputs)


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_any_graph_keeps_its_answers(model: ir.Model) -> None:
    after = simplify(model)
    assert_same(model, after)
    assert [v.name for v in after.graph.outputs] == [v.name for v in model.graph.outputs]
    assert len(after.graph) <= len(model.graph)
    onnx.checker.check_model(ir.to_proto(after), full_check=True)
    assert ops(simplify(after)) == ops(after)

"""Live tensors and orders, against a checker that shares no code with them: it tries every order."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.profiling import order
from edgekit.profiling.memory import Layer, Network, Tensor, in_place_peak, live_tensors, peak, read_network
from edgekit.profiling.order import best_order


def network(edges: list[tuple[int, ...]], sizes: list[int], ops: list[str] | None = None) -> Network:
    """Layer i reads the tensors edges[i] (0 is the input, k the output of layer k-1) and writes tensor i+1."""
    tensors = tuple(Tensor(f"t{i}", (s,), "int8", s) for i, s in enumerate(sizes))
    kinds = ops or ["Conv"] * len(edges)
    layers = tuple(Layer(f"l{i}", k, e, (i + 1,), 0, 0, ()) for i, (e, k) in enumerate(zip(edges, kinds, strict=True)))
    read = {t for e in edges for t in e}
    outputs = tuple(i for i in range(1, len(sizes)) if i not in read)
    return Network(tensors, layers, (0,), outputs, 0)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    count = draw(st.integers(1, 6))
    edges = [tuple(sorted(draw(st.sets(st.integers(0, i), min_size=1, max_size=3)))) for i in range(count)]
    ops = [draw(st.sampled_from(("Conv", "Relu", "Add"))) for _ in range(count)]
    sizes = draw(st.lists(st.integers(1, 100), min_size=count + 1, max_size=count + 1))
    return network(edges, sizes, ops)


def brute_force_peak(net: Network, order: tuple[int, ...], *, in_place: bool = False) -> int:
    """Bytes at each step counted from the definition: written or given, and still read later or an output."""
    worst = 0
    for step, index in enumerate(order):
        layer = net.layers[index]
        written = set(net.inputs) | {t for i in order[: step + 1] for t in net.layers[i].outputs}
        read_from_here = {t for i in order[step:] for t in net.layers[i].inputs}
        read_later = {t for i in order[step + 1 :] for t in net.layers[i].inputs}
        live = {t for t in written if t in read_from_here or t in net.outputs or t in layer.outputs}
        if step == 0:
            live |= set(net.inputs)
        size = net.tensors[layer.outputs[0]].bytes
        free = [
            t for t in layer.inputs if t not in read_later and t not in net.outputs and net.tensors[t].bytes >= size
        ]
        saved = size if in_place and free and layer.op in ("Relu", "Add") else 0
        worst = max(worst, sum(net.tensors[t].bytes for t in live) - saved)
    return worst


def valid_orders(net: Network) -> list[tuple[int, ...]]:
    made = {t: i for i, layer in enumerate(net.layers) for t in layer.outputs}
    return [
        order
        for order in itertools.permutations(range(len(net.layers)))
        if all(made[t] in order[:step] for step, i in enumerate(order) for t in net.layers[i].inputs if t in made)
    ]


def lowest_peak(net: Network) -> int:
    return min(brute_force_peak(net, order, in_place=True) for order in valid_orders(net))


@settings(max_examples=150, deadline=None)
@given(networks())
def test_the_best_order_is_the_best_of_all(net: Network) -> None:
    best = best_order(net)
    assert best.exact
    assert best.order in valid_orders(net)
    assert best.lower_bytes == brute_force_peak(net, best.order, in_place=True) == lowest_peak(net)


@settings(max_examples=150, deadline=None)
@given(networks(), st.integers(0, 100))
def test_a_search_that_is_cut_short_still_gives_a_bound(net: Network, limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "EFFORT", limit)
        cut = best_order(net)
    assert cut.order in valid_orders(net)
    assert cut.lower_bytes <= lowest_peak(net) <= brute_force_peak(net, cut.order, in_place=True)
    assert not cut.exact or cut.lower_bytes == lowest_peak(net)


@settings(max_examples=100, deadline=None)
@given(networks())
def test_peak_is_what_the_definition_says(net: Network) -> None:
    given_order = tuple(range(len(net.layers)))
    assert peak(net).bytes == brute_force_peak(net, given_order)
    assert in_place_peak(net, given_order).bytes == brute_force_peak(net, given_order, in_place=True)


def test_two_branches_are_run_one_after_the_other() -> None:
    # input → a big → a small, input → b big → b small, both smalls → sum; breadth first keeps both big ones
    net = network([(0,), (0,), (1,), (2,), (3, 4)], [1, 100, 100, 1, 1, 1])
    assert peak(net).bytes == 201
    assert peak(net, best_order(net).order).bytes == 102


def test_elementwise_layers_write_over_an_input_that_dies() -> None:
    dying = network([(0,), (1,)], [10, 10, 10], ["Conv", "Relu"])
    assert in_place_peak(dying, (0, 1)).bytes == 20
    both = network([(0,), (1,), (1, 2)], [1, 10, 10, 10], ["Conv", "Relu", "Add"])
    assert in_place_peak(both, (0, 1, 2)).bytes == 20  # Relu may not (Add still reads its input), Add may
    assert peak(both).bytes == 30


def test_parallel_branches_that_are_all_alike_need_no_search() -> None:
    found = best_order(network([(0,)] * 200 + [tuple(range(1, 201))], [1] * 202))
    assert found.exact
    assert found.lower_bytes == 201
    assert found.order == tuple(range(201))


def test_too_many_orders_give_a_good_one_and_a_bound() -> None:
    """16 times big then small, all small ones added up: each order of the branches is another set to look at."""
    branches = range(1, 17)
    edges = [(0,)] * 16 + [(i,) for i in branches] + [tuple(range(17, 33))]
    net = network(edges, [1] + [100] * 16 + [1] * 17)
    found = best_order(net)
    assert not found.exact
    assert 100 < found.lower_bytes <= 116  # one branch after the other
    assert in_place_peak(net, found.order).bytes == 116
    assert peak(net).bytes == 1601


def test_live_tensors_name_what_is_there() -> None:
    net = network([(0,), (1,), (0, 2)], [5, 6, 7, 8])
    assert list(live_tensors(net)) == [(0, 1), (0, 1, 2), (0, 2, 3)]


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from small_network import small_network

    import edgekit

    folder = tmp_path_factory.mktemp("model")
    onnx.save(small_network(), folder / "small.onnx")
    x = np.random.default_rng(0).normal(size=(64, 1, 8, 8)).astype(np.float32)
    edgekit.convert(folder / "small.onnx", calibration={"x": x}, out=folder / "build")
    return folder / "build"


def test_an_int8_graph_is_read_as_an_integer_runtime_runs_it(converted: Path) -> None:
    import onnx_ir as ir

    net = read_network(ir.load(converted / "model.onnx"), float_border=False)
    assert [layer.op for layer in net.layers] == ["Conv", "GlobalAveragePool", "Gemm"]  # Relu folded, Flatten a view
    assert [net.tensors[t].bytes for t in (*net.inputs, *net.outputs)] == [64, 3]
    assert peak(net).bytes == 64 + 4 * 64
    assert {t.dtype for t in net.tensors} == {"int8"}
    assert net.weights_bytes >= 4 * 9 + 4 * 4 + 12 + 3 * 4
    with_border = read_network(ir.load(converted / "model.onnx"))
    assert with_border.layers[0].op == "QuantizeLinear"
    assert net.tensors[net.inputs[0]].bytes * 4 == with_border.tensors[with_border.inputs[0]].bytes
    assert with_border.layers[-1].op == "DequantizeLinear"
    assert with_border.tensors[with_border.outputs[0]].dtype == "float"


def quantized_chain(*ops: str) -> onnx.ModelProto:
    """x → Q → DQ → ops[0] → ... → DQ → y, shape (1, 16) all along; "QDQ" stands for a pair with a scale of its own."""
    nodes, constants, value = [], [], "x"
    for i, op in enumerate(("QDQ", *ops, "QDQ")):
        out = "y" if i > len(ops) else f"v{i}"
        if op == "QDQ":
            constants.append(onnx.numpy_helper.from_array(np.float32(0.5 + i), f"s{i}"))
            constants.append(onnx.numpy_helper.from_array(np.int8(0), f"z{i}"))
            nodes.append(onnx.helper.make_node("QuantizeLinear", [value, f"s{i}", f"z{i}"], [f"q{i}"], name=f"q{i}"))
            nodes.append(onnx.helper.make_node("DequantizeLinear", [f"q{i}", f"s{i}", f"z{i}"], [out], name=f"dq{i}"))
        else:
            nodes.append(onnx.helper.make_node(op, [value], [out], name=f"{op}{i}"))
        value = out
    border = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, 16]) for n in ("x", "y")]
    graph = onnx.helper.make_graph(nodes, "g", border[:1], border[1:], constants)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)


# layers and the bytes of their outputs, for the generated C's int8 border and for a float one
CHAINS = {
    ("Sigmoid",): ("Sigmoid 16", "QuantizeLinear 16, Sigmoid 16, DequantizeLinear 64"),
    ("HardSwish", "Relu"): ("HardSwish 16", "QuantizeLinear 16, HardSwish 16, DequantizeLinear 64"),
    ("Hardmax",): (
        "DequantizeLinear 64, Hardmax 64, QuantizeLinear 16",
        "QuantizeLinear 16, DequantizeLinear 64, Hardmax 64, QuantizeLinear 16, DequantizeLinear 64",
    ),
    ("Sigmoid", "QDQ", "Hardmax", "Hardmax", "QDQ", "Sigmoid"): (
        "Sigmoid 16, DequantizeLinear 64, Hardmax 64, Hardmax 64, QuantizeLinear 16, Sigmoid 16",
        "QuantizeLinear 16, Sigmoid 16, DequantizeLinear 64, Hardmax 64, Hardmax 64, QuantizeLinear 16, Sigmoid 16, "
        "DequantizeLinear 64",
    ),
    ("Sigmoid", "Hardmax"): (  # not quantized in between: both stay float
        "DequantizeLinear 64, Sigmoid 64, Hardmax 64, QuantizeLinear 16",
        "QuantizeLinear 16, DequantizeLinear 64, Sigmoid 64, Hardmax 64, QuantizeLinear 16, DequantizeLinear 64",
    ),
    ("Sigmoid", "Sin"): ("Sin 16", "QuantizeLinear 16, Sin 16, DequantizeLinear 64"),  # one table of 256 entries
    ("QDQ",): (  # the caller gives int8 of the first scale; it is converted to the second, then to the third
        "QuantizeLinear 16, QuantizeLinear 16",
        "QuantizeLinear 16, QuantizeLinear 16, QuantizeLinear 16, DequantizeLinear 64",
    ),
}


@pytest.mark.parametrize("ops", CHAINS, ids="-".join)
@pytest.mark.parametrize("float_border", [False, True])
def test_int8_takes_a_quarter_of_a_float_island(ops: tuple[str, ...], float_border: bool) -> None:
    import onnx_ir as ir

    from edgekit.graph.simplify import infer_shapes

    net = read_network(infer_shapes(ir.from_proto(quantized_chain(*ops))), float_border=float_border)
    said = ", ".join(f"{layer.op} {sum(net.tensors[t].bytes for t in layer.outputs)}" for layer in net.layers)
    assert said == CHAINS[ops][float_border]
    written = {t for layer in net.layers for t in layer.outputs} | set(net.inputs)
    assert set(net.outputs) <= written
    assert written == set(range(len(net.tensors)))


def test_an_optional_output_that_is_left_out_takes_no_memory() -> None:
    import onnx_ir as ir

    from edgekit.graph.simplify import infer_shapes

    node = onnx.helper.make_node("LSTM", ["x", "w", "r"], ["", "h"], name="lstm", hidden_size=8)
    shapes = {"w": (1, 32, 4), "r": (1, 32, 8)}
    constants = [onnx.numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in shapes.items()]
    border = [onnx.helper.make_tensor_value_info(n, 1, s) for n, s in (("x", [5, 1, 4]), ("h", [1, 1, 8]))]
    graph = onnx.helper.make_graph([node], "g", border[:1], border[1:], constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    net = read_network(infer_shapes(ir.from_proto(model)))
    assert [t.name for t in net.tensors] == ["x", "h"]
    assert peak(net).bytes == 4 * (5 * 4 + 8)
    assert net.layers[0].output_shape == (1, 1, 8)

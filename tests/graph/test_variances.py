"""variances: E[x²] - E[x]² in its usual forms becomes what int8 can hold; the answers stay."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from int8_nets import Net, data, initializers, quantized, sqnr_db, to_bytes

from edgekit.graph.decompose import for_int8
from edgekit.graph.evaluation import Predictor
from edgekit.graph.simplify import simplify

FAR = 4.0  # how many deviations the mean lies from zero


def normalized(form: str, *, keep: int = 1) -> ir.Model:
    """(x - E[x]) / sqrt(E[x²] - E[x]² + 1e-3), as exporters write it."""
    net = Net()
    x = net.input("x", 1, 6, 32)
    axes = net.constant(np.array([1]))

    def mean(value: str) -> str:
        if form == "mean":
            return net.op("ReduceMean", value, axes, keepdims=keep)
        total = net.op("ReduceSum", value, axes, keepdims=keep, noop_with_empty_axes=1)
        operand = {"sum": np.float32(1 / 6), "division": np.float32(6)}[form]
        return net.op("Mul" if form == "sum" else "Div", total, net.constant(operand))

    centre = mean(x)
    variance = net.op("Sub", mean(net.op("Mul", x, x)), net.op("Mul", centre, centre))
    deviation = net.op("Sqrt", net.op("Add", variance, net.constant(np.float32(1e-3))))
    if not keep:
        centre, deviation = (net.op("Unsqueeze", v, axes) for v in (centre, deviation))
    return net.model(net.op("Div", net.op("Sub", x, centre), deviation))


def samples(count: int = 48) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.standard_normal((count, 1, 6, 32)) + FAR).astype(np.float32)


@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("form", ["mean", "sum", "division"])
def test_variances_are_found(form: str, keep: int) -> None:
    graph = simplify(normalized(form, keep=keep))
    apart = for_int8(graph)
    assert any(node.name.endswith(".centred") for node in apart.graph)
    wanted, got = (Predictor(to_bytes(m), optimise=False).predict(samples()[:, 0]) for m in (graph, apart))
    assert np.allclose(wanted, got, atol=1e-3)


def test_int8_holds_them() -> None:
    graph = simplify(normalized("sum"))
    wanted = Predictor(to_bytes(graph)).predict(samples()[:, 0])
    got = Predictor(to_bytes(quantized(for_int8(graph), data(samples())).model)).predict(samples()[:, 0])
    assert sqnr_db(wanted, got) > 20


@pytest.mark.parametrize("change", ["another factor", "other axes"])
def test_other_differences_stay(change: str) -> None:
    model = normalized("sum")
    constants = initializers(model)
    if change == "another factor":
        name = next(n for n, a in constants.items() if a.shape == () and np.isclose(a, 1 / 6))
        model.graph.initializers[name].const_value = ir.tensor(np.float32(1 / 5), name=name)
    else:
        node = [n for n in model.graph if n.op_type == "ReduceSum"][1]
        value = ir.Value(name="every", const_value=ir.tensor(np.array([1, 2]), name="every"))
        value.shape, value.type = ir.Shape([2]), ir.TensorType(ir.DataType.INT64)
        model.graph.register_initializer(value)
        node.replace_input_with(1, value)
    graph = simplify(model)
    assert not any(node.name.endswith(".centred") for node in for_int8(graph).graph)

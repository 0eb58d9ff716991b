"""one_hot: comparisons that pick a row become a lookup with the same answers, also for what is no row."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from int8_nets import Net, to_bytes
from onnx import helper

from edgekit.graph.decompose import for_int8
from edgekit.graph.evaluation import Predictor
from edgekit.graph.simplify import simplify

ROWS = 7


def embedding(numbers: np.ndarray, *, kind: type = np.int32, swapped: bool = False) -> ir.Model:
    """x (1, 5) of integers → Equal with `numbers` → Cast → MatMul → Relu."""
    net = Net()
    elem = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    net.inputs.append(helper.make_tensor_value_info("x", elem, (1, 5)))
    column = net.op("Reshape", "x", net.constant(np.array([1, 5, 1])))
    operands = (column, net.constant(numbers.astype(kind)))
    equal = net.op("Equal", *(operands[::-1] if swapped else operands))
    hot = net.op("Cast", equal, to=onnx.TensorProto.FLOAT)
    return simplify(net.model(net.op("Relu", net.op("MatMul", hot, net.weights(numbers.shape[-1], 4)))))


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_a_row_is_looked_up(kind: type, swapped: bool) -> None:
    model = embedding(np.arange(ROWS).reshape(1, 1, -1), kind=kind, swapped=swapped)
    apart = for_int8(model)
    assert [n.op_type for n in apart.graph if n.op_type != "Reshape"] == ["Max", "Min", "Add", "Gather", "Relu"]
    for x in ([[0, 1, 2, 3, 6]], [[-1, 7, -(2**31), 2**31 - 1, 4]]):
        sample = {"x": np.array(x, kind)}
        wanted, got = (Predictor(to_bytes(m), optimise=False).run(sample)[0] for m in (model, apart))
        assert np.array_equal(wanted, got)


@pytest.mark.parametrize("numbers", [np.arange(ROWS)[::-1], np.arange(ROWS) + 1, np.tile(np.arange(ROWS), (5, 1))])
def test_other_comparisons_stay(numbers: np.ndarray) -> None:
    model = embedding(numbers)
    assert [n.op_type for n in for_int8(model).graph] == [n.op_type for n in model.graph]

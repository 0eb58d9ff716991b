"""MatMul: by a constant matrix a fully connected layer over any axes, else stacks of matrices; attention."""

from __future__ import annotations

import numpy as np
import pytest
from int8_nets import Net
from lowered import float_gap, lowered


def check(found, *, transposes: int = 0, steps: float = 1.01):
    assert found.largest_lsb["tflite-micro"] == 0
    assert found.steps <= steps
    assert found.kinds.count("Transpose") == transposes, found.program.text()


def test_a_constant_matrix_keeps_the_axes_in_front():
    net = Net()
    y = net.op("MatMul", net.input("x", 2, 3, 7, 6), net.weights(6, 8))
    y = net.op("Relu", net.op("Add", y, net.constant(net.rng.standard_normal(8).astype(np.float32))))
    found = lowered(net.model(y))
    check(found)
    assert found.kinds == ["FullyConnected"]
    assert found.program.outputs[0].shape == (2, 3, 7, 8)


def test_two_activations_broadcast():
    net = Net()
    a, b = net.input("a", 2, 3, 4, 5), net.input("b", 1, 5, 6)
    found = lowered(net.model(net.op("MatMul", a, b)))
    check(found)
    assert found.kinds == ["BatchMatMul"]


def test_a_transposed_operand_is_read_as_it_lies():
    net = Net()
    a, b = net.input("a", 2, 4, 5), net.input("b", 2, 6, 5)
    a = net.op("Transpose", net.op("Transpose", a, perm=[0, 2, 1]), perm=[0, 2, 1])
    found = lowered(net.model(net.op("MatMul", a, net.op("Transpose", b, perm=[0, 2, 1]))))
    check(found)
    (op,) = found.program.ops
    assert (op.adj_x, op.adj_y) == (False, True)


def test_a_stack_of_constant_matrices_with_an_addition_and_an_activation_behind():
    net = Net()
    y = net.op("MatMul", net.input("x", 3, 4, 5), net.weights(3, 5, 6))
    y = net.op("Add", y, net.constant(net.rng.standard_normal(6).astype(np.float32)))
    found = lowered(net.model(net.op("Relu", y)))
    check(found)
    assert found.kinds == ["BatchMatMul", "Add"]


def attention(tokens=5, width=12, heads=3):
    """One layer of self-attention as torch exports it: q, k and v of every head, k transposed, softmax, joined."""
    net, each = Net(), width // heads

    def shape(*numbers):
        return net.constant(np.array(numbers, np.int64))

    def projected(x, name):
        y = net.op("Add", net.op("MatMul", x, net.weights(width, width), name=name), bias())
        return net.op("Reshape", y, shape(1, tokens, heads, each))

    def bias():
        return net.constant((0.1 * net.rng.standard_normal(width)).astype(np.float32))

    x = net.input("x", 1, tokens, width)
    q = net.op("Transpose", projected(x, "q"), perm=[0, 2, 1, 3])
    k = net.op("Transpose", projected(x, "k"), perm=[0, 2, 3, 1])
    v = net.op("Transpose", projected(x, "v"), perm=[0, 2, 1, 3])
    scores = net.op("Mul", net.op("MatMul", q, k), net.constant(np.float32(each**-0.5)))
    mixed = net.op("MatMul", net.op("Softmax", scores, axis=-1), v)
    y = net.op("Reshape", net.op("Transpose", mixed, perm=[0, 2, 1, 3]), shape(1, tokens, width))
    return net.model(net.op("Add", net.op("Add", net.op("MatMul", y, net.weights(width, width)), bias()), x))


def test_attention_transposes_each_operand_once():
    found = lowered(attention())
    check(found, transposes=4, steps=4)
    first, second = (op for op in found.program.ops if op.kind == "BatchMatMul")
    assert (first.adj_x, first.adj_y) == (False, True)  # k lies as its heads were made
    assert (second.adj_x, second.adj_y) == (False, True)  # v is moved in any case: TFLite Micro then need not


def test_attention_of_one_head_needs_no_transpose():
    found = lowered(attention(heads=1))
    check(found, steps=4)


@pytest.mark.parametrize("heads", [1, 3])
def test_float_attention(heads):
    assert float_gap(attention(heads=heads)) < 1e-5

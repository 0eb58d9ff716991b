"""NCHW graphs become NHWC programs without transposes, whatever lies between the convolutions and the end."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from int8_nets import Net
from lowered import lowered, random_data
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgekit.errors import UnsupportedOpError
from edgekit.graph.calibration import observe
from edgekit.graph.quantization import quantize
from edgekit.lowering import from_onnx
from edgekit.ops.orders import reshaped


def check(found, *, transposes: int = 0, steps: float = 1.01):
    assert found.largest_lsb["tflite-micro"] == 0
    assert found.largest_lsb["litert-reference"] <= 3
    assert found.largest_lsb["litert"] <= 2
    assert found.steps <= steps
    assert found.kinds.count("Transpose") == transposes, found.program.text()


def test_flatten_permutes_the_weights_instead_of_the_values():
    net = Net()
    x = net.input("x", 1, 3, 10, 8)
    y = net.op("Relu", net.conv(x, 3, 6, strides=[2, 2]))
    found = lowered(net.model(net.gemm(net.op("Flatten", y), 6 * 5 * 4, 7)))
    check(found)
    assert found.program.inputs[0].shape == (1, 10, 8, 3)
    assert found.program.orders == {"x": (0, 2, 3, 1)}


def test_an_output_over_space_is_nhwc_and_says_so():
    net = Net()
    x = net.input("x", 1, 3, 6, 6)
    found = lowered(net.model(net.conv(x, 3, 4)))
    check(found)
    (output,) = found.program.outputs
    assert output.shape == (1, 6, 6, 4)
    assert found.program.orders[output.name] == (0, 2, 3, 1)


def test_one_axis_is_a_height_of_one_and_reshapes_cancel():
    net = Net()
    x = net.input("x", 1, 4, 32)
    y = x
    for cin, cout in ((4, 6), (6, 8)):
        y = net.op("Conv", y, net.weights(cout, cin, 3), pads=[1, 1])
        y = net.op("MaxPool", net.op("Relu", y), kernel_shape=[2], strides=[2])
    found = lowered(net.model(net.gemm(net.op("Flatten", y), 8 * 8, 3)))
    check(found)
    assert found.kinds == ["Reshape", "Conv2D", "MaxPool2D", "Conv2D", "MaxPool2D", "Reshape", "FullyConnected"]


def test_transposes_to_nhwc_and_back_disappear():
    """What a graph from TensorFlow looks like: NHWC inputs with a Transpose before each convolution."""
    net = Net()
    x = net.input("x", 1, 6, 6, 3)
    y = net.op("Transpose", x, perm=[0, 3, 1, 2])
    y = net.op("Transpose", net.op("Relu", net.conv(y, 3, 4)), perm=[0, 2, 3, 1])
    y = net.op("Transpose", y, perm=[0, 3, 1, 2])
    y = net.op("Transpose", net.conv(y, 4, 2), perm=[0, 2, 3, 1])
    found = lowered(net.model(y))
    check(found)
    assert found.program.orders == {}
    assert found.kinds == ["Conv2D", "Conv2D"]


def test_broadcast_constants_and_branches_of_unlike_order():
    net = Net()
    x = net.input("x", 1, 4, 5, 5)
    bias = net.constant(np.linspace(-1, 1, 4, dtype=np.float32).reshape(4, 1, 1))
    y = net.op("Add", net.conv(x, 4, 4), bias)
    y = net.op("Sub", y, net.op("Mul", net.conv(x, 4, 4), net.constant(np.float32(0.5))))
    check(lowered(net.model(y)), steps=2.01)


@pytest.mark.parametrize("group", [1, 2, 8])
@pytest.mark.parametrize("padding", [[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 2, 0]])
def test_groups_strides_and_paddings(group, padding):
    net = Net()
    x = net.input("x", 1, 8, 9, 9)
    found = lowered(net.model(net.conv(x, 8, 16, group=group, pads=padding, strides=[2, 2])))
    check(found)


def test_a_bare_model_of_views_copies():
    net = Net()
    x = net.input("x", 1, 6)
    net.op("Relu", x, name="clamp")
    found = lowered(net.model(net.gemm(x, 6, 4), "clamp_out"))
    assert {o.name for o in found.program.outputs} == {"gemm1_out", "clamp_out"}


def test_every_operator_without_a_form_is_named():
    net = Net()
    x = net.input("x", 1, 4)
    y = net.op("Det", net.op("Reshape", x, net.constant(np.array([1, 2, 2]))), name="first")
    z = net.op(
        "Det", net.op("Reshape", net.op("Hardmax", x, name="second"), net.constant(np.array([2, 2]))), name="third"
    )
    model = net.model(y, z)
    with pytest.raises(UnsupportedOpError) as refused:
        from_onnx(model, "net")
    assert [node.split('"')[1] for node in refused.value.nodes] == ["first", "second", "third"]


def test_reshapes_follow_orders_only_where_no_number_moves():
    rng = np.random.default_rng(0)
    followed = 0
    for _ in range(3000):
        shape = tuple(int(n) for n in rng.choice([1, 2, 3, 4], rng.integers(1, 5)))
        order = tuple(int(n) for n in rng.permutation(len(shape)))
        wanted = _split(rng, int(np.prod(shape)))
        found = reshaped(order, shape, wanted)
        if found is not None:
            followed += 1
            value = np.arange(np.prod(shape)).reshape(shape)
            assert np.array_equal(value.transpose(order).reshape(found[0]), value.reshape(wanted).transpose(found[1]))
    assert followed > 1000


def _split(rng, size):
    made = []
    for _ in range(rng.integers(1, 4)):
        made.append(int(rng.choice([d for d in range(1, size + 1) if size % d == 0])))
        size //= made[-1]
    return (*made, size)


def test_graphs_stay_untouched():
    net = Net()
    x = net.input("x", 1, 3, 6, 6)
    model = net.model(net.conv(x, 3, 4))
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    lowered(model)
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before


def test_a_value_that_is_an_output_and_quantized_too():
    """Other quantizers leave a float output on a value that the next layer reads quantized."""
    net = Net()
    x = net.input("x", 1, 6)
    y = net.gemm(x, 6, 5, name="inner")
    model = net.model(net.gemm(y, 5, 4, name="outer"), y)
    graph = quantize(model, observe(model, random_data(model), "minmax")).model
    inner = next(n for n in graph.graph if n.name == "inner")
    graph.graph.outputs[1] = inner.outputs[0]
    found = lowered(model, quantized=graph)
    check(found, steps=1.01)
    assert [t.dtype for t in found.program.outputs] == ["s8", "s8"]


def test_views_between_a_layer_and_its_quantizer_or_after_its_dequantizer_stay_integers():
    """ONNX Runtime's quantizer leaves reshapes outside the pairs."""
    net = Net()
    x = net.input("x", 1, 4, 6, 6)
    y = net.op("Reshape", net.conv(x, 4, 4), net.constant(np.array([1, 4, 36])), name="after")
    y = net.op("Reshape", net.op("Relu", y), net.constant(np.array([1, 4, 6, 6])), name="before")
    model = net.model(net.conv(y, 4, 2))
    graph = quantize(model, observe(model, random_data(model), "minmax")).model
    for name in ("after", "before"):
        view = next(n for n in graph.graph if n.name == name)
        pair = view.inputs[0].producer()  # DequantizeLinear <- QuantizeLinear
        quantizer = pair.inputs[0].producer()
        if name == "after":
            view.replace_input_with(0, quantizer.inputs[0])
        else:
            behind = view.outputs[0].consumers()[0].outputs[0].consumers()[0]
            behind.outputs[0].replace_all_uses_with(view.outputs[0])
    RemoveUnusedNodesPass()(graph)
    found = lowered(model, quantized=graph)
    check(found, steps=2.01)
    assert {t.dtype for op in found.program.ops for t in op.outputs} == {"s8"}


@pytest.mark.parametrize("pool", ["AveragePool", "MaxPool"])
@pytest.mark.parametrize("ceil", [0, 1])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0]])
def test_pooling_with_padding_that_counts_and_ceilings(pool, ceil, pads):
    net = Net()
    x = net.input("x", 1, 3, 8, 7)
    counted = {"count_include_pad": 1} if pool == "AveragePool" and not ceil else {}
    y = net.op(pool, net.conv(x, 3, 4), kernel_shape=[3, 3], strides=[2, 2], pads=pads, ceil_mode=ceil, **counted)
    if pool == "AveragePool" and ceil and pads != [0, 1, 1, 0]:  # those happen to be TensorFlow's SAME
        with pytest.raises(UnsupportedOpError, match="does not count in the average"):
            lowered(net.model(y))
        return
    check(lowered(net.model(y)), steps=2.01)

"""What int8 has no operator for is taken apart: the same answers in float, wholly int8, legal, close to float."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from int8_nets import Net, data, images, quantized, sqnr_db, to_bytes
from onnx import TensorProto, helper

from edgekit.graph.decompose import PASSES, for_int8
from edgekit.graph.evaluation import Predictor
from edgekit.graph.int8_spec import violations
from edgekit.graph.quantization import float_layers
from edgekit.graph.simplify import simplify

X = (1, 4, 12, 12)


def scalar(net, number):
    return net.constant(np.float32(number))


def normal(net, *shape, spread=1.0, around=0.0):
    return net.constant((around + spread * net.rng.standard_normal(shape)).astype(np.float32))


def axes(net, *numbers):
    return net.constant(np.array(numbers))


def ordered(net, *values, op, **attributes):
    return net.op(op, *values, **attributes)


def op(name, *constants, **attributes):
    """One operator on the input and on constants of these shapes."""
    return lambda net, x: net.op(name, x, *(normal(net, *c, around=0.5) for c in constants), **attributes)


def reduced(name, *over, **attributes):
    return lambda net, x: net.op(name, x, axes(net, *over), **attributes)


def layer_norm_written_out(net, x):
    centred = net.op("Sub", x, net.op("ReduceMean", x, axes(net, -1)))
    variance = net.op("ReduceMean", net.op("Pow", centred, scalar(net, 2)), axes(net, -1))
    y = net.op("Div", centred, net.op("Sqrt", net.op("Add", variance, scalar(net, 1e-5))))
    return net.op("Add", net.op("Mul", y, normal(net, 12)), normal(net, 12))


def batch_norm(net, x):
    parts = [net.constant(net.rng.uniform(0.5, 2, 4).astype(np.float32)) for _ in range(4)]
    return net.op("BatchNormalization", net.op("Relu", x), *parts)


def normalize_of_torch(net, x):
    norm = net.op("Clip", net.op("ReduceL2", x, axes(net, 1)), scalar(net, 1e-12))
    return net.op("Div", x, net.op("Expand", norm, net.constant(np.array(X))))


def flat(net, x):
    return net.op("Reshape", net.op("ReduceMean", x, axes(net, 3)), net.constant(np.array([4, 12])))


def gemm(shape, bias=None, **attributes):
    def build(net, x):
        extra = () if bias is None else (normal(net, *bias),)
        return net.op("Gemm", flat(net, x), normal(net, *shape, spread=0.3), *extra, **attributes)

    return build


def gemm_of_two(net, x):
    other = net.op("Reshape", net.op("ReduceMean", x, axes(net, 2)), net.constant(np.array([4, 12])))
    return net.op(
        "Gemm", flat(net, x), other, net.op("Gemm", flat(net, x), normal(net, 12, 4)), transB=1, alpha=0.5, beta=2.0
    )


def vector(net, x):
    row = net.op("Reshape", x, net.constant(np.array([-1])))
    return net.op("MatMul", row, normal(net, 576, 8, spread=0.05))


def two_vectors(net, x):
    rows = [net.op("Reshape", net.op("ReduceMean", x, axes(net, k)), net.constant(np.array([-1]))) for k in (2, 3)]
    return net.op("MatMul", *rows)


def einsum(equation, *shapes):
    def build(net, x):
        operands = [net.op("Reshape", x, net.constant(np.array([2, 2, 12, 12])))]
        operands += [normal(net, *s, spread=0.3) for s in shapes] or [net.op("Abs", operands[0])]
        return net.op("Einsum", *operands, equation=equation)

    return build


def transposed_convolution(groups, bias=True):
    def build(net, x):
        offsets = (normal(net, 2 * groups),) if bias else ()
        return net.op("ConvTranspose", x, normal(net, 4, 2, 3, 3), *offsets, group=groups, strides=[2, 2], pads=[1] * 4)

    return build


def where(chosen, value):
    return lambda net, x: net.op("Where", net.constant(chosen), x, scalar(net, value))


HALF = np.arange(12) % 2 == 0


def masked_softmax(net, x):
    return net.op("Softmax", where(HALF, -np.inf)(net, x), axis=-1)


def where_of_two(net, x):
    return net.op("Where", net.constant(HALF), net.op("Abs", x), net.op("Tanh", x))


def squeeze_and_excite(net, x):
    squeezed = net.op("Relu", net.conv(net.op("GlobalAveragePool", x), 4, 4, 1))
    return net.op("Mul", x, net.op("HardSigmoid", net.conv(squeezed, 4, 4, 1), alpha=1 / 6, beta=0.5))


def softmax_written_out(net, x):
    powers = net.op("Exp", net.op("Sub", x, net.op("ReduceMax", x, axes(net, -1))))
    return net.op("Div", powers, net.op("ReduceSum", powers, axes(net, -1)))


def resize_to_twice(net, x):
    twice = net.constant(np.array([1, 1, 2, 2], np.float32))
    return net.op("Resize", x, "", twice, coordinate_transformation_mode="asymmetric", nearest_mode="floor")


def unit_norm(net, x):
    norm = net.op("Sqrt", net.op("ReduceSum", net.op("Mul", x, x), axes(net, 1)))
    return net.op("Div", x, net.op("Add", norm, scalar(net, 0.3)))


def log_of_sum(net, x):
    return net.op("ReduceLogSum", net.op("Add", net.op("Abs", x), scalar(net, 0.5)), axes(net, 3))


def learnable_affine(net, x):
    return net.op("Add", net.op("Mul", net.op("HardSwish", x), scalar(net, 1.3)), scalar(net, -0.2))


FORMS = {
    "LayerNormalization": op("LayerNormalization", (12,), (12,), axis=-1),
    "LayerNormalization over all": op("LayerNormalization", X[1:], X[1:], axis=1),
    "LayerNormalization without shift": op("LayerNormalization", (12,)),
    "layer norm written out": layer_norm_written_out,
    "InstanceNormalization": op("InstanceNormalization", (4,), (4,)),
    "BatchNormalization": batch_norm,
    "LpNormalization of order 1": op("LpNormalization", p=1, axis=1),
    "normalize of torch": normalize_of_torch,
    "norm written out": unit_norm,
    "ReduceL2": reduced("ReduceL2", 2, 3, keepdims=0),
    "ReduceL2 of channels": reduced("ReduceL2", 1),
    "ReduceL1": reduced("ReduceL1", -1),
    "ReduceSumSquare": reduced("ReduceSumSquare", 1, keepdims=0),
    "ReduceSumSquare of all": lambda net, x: net.op("ReduceSumSquare", x, keepdims=0),
    "ReduceLogSumExp": reduced("ReduceLogSumExp", 3, keepdims=0),
    "ReduceLogSum": log_of_sum,
    "ReduceMean": reduced("ReduceMean", 2, 3),
    "ReduceSum": reduced("ReduceSum", 2, 3),
    "mean of squares": lambda net, x: net.op("ReduceMean", net.op("Mul", x, x), axes(net, 1), keepdims=0),
    "Gemm with factors": gemm((12, 5), (5,), alpha=0.5, beta=3.0),
    "Gemm transA": gemm((4, 5), (5,), transA=1),
    "Gemm transB, scaled": gemm((5, 12), (1,), transB=1, alpha=2.0),
    "Gemm, bias of rows": gemm((12, 5), (4, 1)),
    "Gemm of two": gemm_of_two,
    "vector": vector,
    "two vectors": two_vectors,
    "weight vector": lambda net, x: net.op("MatMul", x, normal(net, 12)),
    "stack of one": lambda net, x: net.op("MatMul", x, normal(net, 1, 1, 12, 6)),
    "MatMul and bias": lambda net, x: net.op("Add", net.op("MatMul", x, normal(net, 12, 6)), normal(net, 6)),
    "MatMul and one bias": lambda net, x: net.op("Add", normal(net, 1), net.op("MatMul", x, normal(net, 12, 6))),
    "MatMul, bias and ReLU": lambda net, x: net.op(
        "Relu", net.op("Add", net.op("MatMul", x, normal(net, 12, 6)), normal(net, 1, 1, 6))
    ),
    "Einsum, attention": einsum("bhqd,bhkd->bhqk"),
    "Einsum, letters in another order": einsum("bhqd,kd->kqbh", (5, 12)),
    "Einsum, without a result": einsum("abcd, de", (12, 3)),
    "ConvTranspose in groups": transposed_convolution(2),
    "ConvTranspose depthwise": transposed_convolution(4, bias=False),
    "Sum": lambda net, x: net.op("Sum", x, net.op("Abs", x), net.op("Tanh", x)),
    "Mean": lambda net, x: net.op("Mean", x, net.op("Abs", x)),
    "Where": where(HALF, 0.0),
    "Where, another value": where(HALF[:, None], 0.7),
    "Where of two": where_of_two,
    "Where of one": where(np.ones((1, 1), bool), 0.0),
    "masked softmax": masked_softmax,
    "squeeze and excite": squeeze_and_excite,
    "softmax written out": softmax_written_out,
    "learnable affine": learnable_affine,
    "one over": lambda net, x: net.op("Div", scalar(net, 2), net.op("Add", net.op("Abs", x), scalar(net, 0.5))),
    "minus a constant": lambda net, x: net.op("Sub", x, normal(net, 4, 1, 1)),
    "Resize to twice": resize_to_twice,
}


def around(build):
    """`build` behind a convolution, so that something computes in int8 before it."""
    net = Net(3)
    return simplify(net.model(build(net, net.conv(net.input("x", 1, 1, 12, 12), 1, 4, name="conv"))))


def answers(model, samples, name="x"):
    predictor = Predictor(to_bytes(model), optimise=False)
    return np.stack([predictor.run({name: sample})[0] for sample in samples])


@pytest.mark.parametrize("name", FORMS)
def test_form(name):
    model = around(FORMS[name])
    before = to_bytes(model)
    apart = for_int8(model)
    assert to_bytes(model) == before, "the graph that was given has changed"
    samples = images(24)
    truth = answers(model, samples)
    np.testing.assert_allclose(answers(apart, samples), truth, rtol=1e-3, atol=1e-4)
    assert float_layers(apart) == ()
    q = quantized(apart, data(samples))
    assert all(layer.quantized for layer in q.layers), q.layers
    assert violations(q.model) == ()
    assert sqnr_db(truth, answers(q.model, samples)) > 22
    assert all(v.shape is not None and v.dtype is not None for n in apart.graph for v in n.outputs)


def test_every_pass_keeps_the_answers():
    model = around(lambda net, x: layer_norm_written_out(net, net.op("Mean", x, squeeze_and_excite(net, x))))
    truth = answers(model, images(4))
    for step in PASSES:
        model = step(model)
        np.testing.assert_allclose(answers(ir.from_proto(ir.to_proto(model)), images(4)), truth, rtol=1e-3, atol=1e-4)


def with_opset(opset, *nodes):
    """Nodes from x (1, 4, 6) to y, for operators that `Net`'s opset has not."""
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in (("x", (1, 4, 6)), ("y", None))]
    rng = np.random.default_rng(0)
    numbers = [onnx.numpy_helper.from_array(rng.uniform(0.5, 2, k).astype(np.float32), f"w{k}") for k in (2, 4, 6)]
    graph = helper.make_graph(nodes, "net", infos[:1], infos[1:], numbers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto))


def group_norm(opset, weights):
    return with_opset(
        opset, helper.make_node("GroupNormalization", ["x", weights, weights], ["y"], "norm", num_groups=2)
    )


def by_hand(x, scale):
    parts = x.reshape(1, 2, -1).astype(np.float64)
    parts = (parts - parts.mean(2, keepdims=True)) / np.sqrt(parts.var(2, keepdims=True) + 1e-5)
    return parts.reshape(x.shape) * scale[:, None] + scale[:, None]


@pytest.mark.parametrize(("opset", "weights"), [(20, "w2"), (21, "w4")])
def test_group_normalization(opset, weights):
    """One number per group up to opset 20, one per channel from opset 21."""
    model = group_norm(opset, weights)
    next(iter(model.graph)).outputs[0].shape = ir.Shape([1, 4, 6])  # onnx infers none in opset 21
    apart = for_int8(model)
    numbers = model.graph.initializers[weights].const_value.numpy()
    x = np.random.default_rng(1).standard_normal((1, 4, 6)).astype(np.float32)
    got = Predictor(to_bytes(apart), optimise=False).run({"x": x})[0]
    np.testing.assert_allclose(got, by_hand(x, np.repeat(numbers, 4 // len(numbers))), rtol=1e-4, atol=1e-5)
    assert float_layers(apart) == ()


def test_root_mean_square_normalization():
    apart = for_int8(with_opset(23, helper.make_node("RMSNormalization", ["x", "w6"], ["y"], "norm")))
    x = np.random.default_rng(1).standard_normal((1, 4, 6)).astype(np.float32)
    got = Predictor(to_bytes(apart), optimise=False).run({"x": x})[0]
    scale = with_opset(23).graph.initializers["w6"].const_value.numpy()
    np.testing.assert_allclose(got, scale * x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5), rtol=1e-4)
    assert float_layers(apart) == ()


def test_scale_and_shift_move_into_the_layers_that_read_them():
    """Through a mean over another axis too; what anything else reads stays."""
    net = Net()
    x = net.input("x", 1, 3, 8)
    y = net.op("LayerNormalization", x, normal(net, 8, around=1), normal(net, 8), name="norm")
    left = net.op("MatMul", y, normal(net, 8, 4), name="left")
    right = net.op("Gemm", net.op("ReduceMean", y, axes(net, 1), keepdims=0), normal(net, 5, 8), transB=1, name="right")
    model = net.model(left, right)
    apart = for_int8(model)
    names = [n.name for n in apart.graph]
    assert "norm.normalized" in names
    sample = {"x": np.random.default_rng(0).standard_normal((1, 3, 8)).astype(np.float32)}
    for a, b in zip(*(Predictor(to_bytes(m), optimise=False).run(sample) for m in (model, apart)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    one = Net()
    y = one.op("LayerNormalization", one.input("x", 1, 3, 8), normal(one, 8, around=1), normal(one, 8), name="norm")
    alone = one.model(one.op("MatMul", y, normal(one, 8, 4), name="left"))
    assert [n.name for n in for_int8(alone).graph][-3:] == ["norm.normalized", "left.product", "left.bias"]


def test_constants_behind_a_convolution_move_into_it():
    net = Net()
    x = net.op("Conv", net.input("x", 1, 1, 12, 12), normal(net, 4, 1, 3, 3), name="conv")
    x = net.op("Add", net.op("Mul", x, normal(net, 4, 1, 1)), normal(net, 1, 4, 1, 1))
    model = net.model(net.op("Div", net.op("Sub", x, scalar(net, 0.3)), scalar(net, 2)))
    apart = for_int8(model)
    assert [n.op_type for n in apart.graph] == ["Conv"]
    np.testing.assert_allclose(answers(apart, images(3)), answers(model, images(3)), rtol=1e-4, atol=1e-5)


def test_what_cannot_be_taken_apart_says_why():
    net = Net()
    x = net.input("x", 1, 4, 6)
    values = [
        net.op("Div", x, net.op("Abs", net.op("MatMul", x, normal(net, 6, 6))), name="ratio"),
        net.op("CumSum", x, net.constant(np.int64(1)), name="running"),
        net.op("LayerNormalization", x, net.op("ReduceMean", x, axes(net, 0, 1), keepdims=0), name="norm"),
    ]
    indices = net.op("Cast", net.op("ArgMax", x, axis=-1), to=TensorProto.INT32, name="indices")
    model = net.model(*values)
    model.graph.outputs.append(next(v for n in model.graph for v in n.outputs if v.name == indices))
    found = {layer.name: layer.reason for layer in float_layers(for_int8(model))}
    assert found == {
        "ratio": "TFLite has no int8 division (division by a constant is turned into a multiplication)",
        "running": 'operator "CumSum" is not in the int8 table',
        "norm": "it normalizes with weights that are computed at run time",
    }


def test_arg_max_reads_int8_and_answers_integers():
    net = Net()
    scores = net.conv(net.input("x", 1, 1, 12, 12), 1, 4, name="conv")
    model = net.model(scores)
    node = ir.node("ArgMax", [model.graph.outputs[0]], {"axis": 1, "keepdims": 0}, num_outputs=1, name="best")
    node.outputs[0].name, node.outputs[0].type = "best", ir.TensorType(ir.DataType.INT64)
    model.graph.append(node)
    model.graph.outputs[0] = node.outputs[0]
    model = simplify(model)
    q = quantized(for_int8(model))
    assert all(layer.quantized for layer in q.layers) and violations(q.model) == ()
    assert float_layers(model) == ()
    best = next(n for n in q.model.graph if n.name == "best")
    assert best.inputs[0].producer().op_type == "DequantizeLinear"
    assert (answers(model, images(8)) == answers(q.model, images(8))).mean() > 0.97


def test_an_embedding_is_wholly_int8():
    """int64 indices → a table of int8 with the parameters of its output."""
    net = Net()
    table = normal(net, 20, 8)
    net.inputs.append(helper.make_tensor_value_info("words", TensorProto.INT64, (1, 6)))
    words = net.op("Gather", table, "words", name="embedding")
    model = net.model(net.op("MatMul", net.op("ReduceMean", words, axes(net, 1), keepdims=0), normal(net, 8, 3)))
    samples = np.random.default_rng(0).integers(0, 20, (40, 1, 6))
    assert float_layers(model) == ()
    q = quantized(for_int8(model), data(samples, "words"))
    assert all(layer.quantized for layer in q.layers) and violations(q.model) == ()
    gather = next(n for n in q.model.graph if n.name == "embedding")
    stored = gather.inputs[0].producer().inputs[0].const_value.numpy()
    assert stored.dtype == np.int8 and stored.shape == (20, 8)
    assert gather.inputs[1].name == "words" and gather.inputs[1].dtype is ir.DataType.INT64
    truth, got = (
        np.stack([Predictor(to_bytes(m), optimise=False).run({"words": s})[0] for s in samples])
        for m in (model, q.model)
    )
    assert sqnr_db(truth, got) > 30

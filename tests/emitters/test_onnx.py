"""Programs as ONNX graphs: what ONNX Runtime makes of them, and that lowering gives the same program back."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from int8_nets import Net, initializers, quantized, sqnr_db
from lowered import random_data
from operators import CASES, FLOAT_ONLY, INT8_ONLY, SCALE, constant, one, value, weighted
from remembering import lstm, svdf, with_states
from runtimes_of_cases import on_tflite_micro, program_of, random_inputs, tensor

from edgekit import interpreter
from edgekit.agreement import real_outputs, stored_inputs
from edgekit.emitters import emit_tflite
from edgekit.emitters.onnx import ROWS, to_onnx
from edgekit.errors import UnsupportedOpError
from edgekit.graph.calibration import observe
from edgekit.graph.int8_spec import violations
from edgekit.graph.quantization import quantize
from edgekit.graph.sessions import judging_session, run
from edgekit.graph.simplify import check_quantized, simplify
from edgekit.lowering import from_onnx, from_tflite
from edgekit.ops import ALL
from edgekit.ops.arithmetic import Add
from edgekit.ops.convolution import Conv2D
from edgekit.ops.fully_connected import FullyConnected
from edgekit.ops.joining import Concat
from edgekit.ops.pooling import MaxPool2D
from edgekit.ops.quantization import Quantize
from edgekit.ops.recurrent import Lstm, Svdf
from edgekit.ops.reduction import ReduceMax
from edgekit.ops.shape import Reshape, Transpose
from edgekit.program import Op, Program, QuantParams, Tensor

INT8 = [name for name in CASES if name not in FLOAT_ONLY]
BORDERS = {"quantize", "dequantize"}
# ADD_N becomes a chain of ADD, which LiteRT also has; a Softmax with a factor (beta) is float
WITHIN_A_STEP = {"add n", "softmax with a factor"}
FLOAT = [name for name in CASES if name not in INT8_ONLY]


def checked(model: ir.Model) -> onnx.ModelProto:
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def real(t: Tensor, x: np.ndarray) -> np.ndarray:
    return x if t.quant is None else (x.astype(np.float32) - t.zero_point) * np.float32(t.scale)


def on_runtime(model: ir.Model, program: Program, inputs) -> dict[str, np.ndarray]:
    """ONNX Runtime's answers, without optimisations."""
    session, _ = judging_session(checked(model).SerializeToString(), optimise=False)
    answers = run(session, None, {t.name: real(t, inputs[t.name]) for t in program.inputs})
    return dict(zip((o.name for o in session.get_outputs()), answers, strict=True))


def steps_off(program: Program, truth, got) -> float:
    """The largest difference of real answers, in steps of the outputs."""
    off = 0.0
    for t in program.outputs:
        step = 1.0 if t.quant is None else t.scale
        assert got[t.name].shape == t.shape
        gap = real(t, truth[t.name]).astype(np.float64) - got[t.name]
        off = max(off, float(np.abs(gap).max(initial=0.0)) / step)
    return off


@pytest.mark.parametrize("name", INT8)
def test_int8(name):
    program = CASES[name]("s8")
    model = to_onnx(program)
    inputs = random_inputs(program)
    truth = interpreter.run(program, inputs)
    assert steps_off(program, truth, on_runtime(model, program, inputs)) <= 1.001
    if name in BORDERS:
        return  # lowering makes integers of these floats
    back = from_onnx(check_quantized(model), "back")
    got = interpreter.run(back, inputs)
    for t in program.outputs:
        gap = np.abs(got[t.name].astype(np.int64) - truth[t.name]).max()
        assert gap <= (name in WITHIN_A_STEP)


@pytest.mark.parametrize("name", FLOAT)
def test_float(name):
    program = CASES[name]("f32")
    model = to_onnx(program)
    inputs = random_inputs(program)
    truth = interpreter.run(program, inputs)
    got = on_runtime(model, program, inputs)
    back = interpreter.run(from_onnx(simplify(model), "back"), inputs)
    for t in program.outputs:
        np.testing.assert_allclose(got[t.name], truth[t.name], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(back[t.name], truth[t.name], rtol=1e-4, atol=1e-5)


def test_every_operator_has_a_row_and_a_case():
    tested = {type(op) for name, build in CASES.items() for op in build("f32" if name in FLOAT_ONLY else "s8").ops}
    assert set(ROWS) == set(ALL) == tested | {Svdf, Lstm}


# --- whole programs


@st.composite
def layouts(draw) -> Program:
    """Operators that move, view and mix one value in any order: what the orders of axes must follow."""
    ops: list[Op] = []
    x = value("x", *draw(st.sampled_from([(1, 4, 6, 2), (2, 3, 4, 4), (1, 1, 8, 3), (2, 1, 1, 6)])))
    made = [x]
    for k in range(draw(st.integers(2, 7))):
        source = draw(st.sampled_from(made[-2:]))
        op = draw(st.sampled_from(STEPS))(draw, source, f"t{k}")
        if op is not None:
            ops.append(op)
            made.append(op.output)
    if not ops:
        ops.append(Reshape(name="only", inputs=(x,), outputs=(value("y", x.size),)))
    return program_of(*ops)


def like(t: Tensor, name: str, shape) -> Tensor:
    return Tensor(name, tuple(shape), t.dtype, t.quant)


def a_transpose(draw, x, name):
    order = tuple(draw(st.permutations(range(len(x.shape)))))
    return Transpose(name=name, inputs=(x,), outputs=(like(x, name, [x.shape[a] for a in order]),), order=order)


def a_view(draw, x, name):
    """Two neighbouring axes joined, one split, or a unit put in."""
    shape, rank = list(x.shape), len(x.shape)
    at = draw(st.integers(0, rank - 1))
    how = draw(st.sampled_from(["join", "split", "unit"]))
    if how == "join" and at + 1 < rank:
        shape[at : at + 2] = [shape[at] * shape[at + 1]]
    elif how == "split" and shape[at] % 2 == 0:
        shape[at : at + 1] = [shape[at] // 2, 2]
    elif rank < 5:
        shape.insert(at, 1)
    return Reshape(name=name, inputs=(x,), outputs=(like(x, name, shape),)) if len(shape) < 6 else None


def a_convolution(draw, x, name):
    if len(x.shape) != 4:
        return None
    w = replace(weighted(x, 3, 1, 1, x.shape[3])[1], name=f"{name}_w")
    y = value(name, *x.shape[:3], 3, scale=0.4)
    return Conv2D(name=name, inputs=(x, w), outputs=(y,))


def a_pool(draw, x, name):
    if len(x.shape) != 4 or x.shape[1] < 2:
        return None
    y = like(x, name, (x.shape[0], x.shape[1] - 1, *x.shape[2:]))
    return MaxPool2D(name=name, inputs=(x,), outputs=(y,), kernel=(2, 1))


def a_sum(draw, x, name):
    axis = draw(st.integers(0, len(x.shape) - 1))
    c = replace(constant("c", *[n if a >= axis else 1 for a, n in enumerate(x.shape)]), name=f"{name}_c")
    y = like(x, name, x.shape)
    return Add(name=name, inputs=(x, c), outputs=(replace(y, quant=QuantParams.of(0.5, 3)),))


def a_reduction(draw, x, name):
    axes, kept = (draw(st.integers(0, len(x.shape) - 1)),), draw(st.booleans())
    shape = [1 if a in axes else n for a, n in enumerate(x.shape) if kept or a not in axes]
    return ReduceMax(name=name, inputs=(x,), outputs=(like(x, name, shape),), axes=axes) if shape else None


def a_joining(draw, x, name):
    axis = draw(st.integers(0, len(x.shape) - 1))
    shape = [2 * n if a == axis else n for a, n in enumerate(x.shape)]
    return Concat(name=name, inputs=(x, x), outputs=(like(x, name, shape),), axis=axis) if x.size < 500 else None


STEPS = [a_transpose, a_transpose, a_view, a_view, a_convolution, a_pool, a_sum, a_reduction, a_joining]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(layouts())
def test_orders_of_axes(program):
    model = to_onnx(program)
    inputs = random_inputs(program)
    truth = interpreter.run(program, inputs)
    back = from_onnx(check_quantized(model), "back")
    got = interpreter.run(back, {t.name: ordered(back, t.name, inputs[t.name]) for t in back.inputs})
    for t in program.outputs:
        np.testing.assert_array_equal(got[t.name], ordered(back, t.name, truth[t.name]))


def ordered(program: Program, name: str, array: np.ndarray) -> np.ndarray:
    """An array of the graph as the lowered program holds it."""
    return array.transpose(program.orders[name]) if name in program.orders else array


def residual() -> ir.Model:
    """Convolutions of every kind, a way around, branches joined, a picture made larger, a flattened map."""
    net = Net()
    x = net.input("x", 1, 3, 16, 16)
    a = net.op("Relu", net.conv(x, 3, 8, name="stem", strides=[2, 2]))
    d = net.op("Relu", net.conv(a, 8, 8, group=8, name="depthwise"))
    r = net.op("Add", net.conv(d, 8, 8, 1, name="point"), a, name="around")
    p = net.op("MaxPool", r, kernel_shape=[2, 2], strides=[2, 2], name="pool")
    sizes = net.constant(np.array([1, 8, 8, 8], np.int64))
    up = net.op("Resize", p, "", "", sizes, mode="nearest", coordinate_transformation_mode="asymmetric",
                nearest_mode="floor", name="larger")  # fmt: skip
    c = net.op("Concat", up, r, axis=1, name="join")
    m = net.op("AveragePool", net.conv(c, 16, 4, name="mix"), kernel_shape=[2, 2], strides=[2, 2], name="mean")
    return net.model(net.gemm(net.op("Flatten", m, name="flat"), 64, 10, name="linear"))


def one_axis() -> ir.Model:
    """Convolutions along one axis."""
    net = Net()
    x = net.input("x", 1, 4, 24)
    w = net.weights(8, 4, 3)
    a = net.op("Relu", net.op("Conv", x, w, pads=[1, 1], kernel_shape=[3], name="first"))
    m = net.op("ReduceMean", a, net.constant(np.array([2])), keepdims=0, name="mean")
    return net.model(net.gemm(m, 8, 5, name="linear"))


def attention() -> ir.Model:
    """Products of activations, tokens with a fully connected layer each."""
    net = Net()
    x = net.input("x", 1, 6, 8)
    q, k = (net.op("MatMul", x, net.constant(net.rng.standard_normal((8, 8)).astype(np.float32))) for _ in range(2))
    scores = net.op("MatMul", q, net.op("Transpose", k, perm=[0, 2, 1]), name="scores")
    return net.model(net.op("Add", net.op("MatMul", net.op("Sigmoid", scores), x, name="mix"), x, name="around"))


NETS = {"residual": residual, "one axis": one_axis, "attention": attention}


def program_of_net(build) -> Program:
    model = build()
    return from_onnx(quantized(model, random_data(model)).model, "net")


@pytest.mark.parametrize("name", NETS)
def test_a_file_through_onnx_is_the_same_in_tflite_micro(name):
    content = emit_tflite(program_of_net(NETS[name]))
    read = from_tflite(content, "read")
    back = from_onnx(check_quantized(to_onnx(read)), "back")
    assert [op.kind for op in back.ops] == [op.kind for op in read.ops]
    again = emit_tflite(back)
    for seed in range(3):
        inputs = random_inputs(read, seed)
        truth, got = on_tflite_micro(content, read, inputs), on_tflite_micro(again, read, inputs)
        for t in read.outputs:
            assert truth[t.name].tobytes() == got[t.name].tobytes()


@pytest.mark.parametrize("name", NETS)
def test_the_graph_is_legal_for_tflite(name):
    assert violations(check_quantized(to_onnx(program_of_net(NETS[name])))) == ()


def count(model: ir.Model, op_type: str) -> int:
    return sum(node.op_type == op_type for node in model.graph)


def chain(*, flat: bool) -> Program:
    """Two convolutions and a pooling; flat: and a fully connected layer on the pooled pixel."""
    x, y = value("x", 1, 8, 8, 3), value("a", 1, 8, 8, 4, scale=1.0)
    first = Conv2D(name="first", inputs=weighted(x, 4, 3, 3, 3), outputs=(y,), padding=((1, 1), (1, 1)))
    w, b = (replace(t, name=f"{t.name}2") for t in weighted(y, 4, 3, 3, 4)[1:])
    z = value("z", 1, 8, 8, 4, scale=2.0)
    second = Conv2D(name="second", inputs=(y, w, b), outputs=(z,), padding=((1, 1), (1, 1)))
    pooled = value("pooled", 1, 1, 1, 4, scale=2.0) if flat else value("pooled", 1, 4, 4, 4, scale=2.0)
    size = (8, 8) if flat else (2, 2)
    pool = MaxPool2D(name="pool", inputs=(z,), outputs=(pooled,), kernel=size, stride=size)
    if not flat:
        return program_of(first, second, pool)
    row, out = value("row", 1, 4, scale=2.0), value("out", 1, 3, scale=2.0)
    view = Reshape(name="view", inputs=(pooled,), outputs=(row,))
    w, b = (replace(t, name=f"{t.name}3") for t in weighted(row, 3, 4)[1:])
    linear = FullyConnected(name="linear", inputs=(row, w, b), outputs=(out,))
    return program_of(first, second, pool, view, linear)


def test_a_chain_of_convolutions_is_transposed_at_its_ends_only():
    assert count(to_onnx(chain(flat=False)), "Transpose") == 2
    assert count(to_onnx(chain(flat=True)), "Transpose") == 1  # one pixel is moved by no Transpose


def test_scales_survive_bit_for_bit():
    program = chain(flat=True)
    model = to_onnx(program)
    constants = initializers(model)
    scales = {v.tobytes() for name, v in constants.items() if "scale" in name}
    for t in program.tensors():
        assert np.array(t.quant.scales, np.float32).tobytes() in scales, t.name
    (conv,) = (n for n in model.graph if n.name == "first")
    stored = constants[conv.inputs[1].producer().inputs[0].name]
    np.testing.assert_array_equal(stored, program.ops[0].inputs[1].data.transpose(0, 3, 1, 2))
    assert stored.min() == -128


def test_a_bias_in_other_units_is_what_kernels_make_of_it():
    """Kernels take the integers of a bias for units of input scale x weight scale, whatever the file says."""
    program = chain(flat=False)
    first = program.ops[0]
    x, w, b = first.inputs
    odd = replace(b, quant=replace(b.quant, scales=tuple(2 * s for s in b.quant.scales)))
    ops = (replace(first, inputs=(x, w, odd)), *program.ops[1:])
    changed = replace(program, ops=ops)
    inputs = random_inputs(program)
    truth = interpreter.run(program, inputs)
    got = interpreter.run(from_onnx(check_quantized(to_onnx(changed)), "back"), inputs)
    np.testing.assert_array_equal(got["pooled"], truth["pooled"])


def test_names_and_layout_are_the_programs():
    model = to_onnx(chain(flat=False))
    assert [(v.name, v.shape.numpy(), v.dtype) for v in model.graph.inputs] == [("x", (1, 8, 8, 3), ir.DataType.FLOAT)]
    assert [(v.name, v.shape.numpy(), v.dtype) for v in model.graph.outputs] == [
        ("pooled", (1, 4, 4, 4), ir.DataType.FLOAT)
    ]
    assert {"first", "second", "pool"} <= {n.name for n in model.graph}


def test_outputs_that_are_inputs_or_come_twice():
    x, y = value("x", 2, 3), value("y", 3, 2)
    view = Reshape(name="view", inputs=(x,), outputs=(y,))
    program = Program("case", (x,), (y, x, y), (view,))
    model = to_onnx(program)
    assert [v.name for v in model.graph.outputs] == ["y", "x_1", "y_1"]
    session, _ = judging_session(checked(model).SerializeToString(), optimise=False)
    sample = np.arange(6, dtype=np.float32).reshape(2, 3) * np.float32(SCALE)
    first, second, third = run(session, None, {"x": sample})
    np.testing.assert_allclose(second, sample, atol=1e-6)
    np.testing.assert_array_equal(first, third)


def test_unsigned_bytes_become_signed_ones():
    """Old files take uint8: lowering counts it from -128, and the requantization behind it vanishes."""
    x, y = tensor("x", (1, 4, 4, 3), 0.05, 100, "u8"), value("a", 1, 4, 4, 3, zero_point=-28)
    pooled = value("pooled", 1, 2, 2, 3, zero_point=-28)
    pool = MaxPool2D(name="pool", inputs=(y,), outputs=(pooled,), kernel=(2, 2), stride=(2, 2))
    program = program_of(Quantize(name="signed", inputs=(x,), outputs=(y,)), pool)
    inputs = random_inputs(program)
    truth = interpreter.run(program, inputs)
    model = to_onnx(program)
    assert steps_off(program, truth, on_runtime(model, program, inputs)) <= 1.001
    back = from_onnx(check_quantized(model), "back")
    assert [op.kind for op in back.ops] == ["MaxPool2D"]
    got = interpreter.run(back, {"x": (inputs["x"].astype(np.int16) - 128).astype(np.int8)})
    np.testing.assert_array_equal(got["pooled"], truth["pooled"])


@pytest.mark.parametrize("name", NETS)
def test_a_float_file_is_quantized_as_if_it_were_onnx(name):
    """Float .tflite → float graph → edgekit's quantizer → int8 program, its picture NHWC and moved by nothing."""
    read = from_tflite(emit_tflite(from_onnx(simplify(NETS[name]()), "net")), "net")
    graph = simplify(to_onnx(read))
    data = random_data(graph)
    made = quantize(graph, observe(graph, data, "minmax")).model
    assert violations(made) == ()
    program = from_onnx(made, "net")
    assert {t.dtype for t in program.tensors()} <= {"s8", "s32"}
    assert {t.shape for t in program.inputs} == {t.shape for t in read.inputs}
    assert not [op for op in program.ops if op.kind == "Transpose"]
    sample = data.sample(0)
    (truth,) = interpreter.run(read, sample).values()
    (got,) = real_outputs(program, interpreter.run(program, stored_inputs(program, sample))).values()
    assert sqnr_db(truth, got) > 15


@pytest.mark.parametrize("name", ["svdf s8", "svdf s16", "svdf float", "lstm", "lstm float"])
def test_operators_that_remember(name):
    kind = {"svdf s8": "s8", "svdf s16": "s16", "svdf float": "f32"}.get(name)
    op = svdf(3, 1, 6, 4, 2, 5, kind) if kind else lstm(6, 2, 4, 7, 5, 0 if "float" in name else -11, False, 0.0)
    program = with_states(op)
    model = to_onnx(program)
    assert model.opset_imports[""] == (21 if name in ("svdf s16", "lstm") else 20)
    session, _ = judging_session(checked(model).SerializeToString(), optimise=False)
    state = {s.before.name: real(s.before, s.initial) for s in program.states}
    running, worst = interpreter.Interpreter(program), 0.0
    for seed in range(4):
        inputs = random_inputs(program, seed)
        truth = running.run(inputs)["y"]
        got, *after = run(session, None, {"x": real(op.input, inputs["x"])} | state)
        state = dict(zip(state, after, strict=True))
        worst = max(worst, steps_off(program, {"y": truth}, {"y": got}))
    # an LSTM's hidden states are rounded to int8 from step to step, and in ONNX are not
    assert worst <= (1e-4 if "float" in name else {"svdf s8": 1.001, "svdf s16": 1.001, "lstm": 3}[name])


def test_what_has_no_form_is_refused_all_at_once():
    remembering = with_states(lstm(6, 1, 4, 7, 5, -11, False, 0.5))
    with pytest.raises(UnsupportedOpError, match=r'"op" \(Lstm\): ONNX\'s LSTM does not bound its cell state'):
        to_onnx(remembering)
    odd = one(Quantize, tensor("x", (2,), dtype="f32"), tensor("y", (2,), 0.5, 0, "s32"))
    with pytest.raises(UnsupportedOpError, match='"y" is s32 with a scale'):
        to_onnx(odd)


# --- models made elsewhere

MLPERF_TINY = os.environ.get("EDGEKIT_MLPERF_TINY", "")


@pytest.mark.parametrize("name", ["ic", "kws", "vww", "ad"])
def test_mlperf_tiny(name):
    """The published int8 models: through ONNX they are the same bytes in TFLite Micro, and their golden outputs."""
    folder = Path(MLPERF_TINY)
    if not MLPERF_TINY or not (folder / f"{name}.tflite").is_file():
        pytest.skip("EDGEKIT_MLPERF_TINY does not name a folder with the four MLPerf Tiny models")
    content = (folder / f"{name}.tflite").read_bytes()
    program = from_tflite(content, name)
    model = check_quantized(to_onnx(program))
    back = from_onnx(model, name)
    again = emit_tflite(back)
    x, y = program.inputs[0], program.outputs[0]
    sample = {x.name: np.fromfile(folder / f"{name}.in", np.int8).reshape(x.shape)}
    golden = np.fromfile(folder / f"{name}.out", np.int8).reshape(y.shape)
    assert on_tflite_micro(again, program, sample)[y.name].tobytes() == golden.tobytes()
    for seed in range(2):
        inputs = random_inputs(program, seed)
        truth = on_tflite_micro(content, program, inputs)[y.name]
        assert on_tflite_micro(again, program, inputs)[y.name].tobytes() == truth.tobytes()
        assert interpreter.run(back, inputs)[y.name].tobytes() == truth.tobytes()

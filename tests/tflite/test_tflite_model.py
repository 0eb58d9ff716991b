"""The border module: sound files of an independent writer are read, everything else is refused with words."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgekit.errors import ModelError
from edgekit.tflite import model as border
from edgekit.tflite.flatbuffer import Table, encode
from edgekit.tflite.model import TfliteQuantization, load
from edgekit.tflite.schema import Padding, TensorType

litert_files = pytest.importorskip("litert_files", reason="needs ai-edge-litert (the extra tflite)")
litert = litert_files.litert
packed, network, oddities, quantization = (
    litert_files.packed,
    litert_files.network,
    litert_files.oddities,
    litert_files.quantization,
)


def tensors(content: bytes) -> dict[str, border.TfliteTensor]:
    return {t.name: t for t in load(content).subgraphs[0].tensors}


def test_a_network_is_read() -> None:
    model = load(packed(network()))
    graph = model.subgraphs[0]
    assert (model.description, graph.name, len(model.subgraphs)) == ("made by a test", "main", 1)
    assert model.metadata_names == ("min_runtime_version",)
    assert model.signature == border.TfliteSignature("serving_default", (("image", 0),), (("scores", 8),))
    assert (graph.inputs, graph.outputs) == ((0,), (8,))
    names = [(o.index, o.builtin, o.custom, o.version) for o in graph.operators]
    assert names == [
        (0, "CONV_2D", None, 1),
        (1, "RESHAPE", None, 1),
        (2, "FULLY_CONNECTED", None, 1),
        (3, "SOFTMAX", None, 1),
    ]
    assert graph.operators[2].inputs == (5, 6, -1)
    assert graph.operators[0].options_of("Conv2DOptions").stride_w == 1


def test_tensors_are_read() -> None:
    found = tensors(packed(network()))
    x, kernel, shape = found["x"], found["kernel"], found["shape"]
    assert (x.shape, x.shape_signature, x.type, x.data) == ((1, 4, 4, 3), (-1, 4, 4, 3), TensorType.INT8, None)
    assert x.quantization == TfliteQuantization((float(np.float32(0.05)),), (-3,))
    assert bytes(kernel.data) == litert_files.KERNEL.tobytes() and kernel.data.readonly
    scales = tuple(np.linspace(0.002, 0.01, 4, dtype=np.float32).tolist())
    assert kernel.quantization == TfliteQuantization(scales, (0,) * 4, 0)
    assert np.frombuffer(shape.data, np.int32).tolist() == [1, 64]
    assert shape.quantization is None and not (shape.sparse or shape.is_variable or shape.other_quantization)


def test_weights_outside_the_flatbuffer_are_read() -> None:
    inside, outside = (tensors(c) for c in (packed(network()), litert_files.network_with_weights_outside()))
    assert sum(t.data is not None for t in outside.values()) == 4
    for name, tensor in inside.items():
        assert (tensor.data is None) == (outside[name].data is None)
        assert tensor.data is None or bytes(outside[name].data) == bytes(tensor.data)


def test_litert_reads_the_weights_outside_too() -> None:
    """The file of the test above is what LiteRT takes for such a file."""
    from ai_edge_litert.interpreter import Interpreter

    outputs = []
    for content in (packed(network()), litert_files.network_with_weights_outside()):
        interpreter = Interpreter(model_content=content)
        interpreter.allocate_tensors()
        interpreter.set_tensor(0, np.arange(-24, 24, dtype=np.int8).reshape(1, 4, 4, 3))
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(8).tolist())
    assert outputs[0] == outputs[1]


def test_what_foreign_files_hold_is_read() -> None:
    model = load(packed(oddities()))
    found = {t.name: t for t in model.subgraphs[0].tensors}
    assert (found["packed4"].type, len(found["packed4"].data)) == (TensorType.INT4, 8)
    assert np.frombuffer(found["half"].data, np.float16).tolist() == [1, -2]
    assert found["state"].is_variable and found["state"].data is None
    assert found["sparse"].sparse and bytes(found["sparse"].data) == b"\1\2"
    assert found["other"].other_quantization and found["other"].quantization is None
    assert found["text"].type is TensorType.STRING and found["variant"].shape == ()
    assert [s.name for s in model.subgraphs] == ["main", "body"]
    operators = model.subgraphs[0].operators
    assert [(o.builtin, o.custom) for o in operators] == [
        ("CUSTOM", "Mystery"),
        ("UNKNOWN_9999", None),
        ("DILATE", None),
        ("GELU", None),
        ("RANDOM_UNIFORM", None),
    ]
    assert operators[2].options.kind == "DilateOptions"
    assert operators[4].options_of("RandomOptions").seed == -(1 << 62)
    assert str(operators[0]) == "operator 0 (Mystery)"


def test_an_operator_code_of_an_old_file_is_read() -> None:
    model = network()
    for code in model.operatorCodes:
        code.builtinCode = 0  # before version 3a there was only the byte
    assert [o.builtin for o in load(packed(model)).subgraphs[0].operators][:2] == ["CONV_2D", "RESHAPE"]


def test_options_of_another_kind_are_refused_where_they_are_used() -> None:
    convolution, reshape, *_ = load(packed(network())).subgraphs[0].operators
    with pytest.raises(ModelError, match=r"operator 1 \(RESHAPE\) has ReshapeOptions, wanted Conv2DOptions"):
        reshape.options_of("Conv2DOptions")
    bare = dataclasses.replace(convolution, options=None)
    assert bare.options_of("Conv2DOptions").padding == Padding.SAME


def test_one_zero_point_for_all_scales_is_read() -> None:
    model = network()
    model.subgraphs[0].tensors[1].quantization.zeroPoint = [0]
    assert tensors(packed(model))["kernel"].quantization.zero_points == (0,) * 4


def test_a_single_scale_of_0_means_not_quantized() -> None:
    model = network()
    model.subgraphs[0].tensors[4].quantization = quantization(0.0)
    assert tensors(packed(model))["shape"].quantization is None


def test_quantization_of_floats_means_nothing() -> None:
    model = oddities()
    model.subgraphs[0].tensors[0].quantization = quantization(np.nan)
    assert tensors(packed(model))["x"].quantization is None


def test_names_can_be_shown() -> None:
    model = network()
    model.subgraphs[0].tensors[0].name = "\x1b[31mred\u202e" + "x" * 9000
    model.description = "a\nb"
    read = load(packed(model))
    name = read.subgraphs[0].tensors[0].name
    assert name.startswith("?[31mred?xxx") and len(name) == border.NAME_LIMIT
    assert read.description == "a?b"
    assert len(str(read.subgraphs[0].tensors[0])) < 100


def test_a_tensor_without_elements_may_be_read_by_an_operator() -> None:
    assert tensors(packed(oddities()))["empty"].size == 0


def tensor(index: int, **fields):
    def edit(model) -> None:
        for name, value in fields.items():
            setattr(model.subgraphs[0].tensors[index], name, value)

    return edit


def quantized(index: int, **fields):
    def edit(model) -> None:
        for name, value in fields.items():
            setattr(model.subgraphs[0].tensors[index].quantization, name, value)

    return edit


def operator(index: int, **fields):
    def edit(model) -> None:
        for name, value in fields.items():
            setattr(model.subgraphs[0].operators[index], name, value)

    return edit


def buffer(index: int, **fields):
    def edit(model) -> None:
        for name, value in fields.items():
            setattr(model.buffers[index], name, value)

    return edit


def graph(**fields):
    def edit(model) -> None:
        for name, value in fields.items():
            setattr(model.subgraphs[0], name, value)

    return edit


def whole(**fields):
    def edit(model) -> None:
        for name, value in fields.items():
            setattr(model, name, value)

    return edit


HUGE = (1 << 64) - 1
REFUSED = {
    "version": (whole(version=2), "its schema has version 2, wanted 3"),
    "no subgraph": (whole(subgraphs=[]), "it has no subgraph"),
    "metadata": (lambda m: setattr(m.metadata[0], "buffer", 99), "metadata 0 is in buffer 99 of 6"),
    "type": (tensor(0, type=99), 'tensor 0 "x" has the unknown type 99'),
    "negative shape": (tensor(0, shape=[1, -4, 4, 3]), 'tensor 0 "x" has the shape [1, -4, 4, 3]'),
    "rank": (tensor(0, shape=[1] * 33), 'tensor 0 "x" has 33 dimensions; 32 are allowed'),
    "size": (tensor(0, shape=[1 << 30] * 32, shapeSignature=None), "its tensors claim over 536870912 bytes"),
    "signature of another rank": (tensor(0, shapeSignature=[-1, 4]), "a shape signature that does not fit"),
    "signature below -1": (tensor(0, shapeSignature=[-2, 4, 4, 3]), "a shape signature that does not fit"),
    "buffer": (tensor(1, buffer=77), 'tensor 1 "kernel" is in buffer 77 of 6'),
    "buffer of another size": (tensor(1, buffer=2), "holds 16 bytes, its type and shape say 108"),
    "constant of another shape": (tensor(4, shape=[3]), 'tensor 4 "shape" holds 8 bytes, its type and shape say 12'),
    "constant of another type": (tensor(4, type=litert.TensorType.INT64), "holds 8 bytes, its type and shape say 16"),
    "variable with data": (tensor(4, isVariable=True), 'tensor 4 "shape" is a variable, and has data'),
    "another file": (tensor(4, externalBuffer=3), 'tensor 4 "shape" lies in another file'),
    "outside, past the end": (
        buffer(1, data=None, offset=64, size=1 << 20),
        'tensor 1 "kernel" ends at byte 1048640 of',
    ),
    "outside, overflowing": (buffer(1, data=None, offset=HUGE, size=HUGE), 'tensor 1 "kernel" ends at byte 3689'),
    "outside, of another size": (buffer(1, data=None, offset=64, size=9), "holds 9 bytes, its type and shape say 108"),
    "scale nan": (quantized(0, scale=[np.nan]), 'tensor 0 "x" has a scale that is not finite and above 0'),
    "scale infinite": (quantized(0, scale=[np.inf]), "a scale that is not finite and above 0"),
    "scale negative": (quantized(0, scale=[-0.5]), "a scale that is not finite and above 0"),
    "scale 0 among others": (quantized(1, scale=[1.0, 0.0, 1.0, 1.0]), "a scale that is not finite and above 0"),
    "no zero point": (quantized(0, zeroPoint=None), 'tensor 0 "x" has 1 scales and 0 zero points'),
    "other zero points": (quantized(1, zeroPoint=[0] * 3), 'tensor 1 "kernel" has 4 scales and 3 zero points'),
    "zero point above int8": (quantized(0, zeroPoint=[128]), 'tensor 0 "x" has a zero point that is no INT8'),
    "zero point of 64 bits": (quantized(0, zeroPoint=[-(1 << 63)]), "a zero point that is no INT8"),
    "axis": (quantized(1, quantizedDimension=4), "has 4 scales along axis 4, and the shape [4, 3, 3, 3]"),
    "axis below 0": (quantized(1, quantizedDimension=-1), "has 4 scales along axis -1"),
    "axis of another size": (quantized(1, quantizedDimension=3), "has 4 scales along axis 3"),
    "operator code": (operator(0, opcodeIndex=44), "operator 0 has the operator code 44 of 4"),
    "operand": (operator(0, inputs=[0, 1, 9]), "operator 0 (CONV_2D) has tensor 9 of 9"),
    "operand below -1": (operator(0, inputs=[-2, 1, 2]), "operator 0 (CONV_2D) has tensor -2 of 9"),
    "result left out": (operator(0, outputs=[-1]), "operator 0 (CONV_2D) has tensor -1 of 9"),
    "order": (operator(0, inputs=[7, 1, 2]), 'operator 0 (CONV_2D) reads tensor 7 "logits" before it is made'),
    "made twice": (
        operator(1, outputs=[3]),
        'operator 1 (RESHAPE) makes tensor 3 "h", which is an input, a constant or',
    ),
    "makes a constant": (operator(1, outputs=[4]), 'operator 1 (RESHAPE) makes tensor 4 "shape", which is'),
    "makes an input": (operator(1, outputs=[0]), 'operator 1 (RESHAPE) makes tensor 0 "x", which is'),
    "input outside": (graph(inputs=[9]), "an input or output is tensor 9 of 9"),
    "input left out": (graph(inputs=[-1]), "an input or output is tensor -1 of 9"),
    "input twice": (graph(inputs=[0, 0]), 'tensor 0 "x" is an input a second time, or a constant'),
    "constant as input": (graph(inputs=[0, 4]), 'tensor 4 "shape" is an input a second time, or a constant'),
    "output that nothing makes": (graph(operators=[]), 'no operator makes the output tensor 8 "y"'),
    "signature": (
        lambda m: setattr(m.signatureDefs[0].inputs[0], "tensorIndex", 3),
        'tensor 3 "image", which is no input',
    ),
    "padding": (lambda m: setattr(m.subgraphs[0].operators[0].builtinOptions, "padding", 7), "the unknown padding 7"),
}


def test_the_file_that_the_refused_ones_are_made_of_is_sound() -> None:
    load(packed(network()))


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_contradicts_itself_is_refused(case: str) -> None:
    edit, words = REFUSED[case]
    model = network()
    edit(model)
    with pytest.raises(ModelError, match=re.escape(words)) as caught:
        load(packed(model))
    assert caught.value.message.startswith("the TFLite file is broken: ") and caught.value.hint


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\0\0\0\0TFL2" + bytes(64), b"PK\3\4" + bytes(64)])
def test_what_is_no_tflite_file_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match="where b'TFL3' is wanted"):
        load(content)


def test_all_offenders_are_named_at_once() -> None:
    model = network()
    for t in model.subgraphs[0].tensors[:7]:
        t.shape = [-1]
    with pytest.raises(ModelError) as caught:
        load(packed(model))
    assert caught.value.message.count("has the shape [-1]") == 5
    assert caught.value.message.endswith("; and 2 more")


def minimal(**graph_fields) -> bytes:
    return encode(Table("Model", version=3, buffers=(Table("Buffer"),), subgraphs=(Table("SubGraph", **graph_fields),)))


def test_too_many_tensors_are_refused() -> None:
    one = Table("Tensor", name="x")
    load(minimal(tensors=(one,) * 10))
    with pytest.raises(ModelError, match="it has 200001 tensors; 200000 are allowed"):
        load(minimal(tensors=(one,) * 200_001))


def test_operands_that_many_operators_share_are_counted() -> None:
    """10,000 operators with one vector of 1,000 operands: 4 kB in the file, 10 million numbers in memory."""
    content = encode(
        Table(
            "Model",
            version=3,
            buffers=(Table("Buffer"),),
            operator_codes=(Table("OperatorCode"),),
            subgraphs=(
                Table(
                    "SubGraph",
                    tensors=(Table("Tensor", shape=[1]),),
                    inputs=[0],
                    operators=(Table("Operator", inputs=[0] * 1000),) * 10_000,
                ),
            ),
        )
    )
    with pytest.raises(ModelError, match="it has over 4000000 scales, zero points and operands"):
        load(content)


def test_a_file_of_many_gigabytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed(network())
    monkeypatch.setattr(border, "FILE_LIMIT_BYTES", len(content) - 1)
    with pytest.raises(ModelError, match=f"it has {len(content)} bytes; {len(content) - 1} are allowed"):
        load(content)


SEEDS = (packed(network()), litert_files.network_with_weights_outside(), packed(oddities()))
OURS = tuple(encode(border.decode(content)) for content in SEEDS)
INTERESTING = (0, 1, 4, 0x7F, 0x80, 0xFF)


@st.composite
def mutations(draw) -> bytes:
    """A real file with some bytes or 32-bit words changed, cut off, or with a part copied to another place."""
    content = bytearray(draw(st.sampled_from(SEEDS + OURS)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(content) - 8))
        match draw(st.sampled_from(["bit", "byte", "word", "copy"])):
            case "bit":
                content[at] ^= 1 << draw(st.integers(0, 7))
            case "byte":
                content[at] = draw(st.sampled_from(INTERESTING))
            case "word":
                at -= at % 4
                content[at : at + 4] = draw(st.integers(0, (1 << 32) - 1)).to_bytes(4, "little")
            case "copy":
                source = draw(st.integers(0, len(content) - 8))
                content[at : at + 8] = content[source : source + 8]
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.integers(0, 9)) == 0 else content)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutations())
def test_a_mutated_file_is_read_or_refused(content: bytes) -> None:
    start = time.process_time()
    try:
        model = load(content)
    except ModelError as e:
        assert e.message.startswith("the TFLite file is broken: ") and e.message.isprintable()
    else:
        assert model.subgraphs
    assert time.process_time() - start < 2


def test_neither_reading_nor_writing_needs_litert() -> None:
    code = (
        "import sys; from edgekit.tflite import flatbuffer, model; Table = flatbuffer.Table\n"
        "model.load(flatbuffer.encode(Table('Model', version=3, subgraphs=(Table('SubGraph'),))))\n"
        "print(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "numpy" in loaded
    assert not loaded & {"ai_edge_litert", "flatbuffers", "onnx", "onnx_ir", "torch"}

"""load: good files of many forms become graphs with static shapes; every kind of bad file has its message."""

from __future__ import annotations

import os
import pickle
import time
import traceback
from pathlib import Path

import hostile_models as hostile
import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from edgekit.errors import EdgekitError, ModelError, UnsupportedError, UsageError
from edgekit.graph import load, untrusted
from edgekit.graph.save import to_bytes, value_specs
from edgekit.graph.sessions import judging_session
from edgekit.graph.simplify import check_quantized, simplify


@pytest.fixture
def at(tmp_path: Path):
    """Writes a model (or bytes) to model/model.onnx and gives its path."""
    folder = tmp_path / "model"
    folder.mkdir()

    def write(model: onnx.ModelProto | bytes) -> Path:
        content = model if isinstance(model, bytes) else model.SerializeToString()
        (folder / "model.onnx").write_bytes(content)
        return folder / "model.onnx"

    return write


def run(content: bytes, x: np.ndarray) -> np.ndarray:
    from edgekit.graph.evaluation import Predictor

    return Predictor(content).run({"x": x})[0]


X = np.random.default_rng(5).normal(size=(1, 3, 8, 8)).astype(np.float32)


# --- what loads


@pytest.mark.parametrize("opset", [11, 13, 17, 18, 20, 21])
@pytest.mark.parametrize("constants", [False, True])
def test_opsets_and_constant_nodes(at, opset: int, constants: bool) -> None:
    path = at(hostile.network(opset, constants=constants))
    model = load.static_shapes(load.parse(load.load_onnx(path)), {})
    assert model.opset_imports[""] >= 18
    assert np.allclose(run(to_bytes(simplify(model)), X), run(path.read_bytes(), X), atol=1e-4)


def test_external_data_are_embedded(at, tmp_path: Path) -> None:
    path = at(hostile.external(tmp_path / "model"))
    content = load.load_onnx(path)
    assert np.array_equal(run(content, X), run(hostile.network().SerializeToString(), X))
    (tmp_path / "model" / "weights.bin").unlink()
    run(content, X)  # needs nothing beside it


def test_local_functions_are_inlined(at) -> None:
    model = hostile.one_node(helper.make_node("Twice", ["x"], ["y"], domain="local"), helper.make_opsetid("local", 1))
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    model.functions.append(helper.make_function("local", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 20)]))
    assert [n.op_type for n in load.parse(load.load_onnx(at(model))).graph] == ["Add"]


def test_a_quantized_graph_is_recognised() -> None:
    node = helper.make_node("DequantizeLinear", ["x", "s"], ["y"])
    assert load.is_quantized(ir.from_proto(hostile.one_node(node)))
    assert not load.is_quantized(ir.from_proto(hostile.network()))


# --- shapes


def test_a_dynamic_dimension_is_named_with_the_option(at) -> None:
    model = load.parse(load.load_onnx(at(hostile.network(shape=("batch", 3, 8, "width")))))
    with pytest.raises(UnsupportedError) as caught:
        load.static_shapes(model, {})
    assert "0 (batch), 3 (width)" in caught.value.message
    assert "--shape x=1,3,8,224" in caught.value.hint


@pytest.mark.parametrize("size", [-1, 0])
def test_a_size_that_some_exporters_write_for_dynamic(at, size: int) -> None:
    model = load.parse(load.load_onnx(at(hostile.network(shape=(size, 3, 8, 8)))))
    with pytest.raises(UnsupportedError, match="size"):
        load.static_shapes(model, {})
    assert value_specs(load.static_shapes(model, {"x": (2, 3, 8, 8)}))[1][0].shape == (2, 5)


def test_a_dynamic_batch_alone_is_not_guessed(at) -> None:
    with pytest.raises(UnsupportedError, match="batch"):
        load.static_shapes(load.parse(load.load_onnx(at(hostile.network(shape=("batch", 3, 8, 8))))), {})


def test_given_shapes_reach_the_outputs(at) -> None:
    model = load.parse(load.load_onnx(at(hostile.network(shape=("batch", 3, 8, 8)))))
    simple = simplify(load.static_shapes(model, {"x": (2, 3, 8, 8)}))
    inputs, outputs = value_specs(simple)
    assert (inputs[0].shape, outputs[0].shape, outputs[0].dtype) == ((2, 3, 8, 8), (2, 5), "float32")


def test_given_shapes_reach_the_outputs_of_a_graph_that_is_not_simplified(at) -> None:
    model = load.parse(load.load_onnx(at(hostile.network(shape=("batch", 3, 8, 8)))))
    _, outputs = value_specs(load.static_shapes(model, {"x": (2, 3, 8, 8)}))
    assert outputs[0].shape == (2, 5)


def test_an_output_without_a_shape_gets_the_inferred_one(at) -> None:
    model = hostile.network()
    model.graph.output[0].type.tensor_type.ClearField("shape")
    _, outputs = value_specs(load.static_shapes(load.parse(load.load_onnx(at(model))), {}))
    assert outputs[0].shape == (1, 5)


@pytest.mark.parametrize(
    ("shapes", "error"),
    [
        ({"z": (1,)}, UsageError),
        ({"x": (1, 4, 8, 8)}, UsageError),
        ({"x": (1, 3)}, UsageError),
        ({"x": (0, 3, 8, 8)}, UsageError),
        ({"x": (1.5, 3, 8, 8)}, UsageError),
    ],
)
def test_shapes_that_do_not_fit(at, shapes, error) -> None:
    model = load.parse(load.load_onnx(at(hostile.network(shape=("batch", 3, 8, 8)))))
    with pytest.raises(error):
        load.static_shapes(model, shapes)


# --- what is refused


def bad_dims(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = -4


def huge_dims(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [1 << 40, 1 << 40, 1 << 40]


def huge_claim(model: onnx.ModelProto) -> None:
    model.graph.initializer.add(name="claim", data_type=TensorProto.INT4, dims=[1 << 40], raw_data=b"x")


def unknown_type(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_type = 99


def short_data(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].raw_data = b"1234"


def short_typed_data(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].ClearField("raw_data")
    model.graph.initializer[0].float_data[:] = [1.0, 2.0]


def missing_value(model: onnx.ModelProto) -> None:
    model.graph.node[2].input[0] = "nobody"


def circle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "r"


def one_byte_short(model: onnx.ModelProto) -> None:
    model.graph.initializer.add(name="bytes", data_type=TensorProto.INT8, dims=[5], raw_data=b"1234")


def half_a_byte_long(model: onnx.ModelProto) -> None:
    model.graph.initializer.add(name="nibbles", data_type=TensorProto.INT4, dims=[5], raw_data=b"1234")  # 3 would do


def escape_in_name(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = model.graph.node[0].input[0] = "x\x1b]0;owned\x07"


def no_name(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = model.graph.node[-1].output[0] = ""


def sparse(model: onnx.ModelProto) -> None:
    values = helper.make_tensor("s", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [3])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [1 << 50]))


def texts(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("words", TensorProto.STRING, [1]))


def no_text(model: onnx.ModelProto) -> bytes:
    """A name that is no UTF-8: protobuf then gives bytes."""
    return model.SerializeToString().replace(b"\x01x", b"\x01\xff")


def sequence(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_sequence_value_info("frames", TensorProto.FLOAT, [1]))


BROKEN = {
    "one byte short": hostile.changed(one_byte_short),
    "half a byte long": hostile.changed(half_a_byte_long),
    "escape in a name": hostile.changed(escape_in_name),
    "a name that is no text": no_text(hostile.network()),
    "no name": hostile.changed(no_name),
    "empty": b"",
    "text": b"this is no model",
    "truncated": hostile.network().SerializeToString()[:700],
    "no nodes": hostile.changed(lambda m: m.graph.ClearField("node")),
    "negative dims": hostile.changed(bad_dims),
    "huge dims": hostile.changed(huge_dims),
    "huge claim": hostile.changed(huge_claim),
    "unknown type": hostile.changed(unknown_type),
    "short data": hostile.changed(short_data),
    "short typed data": hostile.changed(short_typed_data),
    "missing value": hostile.changed(missing_value),
    "circle": hostile.changed(circle),
}
UNSUPPORTED = {
    "sparse": (hostile.changed(sparse), "sparse"),
    "texts": (hostile.changed(texts), '"words" holds texts'),
    "sequence": (hostile.changed(sequence), '"frames" is no tensor (sequence)'),
    "sequence inside": (hostile.one_node(helper.make_node("SequenceLength", ["x"], ["y"], "n")), "SequenceLength (n)"),
    "custom operator": (hostile.custom_operator(), "com.evil.Steal"),
    "branch": (hostile.branch(), "If (choice)"),
    "opset too new": (hostile.network(99), "opset 99"),
    "opset too old": (hostile.network(3), "opset 3"),
}


def whole(path: Path) -> bytes:
    return to_bytes(simplify(load.static_shapes(load.parse(load.load_onnx(path)), {})))


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files(at, name: str) -> None:
    with pytest.raises(ModelError) as caught:
        whole(at(BROKEN[name]))
    assert caught.value.hint and "Traceback" not in caught.value.message


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unsupported_files(at, name: str) -> None:
    model, text = UNSUPPORTED[name]
    with pytest.raises(UnsupportedError) as caught:
        whole(at(model))
    assert text in caught.value.message


def test_a_model_without_inputs(at) -> None:
    model = hostile.one_node(helper.make_node("Identity", ["k"], ["y"]))
    model.graph.initializer.add(name="k", data_type=TensorProto.FLOAT, dims=[1, 4], float_data=[1.0] * 4)
    model.graph.input[0].name = "k"  # an input with a default is none
    with pytest.raises(ModelError, match="no inputs"):
        whole(at(model))


def test_a_function_that_calls_itself_is_refused(at) -> None:
    with pytest.raises(ModelError, match="a local function that calls itself"):
        whole(at(hostile.endless_function()))


def test_functions_that_double_are_counted_before_they_are_inlined(at) -> None:
    started = time.monotonic()
    with pytest.raises(ModelError, match="over 200000 nodes once its local functions are inlined"):
        load.load_onnx(at(hostile.doubling_functions(30)))
    assert time.monotonic() - started < 20
    assert len(load.parse(load.load_onnx(at(hostile.doubling_functions(4)))).graph) == 16


def test_all_reasons_come_at_once(at) -> None:
    model = hostile.custom_operator()
    model.opset_import[0].version = 99
    with pytest.raises(UnsupportedError) as caught:
        load.load_onnx(at(model))
    assert "com.evil" in caught.value.message and "99" in caught.value.message


PLACES = {
    "above": {"location": "../weights.bin"},
    "above, hidden": {"location": "x/../../weights.bin"},
    "absolute": {"location": "/etc/passwd"},
    "drive": {"location": "C:weights.bin"},
    "backslash": {"location": "..\\weights.bin"},
    "empty": {"location": ""},
    "folder": {"location": "."},
    "missing": {"location": "nothing.bin"},
    "too long": {"length": "5121"},
    "too short": {"length": "5116"},
    "negative offset": {"offset": "-16"},
    "offset behind the end": {"offset": "99999"},
    "offset beyond 64 bits": {"offset": "18446744073709551632"},
    "sum beyond 64 bits": {"offset": "999999999999999999", "length": "999999999999999999"},
    "no number": {"offset": "0x10"},
    "line break": {"location": "weights.bin\n"},
}


@pytest.mark.parametrize("name", PLACES)
def test_external_data_at_a_wrong_place(at, tmp_path: Path, name: str) -> None:
    model = hostile.external(tmp_path / "model", **PLACES[name])
    (tmp_path / "weights.bin").write_bytes((tmp_path / "model" / "weights.bin").read_bytes())
    with pytest.raises(ModelError, match=r"fc\.weight"):
        load.load_onnx(at(model))


@pytest.mark.parametrize("through", ["file", "folder"])
def test_external_data_behind_a_link(at, tmp_path: Path, through: str) -> None:
    folder = tmp_path / "model"
    location = "link.bin" if through == "file" else "link/weights.bin"
    model = hostile.external(folder, location=location)
    (folder / location.split("/")[0]).symlink_to(folder / "weights.bin" if through == "file" else folder)
    with pytest.raises(ModelError, match="link"):
        load.load_onnx(at(model))


def test_external_data_in_an_attribute_are_checked_too(at, tmp_path: Path) -> None:
    tensor = next(t for t in hostile.external(tmp_path / "model", location="../weights.bin").graph.initializer
                  if t.data_location == TensorProto.EXTERNAL)  # fmt: skip
    with pytest.raises(ModelError, match="only names inside"):
        load.load_onnx(at(hostile.one_node(helper.make_node("Constant", [], ["y"], value=tensor))))


def test_a_cap_on_the_size_before_reading(at) -> None:
    path = at(b"")
    with path.open("wb") as file:
        file.truncate(load.CAP_BYTES + 1)  # a hole: takes no space
    with pytest.raises(ModelError, match="allowed"):
        load.load_onnx(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    for path in (tmp_path, tmp_path / "pipe.onnx", tmp_path / "nothing.onnx", Path("a\0b.onnx")):
        with pytest.raises(ModelError):
            load.load_onnx(path)


def test_a_model_file_is_to_be_converted_first(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("")
    with pytest.raises(ModelError, match="is a model file") as caught:
        load.load_onnx(tmp_path / "model.py")
    assert "edgekit convert" in caught.value.hint


# --- the child process


def test_a_reader_that_dies_is_a_message(at, monkeypatch) -> None:
    monkeypatch.setattr(load.sys, "executable", "/bin/sh")  # sh -m: ends with an error, not with an answer
    with pytest.raises(ModelError, match="cannot be read"):
        load.load_onnx(at(hostile.network()))


@pytest.mark.slow  # 9 s: it really fills the memory that it is allowed
def test_a_file_that_grows_in_memory_is_a_message(at) -> None:
    """A hundred million nodes of two bytes each: the child runs into its limit, edgekit goes on."""
    nodes = b"\x0a\x00" * 100_000_000
    size = len(nodes)
    varint = bytes((size >> shift & 0x7F) | (0x80 if size >> shift + 7 else 0) for shift in (0, 7, 14, 21))
    with pytest.raises(ModelError, match=r"cannot be read|no readable"):
        load.load_onnx(at(b"\x3a" + varint + nodes), cap_bytes=210 << 20)


def test_a_reader_that_hangs_is_a_message(at, monkeypatch) -> None:
    monkeypatch.setattr(load, "CHILD_LIMIT_S", 0.01)
    with pytest.raises(ModelError, match="to read"):
        load.load_onnx(at(hostile.network()))


def test_memory_is_limited_in_the_child() -> None:
    pid = os.fork()
    if pid == 0:
        untrusted.limit_resources(1 << 20)
        try:
            bytearray(untrusted.BASE_MEMORY_BYTES + (64 << 20))
        except MemoryError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_modules_beside_the_model_are_not_imported(at, tmp_path: Path, monkeypatch) -> None:
    path = at(hostile.network())
    (path.parent / "onnx.py").write_text(f"open({str(tmp_path / 'owned')!r}, 'w')\n")
    monkeypatch.chdir(path.parent)
    load.load_onnx(Path("model.onnx"))
    assert not (tmp_path / "owned").exists()


def outcome_in_a_fork(path: Path) -> tuple[str, str]:
    """("ok" | "refused" | "escaped" | "killed", what) of everything that convert does to a file before it runs it."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            load.refuse(path, untrusted.inspect(path.read_bytes(), path.parent, load.CAP_BYTES))
            graph = load.static_shapes(load.parse(path.read_bytes()), {})
            graph = check_quantized(graph) if load.is_quantized(graph) else simplify(graph)
            judging_session(to_bytes(graph))
            answer = ("ok", "")
        except EdgekitError as e:
            answer = ("refused", e.message)
        except BaseException:
            answer = ("escaped", traceback.format_exc())
        os.write(write, pickle.dumps(answer)[:60000])
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        content = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return pickle.loads(content) if status == 0 else ("killed", str(status))


def quantized_network() -> onnx.ModelProto:
    from edgekit.graph.calibration import CalibrationData, observe
    from edgekit.graph.quantization import quantize

    graph = simplify(load.static_shapes(load.parse(hostile.network().SerializeToString()), {}))
    x = np.random.default_rng(0).normal(size=(8, 1, 3, 8, 8)).astype(np.float32)
    return ir.to_proto(quantize(graph, observe(graph, CalibrationData({"x": x}, "data"), "minmax")).model)


MUTATED = {
    "opset 13": lambda: hostile.network(13, constants=True),
    "opset 20": hostile.network,
    "quantized": quantized_network,
}


@pytest.mark.parametrize("name", MUTATED)
def test_mutated_files_end_in_an_edgekit_error_or_load(at, name: str) -> None:
    content = MUTATED[name]().SerializeToString()
    outcomes = [outcome_in_a_fork(at(changed)) for changed in hostile.mutations(content, 170, len(name))]
    bad = [what for kind, what in outcomes if kind in ("escaped", "killed")]
    assert not bad, f"{len(bad)} of {len(outcomes)}: {bad[0][-1500:]}"
    assert {kind for kind, _ in outcomes} == {"ok", "refused"}

"""The codec against an independent writer and reader (ai-edge-litert's object API), LiteRT, and hostile bytes."""

from __future__ import annotations

import re
import struct
import time

import numpy as np
import pytest

from edgekit.errors import ModelError
from edgekit.tflite import flatbuffer, schema
from edgekit.tflite.flatbuffer import FIELDS, Table, decode, encode

litert_files = pytest.importorskip("litert_files", reason="needs ai-edge-litert (the extra tflite)")
litert = litert_files.litert

FILES = {
    "network": lambda: litert_files.packed(litert_files.network()),
    "weights outside": litert_files.network_with_weights_outside,
    "oddities": lambda: litert_files.packed(litert_files.oddities()),
}


def same(a, b) -> bool:
    """Whether two decoded values are equal, what is absent being equal to its default."""
    if isinstance(a, Table):
        return (
            isinstance(b, Table)
            and a.kind == b.kind
            and all(same(getattr(a, n), getattr(b, n)) for n in FIELDS[a.kind])
        )
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b


def assert_same_as_object(table: Table, other, path: str) -> None:
    """Field by field, a Table against an object of the generated API."""
    assert type(other).__name__ == f"{table.kind}T", path
    for name, field in FIELDS[table.kind].items():
        ours, place = getattr(table, name), f"{path}.{name}"
        theirs = getattr(other, re.sub(r"_(\w)", lambda m: m[1].upper(), name))
        if field.form == "tables":
            assert len(ours) == len(theirs or ()), place
            for i, (a, b) in enumerate(zip(ours, theirs or (), strict=True)):
                assert_same_as_object(a, b, f"{place}[{i}]")
        elif field.form == "scalars":
            np.testing.assert_array_equal(ours, [] if theirs is None else theirs, err_msg=place)
        elif isinstance(ours, Table):
            assert_same_as_object(ours, theirs, place)
        elif field.form == "string":
            assert ours == (theirs.decode() if isinstance(theirs, bytes) else theirs), place
        else:
            assert ours == theirs, place


@pytest.mark.parametrize("name", FILES)
def test_decode_says_what_litert_s_reader_says(name: str) -> None:
    content = FILES[name]()
    assert_same_as_object(decode(content), litert.ModelT.InitFromPackedBuf(content, 0), "Model")


@pytest.mark.parametrize("name", FILES)
def test_litert_s_reader_reads_what_encode_writes(name: str) -> None:
    table = decode(FILES[name]())
    assert_same_as_object(table, litert.ModelT.InitFromPackedBuf(encode(table), 0), "Model")


@pytest.mark.parametrize("name", FILES)
def test_a_round_trip_loses_nothing_and_settles(name: str) -> None:
    table = decode(FILES[name]())
    content = encode(table)
    again = decode(content)
    assert same(table, again)
    assert encode(again) == content


def test_encode_is_smaller_than_the_generated_writer() -> None:
    content = FILES["network"]()
    assert len(encode(decode(content))) < len(content)


def run(content: bytes, x: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_litert_computes_the_same_from_what_encode_writes() -> None:
    content = FILES["network"]()
    outputs = set()
    for seed in range(3):
        x = np.random.default_rng(seed).integers(-128, 128, (1, 4, 4, 3)).astype(np.int8)
        expected = run(content, x)
        np.testing.assert_array_equal(run(encode(decode(content)), x), expected)
        outputs.add(expected.tobytes())
    assert len(outputs) == 3


def fully_connected() -> Table:
    """A model built by hand, as an emitter does it: y = x @ w.T, in integers."""
    weights = np.arange(-6, 6, dtype=np.int8).reshape(3, 4)

    def tensor(name: str, shape: tuple[int, ...], scale: float, buffer: int = 0) -> Table:
        quantization = Table("QuantizationParameters", scale=[scale], zero_point=[0])
        return Table(
            "Tensor", name=name, shape=shape, type=schema.TensorType.INT8, buffer=buffer, quantization=quantization
        )

    operator = Table(
        "Operator", inputs=[0, 1, -1], outputs=[2], builtin_options=Table("FullyConnectedOptions", keep_num_dims=True)
    )
    code = int(schema.BuiltinOperator.FULLY_CONNECTED)
    return Table(
        "Model",
        version=3,
        description="by hand",
        operator_codes=(Table("OperatorCode", deprecated_builtin_code=code, builtin_code=code),),
        buffers=(Table("Buffer"), Table("Buffer", data=weights.tobytes())),
        subgraphs=(
            Table(
                "SubGraph",
                tensors=(tensor("x", (1, 4), 1.0), tensor("w", (3, 4), 0.5, 1), tensor("y", (1, 3), 1.0)),
                inputs=[0],
                outputs=[2],
                operators=(operator,),
            ),
        ),
    )


def by_hand(x: np.ndarray) -> np.ndarray:
    """What `fully_connected` computes, 0.5 being the weights' scale. Even inputs: nothing is rounded."""
    return (x.astype(int) @ np.arange(-6, 6).reshape(3, 4).T // 2).astype(np.int8)


def test_litert_runs_a_model_built_by_hand() -> None:
    x = np.array([[2, -4, 6, 8]], np.int8)
    np.testing.assert_array_equal(run(encode(fully_connected()), x), by_hand(x))


def test_tflite_micro_runs_a_model_built_by_hand() -> None:
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime", reason="needs the wheel tflite-micro")
    x = np.array([[2, -4, 6, 8]], np.int8)
    interpreter = runtime.Interpreter.from_bytes(encode(fully_connected()))
    interpreter.set_input(x, 0)
    interpreter.invoke()
    np.testing.assert_array_equal(interpreter.get_output(0), by_hand(x))


def test_constants_lie_at_multiples_of_16() -> None:
    content = encode(decode(FILES["network"]()))
    begin = np.frombuffer(content, np.uint8).__array_interface__["data"][0]
    places = [b.data.__array_interface__["data"][0] - begin for b in decode(content).buffers if b.data.size]
    assert len(places) == 5
    assert [p % 16 for p in places] == [0] * 5


def test_equal_parts_are_written_once() -> None:
    name = "a name that is long enough to be seen"
    tensors = tuple(Table("Tensor", name=name, buffer=i, shape=[1, 2, 3]) for i in range(100))
    content = encode(Table("SubGraph", tensors=tensors))
    assert content.count(name.encode()) == 1
    assert len(content) < 100 * (4 + 16) + 200  # an offset, and a table of soffset, shape, buffer, name


def test_defaults_are_not_written() -> None:
    options = Table("Conv2DOptions", dilation_w_factor=1, stride_w=0, padding=schema.Padding.SAME)
    assert len(encode(options)) == len(encode(Table("Conv2DOptions")))
    assert decode(encode(Table("Operator", debug_metadata_index=0)), "Operator").debug_metadata_index == 0


def test_what_is_absent_reads_as_the_schema_says() -> None:
    operator = decode(encode(Table("Operator")), "Operator")
    assert operator.debug_metadata_index == -1
    assert operator.builtin_options is None
    assert operator.inputs.dtype == np.int32 and operator.inputs.size == 0
    assert decode(encode(Table("Model")), "Model").subgraphs == ()
    assert Table("AddOptions").pot_scale_int16 is True
    assert Table("Tensor").name is None


def test_an_empty_vector_that_was_given_is_written() -> None:
    """Some readers ask for the inputs of an operator without looking whether there are any."""
    content = encode(Table("Operator", inputs=[]))
    assert not litert.Operator.GetRootAs(content).InputsIsNone()
    assert litert.Operator.GetRootAs(encode(Table("Operator"))).InputsIsNone()


def test_a_union_sets_its_number() -> None:
    operator = Table("Operator", builtin_options=Table("SoftmaxOptions", beta=2.0))
    assert operator.builtin_options_type == schema.BuiltinOptions.SoftmaxOptions
    again = decode(encode(operator), "Operator")
    assert (again.builtin_options.kind, again.builtin_options.beta) == ("SoftmaxOptions", 2.0)


def test_a_union_of_an_unknown_type_is_none() -> None:
    operator = Table("Operator", builtin_options=Table("SoftmaxOptions", beta=2.0))
    operator.builtin_options_type = 250
    again = decode(encode(operator), "Operator")
    assert (again.builtin_options_type, again.builtin_options) == (250, None)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Table("Nothing"),
        lambda: Table("Tensor", nam="x"),
        lambda: setattr(Table("Tensor"), "nam", "x"),
        lambda: Table("Operator", builtin_options=Table("Tensor")),
        lambda: encode(Table("Tensor", quantization=Table("Tensor"))),
        lambda: encode(Table("SubGraph", tensors=(Table("Operator"),))),
    ],
)
def test_what_the_schema_does_not_know_is_a_bug(wrong) -> None:
    with pytest.raises(TypeError):
        wrong()


@pytest.mark.parametrize("data", [np.array([1, 300]), np.array([-1], np.int8), [1.5]])
def test_numbers_that_a_vector_cannot_hold_are_a_bug(data) -> None:
    with pytest.raises(ValueError, match="vector of uint8"):
        encode(Table("Buffer", data=data))


def test_views_are_read_only() -> None:
    table = decode(encode(Table("Tensor", shape=[1, 2])), "Tensor")
    for array in (table.shape, table.shape_signature):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 5


def test_strings_that_are_no_utf_8_are_read() -> None:
    content = encode(Table("Tensor", name="abc")).replace(b"abc", b"\xff\xfe\x80")
    assert decode(content, "Tensor").name == "\ufffd" * 3


def test_the_schema_has_no_circles() -> None:
    """Tables cannot nest without end: the depth of decode and encode is bounded by the schema."""

    def depth(kind: str, above: tuple[str, ...]) -> int:
        assert kind not in above
        inside = [f.of for f in FIELDS[kind].values() if f.form in ("table", "tables")]
        inside += [m for f in FIELDS[kind].values() if f.form == "union" for m in flatbuffer._MEMBERS[f.of].values()]
        return 1 + max((depth(k, (*above, kind)) for k in inside), default=0)

    assert depth("Model", ()) < 10


def test_every_member_of_a_union_is_a_table() -> None:
    for members in flatbuffer._MEMBERS.values():
        assert set(members.values()) <= set(FIELDS)


# Hostile files, written byte by byte: a root offset to a table at byte 8, whose vtable follows where `vtable` says.


def tensor_file(
    *slots: int, inside: bytes, after: bytes = b"", size: int | None = None, soffset: int | None = None
) -> bytes:
    """A Tensor at byte 8 + vtable; `inside` are its bytes behind the soffset."""
    vtable = struct.pack(f"<{2 + len(slots)}H", 4 + 2 * len(slots), 4 + len(inside) if size is None else size, *slots)
    table = 8 + len(vtable)
    return struct.pack("<I4s", table, b"TFL3") + vtable + struct.pack("<i", soffset or len(vtable)) + inside + after


SOUND = tensor_file(4, inside=struct.pack("<I", 4), after=struct.pack("<Iii", 2, 7, 9))
BROKEN = {
    "empty": b"",
    "short": b"\x08\0\0",
    "root outside": struct.pack("<I4s", 1 << 31, b"TFL3"),
    "root at the end": struct.pack("<I4s", 8, b"TFL3"),
    "root offset 0": bytes(64),
    "vtable before the file": tensor_file(4, inside=bytes(4), soffset=1 << 30),
    "vtable after the file": tensor_file(4, inside=bytes(4), soffset=-(1 << 30)),
    "vtable at the smallest number": tensor_file(4, inside=bytes(4), soffset=-(1 << 31)),
    "odd vtable": SOUND[:8] + struct.pack("<H", 5) + SOUND[10:],
    "vtable of 2 bytes": SOUND[:8] + struct.pack("<H", 2) + SOUND[10:],
    "vtable longer than the file": SOUND[:8] + struct.pack("<H", 0xFFFE) + SOUND[10:],
    "table of 0 bytes": tensor_file(4, inside=struct.pack("<I", 4), size=0),
    "table longer than the file": tensor_file(0, inside=b"", size=0xFFFF),
    "field outside the table": tensor_file(60000, inside=bytes(4)),
    "field half outside the table": tensor_file(6, inside=bytes(4)),
    "field on the soffset": tensor_file(2, inside=bytes(4)),
    "offset 0": tensor_file(4, inside=bytes(4)),
    "offset past the end": tensor_file(4, inside=struct.pack("<I", 0xFFFFFFFF)),
    "vector of 4 billion": tensor_file(4, inside=struct.pack("<I", 4), after=struct.pack("<Iii", 0xFFFFFFFF, 7, 9)),
    "vector one too long": tensor_file(4, inside=struct.pack("<I", 4), after=struct.pack("<Iii", 3, 7, 9)),
    "string past the end": tensor_file(0, 0, 0, 4, inside=struct.pack("<I", 4), after=struct.pack("<I", 100)),
}


def test_the_file_that_the_broken_ones_are_made_of_is_sound() -> None:
    assert decode(SOUND, "Tensor").shape.tolist() == [7, 9]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="the TFLite file is broken: ") as caught:
        decode(BROKEN[name], "Tensor")
    assert caught.value.hint


def test_misaligned_numbers_are_read() -> None:
    content = tensor_file(4, inside=struct.pack("<I", 5), after=b"\xaa" + struct.pack("<Iii", 2, -7, 9))
    shape = decode(content, "Tensor").shape
    assert shape.tolist() == [-7, 9] and shape.flags.aligned and not shape.flags.writeable


def test_booleans_are_booleans() -> None:
    content = encode(Table("Operator", mutating_variable_inputs=[True, False]))
    strange = content.replace(b"\2\0\0\0\1\0", b"\2\0\0\0\x7f\0")
    assert strange != content
    assert decode(strange, "Operator").mutating_variable_inputs.tolist() == [True, False]


def overlapping_strings(count: int) -> bytes:
    """A subgraph of tensors, each with a name that begins 4 bytes after the last one's and is as long as the file."""
    vtable = struct.pack("<6H", 12, 8, 0, 0, 0, 4)
    head = struct.pack("<I4s", 16, b"TFL3") + struct.pack("<3H2x", 6, 8, 4) + struct.pack("<iI", 8, 4)
    tables = len(head) + 4 + 4 * count + len(vtable)
    names = tables + 8 * count
    vector = struct.pack("<I", count)
    vector += b"".join(struct.pack("<I", tables + 8 * i - (len(head) + 4 + 4 * i)) for i in range(count))
    body = b"".join(struct.pack("<iI", 8 * i + len(vtable), names + 4 * i - (tables + 8 * i + 4)) for i in range(count))
    return head + vector + vtable + body + struct.pack("<I", 4 * count) * (2 * count + 1)


def test_parts_that_overlap_are_refused_before_they_fill_the_memory() -> None:
    """50,000 names of 200 kB each would be 10 GB; the file has 1 MB."""
    start = time.monotonic()
    with pytest.raises(ModelError, match="its parts overlap"):
        decode(overlapping_strings(50_000), "SubGraph")
    assert time.monotonic() - start < 5


def test_a_part_that_many_point_to_is_read_once() -> None:
    tensor = Table("Tensor", name="x", shape=[1] * 1000)
    graph = decode(encode(Table("SubGraph", tensors=(tensor,) * 1000)), "SubGraph")
    assert len({id(t) for t in graph.tensors}) == 1


def test_too_many_parts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encode(Table("SubGraph", tensors=(Table("Tensor", name="x"),) * 1000))
    decode(content, "SubGraph")
    monkeypatch.setattr(flatbuffer, "PART_LIMIT", 900)
    with pytest.raises(ModelError, match="over 900 parts"):
        decode(content, "SubGraph")

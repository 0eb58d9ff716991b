"""Operators of .tflite files that become several operations, other ones or constants: read, run and written again."""

from __future__ import annotations

import numpy as np
import pytest
from runtimes_of_cases import RUNTIMES, largest_difference, random_inputs, tensor

from edgekit import interpreter
from edgekit.emitters import emit_tflite
from edgekit.emitters.tflite.writer import Writer
from edgekit.errors import UnsupportedOpError
from edgekit.lowering.tflite import from_tflite
from edgekit.program import DTYPES, Op, Program, Tensor
from edgekit.tflite.flatbuffer import Table


def value(name, *shape, dtype="s8"):
    return tensor(name, shape, 0.05 if dtype == "s8" else None, 3, dtype)


def constant(name, numbers, dtype="s32"):
    data = np.asarray(numbers, DTYPES[dtype])
    return tensor(name, data.shape, 0.05 if dtype == "s8" else None, 3, dtype, data)


def written(builtin, inputs, outputs, options=None, version=1, **fields) -> tuple[bytes, Program]:
    """A file of one operator, and a program that only has its inputs and outputs."""
    bare = Program(
        "case",
        tuple(t for t in inputs if not t.constant) or (value("unused", 1),),
        tuple(outputs),
        (Op(name="op", inputs=tuple(inputs), outputs=tuple(outputs)),),
    )
    writer = Writer(bare)
    writer.operator(builtin, inputs, outputs, Table(options, **fields) if options else None, version=version)
    return writer.content(), bare


def check(builtin, inputs, outputs, options=None, version=1, without=(), **fields) -> Program:
    content, bare = written(builtin, inputs, outputs, options, version, **fields)
    program = from_tflite(content, "case")
    arrays = random_inputs(bare)
    truth = interpreter.run(program, arrays)
    for file, what in ((content, bare), (emit_tflite(program), program)):
        for name, run in RUNTIMES.items():
            if name in without and file is content:
                continue
            got = run(file, what, arrays)
            for t in outputs:
                assert largest_difference(truth[t.name], got[t.name]) == 0, (name, t.name)
    return program


def test_pack_and_unpack():
    parts = [value(f"x{i}", 2, 4) for i in range(3)]
    options = {"values_count": 3, "axis": -2}
    check("PACK", parts, [value("y", 2, 3, 4)], "PackOptions", **options)
    check("UNPACK", [value("x", 2, 3, 4)], [value(f"y{i}", 2, 4) for i in range(3)], "UnpackOptions", num=3, axis=1)


SLICES = [
    # begin, end, strides, masks, shape of the output
    ([1, 0, 2], [3, 4, 5], [1, 2, 1], {}, (2, 2, 3)),
    ([1, 0, 2], [0, 0, 0], [1, 2, 1], {"begin_mask": 1, "end_mask": 7}, (4, 2, 3)),
    ([-1, 3, 0], [-5, 0, 5], [-1, -2, 3], {}, (4, 2, 2)),
    ([2, -1, 0], [3, 0, 5], [1, 1, 1], {"shrink_axis_mask": 3}, (5,)),
]
# TFLite Micro wants every axis named: it does not add axes, nor does it know the ellipsis
MORE_SLICES = [
    ([0, 1], [2, 2], [1, 1], {}, (2, 1, 5)),
    ([0, 1], [0, 3], [1, 1], {"ellipsis_mask": 1}, (4, 4, 2)),
    ([0, 0, 1], [0, 0, 3], [1, 1, 1], {"ellipsis_mask": 2, "new_axis_mask": 1}, (1, 4, 4, 2)),
    ([1, 0, 0], [2, 0, 4], [1, 1, 1], {"shrink_axis_mask": 1, "new_axis_mask": 2}, (1, 4, 5)),
]


@pytest.mark.parametrize("case", range(len(SLICES + MORE_SLICES)))
def test_strided_slice(case):
    begin, end, strides, masks, shape = (SLICES + MORE_SLICES)[case]
    inputs = [value("x", 4, 4, 5), *(constant(n, v) for n, v in (("b", begin), ("e", end), ("s", strides)))]
    without = ("tflite-micro",) if case >= len(SLICES) else ()
    check("STRIDED_SLICE", inputs, [value("y", *shape)], "StridedSliceOptions", without=without, **masks)


def test_slice_to_the_end():
    inputs = [value("x", 4, 5), constant("b", [1, 2]), constant("s", [2, -1])]
    check("SLICE", inputs, [value("y", 2, 3)], "SliceOptions")


def test_broadcast_to_more_axes_and_tile():
    x = value("x", 1, 3)
    check("BROADCAST_TO", [x, constant("s", [2, 4, 3])], [value("y", 2, 4, 3)], "BroadcastToOptions", version=2)
    inputs = [value("x", 2, 3), constant("m", [2, 3])]
    check("TILE", inputs, [value("y", 4, 9)], "TileOptions", without=("tflite-micro",))


def test_embedding_lookup():
    words, table = value("i", 3, dtype="s32"), constant("t", np.arange(20).reshape(5, 4), "s8")
    content, bare = written("EMBEDDING_LOOKUP", [words, table], [value("y", 3, 4)])
    program, arrays = from_tflite(content, "case"), {"i": np.array([3, 0, 3], np.int32)}
    truth = interpreter.run(program, arrays)["y"]
    for name, run in RUNTIMES.items():
        assert largest_difference(truth, run(content, bare, arrays)["y"]) == 0, name


def test_constant_indices_of_64_bits_are_written_with_32():
    inputs = [value("x", 4, 3), constant("i", [3, 1, 1], "s64")]
    program = check("GATHER", inputs, [value("y", 3, 3)], "GatherOptions", without=("tflite-micro",))
    assert program.ops[0].inputs[1].dtype == "s32"


def test_select():
    condition = constant("c", [[True, False, True]], "b8")
    check("SELECT_V2", [condition, value("a", 2, 3), constant("b", [[7]], "s8")], [value("y", 2, 3)], "SelectV2Options")
    same = [value("c", 2, 3, dtype="b8"), value("a", 2, 3), value("b", 2, 3)]
    with pytest.raises(UnsupportedOpError, match="do not broadcast"):
        from_tflite(written("SELECT_V2", [*same[:2], value("b", 3, 2)], [value("y", 2, 3)], "SelectV2Options")[0], "x")


def test_matrices_computed_at_run_time_make_a_fully_connected_layer_a_product():
    inputs = [value("x", 2, 5), value("w", 4, 5)]
    content, _ = written("FULLY_CONNECTED", inputs, [value("y", 2, 4)], "FullyConnectedOptions")
    assert [op.kind for op in from_tflite(content, "case").ops] == ["BatchMatMul"]


@pytest.mark.parametrize(
    "builtin, inputs, options, wanted",
    [
        ("SHAPE", [value("x", 2, 3, 4)], "ShapeOptions", [2, 3, 4]),
        ("FILL", [constant("d", [2, 2]), constant("v", 5)], "FillOptions", [[5, 5], [5, 5]]),
        ("RANGE", [constant("a", 1), constant("b", 8), constant("s", 3)], "RangeOptions", [1, 4, 7]),
        ("ZEROS_LIKE", [value("x", 3, dtype="s32")], "ZerosLikeOptions", [0, 0, 0]),
    ],
)
def test_what_is_known_before_is_a_constant(builtin, inputs, options, wanted):
    y = value("y", *np.shape(wanted), dtype="s32")
    extra = {"out_type": 2} if builtin == "SHAPE" else {}
    content, _ = written(builtin, inputs, [y], options, **extra)
    program = from_tflite(content, "case")
    arrays = {t.name: np.zeros(t.shape, t.numpy_dtype) for t in program.inputs}
    np.testing.assert_array_equal(interpreter.run(program, arrays)["y"], wanted)


OTHER = Tensor("o", (2, 3), "s8", None)
REFUSED = [
    ("CONCATENATION", [value("a", 1, 2), value("b", 2, 2)], [value("y", 3, 3)], "ConcatenationOptions", {}),
    ("CONCATENATION", [value("a", 1, 2), value("b", 1, 2)], [value("y", 1, 4)], "ConcatenationOptions", {"axis": 5}),
    ("CONCATENATION", [value("a", 2, 3), OTHER], [value("y", 4, 3)], "ConcatenationOptions", {}),
    ("SPLIT", [constant("d", 1), value("x", 2, 4)], [value("y", 2, 2), value("z", 2, 3)], "SplitOptions", {}),
    ("SLICE", [value("x", 4), constant("b", [2]), constant("s", [3])], [value("y", 3)], "SliceOptions", {}),
    ("SLICE", [value("x", 4), value("b", 1, dtype="s32"), constant("s", [3])], [value("y", 3)], "SliceOptions", {}),
    ("GATHER", [value("x", 4), constant("i", [4])], [value("y", 1)], "GatherOptions", {}),
    ("GATHER", [value("x", 2, 4), constant("i", [[1], [2]])], [value("y", 2, 1)], "GatherOptions", {"batch_dims": 1}),
    ("PAD", [value("x", 2, 2), constant("p", [[1, -1], [0, 0]])], [value("y", 2, 2)], "PadOptions", {}),
    ("PAD", [value("x", 2, 2), constant("p", [[1, 1]])], [value("y", 4, 2)], "PadOptions", {}),
    ("MIRROR_PAD", [value("x", 2, 2), constant("p", [[2, 0], [0, 0]])], [value("y", 4, 2)], "MirrorPadOptions", {}),
    ("TILE", [value("x", 2, 2), constant("m", [2, 2])], [value("y", 4, 2)], "TileOptions", {}),
    ("SPACE_TO_DEPTH", [value("x", 1, 3, 4, 1)], [value("y", 1, 1, 2, 4)], "SpaceToDepthOptions", {"block_size": 2}),
    ("DEPTH_TO_SPACE", [value("x", 1, 2, 2, 6)], [value("y", 1, 4, 4, 1)], "DepthToSpaceOptions", {"block_size": 2}),
    ("DEPTH_TO_SPACE", [value("x", 1, 2, 2, 6)], [value("y", 1, 4, 4, 1)], "DepthToSpaceOptions", {"block_size": 0}),
    ("MEAN", [value("x", 2, 3), constant("a", [2])], [value("y", 2)], "ReducerOptions", {}),
    ("REDUCE_PROD", [value("x", 2, 3), constant("a", [1])], [value("y", 2)], "ReducerOptions", {}),
    ("ARG_MAX", [value("x", 2, 3), constant("a", [0, 1])], [value("y", 3, dtype="s32")], "ArgMaxOptions", {}),
    ("RESIZE_BILINEAR", [value("x", 1, 2, 2, 1)], [value("y", 1, 4, 4, 2)], "ResizeBilinearOptions", {}),
    ("BATCH_MATMUL", [value("a", 2, 3), value("b", 2, 3)], [value("y", 2, 3)], "BatchMatMulOptions", {}),
]


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_operators_that_contradict_themselves_are_refused(case):
    builtin, inputs, outputs, options, fields = REFUSED[case]
    content, _ = written(builtin, inputs, outputs, options, **fields)
    with pytest.raises(UnsupportedOpError, match=rf"operator 0 \({builtin}\)"):
        from_tflite(content, "case")

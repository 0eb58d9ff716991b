"""Nodes that move numbers keep the order of axes that their input has, and become the fewest operations."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from int8_nets import Net
from lowered import float_gap, lowered
from onnx import helper

from edgekit.errors import UnsupportedOpError
from edgekit.graph.calibration import CalibrationData
from edgekit.interpreter import run
from edgekit.lowering import from_onnx


def check(found, kinds: list[str] | None = None):
    """Exact in TFLite Micro, one step from ONNX Runtime, no transposes."""
    assert found.largest_lsb["tflite-micro"] == 0
    assert found.steps <= 1.01
    assert "Transpose" not in found.kinds, found.program.text()
    if kinds is not None:
        assert found.kinds == kinds, found.program.text()


def between_convolutions(*nodes, channels=4, size=8, out=None):
    """A net whose nodes lie between two convolutions; each is a function of (net, value)."""
    net = Net()
    y = net.op("Relu", net.conv(net.input("x", 1, 3, size, size), 3, channels))
    for node in nodes:
        y = node(net, y)
    return net.model(net.conv(y, out or channels, 3))


def integers(net, *numbers):
    return net.constant(np.array(numbers, np.int64))


def test_concat_of_unlike_branches_is_requantized():
    net = Net()
    x = net.input("x", 1, 3, 8, 8)
    loud = net.op("Mul", net.conv(x, 3, 4), net.constant(np.float32(6.0)))
    y = net.op("Concat", loud, net.op("Relu", net.conv(x, 3, 2)), axis=1)
    found = lowered(net.model(net.conv(y, 6, 3)))
    check(found)
    assert found.kinds.count("Concat") == 1


def test_concat_along_the_batch_and_of_a_constant():
    net = Net()
    x = net.input("x", 1, 3, 4, 4)
    border = net.constant(np.full((1, 3, 1, 4), 0.5, np.float32))
    y = net.op("Concat", border, x, border, axis=-2)
    found = lowered(net.model(net.conv(y, 3, 3)))
    check(found, ["Concat", "Conv2D"])


def test_split_into_equal_and_unequal_parts():
    def halves(net, y):
        a, b = net.op("Split", y, outputs=2, axis=1, num_outputs=2)
        return net.op("Add", a, b)

    def thirds(net, y):
        a, b, c = net.op("Split", y, integers(net, 3, 2, 3), outputs=3, axis=2)
        return net.op("Concat", c, b, a, axis=2)

    check(lowered(between_convolutions(halves, out=2)), ["Conv2D", "Split", "Add", "Conv2D"])
    check(lowered(between_convolutions(thirds)), ["Conv2D", "Split", "Concat", "Conv2D"])


def test_parts_that_nobody_reads_are_not_made():
    net = Net()
    a, _, c = net.op("Split", net.input("x", 1, 8), integers(net, 3, 2, 3), outputs=3, axis=1)
    program = from_onnx(net.model(net.op("Sub", a, c)), "float")
    assert [op.kind for op in program.ops] == ["Slice", "Slice", "Sub"]
    x = np.arange(8, dtype=np.float32).reshape(1, 8)
    np.testing.assert_array_equal(run(program, {"x": x})[program.outputs[0].name], [[-5, -5, -5]])


@pytest.mark.parametrize(
    "starts, ends, axes, steps, channels",
    [
        ([1], [-1], [1], [1], 2),
        ([0, 1], [2**31 - 1, 100], [2, 3], [2, 1], 4),
        ([-1], [-(2**31)], [3], [-1], 4),
        ([5, 3], [-100, 0], [3, 1], [-2, -1], 3),
    ],
)
def test_slice(starts, ends, axes, steps, channels):
    def part(net, y):
        return net.op("Slice", y, *(integers(net, *n) for n in (starts, ends, axes, steps)))

    check(lowered(between_convolutions(part, out=channels)), ["Conv2D", "Slice", "Conv2D"])


def test_gather_of_a_row_is_a_slice_and_of_listed_indices_a_gather():
    def listed(net, y):
        return net.op("Gather", y, integers(net, 3, 0, -2, 2), axis=2)

    def even(net, y):
        return net.op("Gather", y, integers(net, 0, 2, 4), axis=3)

    check(lowered(between_convolutions(listed)), ["Conv2D", "Gather", "Conv2D"])
    check(lowered(between_convolutions(even)), ["Conv2D", "Slice", "Conv2D"])


def test_gather_of_one_index_takes_the_axis_away():
    net = Net()
    y = net.conv(net.input("x", 1, 3, 8, 8), 3, 4)
    row = net.op("Gather", y, net.constant(np.array(2)), axis=2)  # (1, 4, 8)
    y = net.op("Conv", row, net.weights(5, 4, 3), pads=[1, 1])
    check(lowered(net.model(y)))


def test_gather_of_a_table_of_indices():
    net = Net()
    y = net.gemm(net.input("x", 1, 6), 6, 8)
    y = net.op("Gather", y, net.constant(np.array([[1, 5], [7, 7], [0, 2]])), axis=1)  # (1, 3, 2)
    check(lowered(net.model(net.op("MatMul", y, net.weights(2, 4)))))


def test_gather_of_a_grid_is_one_gather_for_each_axis():
    def grid(net, y):
        rows, columns = np.meshgrid([0, 2, 2, 5], [7, -1, 0], indexing="ij")
        y = net.op("Transpose", y, perm=[2, 3, 0, 1])
        y = net.op("GatherND", y, net.constant(np.stack([rows, columns], -1)))
        return net.op("Transpose", y, perm=[2, 3, 0, 1])

    found = lowered(between_convolutions(grid))
    check(found)
    assert found.kinds.count("Gather") == 2
    assert float_gap(between_convolutions(grid)) < 1e-5


def test_single_points_are_refused():
    net = Net()
    points = net.constant(np.array([[0, 1], [1, 3]]))
    model = net.model(net.op("GatherND", net.input("x", 2, 4), points, name="points"))
    with pytest.raises(UnsupportedOpError, match=r'"points" \(GatherND\): its indices \[2, 2\] are no grid'):
        from_onnx(model, "net")


@pytest.mark.parametrize("groups", [2, 4])
def test_shuffled_channels_stay_last(groups):
    """ShuffleNet: channels split in groups, exchanged, joined."""

    def shuffled(net, y):
        y = net.op("Reshape", y, integers(net, 1, groups, 8 // groups, 6, 6))
        return net.op("Reshape", net.op("Transpose", y, perm=[0, 2, 1, 3, 4]), integers(net, 1, 8, 6, 6))

    found = lowered(between_convolutions(shuffled, channels=8, size=6))
    assert found.kinds == ["Conv2D", "Reshape", "Transpose", "Reshape", "Conv2D"]
    assert found.largest_lsb["tflite-micro"] == 0
    assert found.steps <= 1.01


def test_channels_taken_in_another_order_fold_into_the_convolution_before():
    def shuffled(net, y):
        return net.op("Gather", y, integers(net, 3, 0, 2, 1), axis=1)

    model = between_convolutions(shuffled)
    check(lowered(model), ["Conv2D", "Conv2D"])


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space(mode):
    """The order in which CRD counts its channels is folded into the convolution."""

    def shuffle(net, y):
        return net.op("DepthToSpace", y, blocksize=2, mode=mode)

    check(lowered(between_convolutions(shuffle, channels=12, out=3)), ["Conv2D", "DepthToSpace", "Conv2D"])


def test_space_to_depth():
    def pack(net, y):
        return net.op("SpaceToDepth", y, blocksize=2)

    check(lowered(between_convolutions(pack, out=16)), ["Conv2D", "SpaceToDepth", "Conv2D"])


def test_a_border_of_zeros_belongs_to_the_convolution_behind():
    def border(net, y):
        return net.op("Pad", y, integers(net, 0, 0, 2, 1, 0, 0, 0, 1))

    found = lowered(between_convolutions(border))
    check(found, ["Conv2D", "Conv2D"])
    assert found.program.ops[1].padding == ((3, 1), (2, 2))


BORDERS = [("constant", "Pad"), ("reflect", "MirrorPad"), ("edge", "Gather"), ("wrap", "Gather")]


@pytest.mark.parametrize("mode, kind", BORDERS)
def test_other_borders(mode, kind):
    def border(net, y):
        fill = [net.constant(np.float32(0.5))] if mode == "constant" else []
        return net.op("Pad", y, integers(net, 0, 0, 2, 1, 0, 0, 0, 1), *fill, mode=mode)

    found = lowered(between_convolutions(border))
    check(found)
    assert kind in found.kinds


def test_negative_pads_cut_off():
    def crop(net, y):
        return net.op("Pad", y, integers(net, -1, 2, -2, 1), net.constant(np.float32(0)), integers(net, 2, 3))

    check(lowered(between_convolutions(crop)), ["Conv2D", "Slice", "Conv2D"])


def test_expand_and_tile():
    def tiled(net, y):
        return net.op("Tile", y, integers(net, 1, 2, 1, 3))

    check(lowered(between_convolutions(tiled, out=8)), ["Conv2D", "Tile", "Conv2D"])
    net = Net()
    y = net.gemm(net.input("x", 1, 6), 6, 8)
    y = net.op("Add", net.op("Expand", y, integers(net, 3, 5, 8)), net.constant(np.float32(0.25)))
    check(lowered(net.model(y)))


def test_embedding():
    net = Net()
    net.inputs.append(helper.make_tensor_value_info("words", onnx.TensorProto.INT64, (1, 6)))
    table = net.constant(net.rng.standard_normal((20, 8)).astype(np.float32))
    y = net.op("Gather", table, "words", axis=0)
    model = net.model(net.op("MatMul", y, net.weights(8, 4)))
    words = np.random.default_rng(0).integers(0, 20, (16, 1, 6))
    found = lowered(model, CalibrationData({"words": words}, "data"))
    check(found, ["Gather", "FullyConnected"])
    assert found.program.inputs[0].dtype == "s32"


def test_what_has_no_form_is_named_with_its_reason():
    net = Net()
    x = net.input("x", 1, 3, 8, 8)
    y = net.op("Slice", net.conv(x, 3, 4), *(integers(net, n) for n in (0, 0, 1)), name="nothing")
    model = net.model(y)
    with pytest.raises(UnsupportedOpError, match=r'"nothing" \(Slice\): it takes nothing'):
        from_onnx(model, "net")


def test_where_takes_one_of_two():
    def masked(net, y):
        mask = net.constant(np.indices((1, 1, 8, 8)).sum(0) % 2 == 0)
        return net.op("Where", mask, y, net.constant(np.float32(0.0)))

    assert float_gap(between_convolutions(masked)) < 1e-5

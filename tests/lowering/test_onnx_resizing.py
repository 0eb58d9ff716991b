"""ONNX's Resize in all its positions: what TFLite has is used, other nearest pixels are gathered, others refused."""

from __future__ import annotations

import numpy as np
import pytest
from int8_nets import Net
from lowered import float_gap, lowered

from edgekit.errors import UnsupportedOpError
from edgekit.lowering import from_onnx

HOWS = ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"]


def resized(size=(6, 5), scales=None, wanted=None, **attributes):
    net = Net()
    y = net.op("Relu", net.conv(net.input("x", 1, 3, *size), 3, 4))
    given = [net.constant(np.array(v, t)) for v, t in ((scales, np.float32), (wanted, np.int64)) if v is not None]
    y = net.op("Resize", y, "", *([""] if scales is None else []), *given, name="resize", **attributes)
    return net.model(net.conv(y, 4, 3))


def check(found):
    assert found.largest_lsb["tflite-micro"] == 0
    assert "Transpose" not in found.kinds


def alone(mode, wanted, **attributes):
    net = Net()
    sizes = net.constant(np.array(wanted, np.int64))
    return net.model(net.op("Resize", net.input("x", 1, 2, 6, 5), "", "", sizes, mode=mode, **attributes))


@pytest.mark.parametrize("how", [*HOWS, "tf_half_pixel_for_nn"])
@pytest.mark.parametrize("rounding", ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
@pytest.mark.parametrize("wanted", [[1, 2, 12, 10], [1, 2, 9, 7], [1, 2, 2, 3], [1, 2, 1, 20]])
def test_nearest_is_exact_whatever_the_positions(how, rounding, wanted):
    model = alone("nearest", wanted, coordinate_transformation_mode=how, nearest_mode=rounding)
    assert float_gap(model) == 0


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("wanted", [[1, 2, 12, 10], [1, 2, 9, 7], [1, 2, 2, 3]])
def test_linear_positions(how, wanted):
    assert float_gap(alone("linear", wanted, coordinate_transformation_mode=how)) < 1e-5


def test_nearest_pixels_that_tflite_does_not_have_are_gathered():
    model = resized(wanted=[1, 4, 9, 7], coordinate_transformation_mode="half_pixel", nearest_mode="ceil")
    found = lowered(model)
    check(found)
    assert found.kinds == ["Conv2D", "Gather", "Gather", "Conv2D"]
    assert found.steps <= 1.01


def test_usual_upsampling_is_one_operation():
    for how, rounding in (("asymmetric", "floor"), ("half_pixel", "round_prefer_floor")):
        model = resized(scales=[1, 1, 2, 2], mode="nearest", coordinate_transformation_mode=how, nearest_mode=rounding)
        assert lowered(model).kinds == ["Conv2D", "ResizeNearest", "Conv2D"]


@pytest.mark.parametrize("how", HOWS)
def test_linear(how):
    found = lowered(resized(wanted=[1, 4, 9, 8], mode="linear", coordinate_transformation_mode=how))
    check(found)
    assert found.kinds == ["Conv2D", "ResizeBilinear", "Conv2D"]
    assert found.steps <= 2.01  # 1/1024 of a pixel, and the convolution behind it


def test_one_axis():
    net = Net()
    y = net.op("Conv", net.input("x", 1, 3, 8), net.weights(4, 3, 3), pads=[1, 1])
    y = net.op("Resize", y, "", net.constant(np.float32([1, 1, 2])), mode="linear")
    found = lowered(net.model(net.op("Conv", y, net.weights(2, 4, 3), pads=[1, 1])))
    check(found)
    assert found.kinds.count("ResizeBilinear") == 1


@pytest.mark.parametrize(
    "attributes, reason",
    [
        ({"mode": "cubic"}, "cubic"),
        ({"mode": "linear", "antialias": 1}, "antialias"),
        ({"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"}, "tf_crop_and_resize"),
    ],
)
def test_what_has_no_form_is_refused_with_its_reason(attributes, reason):
    with pytest.raises(UnsupportedOpError, match=reason):
        from_onnx(resized(wanted=[1, 4, 3, 3], **attributes), "net")


def test_a_factor_that_is_not_the_quotient_of_the_sizes_is_refused():
    with pytest.raises(UnsupportedOpError, match=r"by a factor of 1\.5"):
        from_onnx(resized(size=(5, 5), scales=[1, 1, 1.5, 1.5], mode="linear"), "net")

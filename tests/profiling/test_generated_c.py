"""What the profile says of generated C, against firmware that was built and run: measured lies within the bounds."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from int8_nets import Net, images

import edgekit

pytestmark = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None or shutil.which("qemu-system-arm") is None,
    reason="gcc-arm-none-eabi and qemu-system-arm are not installed",
)


def picture_network() -> ir.Model:
    net = Net()
    x = net.input("x", 1, 1, 12, 12)
    y = net.op("Relu", net.conv(x, 1, 8, strides=[2, 2], name="stem"))
    y = net.op("Relu", net.conv(y, 8, 8, group=8, name="depthwise"))
    y = net.op("Add", net.conv(y, 8, 8, name="body"), y)
    return net.model(net.op("Softmax", net.gemm(net.op("Flatten", y), 8 * 36, 5, name="linear")))


@pytest.mark.parametrize("precision", ["int8", "float"])
def test_measured_lies_within_the_bounds(tmp_path: Path, precision: str) -> None:
    onnx.save(ir.to_proto(picture_network()), tmp_path / "net.onnx")
    edgekit.convert(
        tmp_path / "net.onnx", calibration={"x": images()[:8, 0]}, formats=("onnx", "c"), precision=precision,
        out=tmp_path / "build",
    )  # fmt: skip
    (judged,) = edgekit.profile(tmp_path / "build", "mps2-an386")
    ran = edgekit.deploy(tmp_path / "build", target="mps2-an386").document()
    assert judged.arena_bytes.lower == ran["arena_bytes"] == judged.arena_bytes.upper
    assert judged.flash_bytes.lower <= ran["flash_bytes"] <= judged.flash_bytes.upper
    used = ran["arena_bytes"] + ran["stack_bytes"] + ran["variables_bytes"]
    assert judged.ram_bytes.lower <= used <= ran["ram_bytes"] <= judged.ram_bytes.upper
    assert judged.verdict == "FITS"
    assert np.isfinite(ran["instructions"]["max"])

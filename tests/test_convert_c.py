"""convert --formats c end to end: what lies in the build folder, what it answers, and `run --runtime c`."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from c_cases import library
from int8_nets import Net, images

import edgekit
from edgekit import artifacts, interpreter
from edgekit.c_folder import read_model
from edgekit.emitters.c import emit_c
from edgekit.emitters.c.text import number
from edgekit.errors import ModelError, UnsupportedError, UnsupportedOpError, UsageError
from edgekit.lowering import from_onnx

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler on this machine")


def network() -> ir.Model:
    net = Net()
    x = net.input("x", 1, 1, 12, 12)
    y = net.op("Relu", net.conv(x, 1, 8, strides=[2, 2], name="stem"))
    return net.model(
        net.gemm(net.op("Flatten", net.op("Relu", net.conv(y, 8, 4, name="body"))), 4 * 36, 5, name="linear")
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("c_sources")
    onnx.save(ir.to_proto(network()), folder / "net.onnx")
    np.savez(folder / "samples.npz", x=images()[:, 0])
    return folder / "net.onnx"


def convert(source: Path, out: Path, **options) -> edgekit.artifacts.Conversion:
    calibration = str(source.with_name("samples.npz"))
    return edgekit.convert(source, out=out, calibration=calibration, **{"formats": ("onnx", "c"), **options})


@pytest.fixture(scope="module")
def build(source: Path) -> Path:
    convert(source, source.with_name("build"))
    return source.with_name("build")


def test_the_folder_holds_the_model_and_the_kernels_that_it_calls(build: Path) -> None:
    names = {str(path.relative_to(build / "c")) for path in (build / "c").rglob("*") if path.is_file()}
    assert {"net.h", "net.c", "net_model.c", "memory.txt", "memory.html", "edgekit/edgekit.h"} <= names
    kernels = {name for name in names if name.startswith("edgekit/ek_") and name.endswith("_s8.c")}
    assert kernels == {"edgekit/ek_conv2d_s8.c", "edgekit/ek_fully_connected_s8.c"}
    assert names == set(json.loads((build / "model.c.json").read_text())["files"])


def test_the_report_tells_of_it(build: Path) -> None:
    told = json.loads((build / "report.json").read_text())["c"]
    header = (build / "c" / "net.h").read_text()
    assert f"#define NET_ARENA_BYTES {told['arena_bytes']}\n" in header
    assert told["constant_bytes"] > 8 * 9 + 8 * 4 * 9 + 4 * 36 * 5
    assert told["checked_with"] == ("cc" if shutil.which("cc") else None)


def test_the_input_may_be_overwritten_unless_it_is_kept(source: Path, build: Path, tmp_path: Path) -> None:
    assert "may overwrite it" in (build / "c" / "net.h").read_text()
    convert(source, tmp_path / "kept", keep_input=True)
    assert "leaves it as it is" in (tmp_path / "kept" / "c" / "net.h").read_text()


@needs_compiler
@pytest.mark.parametrize("keep_input", [True, False])
def test_an_application_calls_it_by_its_header(build: Path, tmp_path: Path, keep_input: bool) -> None:
    """init, input, invoke, output; a kept input is still there afterwards."""
    program = from_onnx(ir.from_proto(onnx.load(build / "model.onnx")), "net")
    model = emit_c(program, keep_input=keep_input)
    net = library(model, tmp_path)
    net.net_input.restype = net.net_output.restype = ctypes.POINTER(ctypes.c_int8)
    memory = ctypes.create_string_buffer(model.arena_bytes + 8)
    arena = ctypes.c_void_p((ctypes.addressof(memory) + 7) // 8 * 8)
    x = np.random.default_rng(0).integers(-128, 128, program.inputs[0].shape).astype(np.int8)
    for _ in range(2):
        net.net_init(arena)
        given = np.ctypeslib.as_array(net.net_input(arena), x.shape)
        given[:] = x
        assert net.net_invoke(arena) == 0
        wanted = interpreter.run(program, {"x": x})[program.outputs[0].name]
        assert np.array_equal(np.ctypeslib.as_array(net.net_output(arena), wanted.shape), wanted)
        assert not keep_input or np.array_equal(given, x)


@needs_compiler
def test_real_values_are_stored_and_read_back(build: Path, tmp_path: Path) -> None:
    """The functions of the header: nearest, halves away from zero, clamped; what is no number is the lowest."""
    program = from_onnx(ir.from_proto(onnx.load(build / "model.onnx")), "net")
    x, y = program.inputs[0], program.outputs[0]
    steps = np.array(
        [-1e9, -128.4, -3.5, -0.5, -0.49, 0.0, 0.5, 2.51, 300.0, 1e30, np.inf, -np.inf, np.nan], np.float32
    )
    reals = steps * np.float32(x.scale)
    listed = ", ".join(map(number, reals))
    (tmp_path / "main.c").write_text(
        '#include <math.h>\n#include <stdio.h>\n#include "net.h"\n'
        f"static const float reals[] = {{{listed}}};\n"
        "int main(void) {\n"
        f'  for (int i = 0; i < {len(reals)}; ++i) printf("%d ", net_quantize_input(reals[i]));\n'
        '  printf("%.9g\\n", (double)net_dequantize_output(5));\n  return 0;\n}\n'
    )
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wdouble-promotion"]
    folders = [f"-I{build / 'c'}", f"-I{build / 'c' / 'edgekit'}"]
    subprocess.run(["cc", *strict, *folders, "main.c", "-o", "main"], cwd=tmp_path, check=True)
    *stored, real = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout.split()
    with np.errstate(invalid="ignore"):
        nearest = np.trunc(reals / np.float32(x.scale) + np.copysign(np.float32(0.5), reals)) + x.zero_point
    assert [int(n) for n in stored] == [int(n) for n in np.nan_to_num(np.clip(nearest, -128, 127), nan=-128)]
    assert float(real) == pytest.approx((5 - y.zero_point) * y.scale, rel=1e-6)


def test_twice_the_same_bytes(source: Path, build: Path, tmp_path: Path) -> None:
    """Also with other hash seeds."""
    code = (
        "import sys, onnx, onnx_ir as ir\n"
        "from edgekit.lowering import from_onnx\nfrom edgekit.emitters.c import emit_c\n"
        "made = emit_c(from_onnx(ir.from_proto(onnx.load(sys.argv[1])), 'net')).sources.texts()\n"
        "print('\\n'.join(name + text for name, text in sorted(made.items())))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, str(build / "model.onnx")],
            capture_output=True, check=True, env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(outputs) == 1 and len(outputs.pop()) > 10_000
    convert(source, tmp_path / "again")
    for path in (build / "c").rglob("*.[ch]"):
        assert path.read_bytes() == (tmp_path / "again" / "c" / path.relative_to(build / "c")).read_bytes()


def test_what_an_earlier_conversion_left_is_removed(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "build"
    convert(source, out, name="one")
    (out / "c" / "notes.txt").write_text("mine")
    convert(source, out, name="two")
    assert not (out / "c" / "one.c").exists() and (out / "c" / "two.c").is_file()
    assert (out / "c" / "notes.txt").read_text() == "mine"
    convert(source, out, formats=("onnx",))
    assert not (out / "model.c.json").exists() and not (out / "c" / "two.c").exists()


def test_sources_of_a_damaged_folder_are_refused(build: Path, tmp_path: Path) -> None:
    copy = tmp_path / "build"
    shutil.copytree(build, copy)
    (copy / "c" / "net.c").unlink()
    assert artifacts.read_report(copy) is None
    with pytest.raises(ModelError, match=r"net\.c"):
        read_model(copy)
    document = json.loads((copy / "model.c.json").read_text())
    (copy / "model.c.json").write_text(json.dumps(document | {"files": ["../secret.c"]}))
    with pytest.raises(ModelError, match="damaged"):
        read_model(copy)


@needs_compiler
def test_run_gives_the_golden_outputs(build: Path, tmp_path: Path) -> None:
    given, wanted = artifacts.read_golden(build)
    files = ["--inputs", str(build / "model.c.npz"), "--outputs", "out.npz"]
    command = ["run", str(build), "--runtime", "c", *files, "--json", "-"]
    done = subprocess.run([sys.executable, "-m", "edgekit", *command], cwd=tmp_path, capture_output=True, check=True)
    assert json.loads(done.stdout)["samples"] == len(given["x"])
    with np.load(tmp_path / "out.npz") as made:
        assert {name: made[name].tolist() for name in made.files} == {k: v.tolist() for k, v in wanted.items()}


def test_a_build_without_c_says_how_to_get_it(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "build", formats=("onnx",))
    with pytest.raises(ModelError) as caught:
        read_model(tmp_path / "build")
    assert "--formats c,onnx" in caught.value.hint


def test_options_of_c_without_c_are_said(source: Path, tmp_path: Path) -> None:
    done = convert(source, tmp_path / "build", formats=("onnx",), keep_input=True)
    assert "target and keep_input are for C, which was not asked for" in done.warnings


def test_a_microcontroller_takes_no_other_runtime(build: Path) -> None:
    with pytest.raises(UsageError, match="mps2-an386 runs generated C"):
        edgekit.deploy(build, target="mps2-an386", runtime="native")


def test_an_unknown_target_is_named(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="stm32f4111"):
        convert(source, tmp_path / "build", target="stm32f4111")
    assert not (tmp_path / "build").exists()


def test_a_model_too_large_for_its_target_is_said(source: Path, tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", 1, 1, 12, 12)
    y = net.gemm(net.op("Flatten", net.conv(x, 1, 64, name="wide")), 64 * 144, 60, name="linear")
    onnx.save(ir.to_proto(net.model(y)), tmp_path / "net.onnx")
    np.savez(tmp_path / "samples.npz", x=images()[:, 0])
    done = convert(tmp_path / "net.onnx", tmp_path / "build", target="stm32f411")
    assert any("flash of stm32f411 has 524,288" in warning for warning in done.warnings), done.warnings


def test_a_linux_board_has_no_flash_to_be_too_small(source: Path, tmp_path: Path) -> None:
    done = convert(source, tmp_path / "build", target="rpi-zero-w")
    assert not [warning for warning in done.warnings if "rpi-zero-w" in warning], done.warnings


def test_run_refuses_a_board_before_it_reads_samples(build: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="firmware cannot be run on stm32f411"):
        edgekit.pipeline.run(build, tmp_path / "no.npz", tmp_path / "out.npz", runtime="c", target="stm32f411")


def test_a_build_of_c_alone_says_how_to_run_it(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "build", formats=("c",))
    with pytest.raises(UsageError, match="holds C and no model file") as caught:
        edgekit.pipeline.run(tmp_path / "build", tmp_path / "in.npz", tmp_path / "out.npz")
    assert "--runtime c" in caught.value.hint


def test_an_operator_without_a_kernel_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch, build: Path) -> None:
    from edgekit.emitters import c
    from edgekit.ops.convolution import Conv2D

    monkeypatch.setattr(c, "ROWS", {cls: row for cls, row in c.ROWS.items() if cls is not Conv2D})
    program = from_onnx(ir.from_proto(onnx.load(build / "model.onnx")), "net")
    with pytest.raises(UnsupportedOpError, match='"stem" \\(Conv2D\\): there is no kernel for it'):
        emit_c(program)

"""Releases that bring their own program: to a board without any Python, to one with it, to an emulated Pi Zero W."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import native_copy
import numpy as np
import pytest

from edgekit.building.compiler import Compiler
from edgekit.building.native import NativeModel, NativeTarget, compiler_for
from edgekit.deployment import BenchOptions, Options, apply, plan, probe, python_of, run_benchmark
from edgekit.deployment.native import golden_raw, native_bundle
from edgekit.deployment.plan import Needs, check_board
from edgekit.deployment.probe import parse
from edgekit.device import Device, open_device
from edgekit.errors import DeviceError, HealthError, ModelError, UnsupportedError
from edgekit.project import DeviceSpec
from edgekit.target import load_target

from .conftest import HomeDevice, current, this_board, write_build
from .test_probe import HEADER_ARM32, answer

OWNER = Options("alice@laptop")


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return native_copy.build_folder(tmp_path / "build", native_copy.samples())


@pytest.fixture
def bare_device(tmp_path: Path, device: HomeDevice) -> HomeDevice:
    """This machine as a board without a Python."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for folder in ("/bin", "/usr/bin"):
        for tool in Path(folder).iterdir():
            if not tool.name.startswith("python") and not (tools / tool.name).is_symlink():
                (tools / tool.name).symlink_to(tool)
    return replace(device, path=str(tools))


def deploy(device: Device, build: Path, core: str = ""):
    facts = probe(device)
    bundle, needs = native_bundle("copy", build, facts, core, lambda _: None)
    planned = plan(bundle, facts, needs, OWNER)
    return apply(planned, device, lambda *_: None, target="local", python=python_of(facts)), bundle, facts


def test_a_board_without_python(bare_device, build):
    done, bundle, facts = deploy(bare_device, build)
    assert facts.python is None and done.activated
    assert sorted(file.path for file in bundle.files) == [
        "model/copy", "model/golden.raw", "model/model.json", "runtime/model",
    ]  # fmt: skip
    assert len(bundle.blobs) == 3  # the program is there twice and sent once
    measured = run_benchmark(bare_device, "copy", target="local", python="python3", options=BenchOptions(seconds=0.2))
    assert (measured.runtime["name"], measured.release) == ("native", bundle.id)
    assert measured.golden == {"checked": True, "max_abs_error": 0.0, "tolerance": 0.25}
    assert next(file.size_bytes for file in bundle.files if file.path == "runtime/model") <= 200_000


def test_a_board_with_python_gets_the_library_too(device, build):
    _, bundle, facts = deploy(device, build)
    assert facts.python is not None
    paths = {file.path for file in bundle.files}
    assert {"model/libcopy.so", "runtime/model", "runtime/edgekit_runtime/native.py"} <= paths
    code = "import sys; sys.path.insert(0, sys.argv[1] + '/runtime'); from edgekit_runtime import Model; "
    code += "m = Model(sys.argv[1]); print(m.runtime.name, m(m.example())[1].tolist())"
    release = f'"$HOME/.edgekit/apps/copy/releases/{bundle.id}"'
    result = device.run(f'python3 -c "$1" {release}', code)
    wanted = native_copy.samples().outputs["next"][0].tolist()
    assert result.stdout.decode() == f"native {wanted}\n", result.stderr


def test_a_model_that_answers_wrongly_does_not_become_current(bare_device, build):
    done, _, _ = deploy(bare_device, build)
    samples = native_copy.samples()
    samples.outputs["y"][0] += 1
    native_copy.build_folder(build, samples)
    with pytest.raises(HealthError, match=r"y by 1, tolerance 0\.25.*still current"):
        deploy(bare_device, build)
    assert current(bare_device, "copy") == done.release


def test_the_second_deploy_sends_nothing(bare_device, build):
    deploy(bare_device, build)
    again, _, _ = deploy(bare_device, build)
    assert (again.blobs_sent, again.bytes_sent, [s.name for s in again.steps]) == (0, 0, ["CHECK+ACTIVATE"])


def test_boards_of_another_cpu_are_refused():
    facts = this_board()
    with pytest.raises(DeviceError, match="needs armv6l"):
        check_board(facts, Needs(arch="armv6l"))
    with pytest.raises(UnsupportedError, match="no native runtime for riscv64"):
        NativeTarget("riscv64")


def test_a_build_without_c_is_refused(tmp_path):
    with pytest.raises(ModelError) as e:
        native_bundle("demo", write_build(tmp_path / "other"), this_board(), "", lambda _: None)
    assert "--formats c,onnx" in e.value.hint


def test_golden_data_that_does_not_fit():
    samples = native_copy.samples()
    with pytest.raises(ModelError, match='no fitting "x"'):
        golden_raw(native_copy.DOCUMENT, {"x": samples.inputs["x"][:, :, :3]}, samples.outputs)
    with pytest.raises(ModelError, match="differ in length"):
        golden_raw(native_copy.DOCUMENT, samples.inputs, samples.outputs | {"next": np.zeros((2, 2), np.int64)})


def test_the_compiler_is_named_where_it_is_missing():
    compiler = compiler_for(NativeTarget("armv6l"))
    assert isinstance(compiler, Compiler) and "edgekit-sdk[native]" in compiler.how_to_get


@pytest.mark.parametrize(
    "flags,hard", [("00040005", True), ("00020005", False)], ids=["Raspberry Pi OS and armhf", "armel"]
)
def test_how_a_board_passes_floats(flags, hard):
    """From the ELF header of its /bin/sh: a library must be of the same kind."""
    header = f"{HEADER_ARM32}01000000{'00' * 12}{flags}"
    assert parse(answer(elf=header, long_bit="32", machine="armv6l"), "pi").hard_float is hard
    assert parse(answer(), "pi").hard_float is None


def test_arrays_of_too_many_dimensions_are_refused():
    axes = list(range(9))
    value = {"name": "x", "shape": [1] * 9, "dtype": "int8", "scale": 0.5, "zero_point": 0, "permutation": axes}
    model = NativeModel(native_copy.SOURCES, native_copy.DOCUMENT | {"inputs": [value]})
    with pytest.raises(UnsupportedError, match='"x" has 9 dimensions'):
        model.program_files(NativeTarget("armv6l"))


# --- emulated boards


@pytest.mark.board
@pytest.mark.parametrize(
    "target,cpu,machine", [("rpi-zero-w", "ARM1176", "armv6l"), ("rpi4-32bit", "Cortex-A7", "armv7l")]
)
def test_an_emulated_board_of_32_bits(target, cpu, machine, build):
    """The program under its emulated CPU, and the library in a Python there that has no NumPy."""
    kind = load_target(target)
    device = open_device(DeviceSpec("virtual", target, "virtual"), kind)
    try:
        done, bundle, _ = deploy(device, build, kind.clusters[0].core.id)
        measured = run_benchmark(device, "copy", target=target, python="python3", options=BenchOptions(seconds=0.5))
        code = "from edgekit_runtime import Model; m = Model('.'); print(m.runtime[0], m(m.example())[1].tolist())"
        told = device.run('cd "$HOME/.edgekit/apps/copy/current" && PYTHONPATH=runtime python3 -c "$1"', code)
    finally:
        device.close()
    assert done.activated and measured.release == bundle.id
    assert (measured.board["machine"], measured.board["cpu"]) == (machine, cpu)
    assert measured.emulated and measured.golden["max_abs_error"] == 0.0
    assert told.stdout.decode() == f"native {native_copy.samples().outputs['next'][0].tolist()}\n", told.stderr

"""Firmware on emulated Cortex-M cores: a small network on each of them, what is counted, and how it fails."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from random_operators import PROGRAMS, inputs_of
from rich.console import Console

from edgekit.building import End, run_here, write_samples
from edgekit.building.cortex_m import bare_image, bench_image
from edgekit.building.placement import check_flash, layout, place
from edgekit.deployment.firmware import check_emulated, deploy_firmware, run_firmware
from edgekit.device import cortex_m
from edgekit.emitters.c import CModel, CSources, emit_c
from edgekit.errors import DeviceError, UnsupportedError, UsageError
from edgekit.interpreter import Interpreter
from edgekit.ops.convolution import Conv2D
from edgekit.ops.fully_connected import FullyConnected
from edgekit.ops.shape import Reshape
from edgekit.program import Program, QuantParams, Tensor
from edgekit.report.sections import benchmark
from edgekit.report.tables import benchmark_table
from edgekit.target import Region, Target, load_target

needs_tools = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None or shutil.which("qemu-system-arm") is None,
    reason="needs gcc-arm-none-eabi, libnewlib-arm-none-eabi and qemu-system-arm",
)
BOARDS = ("mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547")
M4 = "mps2-an386"
SAMPLES = 3


@lru_cache(maxsize=1)
def program() -> Program:
    return PROGRAMS[Conv2D](np.random.default_rng([3, 6]), "s8")


@lru_cache(maxsize=1)
def model() -> CModel:
    return emit_c(program())


NAMES = ("wide", "narrow: Conv2D s8[1] -> s8[1]")  # the second looks like a comment of generated C


@lru_cache(maxsize=1)
def chain() -> Program:
    """64 numbers → 64 → 8, with a Reshape between."""
    rng = np.random.default_rng(5)
    quant = QuantParams.of(0.05, 3)
    x, a, b, y = (
        Tensor(name, shape, "s8", quant) for name, shape in (("x", (1, 64)), ("a", (1, 64)), ("b", (64,)), ("y", (8,)))
    )
    wide, narrow = (
        Tensor(f"w{n}", (n, 64), "s8", QuantParams.of(0.01), rng.integers(-127, 128, (n, 64)).astype(np.int8))
        for n in (64, 8)
    )
    ops = (
        FullyConnected(name=NAMES[0], inputs=(x, wide), outputs=(a,)),
        Reshape(name="flat", inputs=(a,), outputs=(b,)),
        FullyConnected(name=NAMES[1], inputs=(b, narrow), outputs=(y,)),
    )
    return Program("chain", (x,), (y,), ops)


def ends() -> tuple[list[End], list[End]]:
    return [End.of(t) for t in program().inputs], [End.of(t) for t in program().outputs]


def samples() -> list[dict[str, np.ndarray]]:
    return [inputs_of(program(), seed) for seed in range(SAMPLES)]


def given() -> bytes:
    return write_samples([(ends()[0], samples())])


def with_kernel(body: str, around: str = "") -> CSources:
    """The model with other code in its kernel."""
    signature = "ek_status ek_conv2d_s8(const ek_conv2d_s8_params *p, const int8_t *x, int8_t *y)"
    text = f'#include "ek_weighted.h"\n{around}\n{signature} {{\n  (void)p, (void)x, (void)y;\n{body}\n}}\n'
    made = model().sources
    return replace(made, kernel_files={**made.kernel_files, "ek_conv2d_s8.c": text})


def failure(sources: CSources, board: str = M4, limit_s: float = 60.0) -> str:
    target = load_target(board)
    with pytest.raises(DeviceError) as caught:
        cortex_m.run(bench_image([sources], target), given(), target, limit_s)
    return str(caught.value)


# --- a model on every core


@needs_tools
@pytest.mark.parametrize("board", BOARDS)
def test_a_model_is_deployed(board):
    inputs, outputs = ends()
    sources, target, said = model().sources, load_target(board), []
    expected = [sample.outputs for sample in run_here(sources, inputs, outputs, samples())]
    done = deploy_firmware(sources, inputs, outputs, samples(), expected, target, said.append)
    assert done.equal and done.emulated and done.samples == SAMPLES
    assert 0 < done.stack_bytes < 1024
    assert done.arena_bytes == model().arena_bytes
    assert 1000 < done.flash_bytes < 8000 and done.variables_bytes < 64
    assert 0 < done.instructions["min"] <= done.instructions["max"]
    counts = {row["name"]: row["instructions"] for row in done.functions}
    assert counts["ek_conv2d_s8"] > 0 and "?" not in counts and not cortex_m.BENCH & set(counts)
    assert sum(counts.values()) == done.instructions["max"]
    assert [row["op"] for row in done.operators] == ["Conv2D"]
    assert 0 <= done.instructions["max"] - done.operators[0]["instructions"] < 20  # invoke() itself
    assert said[0] == f"building firmware for {board}"


@needs_tools
def test_wrong_outputs_are_seen():
    inputs, outputs = ends()
    sources = model().sources
    expected = [sample.outputs for sample in run_here(sources, inputs, outputs, samples())]
    expected[1] = {name: values ^ 1 for name, values in expected[1].items()}
    done = deploy_firmware(sources, inputs, outputs, samples(), expected, load_target(M4), lambda _: None)
    assert not done.equal
    assert done.golden["max_abs_error"] == 1


@needs_tools
def test_the_report_has_no_times():
    inputs, outputs = ends()
    expected = [sample.outputs for sample in run_here(model().sources, inputs, outputs, samples())]
    done = deploy_firmware(model().sources, inputs, outputs, samples(), expected, load_target(M4), lambda _: None)
    document = done.document()
    assert document["emulated"] is True and document["trusted"] is False and document["reasons"]
    assert not [name for name in document if name.endswith("_s")]
    screen = io.StringIO()
    benchmark_table(document, Console(file=screen, width=120))
    for text in (screen.getvalue(), benchmark(document)):
        assert "emulated" in text and "ek_conv2d_s8" in text and f"{done.instructions['max']:,}" in text
        assert " ms" not in text and "latency" not in text


# --- instructions


@needs_tools
def test_two_runs_count_the_same():
    target, (inputs, outputs) = load_target(M4), ends()
    first, second = (run_firmware(model().sources, inputs, outputs, samples(), target) for _ in range(2))
    assert first.profiles is not None
    assert first.profiles == second.profiles
    assert [s.stack_bytes for s in first.samples] == [s.stack_bytes for s in second.samples]


@needs_tools
@pytest.mark.parametrize(("board", "tick"), [(M4, 40), ("mps2-an505", 50), ("mps3-an547", 32)])
def test_systick_agrees_with_the_plugin(board, tick):
    """Both see the same instructions; the timer also those of the bench around the call."""
    target = load_target(board)
    image = bench_image([model().sources], target)
    exact = cortex_m.run(image, given(), target)
    rough = cortex_m.run(image, given(), target, exact=False)
    assert exact.profiles is not None and rough.profiles is None
    counted = np.frombuffer(rough.outputs, np.uint8)[8:16].view("<u8")[0]
    assert abs(int(counted) - exact.profiles[0].total) <= 2 * tick


@needs_tools
def test_functions_count_what_they_execute():
    """50 iterations of two instructions, a call and a return."""
    loop = '__attribute__((noinline)) static void spin(void) {\n  __asm__ volatile("movs r3, #50\\n1: subs r3, #1\\n'
    loop += 'bne 1b" ::: "r3", "cc");\n}'
    target = load_target(M4)
    answer = cortex_m.run(bench_image([with_kernel("  spin();\n  return EK_OK;", loop)], target), given(), target)
    assert answer.profiles is not None
    assert [profile.functions["spin"] for profile in answer.profiles] == [102] * SAMPLES


@needs_tools
def test_operators_are_told_apart():
    """The Reshape between the two products is no call and has no row."""
    made, inputs, outputs = emit_c(chain()), [End.of(t) for t in chain().inputs], [End.of(t) for t in chain().outputs]
    given = [inputs_of(chain(), 1)]
    expected = [Interpreter(chain()).run(given[0])]
    done = deploy_firmware(made.sources, inputs, outputs, given, expected, load_target(M4), lambda _: None)
    assert done.equal
    assert [(row["name"], row["op"]) for row in done.operators] == [(name, "FullyConnected") for name in NAMES]
    first, second = (row["instructions"] for row in done.operators)
    assert 4 * second < first < 12 * second  # 64 x 64 against 64 x 8
    assert 0 <= done.instructions["max"] - first - second < 40


# --- failures


@needs_tools
def test_a_wild_write_is_a_fault_with_its_place():
    said = failure(with_kernel("  *(volatile int32_t *)0x60000000 = 1;\n  return EK_OK;"))
    assert "BusFault in ek_conv2d_s8 at 0x" in said
    assert "address 0x60000000" in said


@needs_tools
@pytest.mark.parametrize("board", BOARDS)
def test_a_write_through_a_null_pointer_is_a_fault(board):
    """Address 0 is writable in QEMU's boards, and holds the vectors in most."""
    said = failure(with_kernel("  *nowhere = 1;\n  return EK_OK;", "int32_t *volatile nowhere;"), board)
    assert "MemManage fault in ek_conv2d_s8 at 0x" in said
    assert "address 0x00000000" in said


@needs_tools
def test_an_undefined_instruction_is_a_fault():
    assert "UsageFault in ek_conv2d_s8" in failure(with_kernel('  __asm__ volatile("udf #1");\n  return EK_OK;'))


@needs_tools
@pytest.mark.parametrize("board", BOARDS)
def test_a_stack_overflow_is_named(board):
    around = "volatile int32_t depth;\n__attribute__((noinline)) static int32_t down(int32_t n) {\n"
    around += "  volatile int32_t kept[64];\n  kept[n & 63] = n;\n  depth = n;\n  return down(n + 1) + kept[n & 63];\n}"
    assert "stack overflow" in failure(with_kernel("  return (ek_status)down(0);", around), board)


@needs_tools
def test_what_does_not_end_is_stopped():
    assert "did not end in 2 s" in failure(with_kernel("  for (;;) depth = 1;", "volatile int32_t depth;"), limit_s=2)


@needs_tools
def test_missing_inputs_are_told():
    target = load_target(M4)
    with pytest.raises(DeviceError, match="the inputs ended early"):
        cortex_m.run(bench_image([model().sources], target), given()[:-1], target)


@needs_tools
def test_the_status_of_a_model_is_told():
    inputs, outputs = ends()
    with pytest.raises(DeviceError, match="sample 0: an index that the model computed lies outside of its table"):
        run_firmware(with_kernel("  return EK_RANGE;"), inputs, outputs, samples(), load_target(M4))


@needs_tools
@pytest.mark.parametrize("board", BOARDS)
def test_the_bare_firmware_runs(board, tmp_path):
    """What is weighed is a whole program: it starts, infers and ends with the model's status."""
    target = load_target(board)
    good, bad = bare_image(model().sources, target), bare_image(with_kernel("  return EK_RANGE;"), target)
    codes = [subprocess.run(cortex_m.command(target, i.path), cwd=tmp_path).returncode for i in (good, bad)]
    assert codes == [0, 1]
    assert good.arena_bytes == model().sources.arena_bytes == model().arena_bytes


@needs_tools
def test_missing_tools_are_named(monkeypatch):
    image = bench_image([model().sources], load_target(M4))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="arm-none-eabi-gcc is not installed") as compiler:
        bench_image([model().sources], load_target(M4))
    assert "gcc-arm-none-eabi libnewlib-arm-none-eabi" in compiler.value.hint
    with pytest.raises(UsageError, match="qemu-system-arm is not installed") as emulator:
        cortex_m.run(image, given(), load_target(M4))
    assert emulator.value.hint == "apt install qemu-system-arm"


@needs_tools
@pytest.mark.parametrize("name", ["a b,c", "q\"uo'te", "é%s"])
def test_folders_of_odd_names(tmp_path, monkeypatch, name):
    """QEMU reads the options of its plugin between commas."""
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / name))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    (tmp_path / name).mkdir()
    cortex_m._available_plugin.cache_clear()
    ran = run_firmware(model().sources, *ends(), samples(), load_target(M4))
    cortex_m._available_plugin.cache_clear()
    assert len(ran.samples) == SAMPLES and ran.profiles is not None


@needs_tools
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 0", "left no answers"),
        ("echo 'unsupported machine' >&2; exit 1", "ended with 1 on mps2-an386: unsupported machine"),
        ("kill -9 $$", "ended with -9"),
        ("case $1 in --*) exit 0;; esac; exec sleep 60", "did not end in 1 s"),
    ],
)
def test_an_emulator_that_does_not_work(tmp_path, monkeypatch, script, said):
    image = bench_image([model().sources], load_target(M4))
    (tmp_path / "qemu-system-arm").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "qemu-system-arm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    cortex_m._available_plugin.cache_clear()
    with pytest.raises(DeviceError, match=said) as e:
        cortex_m.run(image, given(), load_target(M4), 1)
    cortex_m._available_plugin.cache_clear()
    assert e.value.hint


@needs_tools
@pytest.mark.parametrize("counts", ["x", "step\n1 2 3\n", "inference\n1 2 3\n", "inference\nstep\nz 1 1\n"])
def test_counts_of_another_plugin_are_none(tmp_path, counts):
    (tmp_path / "counts").write_text(counts)
    assert cortex_m._counted(tmp_path / "counts", bench_image([model().sources], load_target(M4)), "") is None


# --- memories


def small(flash: int, ram: int) -> Target:
    """An emulated M4 with little memory."""
    target = load_target(M4)
    sizes = {"flash": flash, "sram": ram}
    regions = tuple(replace(region, bytes=sizes[region.kind]) for region in target.regions)
    return replace(target, regions=regions)


def test_the_fastest_memory_that_holds_it_gets_the_arena():
    board = load_target("stm32h743")
    assert [place(board, kib << 10).name for kib in (1, 128, 129, 512)] == ["dtcm", "dtcm", "axi-sram", "axi-sram"]


def test_stack_and_variables_lie_beside_the_arena_or_elsewhere():
    board = load_target("stm32h743")
    both, apart = layout(board, 100 << 10, 2560), layout(board, 128 << 10, 2560)
    assert (both.arena.name, both.data.name) == ("dtcm", "dtcm")
    assert (apart.arena.name, apart.data.name) == ("dtcm", "itcm")


def test_what_does_not_fit_is_refused_with_figures():
    with pytest.raises(UnsupportedError, match=r"524,289 bytes of RAM in one piece and 0 .* axi-sram 524,288"):
        place(load_target("stm32h743"), (512 << 10) + 1)
    with pytest.raises(UnsupportedError, match=r"2,097,153 bytes of flash .* stm32h743 has 2,097,152"):
        check_flash(load_target("stm32h743"), (2 << 20) + 1)


@needs_tools
@pytest.mark.parametrize(("flash", "ram", "said"), [(2000, 1 << 16, "bytes of flash"), (1 << 16, 2500, "bytes of RAM")])
def test_a_model_that_does_not_fit_is_not_run(flash, ram, said):
    inputs, outputs = ends()
    with pytest.raises(UnsupportedError, match=said):
        run_firmware(model().sources, inputs, outputs, samples(), small(flash, ram))


def test_reserved_memory_is_not_used():
    region = Region("sram", "sram", 4096, 1024, None, None)
    target = replace(load_target(M4), regions=(region, Region("code", "flash", 4096, None, None, None)))
    assert place(target, 3072).name == "sram"
    with pytest.raises(UnsupportedError, match="sram 3,072"):
        place(target, 3073)


@pytest.mark.parametrize(("board", "hint"), [("stm32f411", "mps2-an386"), ("stm32u575", "mps2-an505"), ("pico", "")])
def test_boards_without_an_emulator_are_refused(board, hint):
    with pytest.raises(UnsupportedError, match="no emulator stands for it") as caught:
        check_emulated(load_target(board))
    assert "edgekit export" in caught.value.hint and hint in caught.value.hint


def test_linux_boards_get_no_firmware():
    with pytest.raises(UnsupportedError, match="no emulator stands for it") as caught:
        check_emulated(load_target("rpi4"))
    assert "--runtime native" in caught.value.hint

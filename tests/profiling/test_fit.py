"""Verdicts on small targets made for the test, through the real target files and the real command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from small_network import small_network

import edgekit
from edgekit.errors import UnsupportedError

BOARD = """
id = "tiny"
name = "A board for a test"
vendor = "nobody"
kind = "mcu"
runtimes = ["c", "tflite-micro"]
headroom = 0.0

[clusters.cpu]
core = "cortex-m4"
count = 1
max_mhz = 100

[regions.sram]
kind = "sram"
bytes = {ram}
reserved_bytes = 0

[regions.flash]
kind = "flash"
bytes = {flash}
reserved_bytes = 0

[abi]
arch = "thumb"

[provenance]
clusters = { basis = "derived", source = "this test", date = 2026-11-24 }
regions = { basis = "derived", source = "this test", date = 2026-11-24 }
abi = { basis = "derived", source = "this test", date = 2026-11-24 }
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "small.onnx"
    onnx.save(small_network(channels=32), path)
    return path


def board(folder: Path, ram: int, flash: int) -> str:
    path = folder / "tiny.toml"
    path.write_text(BOARD.replace("{ram}", str(ram)).replace("{flash}", str(flash)), encoding="utf-8")
    return str(path)


def test_a_float_model_on_a_raspberry_pi_fits(model: Path) -> None:
    (judged,) = edgekit.profile(model, "rpi4")
    assert judged.verdict == "FITS"
    assert judged.arena_bytes.upper is not None and judged.ram_bytes.upper is not None
    assert judged.arena_bytes.lower <= judged.peak.bytes <= judged.arena_bytes.upper < judged.ram_bytes.lower
    assert judged.latency_s is None
    assert any(text.startswith("latency") for text in judged.unknown)
    assert judged.macs == sum(layer.macs for layer in judged.layers) == 32 * 9 * 64 + 32 * 3


def test_what_nobody_measured_makes_it_unsure(model: Path, tmp_path: Path) -> None:
    (judged,) = edgekit.profile(model, board(tmp_path, 1 << 20, 1 << 20), runtime="tflite-micro")
    assert judged.verdict == "UNSURE"
    assert judged.ram_bytes.upper is None
    assert any("not measured" in text for text in judged.unknown)


@pytest.mark.parametrize(("ram", "flash", "word"), [(1024, 1 << 20, "RAM"), (1 << 20, 1024, "flash")])
def test_too_little_of_either_memory_does_not_fit(model: Path, tmp_path: Path, ram: int, flash: int, word: str) -> None:
    (judged,) = edgekit.profile(model, board(tmp_path, ram, flash))
    assert judged.verdict == "DOES NOT FIT"
    assert any(reason.startswith(word) for reason in judged.reasons)


SECOND_REGION = """
[regions.dtcm]
kind = "tcm"
bytes = {ram}
reserved_bytes = 0

[abi]"""


# the largest tensor has 8192 bytes, the convolution and its input 8448
@pytest.mark.parametrize(
    ("ram", "words"),
    [(1 << 20, "fit into"), (8448, "fit into"), (8300, "must be split"), (8000, "one tensor alone has 8.0 KiB")],
)
def test_split_memory_is_judged_by_its_largest_piece(model: Path, tmp_path: Path, ram: int, words: str) -> None:
    path = Path(board(tmp_path, ram, 1 << 20))
    path.write_text(path.read_text().replace("\n[abi]", SECOND_REGION.replace("{ram}", str(ram))))
    (judged,) = edgekit.profile(model, str(path), runtime="tflite-micro")
    assert judged.ram_available_bytes == 2 * ram
    assert judged.verdict == "UNSURE"
    (reason,) = (text for text in judged.reasons if text.startswith("regions"))
    assert words in reason
    assert "the largest of 2 RAM regions" in reason


@pytest.mark.parametrize(("ram", "verdict"), [(1 << 20, "FITS"), (8000, "DOES NOT FIT")])
def test_the_arena_of_c_is_one_piece(model: Path, tmp_path: Path, ram: int, verdict: str) -> None:
    path = Path(board(tmp_path, ram, 1 << 20))
    path.write_text(path.read_text().replace("\n[abi]", SECOND_REGION.replace("{ram}", str(ram))))
    (judged,) = edgekit.profile(model, str(path))
    assert judged.verdict == verdict
    assert 8192 <= judged.arena_bytes.lower == judged.arena_bytes.upper < 8192 + 256
    (reason,) = (text for text in judged.reasons if text.startswith("regions"))
    assert ("one piece" in reason) == (verdict == "DOES NOT FIT")


def test_the_peak_names_its_tensors(model: Path) -> None:
    (judged,) = edgekit.profile(model, "rpi4")
    assert sum(t.bytes for t in judged.peak.tensors) == judged.peak.bytes
    assert judged.peak.node in {layer.name for layer in judged.layers}
    assert max(layer.live_bytes for layer in judged.layers) == judged.peak.bytes


def test_a_runtime_that_the_target_does_not_have(model: Path) -> None:
    with pytest.raises(UnsupportedError) as caught:
        edgekit.profile(model, "rpi4", runtime="onnxruntim")
    assert "onnxruntime" in caught.value.hint


def test_the_command_exits_with_4_and_names_a_larger_board(model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgekit", "profile", str(model), "--target", board(tmp_path, 1024, 1 << 20)]
    done = subprocess.run([*command, "--json", "-"], capture_output=True, text=True)
    assert done.returncode == 4
    assert "it may fit on" in done.stderr
    document = json.loads(done.stdout)
    assert document["targets"][0]["verdict"] == "DOES NOT FIT"

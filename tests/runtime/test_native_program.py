"""The native program: its documents are those of edgekit_runtime, its judgement of a board that of trust.py."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import native_copy as copying
import numpy as np
import pytest
from edgekit_runtime import timing, trust
from edgekit_runtime.board import System
from fake_board import FakeBoard

from edgekit.deployment.benchmark import parse_report


@pytest.fixture
def board(tmp_path: Path) -> FakeBoard:
    return FakeBoard(tmp_path / "board")


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    path = tmp_path / "golden.raw"
    path.write_bytes(copying.samples().raw())
    return path


def call(*words: object, path: Path | str = "", stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run([copying.program(), *map(str, words)], input=stdin, env=environment, capture_output=True)


def document(*words: object, code: int = 0, path: Path | str = "") -> dict:
    done = call(*words, path=path)
    assert done.returncode == code, (done.returncode, done.stderr.decode()[-2000:])
    return json.loads(done.stdout)


def measured(golden: Path, board: FakeBoard, *words: object, seconds: float = 0.3, bits=("0x0",)) -> dict:
    path = board.vcgencmd(*bits) if bits else ""
    options = ("--seconds", seconds, "--sys-root", board.root, "--max-wait-s", 0, "--warmup-max-seconds", 2)
    return document("bench", golden, *options, *words, path=path)


# --- self test


def test_the_golden_outputs(golden):
    result = document("selftest", golden)
    made = copying.samples().outputs
    everything = b"".join(made[name][k].tobytes() for k in range(3) for name in ("y", "next", "s"))
    assert (result["ok"], result["samples"], result["max_abs_error"]) == (True, 3, 0.0)
    assert result["output_sha256"] == hashlib.sha256(everything).hexdigest()
    assert [o["ok"] for o in result["outputs"]] == [True, True, True]
    assert result["inputs"][0] == {
        "name": "x", "shape": [1, 2, 3, 4], "dtype": "int8", "scale": 0.5, "zero_point": 3, "tolerance": None,
        "permutation": [0, 2, 3, 1], "app_shape": [1, 4, 2, 3],
    }  # fmt: skip
    assert (result["name"], result["precision"], result["runtime"]["name"]) == ("copy", "int8", "native")
    assert result["model_sha256"] == hashlib.sha256(copying.program().read_bytes()).hexdigest()


@pytest.mark.parametrize("name,by", [("y", 0.5), ("next", 1), ("s", 1e-3)])
def test_a_wrong_output_is_told(golden, name, by):
    samples = copying.samples()
    wrong = samples.outputs[name].copy()
    wrong.reshape(-1)[-1] += by
    golden.write_bytes(replace(samples, outputs=samples.outputs | {name: wrong}).raw())
    result = document("selftest", golden, code=3)
    assert result["error"]["code"] == 3 and f"{name} by " in result["error"]["message"]
    assert result["max_abs_error"] == pytest.approx(by, rel=1e-3)
    assert document("bench", golden, code=3)["golden"]["ok"] is False


def test_outputs_must_be_finite(golden):
    samples = copying.samples()
    samples.inputs["r"][1, 0, 2] = samples.outputs["s"][1, 0, 2] = math.inf
    golden.write_bytes(samples.raw())
    result = document("selftest", golden, code=3)
    assert "s is not finite" in result["error"]["message"]


def test_a_model_that_fails_says_so(golden):
    samples = copying.samples()
    samples.inputs["state"][1, 0] = 99
    golden.write_bytes(samples.raw())
    assert document("selftest", golden, code=5)["error"]["message"].startswith("an index")


@pytest.mark.parametrize("content", [b"", b"x" * 200, "cut", "longer"])
def test_golden_data_that_is_none(golden, content):
    whole = golden.read_bytes()
    golden.write_bytes({"cut": whole[:-1], "longer": whole + b"x"}.get(content, content))
    assert document("selftest", golden, code=4)["error"]["code"] == 4


def test_golden_data_is_found_in_a_release(golden, tmp_path):
    assert document("selftest", tmp_path)["ok"]
    release = tmp_path / "release"
    (release / "model").mkdir(parents=True)
    golden.rename(release / "model" / "golden.raw")
    assert document("selftest", release)["ok"] and document("selftest", release / "model")["ok"]
    assert str(tmp_path / "nowhere") in document("selftest", tmp_path / "nowhere", code=4)["error"]["message"]


# --- bench


def test_figures_are_those_of_the_samples(golden, board, tmp_path):
    """Computed again by timing.py from the samples that the program kept."""
    result = measured(golden, board, "--runs", 300, "--seconds", 0.001, "--samples", tmp_path / "samples")
    kept = [s[0] for s in struct.iter_unpack("<Q", (tmp_path / "samples").read_bytes())]
    assert result["samples"] == {"file": str(tmp_path / "samples"), "kept": len(kept), "stride": 1}
    windows, at = [], 0
    for window in result["windows"]:
        windows.append(kept[at : at + window["runs"]])
        at += window["runs"]
    assert at == len(kept) and len(windows) == timing.WINDOWS
    for name, figure in timing.statistics(windows).items():
        assert result[name] == figure, name


def test_the_document_is_what_the_host_reads(golden, board):
    result = measured(golden, board, "--emulated")
    values = parse_report(json.dumps(result), "a board")
    assert values["golden"] == {"checked": True, "max_abs_error": 0.0, "tolerance": 0.25}
    assert (values["emulated"], values["trusted"]) == (True, False)
    assert values["load_s"] > 0 and values["first_s"] > 0 and values["peak_rss_bytes"] > 0
    inputs = copying.samples().inputs
    everything = b"".join(inputs[name][k].tobytes() for k in range(3) for name in ("x", "state", "r"))
    assert result["input_sha256"] == hashlib.sha256(everything).hexdigest()


@pytest.mark.slow  # it must be left alone for long enough to run steadily
def test_a_report_that_may_be_trusted(golden, board):
    result = measured(golden, board, seconds=10)
    assert (result["trusted"], result["reasons"], result["throttled"]) == (True, [], False)
    assert 5 <= len(result["conditions"]["during"]) <= 20


def hot(board):
    board.temperature(71.5)


def slow(board):
    board.frequency(600_000, "powersave")


def cooled(board):
    board.cooling(2)


def busy(board):
    board.write("proc/loadavg", "3.50 1 1 1/1 1\n")


def bare(board):
    board.write("sys/class/thermal/thermal_zone0/temp", "")
    board.write("proc/loadavg", "")


BITS = [("0x0",), ("0x50000",), ("0x0", "0x50000"), ("0x50005",)]
BOARDS = [((), None), *((bits, None) for bits in BITS), *(((), change) for change in (hot, slow, cooled, busy, bare))]


@pytest.mark.parametrize(("bits", "change"), [*BOARDS, (BITS[2], slow)])
def test_the_judgement_is_that_of_trust(golden, board, bits, change):
    if change:
        change(board)
    result = measured(golden, board, "--warmup-max-seconds", 0.1, bits=bits, seconds=1.2)
    highest = result["board"]["max_frequency_hz"]
    assert (result["throttled"], result["throttle_evidence"]) == trust.throttled(
        **result["conditions"], max_frequency_hz=highest
    )
    measured_s = float(re.search(r"runs in ([0-9.]+) s", " ".join(result["reasons"]))[1])
    assert 1.2 <= measured_s < 5
    wanted = trust.reasons(result, max_start_c=60.0, measured_s=measured_s)
    assert result["reasons"] == wanted and result["trusted"] == (not wanted)


def test_a_board_is_described_as_by_the_python_runtime(board):
    board.write("sys/devices/system/clocksource/clocksource0/current_clocksource", "arch_sys_counter\n")
    board.write("proc/cpuinfo", "CPU part\t: 0xd03\nCPU part\t: 0xd07\nCPU part\t: 0xd03\nCPU part\t: 0x123\n")
    board.cooling(1)
    path = board.vcgencmd("0x50000")
    result = document("info", "--sys-root", board.root, path=path)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{path}{os.pathsep}{before}"
    try:
        system = System(str(board.root))
        assert result["conditions"] == system.conditions()
        facts = system.facts(1)
    finally:
        os.environ["PATH"] = before
    different = {"python": None, "cpu": " + ".join(["Cortex-A53", "Cortex-A57", "Arm part 0x123"])}
    assert result["board"] == facts | different
    assert set(facts["cpu"].split(" + ")) == set(different["cpu"].split(" + "))


# --- run, and words


def test_raw_files(tmp_path):
    rng = np.random.default_rng(5)
    samples = [rng.integers(0, 90, 52).astype(np.uint8).tobytes() for _ in range(3)]
    (tmp_path / "in").write_bytes(b"".join(samples))
    assert call("run", tmp_path / "in", tmp_path / "out").returncode == 0
    assert (tmp_path / "out").read_bytes() == b"".join(samples)
    piped = call("run", "-", "-", stdin=samples[0])
    assert (piped.returncode, piped.stdout) == (0, samples[0])


@pytest.mark.parametrize("content,why", [(b"", "holds no sample"), (b"x" * 60, "in the middle of a sample")])
def test_raw_files_that_do_not_fit(content, why):
    done = call("run", "-", "-", stdin=content)
    assert done.returncode == 5 and why in done.stderr.decode()


@pytest.mark.parametrize(
    "words",
    [
        (), ("dance",), ("bench", "--seconds"), ("bench", "--seconds", "nan"), ("bench", "--seconds", "-1"),
        ("run", "x"), ("bench", "--runs", "0"), ("bench", "--rigor", "none"), ("bench", "--cpus", "5-1"),
        ("info", "--x", "1"), ("run", "a", "b", "c"),
    ],
)  # fmt: skip
def test_words_that_it_does_not_know(words):
    done = call(*words)
    assert done.returncode == 2 and done.stderr and not done.stdout


def test_another_runtime_is_refused(golden):
    assert document("selftest", golden, "--runtime", "onnxruntime", code=4)["error"]["code"] == 4
    assert document("selftest", golden, "--runtime", "native", "--threads", 4)["threads"] == 1


@pytest.mark.parametrize("command", ["info", "selftest"])
def test_a_document_that_cannot_be_written_is_no_success(golden, command):
    words = [copying.program(), command, *([golden] if command != "info" else [])]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 5 and b"cannot be written" in done.stderr
    closed = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *words], stderr=subprocess.PIPE)
    assert closed.returncode == 5 and b"cannot be written" in closed.stderr


def test_a_pipe_or_device_is_written_to_and_stays(golden, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    running = subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE)
    assert call("selftest", golden, "--out", tmp_path / "pipe").returncode == 0
    assert json.loads(running.communicate()[0])["ok"] and (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("cpus", ["", "0-", "0,", " 0", "-1", "99999999999999999999", "1-0"])
def test_cpus_that_are_none(golden, cpus):
    assert call("selftest", golden, "--cpus", cpus).returncode == 2


@pytest.mark.parametrize("count", [0, 1, 4, 1 << 31, (1 << 32) - 1])
def test_counts_of_golden_data_that_are_wrong(golden, count):
    content = golden.read_bytes()
    golden.write_bytes(content[:8] + struct.pack("<I", count) + content[12:])
    assert "of another model" in document("selftest", golden, code=4)["error"]["message"]


def test_the_document_is_written_whole(golden, tmp_path):
    assert call("selftest", golden, "--out", tmp_path / "result.json").stdout == b""
    assert json.loads((tmp_path / "result.json").read_text())["ok"]
    assert not list(tmp_path.glob("*.part"))
    assert call("selftest", golden, "--out", tmp_path / "no" / "result.json").returncode == 5

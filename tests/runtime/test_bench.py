"""The benchmark on this machine's real runtimes; sensors of boards are read from fake trees (`fake_board`)."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
from conftest import RUNTIME
from edgekit_runtime import bench, timing, trust
from edgekit_runtime.board import System
from fake_board import MAX_KHZ, FakeBoard

NOTHING_SEEN = {"frequency_hz": None, "throttled_bits": None, "cooling_state": None}


@pytest.fixture
def board(tmp_path: Path) -> FakeBoard:
    return FakeBoard(tmp_path / "board")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    tiny.qdq_model(tmp_path / "release" / "model")
    return tmp_path / "release"


def command(*arguments: str, path: str | Path = "") -> subprocess.CompletedProcess[str]:
    """`python3 -m edgekit_runtime ...` as a board runs it, the folder `path` first on PATH."""
    environment = {**os.environ, "PYTHONPATH": str(RUNTIME), "PATH": f"{path}{os.pathsep}{os.environ['PATH']}"}
    words = [sys.executable, "-m", "edgekit_runtime", *map(str, arguments)]
    return subprocess.run(words, env=environment, capture_output=True, text=True)


def measure(release: Path, board: FakeBoard, *arguments: str, seconds: float = 0.3, words=("0x0",)) -> dict:
    done = command(
        "bench", release, "--seconds", seconds, "--sys-root", board.root, "--threads", 1, "--max-wait-s", 0, *arguments,
        path=board.vcgencmd(*words) if words else "",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


# --- one whole run


def test_a_report_that_may_be_trusted(release, board, tmp_path):
    """Ten seconds, as a user gets by default: the only reason for distrust would be a sensor, and all are fine."""
    result = measure(release, board, "--samples", tmp_path / "samples", "--out", "-", seconds=10)
    assert (result["trusted"], result["reasons"], result["throttled"]) == (True, [], False)
    assert result["golden"] == {"checked": True, "max_abs_error": result["golden"]["max_abs_error"], "tolerance": 0.2}
    assert result["runs"] >= 50 and len(result["windows"]) == 5
    assert sum(w["runs"] for w in result["windows"]) == result["runs"]
    assert 0 < result["min_s"] <= result["p50_s"] <= result["p90_s"] <= result["p99_s"] <= result["max_s"]
    assert result["warmup"]["steady"] is True and result["warmup"]["seconds"] >= 1 and result["warmup"]["runs"] >= 5
    assert result["load_s"] > 0 and result["first_s"] > 0 and result["peak_rss_bytes"] > 10_000_000
    assert 5 <= len(result["conditions"]["during"]) <= 20  # about one a second
    assert result["conditions"]["before"] == {
        "frequency_hz": MAX_KHZ * 1000, "governor": "performance", "temperature_c": 45.2, "throttled_bits": 0,
        "cooling_state": None, "load_1m": 0.1, "free_bytes": 3_000_000 * 1024, "swap_used_bytes": 40 * 1024,
    }  # fmt: skip
    assert result["board"]["model"] == "Raspberry Pi 4 Model B Rev 1.4"
    assert (result["board"]["cpu"], result["board"]["threads"]) == ("Cortex-A72", 1)
    assert result["model_sha256"] == hashlib.sha256((release / "model/model.onnx").read_bytes()).hexdigest()
    assert result["runtime"]["providers"] == ["CPUExecutionProvider"]
    raw = (tmp_path / "samples").read_bytes()
    assert len(raw) <= 1 << 20
    if result["samples"]["stride"] == 1:
        kept = sorted(s[0] for s in struct.iter_unpack("<Q", raw))
        assert kept[len(kept) // 2] / 1e9 == pytest.approx(result["p50_s"], rel=0.01)


def test_a_short_run_is_said_to_be_short(release, board):
    result = measure(release, board, "--runs", 50)
    assert not result["trusted"] and len(result["reasons"]) == 1 and result["reasons"][0].startswith("short: ")


def test_an_emulated_run_is_never_trusted(release, board):
    result = measure(release, board, "--emulated")
    assert (result["emulated"], result["trusted"]) == (True, False)
    assert "emulated: correctness, not speed" in result["reasons"]


def reasons(release, board, **more) -> list[str]:
    result = measure(release, board, **more)
    return [str(result["throttled"]), *(r for r in result["reasons"] if not r.startswith("short"))]


def test_a_since_boot_bit_from_before_is_no_evidence(release, board):
    assert reasons(release, board, words=("0x50000",)) == ["False"]


def test_a_since_boot_bit_that_appears_is_evidence(release, board):
    assert reasons(release, board, words=("0x0", "0x50000")) == ["True", "throttled: under-voltage, throttled"]


def test_a_bit_that_is_set_now_is_evidence(release, board):
    assert reasons(release, board, words=("0x50005",)) == ["True", "throttled: under-voltage, throttled"]


def test_without_vcgencmd_full_frequency_is_the_evidence(release, board):
    assert reasons(release, board, words=(), seconds=1.2) == ["False"]


def test_without_vcgencmd_a_low_frequency_is_throttling(release, board):
    board.frequency(600_000, "powersave")
    below = "CPU at 600 MHz of 1500 MHz"
    assert reasons(release, board, words=(), seconds=1.2) == [
        "True", f"throttled: {below}", f"{below} during the run (governor powersave)",
    ]  # fmt: skip


def test_a_low_frequency_with_clean_bits_is_not_throttling_but_not_trusted(release, board):
    board.frequency(600_000, "powersave")
    assert reasons(release, board, seconds=1.2) == [
        "False", "CPU at 600 MHz of 1500 MHz during the run (governor powersave)",
    ]  # fmt: skip


def test_an_active_cooling_device_is_throttling_but_a_fan_is_not(release, board):
    board.cooling(2)
    assert reasons(release, board, words=()) == ["True", "throttled: cooling device at state 2"]


def test_nothing_known_is_unknown_never_false(release, tmp_path):
    board = FakeBoard(tmp_path / "bare")
    for path in sorted((board.root / "sys").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    found = reasons(release, board, words=())
    assert found[0] == "None" and "throttling unknown" in found[1] and found[2] == "start temperature unknown"


def test_hot_and_busy_boards_are_not_trusted(release, board):
    board.temperature(71)
    board.write("proc/loadavg", "3.50 1 1 1/1 1\n")
    cpus = len(os.sched_getaffinity(0))
    assert reasons(release, board) == [
        "False", f"busy before the run: load 3.50, at most {0.5 * cpus:.1f} on {cpus} CPUs",
        "hot at the start: 71.0 °C, at most 60 °C",
    ]  # fmt: skip


# --- failures


def test_wrong_outputs_end_it_before_anything_is_timed(release, board):
    golden = dict(np.load(release / "model/golden.npz"))
    golden["output.y"] = golden["output.y"] + 1
    np.savez(release / "model/golden.npz", **golden)
    for name in ("selftest", "bench"):
        done = command(name, release, "--seconds", 0.1)
        document = json.loads(done.stdout)
        assert done.returncode == document["error"]["code"] == 3
        assert "y by 1" in document["error"]["message"] and "tolerance 0.2" in document["error"]["message"]
        assert "p50_s" not in document


def test_outputs_that_are_not_finite_fail(tmp_path):
    folder = tiny.float_model(tmp_path / "model")
    golden = dict(np.load(folder / "golden.npz"))
    golden["input.x"][1] = 3e38  # finite, but its products with the weights are not
    golden["output.y"][1] = np.inf
    np.savez(folder / "golden.npz", **golden)
    done = command("selftest", tmp_path)
    assert done.returncode == 3 and "y is not finite" in json.loads(done.stdout)["error"]["message"]


def test_a_model_that_cannot_be_loaded(release):
    (release / "model/model.onnx").write_bytes(b"not a model")
    for name in ("selftest", "bench", "info"):
        done = command(name, release)
        document = json.loads(done.stdout)
        assert done.returncode == document["error"]["code"] == 4 and "sha256" in document["error"]["message"]
        assert "Traceback" not in done.stderr


def test_usage_errors_and_unwritable_results(release, tmp_path):
    assert command("selftest").returncode == 2
    assert command("frobnicate", release).returncode == 2
    assert command("bench", release, "--cpus", "999").returncode == 2
    assert command("bench", release, "--threads", "0").returncode == 2
    for seconds in ("nan", "-1", "0", "inf"):
        done = command("bench", release, f"--seconds={seconds}")
        assert done.returncode == 2 and "above 0" in done.stderr
    done = command("selftest", release, "--out", tmp_path / "no/such/folder/x.json")
    assert done.returncode == 5 and "No such file" in done.stderr and done.stdout == ""


def test_selftest_and_info_write_one_document_whole(release, tmp_path):
    done = command("selftest", release, "--out", tmp_path / "result.json")
    result = json.loads((tmp_path / "result.json").read_text())
    assert (done.returncode, done.stdout, result["ok"], result["samples"]) == (0, "", True, 3)
    assert result["peak_rss_bytes"] > 10_000_000
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []
    again = json.loads(command("selftest", release).stdout)
    assert again["output_sha256"] == result["output_sha256"]
    info = json.loads(command("info", release, "--cpus", "0").stdout)
    assert info["board"]["cpus"] == [0] and info["inputs"][0]["shape"] == [1, 8] and info["threads"] == 1


def test_noise_of_a_runtime_does_not_reach_the_result(release, tmp_path):
    """ONNX Runtime prints to standard output from C on boards without /sys; here another library of that habit does."""
    noisy = tmp_path / "noise"
    noisy.mkdir()
    (noisy / "sitecustomize.py").write_text(
        "import sys\nfrom importlib.abc import MetaPathFinder\n"
        "class Noise(MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'onnxruntime':\n"
        "            import os; os.write(1, b'Error in cpuinfo\\n')\n"
        "sys.meta_path.insert(0, Noise())\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(noisy), str(RUNTIME)])}
    words = [sys.executable, "-m", "edgekit_runtime", "selftest", str(release)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert json.loads(done.stdout)["ok"] is True and "Error in cpuinfo" in done.stderr


# --- timing, with a clock of our own


class Clock:
    """Advances only when the model runs, by the next of `durations`."""

    def __init__(self, durations_ns) -> None:
        self.now, self.durations = 0, iter(durations_ns)

    def __call__(self) -> int:
        return self.now

    def run(self) -> None:
        self.now += next(self.durations)


MS = 1_000_000


def test_warm_up_waits_for_steady_state():
    """Forty runs, each faster than the one before, then an even pace; the first second is over after 14 runs."""
    clock = Clock(int(100 * MS * 0.95 ** min(n, 40)) for n in itertools.count())
    result = timing.warm_up(clock.run, timing.Plan(), clock)
    assert result.steady and result.seconds >= 1 and 43 <= result.runs <= 50


def test_warm_up_gives_up_on_a_model_that_gets_slower():
    clock = Clock(int(MS * 1.05**n) for n in itertools.count())
    result = timing.warm_up(clock.run, timing.Plan(), clock)
    assert not result.steady and result.seconds >= 10


def test_warm_up_gives_slow_models_the_ten_runs_that_a_judgement_needs():
    clock = Clock(itertools.repeat(3000 * MS))
    assert timing.warm_up(clock.run, timing.Plan(), clock) == (10, 30.0, True)


def test_measure_holds_both_minimums():
    slow, fast = Clock(itertools.repeat(1000 * MS)), Clock(itertools.repeat(MS))
    assert [len(w) for w in timing.measure(slow.run, timing.Plan(), clock=slow)] == [10] * 5  # 50 runs, 50 s
    assert [len(w) for w in timing.measure(fast.run, timing.Plan(), clock=fast)] == [2000] * 5  # 10 s
    mlperf = timing.measure(fast.run, bench.RIGORS["mlperf"], clock=fast)
    assert sum(map(len, mlperf)) >= 1024 and sum(map(sum, mlperf)) >= 60e9


def test_measure_stops_at_the_limit_with_what_it_has():
    clock = Clock(itertools.repeat(20_000 * MS))
    windows = timing.measure(clock.run, timing.Plan(), clock=clock)
    assert 5 <= sum(map(len, windows)) < 50 and all(windows)
    assert timing.statistics(windows)["p50_s"] == 20.0


def test_sensors_are_read_once_a_second_and_not_timed():
    clock = Clock(itertools.repeat(10 * MS))
    reads = []

    def read() -> None:
        reads.append(clock.now)
        clock.now += 500 * MS

    windows = timing.measure(clock.run, timing.Plan(), between=read, clock=clock)
    assert {s for w in windows for s in w} == {10 * MS}
    assert len(reads) == pytest.approx(10, abs=1)
    assert min(b - a for a, b in itertools.pairwise(reads)) >= 1000 * MS


@pytest.mark.parametrize(("runs", "p99", "p999"), [(999, None, None), (1000, 990, None), (10000, 9900, 9990)])
def test_tail_percentiles_need_enough_runs(runs, p99, p999):
    figures = timing.statistics([range(1, runs + 1)])
    expected = [None if p is None else pytest.approx(p / 1e9) for p in (p99, p999)]
    assert [figures["p99_s"], figures["p999_s"]] == expected


def test_statistics_keep_every_outlier():
    windows = [[10, 10, 10], [12, 12, 12], [11, 11, 11], [11, 11, 100], [9, 9, 9]]
    figures = timing.statistics(windows)
    assert figures["runs"] == 15 and figures["outliers"] == 1 and figures["max_s"] == 100e-9
    assert figures["median_of_windows_s"] == 11e-9 and figures["mad_s"] == 1e-9 and figures["min_s"] == 9e-9
    assert [w["p50_s"] for w in figures["windows"]] == [10e-9, 12e-9, 11e-9, 11e-9, 9e-9]


def test_many_samples_are_thinned_not_cut(tmp_path):
    windows = [timing.array("Q", range(i * 60_000, (i + 1) * 60_000)) for i in range(5)]
    note = timing.write_samples(str(tmp_path / "s"), windows)
    kept = np.fromfile(tmp_path / "s", "<u8")
    assert note == {"file": str(tmp_path / "s"), "kept": len(kept), "stride": 3} and len(kept) * 8 <= 1 << 20
    assert kept[0] == 0 and kept[-1] == 299_997 and set(np.diff(kept)) == {3}


# --- board


def test_waiting_for_a_hot_board(board):
    board.temperature(70)
    options = bench.Options(timing.Plan(), max_start_c=60, max_wait_s=120)
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 7:
            board.temperature(59)

    assert bench.wait_until_cool(System(str(board.root)), options, sleep) == 7
    board.temperature(70)
    assert bench.wait_until_cool(System(str(board.root)), options, lambda _: None) == 120


def test_big_cores_are_counted(board):
    for cpu in range(4):
        board.write(f"sys/devices/system/cpu/cpu{cpu}/cpu_capacity", "1024" if cpu > 1 else "400")
    assert System(str(board.root), cpus=range(4)).big_cores() == 2
    assert System(str(board.root), cpus=[0, 1]).big_cores() == 2
    assert System("/nothing/there", cpus=range(3)).big_cores() == 3


def test_a_restart_is_seen(release, board, monkeypatch):
    """boot_id changes while the benchmark runs."""
    system = System(str(board.root))
    ids = itertools.chain(["before"], itertools.repeat("after"))
    monkeypatch.setattr(system, "boot_id", lambda: next(ids))
    plan = timing.Plan(runs=5, seconds=0.01, warmup_seconds=0.01)
    result = bench.bench(str(release), system, bench.Options(plan, threads=1, max_wait_s=0))
    assert result["interrupted"] and "the board restarted during the measurement" in result["reasons"]


def test_throttle_evidence_of_sensors_that_fail_midway():
    """A vcgencmd that stops answering is no proof of anything."""
    fine = {**NOTHING_SEEN, "throttled_bits": 0}
    assert trust.throttled(fine, [fine, NOTHING_SEEN], fine, None) == (None, "")
    assert trust.throttled(fine, [fine], fine, None) == (False, "")


def test_a_process_that_dies_while_loading_is_told(release, monkeypatch, board):
    """What the kernel does to a process when memory is short."""
    monkeypatch.setattr(bench.sys, "executable", "/bin/false")
    with pytest.raises(bench.FreshProcessFailed, match="ended with code 1"):
        bench.bench(str(release), System(str(board.root)), bench.Options(timing.Plan(), max_wait_s=0))


def test_a_python_that_cannot_be_started_again_is_told(release, monkeypatch, board):
    monkeypatch.setattr(bench.sys, "executable", str(release / "model/model.json"))
    with pytest.raises(bench.FreshProcessFailed, match="cannot be started a second time: Permission denied"):
        bench.bench(str(release), System(str(board.root)), bench.Options(timing.Plan(), max_wait_s=0))


def test_without_numpy_the_reason_is_told(release):
    environment = {"PYTHONPATH": str(RUNTIME), "PATH": os.defpath}
    words = [sys.executable, "-S", "-m", "edgekit_runtime", "selftest", str(release)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 4 and "numpy" in json.loads(done.stdout)["error"]["message"]
    assert "Traceback" not in done.stderr


def test_load_time_includes_every_import(release):
    """NumPy must not be there before the clock of the fresh process starts."""
    code = "import sys, edgekit_runtime.fresh, edgekit_runtime.__main__; print('numpy' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(RUNTIME)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr

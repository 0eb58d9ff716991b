"""The wrist exercise example: parts that need no data, firmware beside Python, and (slowly) the whole of it."""

from __future__ import annotations

import importlib
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edgekit.resources import runtime_dir

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "wrist_exercises"
MODULES = ("dataset", "get", "stream", "timeline", "network", "train")  # other examples have some of these names too
PORT = runtime_dir() / "c" / "ports" / "cortex_m"
TOOLS = ("arm-none-eabi-gcc", "qemu-system-arm", "make")


@pytest.fixture(scope="module")
def example() -> Iterator[SimpleNamespace]:
    """Its modules that need no PyTorch."""
    before = {name: sys.modules.pop(name) for name in MODULES if name in sys.modules}
    sys.path.insert(0, str(EXAMPLE))
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES[:4]})
    sys.path.remove(str(EXAMPLE))
    for name in MODULES:
        sys.modules.pop(name, None)
    sys.modules.update(before)


@pytest.fixture
def tools() -> None:
    """Skips where firmware cannot be built or run; in CI that is a failure."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"not installed: {', '.join(missing)}")
    assert not missing


def npy(value: object) -> bytes:
    """A .npy file with a pickle in it."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
    pickle.dump(value, file)
    return file.getvalue()


class Surprise:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("false",)


def test_a_pickle_that_is_more_than_arrays_is_refused(example: SimpleNamespace) -> None:
    with pytest.raises(pickle.UnpicklingError, match="system is not wanted here"):
        example.get.read(npy(Surprise()))


def test_a_window_is_centred_and_scaled(example: SimpleNamespace) -> None:
    window = np.full((1, 150, 6), 4096, np.int16)
    window[0, 75:] = -4096
    x = example.dataset.prepared(window)
    assert x.dtype == np.float32 and x.shape == window.shape
    assert np.array_equal(x[0, 0], [1, 1, 1, 2, 2, 2]) and np.array_equal(x[0, -1], -x[0, 0])


@pytest.mark.parametrize(
    ("heard", "elected"),
    [
        ([], []),
        ([3, 3], [3, 3]),
        ([3, 1], [3, 3]),  # a tie changes nothing
        ([3, 1, 1], [3, 3, 1]),
        ([2, 2, 2, 5, 5, 5, 5], [2, 2, 2, 2, 2, 5, 5]),
    ],
)
def test_the_majority_of_five_is_elected(example: SimpleNamespace, heard: list[int], elected: list[int]) -> None:
    assert example.stream.elected(np.array(heard)) == elected


def session(example: SimpleNamespace, seconds: int) -> object:
    """Made-up movements that go to both ends of int16, and every exercise for some seconds."""
    random, count = np.random.default_rng(0), seconds * 50
    samples = np.cumsum(random.normal(0, 900, (count, 6)), axis=0)
    samples[300:310], samples[310:320] = -32768, 32767
    each = count // 7 + 1
    exercises = np.repeat(np.arange(7), each)[:count]
    starts = tuple(range(0, count, each))
    return example.stream.Session(np.clip(samples, -32768, 32767).astype(np.int16), exercises, starts)


def test_the_picture_shows_what_was_done_and_what_was_recognised(example: SimpleNamespace) -> None:
    given = session(example, 150)
    page = example.timeline.page(given, given.truth, {"a < b": "1 & 2"})
    assert page.count(">external rotation<") == 3, "legend and both bands"
    assert page.count("<svg") == 1 and page.count("<polyline") == 6, "three axes in two rows"
    assert "a &lt; b" in page and "1 &amp; 2" in page and "http" not in page


@pytest.mark.torch
def test_the_firmware_says_what_python_says(example: SimpleNamespace, tools: None, tmp_path: Path) -> None:
    """With a network that was never trained, whose answers change often."""
    torch = pytest.importorskip("torch")
    import edgekit

    torch.manual_seed(2)
    net = importlib.import_module("network").WristNet().eval()
    given = session(example, 60)
    windows = np.stack([given.samples[end - 150 : end] for end in given.hops])
    calibration = example.dataset.prepared(windows[::4]).transpose(0, 2, 1)
    with torch.no_grad():
        net.classifier.bias -= net(torch.from_numpy(calibration.copy())).mean(0)
    options = {"formats": ("onnx", "tflite", "c"), "target": "mps2-an386", "name": "wrist_exercises"}
    edgekit.convert(net, (torch.zeros(1, 6, 150),), calibration=calibration, out=tmp_path / "build", **options)
    places = [f"PORT={PORT}", f"MODEL={tmp_path / 'build' / 'c'}", f"BUILD={tmp_path / 'firmware'}"]
    subprocess.run(["make", "-s", "-C", str(EXAMPLE / "firmware"), *places], check=True)
    heard, printed = example.stream.on_microcontroller(tmp_path / "firmware" / "watch.elf", given)
    python = example.stream.in_python(tmp_path / "build", given)
    for name in ("scores", "heard", "exercise"):
        assert np.array_equal(heard[name], python[name]), name
    changes = heard["exercise"][np.diff(heard["exercise"], prepend=np.uint8(7)) != 0]
    assert [line.split(" s  ")[1] for line in printed.splitlines()] == [example.dataset.EXERCISES[i] for i in changes]
    assert len(set(heard["heard"])) > 1 and heard["stack_bytes"].max() < 1024 and heard["instructions"].min() > 100_000


@pytest.mark.slow
@pytest.mark.torch
def test_the_whole_example(tools: None) -> None:
    """Trained afresh, better than an ExtraTrees forest on the same windows' statistics, on people it has never seen."""
    pytest.importorskip("torch")
    (EXAMPLE / "weights.npz").unlink(missing_ok=True)
    done = subprocess.run([sys.executable, "run.py", "--seconds", "120"], cwd=EXAMPLE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    accuracy = json.loads((EXAMPLE / "build" / "convert.json").read_text())["accuracy"]
    assert accuracy["int8"] > 0.83 and accuracy["int8"] > accuracy["float"] - 0.02
    told = json.loads((EXAMPLE / "build" / "stream.json").read_text())
    assert "the same in all" in told["microcontroller and Python"]

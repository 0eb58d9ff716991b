"""The C part of a build folder, damaged in every way: `run --runtime c`, `export` and `deploy` refuse it, or run."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from int8_nets import Net

import edgekit
from edgekit import artifacts, pipeline
from edgekit.c_folder import golden_samples
from edgekit.deployment.native import golden_raw
from edgekit.errors import EdgekitError, InternalError, ModelError, UsageError
from edgekit.exports.of_build import library_of_build

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler on this machine")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    net = Net()
    folder = tmp_path_factory.mktemp("c_folder")
    onnx.save(
        ir.to_proto(net.model(net.op("Relu", net.gemm(net.input("x", 1, 4), 4, 3, name="g")))), folder / "net.onnx"
    )
    convert(folder / "net.onnx", folder / "build")
    return folder / "net.onnx"


def convert(source: Path, out: Path, **options) -> None:
    edgekit.convert(source, out=out, calibration="random", **{"formats": ("onnx", "c"), **options})


@pytest.fixture
def build(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(source.with_name("build"), tmp_path / "build"))


def uses(build: Path) -> list[Callable[[], object]]:
    """All that reads the C of a build folder."""
    inputs = build.parent / "inputs.npz"
    np.savez(inputs, x=np.zeros((2, 1, 4), np.int8))
    return [
        lambda: pipeline.run(build, inputs, build.parent / "outputs.npz", runtime="c"),
        lambda: library_of_build(build),
        lambda: golden_samples(build),
        lambda: golden_raw(artifacts.description_of(build, ".c")[1], *artifacts.read_golden(build, "golden.npz")),
        lambda: artifacts.read_report(build),
    ]


def refused(use: Callable[[], object]) -> EdgekitError | None:
    """What a use refuses with; bugs of edgekit and any other exception are no refusals."""
    try:
        use()
    except EdgekitError as e:
        assert not isinstance(e, InternalError), e
        assert e.message and e.hint, e
        return e
    return None


def edited(build: Path, change: Callable[[dict], object]) -> None:
    document = json.loads((build / "model.c.json").read_text())
    change(document)
    (build / "model.c.json").write_text(json.dumps(document))


def test_an_undamaged_one_is_read(build: Path) -> None:
    assert not any(refused(use) for use in uses(build))


ODD = [None, True, -1, 10**30, 1e400, "", "x" * 10_000, [], [None], [-1], [10**12, 10**12], {}, ["../../etc/passwd"]]


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize(
    "key", ["name", "shape", "dtype", "scale", "zero_point", "permutation", "app_shape", "tolerance"]
)
def test_values_of_any_kind(build: Path, key: str, value: object) -> None:
    edited(build, lambda document: document["inputs"][0].update({key: value}))
    for use in uses(build)[1:]:
        refused(use)


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize(
    "key", ["inputs", "outputs", "files", "file", "schema", "precision", "sha256", "golden", "opset"]
)
def test_keys_of_any_kind(build: Path, key: str, value: object) -> None:
    edited(build, lambda document: document.update({key: value}))
    for use in uses(build)[1:]:
        refused(use)


@pytest.mark.parametrize("key", ["name", "shape", "dtype", "scale", "zero_point"])
def test_missing_keys_are_named(build: Path, key: str) -> None:
    edited(build, lambda document: document["outputs"][0].pop(key))
    for use in uses(build)[:4]:
        assert key in refused(use).message


@pytest.mark.parametrize("content", ["", "[]", "null", "[" * 100_000, '{"schema": 1}', "\ud800"], ids=range(6))
def test_descriptions_that_are_none(build: Path, content: str) -> None:
    (build / "model.c.json").write_bytes(content.encode(errors="surrogatepass"))
    for use in uses(build)[:4]:
        assert refused(use)


GOLDEN = [
    {},
    {"input.x": np.zeros((2, 1, 4), np.int8)},
    {"input.x": np.int8(0), "output.y": np.int8(0)},
    {"input.x": np.zeros((2, 1, 4), np.float64), "output.y": np.zeros((2, 1, 3), np.int8)},
    {"input.x": np.zeros((2, 1, 4), np.int8), "output.y": np.zeros((3, 1, 3), np.int8)},
]


@pytest.mark.parametrize("arrays", GOLDEN, ids=range(len(GOLDEN)))
def test_golden_samples_that_do_not_fit(build: Path, arrays: dict) -> None:
    np.savez(build / "model.c.npz", **arrays)
    for use in (uses(build)[1], uses(build)[2]):
        assert refused(use)


def test_damaged_golden_samples(build: Path) -> None:
    whole = (build / "model.c.npz").read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(60):
        content = bytearray(whole)
        content[rng.integers(len(content))] ^= int(rng.integers(1, 256))
        (build / "model.c.npz").write_bytes(bytes(content))
        refused(lambda: golden_samples(build))


def test_sources_that_changed_are_refused(build: Path) -> None:
    path = build / "c" / "net.c"
    path.write_text(path.read_text().replace("EK_OK", "EK_RANGE", 1))
    with pytest.raises(ModelError, match="changed since it was converted"):
        library_of_build(build)


@pytest.mark.parametrize("make", [lambda p: p.mkdir(), lambda p: p.symlink_to(p), lambda p: p.write_bytes(b"\xff")])
def test_sources_that_are_no_text(build: Path, make: Callable[[Path], object]) -> None:
    path = build / "c" / "net.c"
    path.unlink()
    make(path)
    for use in uses(build)[:2]:
        assert refused(use)


def test_a_c_that_is_a_file(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "c").write_text("mine")
    with pytest.raises(UsageError, match="cannot write to"):
        convert(source, tmp_path / "out")
    assert (tmp_path / "out" / "c").read_text() == "mine"
    assert artifacts.read_report(tmp_path / "out") is None


def test_a_link_in_c_is_replaced_and_what_it_leads_to_stays(source: Path, build: Path) -> None:
    mine = build.parent / "mine.c"
    mine.write_text("mine")
    (build / "c" / "net.c").unlink()
    (build / "c" / "net.c").symlink_to(mine)
    convert(source, build)
    assert mine.read_text() == "mine" and not (build / "c" / "net.c").is_symlink()
    library_of_build(build)


def test_conversions_into_one_folder_at_once(source: Path, tmp_path: Path) -> None:
    """One of them wins, or what is left says that it is mixed."""
    errors: list[BaseException] = []

    def one(keep_input: bool) -> None:
        try:
            convert(source, tmp_path / "out", keep_input=keep_input)
        except UsageError:
            pass
        except BaseException as e:
            errors.append(e)

    threads = [threading.Thread(target=one, args=(k % 2 == 0,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    refused(lambda: library_of_build(tmp_path / "out"))
    convert(source, tmp_path / "out")
    library_of_build(tmp_path / "out")


@pytest.mark.parametrize("after", [0.3, 0.8, 1.5])
def test_a_conversion_that_is_killed(source: Path, build: Path, after: float) -> None:
    words = [sys.executable, "-m", "edgekit", "convert", str(source), "--out", str(build), "--formats", "onnx,c",
             "--calibration", "random"]  # fmt: skip
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        running.wait(after)
    except subprocess.TimeoutExpired:
        running.send_signal(signal.SIGKILL)
        running.wait()
    for use in uses(build):
        refused(use)
    convert(source, build)
    assert not any(refused(use) for use in uses(build))

"""Weighs the native runtime on Fashion-MNIST, beside the same model with ONNX Runtime and LiteRT in Python: bytes of
programs and releases, executed instructions from the start of a process to the end of its first inference, and the
process's peak memory in a whole emulated machine. No times: everything here is emulated.

    python benchmarks/native.py [BUILD]

BUILD is a build folder with onnx, tflite and c (made if it is not given). Needs root, as virtual boards do,
qemu-user-static, qemu-user (for its plugins), qemu-system-arm and e2fsprogs.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from virtual_machine import machine

from edgekit import artifacts
from edgekit.building.compiler import build as compiled
from edgekit.building.compiler import host_compiler
from edgekit.building.native import NativeModel, NativeTarget
from edgekit.bundle import Bundle, make_bundle
from edgekit.deployment.native import golden_raw, native_tree
from edgekit.deployment.wheels import Board, assemble
from edgekit.device import Device, virtual
from edgekit.emitters.c import CSources
from edgekit.lowering import from_tflite
from edgekit.resources import cache_dir
from edgekit.target import load_target

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parent / "examples" / "fashion_mnist" / "model.py"
BOARD = Board("3.11", "aarch64", "2.36")  # Raspberry Pi OS bookworm on a Raspberry Pi 4
BAR_BYTES = 200_000
GOLDEN_HEAD_BYTES = 80  # of golden.raw (runtime/c/ports/linux/golden.h)

# architecture, core it is built for, and the cores that it is run on
BUILDS = (
    ("armv6l", "arm1176", ("arm1176", "cortex-a7")),
    ("armv7l", "cortex-a7", ("cortex-a7",)),
    ("aarch64", "cortex-a53", ("cortex-a53",)),
    ("aarch64", "cortex-a72", ("cortex-a72",)),
    ("aarch64", "cortex-a76", ("cortex-a76",)),
)
EMULATOR = {"armv6l": "qemu-arm-static", "armv7l": "qemu-arm-static", "aarch64": "qemu-aarch64-static"}
# on whose virtual boards instructions are counted
TARGETS = {"cortex-a53": "rpi-zero-2w", "cortex-a72": "rpi4", "cortex-a76": "rpi5"}
PYTHON_ENVIRONMENT = ("PYTHONPYCACHEPREFIX=pyc", "PYTHONHASHSEED=0", "OPENBLAS_NUM_THREADS=1")
# processes that are compared → the release that each is of
RUNTIMES = {"native": "native", "native-python": "native", "onnxruntime": "onnxruntime", "litert": "litert"}
LABELS = {"native-python": "native, from Python"}
RELEASES = ("native", "native, no Python", "onnxruntime", "litert")
REPEATS = 3  # of a process in the machine, after a first one that fills the caches

# how each table was measured
HOW = {
    "programs": f"""\
One static program with the weights inside; bar: at most {BAR_BYTES:,} bytes and the weights. The self-test compares the
golden samples of the build within their tolerance, in QEMU's user mode with the CPU model named.
""",
    "releases": """\
The whole release for a Raspberry Pi 4 (`edgekit deploy --target rpi4`), unpacked, the libraries of wheels slimmed and
stripped; Python itself is the board's and not counted.
""",
    "instructions": """\
Executed instructions from the start of a process to the end of its first inference, counted by a plugin of QEMU's user
mode on the virtual boards' userland; one thread, no randomized addresses, and Python's byte code is cached. An
instruction is not a cycle, and the kernel's own are not in it. The native program gets the sample as the integers that
it stores (`model run`), Python as real numbers. A second inference: what it adds in the same process.
""",
    "memory": f"""\
Peak resident memory of a new process with one inference, in a whole emulated machine (`qemu-system-aarch64 -M virt`,
Debian's kernel and userland; one thread), after a first process that filled the file cache; the largest of {REPEATS}.
Read when the process ends: `VmHWM`, or the sum of its mappings (`smaps_rollup`) where that is more, as Linux is up to
256 KB late with the former.
""",
}


@dataclass(frozen=True)
class Model:
    """The build folder, and what is made of it once. sample: the first golden input as the program stores it and as
    applications have it."""

    build: Path
    native: NativeModel
    golden: bytes
    sample: bytes
    real_sample: bytes


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        build = Path(sys.argv[1]) if len(sys.argv) > 1 else converted(Path(folder) / "build")
        document = measured(read(build), Path(folder))
    out = Path(__file__).with_suffix("")
    out.with_suffix(".json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(markdown(document), encoding="utf-8")
    print(markdown(document))


def converted(build: Path) -> Path:
    command = ["-m", "edgekit", "convert", str(EXAMPLE), "--formats", "onnx,tflite,c", "--out", str(build)]
    subprocess.run([sys.executable, *command], check=True)
    return build


def read(build: Path) -> Model:
    document = artifacts.description_of(build, ".c")[1]
    inputs, outputs = artifacts.read_golden(build, artifacts.GOLDEN_FILE)
    golden = golden_raw(document, inputs, outputs)
    (given,) = document["inputs"]
    size = int(np.prod(given["shape"])) * np.dtype(given["dtype"]).itemsize
    return Model(
        build,
        NativeModel(CSources.of_texts(artifacts.read_sources(build)), document),
        golden,
        golden[GOLDEN_HEAD_BYTES : GOLDEN_HEAD_BYTES + size],
        inputs[given["name"]][0].astype("<f4").tobytes(),
    )


def measured(model: Model, folder: Path) -> dict[str, Any]:
    program = from_tflite((model.build / "model.tflite").read_bytes(), "fashion_mnist")
    constants = {id(t): t.data.nbytes for op in program.ops for t in op.inputs if t.constant}
    jobs = {cpu: put(folder / cpu, model, cpu) for cpu in TARGETS}
    document = {
        "date": date.today().isoformat(),
        "how": HOW,
        "model": {"macs": program.macs, "weight_bytes": sum(constants.values())},
        "versions": {"ziglang": version("ziglang"), **wheel_versions(), "python": BOARD.python},
        "programs": [program_row(model, *row) for row in BUILDS],
        "releases": {name: release(model, name, "cortex-a72").size_bytes for name in RELEASES},
        "instructions": [counted(jobs[cpu], cpu) for cpu in TARGETS],
        "memory": [memory(jobs[cpu], cpu) for cpu in TARGETS],
    }
    check(model, [*document["instructions"], *document["memory"]])
    return document


# --- bytes, and that it runs


def program_row(model: Model, arch: str, core: str, cpus: Sequence[str]) -> dict[str, Any]:
    target = NativeTarget(arch, core)
    program = model.native.program(target, print)
    runs = {cpu: selftest(model, program, EMULATOR[arch], cpu) for cpu in cpus}
    return {
        "built_for": str(target),
        "core": core,
        "bytes": program.stat().st_size,
        "static": b"/ld-" not in program.read_bytes(),  # the loader that any other program names
        "selftest": runs,
    }


def selftest(model: Model, program: Path, emulator: str, cpu: str) -> dict[str, Any]:
    """What the program says of its golden samples on an emulated core."""
    with tempfile.NamedTemporaryFile(suffix=".raw") as golden:
        golden.write(model.golden)
        golden.flush()
        said = json.loads(subprocess.check_output([emulator, "-cpu", cpu, program, "selftest", golden.name]))
    return {key: said[key] for key in ("ok", "samples", "max_abs_error") if key in said}


def release(model: Model, name: str, cpu: str) -> Bundle:
    """What `edgekit deploy` would put on a Raspberry Pi with that core."""
    if name.startswith("native"):
        target = NativeTarget("aarch64", cpu)
        tree = native_tree(model.native, model.golden, target, print, python=name == "native")
        return make_bundle("fashion", tree.model, tree.runtime)
    wheels = assemble(name, BOARD, cache_dir(), print)
    return make_bundle("fashion", model.build, wheels.path, {"onnxruntime": ".onnx", "litert": ".tflite"}[name])


def wheel_versions() -> dict[str, str]:
    wheels = (wheel for name in ("onnxruntime", "litert") for wheel in assemble(name, BOARD, cache_dir()).wheels)
    return {wheel.name: wheel.version for wheel in wheels}


# --- jobs: one process each, the same words on a virtual board and in the machine


def put(folder: Path, model: Model, cpu: str) -> Path:
    """The folder with the releases unpacked, and the samples."""
    for name in set(RUNTIMES.values()):
        for file in release(model, name, cpu).files:
            place = folder / name / file.path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.source, place)
    (folder / "pyc").mkdir()
    samples = {"sample.raw": model.sample, "twice.raw": 2 * model.sample, "sample.f32": model.real_sample}
    for name, content in samples.items():
        (folder / name).write_bytes(content)
    shutil.copy(HERE / "virtual_machine" / "once.py", folder)
    return folder


def job(name: str, times: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Environment and words of a process that runs the sample `times` times; the output goes to standard output."""
    if name == "native":
        return (), ("native/runtime/model", "run", "sample.raw" if times == 1 else "twice.raw", "-")
    words = ("/usr/bin/python3", "once.py", f"{RUNTIMES[name]}/model", "sample.f32", str(times))
    return (f"PYTHONPATH={RUNTIMES[name]}/runtime", *PYTHON_ENVIRONMENT), words


def check(model: Model, rows: Sequence[dict[str, Any]]) -> None:
    """Every process must have answered as the program did, in real numbers: to one step of the output's scale."""
    (value,) = model.native.document["outputs"]
    for row in rows:
        stored = np.frombuffer(bytes.fromhex(row["native"]["output"]), value["dtype"]).astype(np.float32)
        wanted = (stored - value["zero_point"]) * np.float32(value["scale"])
        for name in list(RUNTIMES)[1:]:
            got = np.frombuffer(bytes.fromhex(row[name]["output"]), np.float32)
            assert np.abs(got - wanted).max() < 1.01 * value["scale"], f"{name} on {row['cpu']}: {got}, not {wanted}"


# --- executed instructions, in QEMU's user mode on a virtual board


def counted(jobs: Path, cpu: str) -> dict[str, Any]:
    target = TARGETS[cpu]
    board = virtual.up(load_target(target), print, name=f"bench-{target}", erase=True)
    try:
        device = virtual.connect(board)
        send(device, jobs)
        return {"cpu": cpu} | {name: counts(device, name, cpu) for name in RUNTIMES}
    finally:
        virtual.remove(board.name)


def send(device: Device, jobs: Path) -> None:
    """The jobs, and the dynamic QEMU of this machine, as the static one takes no plugins."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.add(jobs, "bench")
        for source in emulator_files():
            archive.add(source.resolve(), f"bench/host/{source.name}")
    done = device.run("tar -xf - && mkdir -p bench/pyc", stdin=[content.getvalue()], deadline_s=300)
    assert done.returncode == 0, done.stderr


def emulator_files() -> list[Path]:
    """QEMU with its libraries and the dynamic loader, which becomes ld.so there; the plugin."""
    emulator = Path(shutil.which("qemu-aarch64") or "qemu-aarch64")
    lines = subprocess.check_output(["ldd", str(emulator)], text=True).splitlines()
    libraries = [Path(word) for line in lines for word in line.split() if word.startswith("/")]
    return [emulator, plugin(), *libraries]


def plugin() -> Path:
    source = (HERE / "virtual_machine" / "instructions.c").read_text(encoding="utf-8")
    said = subprocess.check_output(["qemu-aarch64", "--version"], text=True)
    interface = 1 if int(said.split("version ")[1].split(".")[0]) < 9 else 2
    compiler = host_compiler("-shared", "-fPIC", f"-DINTERFACE={interface}")
    return compiled({"instructions.c": source}, compiler, "instructions.so")


COUNT = """\
cd bench && cpu=$1 environment=$2 && shift 2
env -i $environment setarch -R host/ld-linux*.so* --library-path host host/qemu-aarch64 -cpu "$cpu" -seed 1 \
    -plugin host/instructions.so,out=count "$@" >output || exit
cat count && od -An -v -tx1 output
"""


def counts(device: Device, name: str, cpu: str) -> dict[str, Any]:
    """Of a process with one inference, twice after one that fills caches; and what a second inference adds."""
    runs = [counted_once(device, name, cpu, times) for times in (1, 1, 1, 2)]
    *same, twice = [instructions for instructions, _ in runs][-3:]
    return {"first_inference": same, "second_inference": twice - same[-1], "output": runs[0][1]}


def counted_once(device: Device, name: str, cpu: str, times: int) -> tuple[int, str]:
    environment, words = job(name, times)
    done = device.run(COUNT, cpu, " ".join(environment), *words, deadline_s=900)
    assert done.returncode == 0, (name, done)
    instructions, threads, *output = done.stdout.decode().split()
    assert int(threads) == 1, f"{name} had {threads} threads: its instructions were not all counted"
    print(f"{name} on {cpu}, {times} inferences: {instructions} instructions", flush=True)
    return int(instructions), "".join(output)


# --- peak memory, in the machine


def memory(jobs: Path, cpu: str) -> dict[str, Any]:
    """Of a process with one inference; the output too, so that it is seen to be one."""
    lines = [line for name in RUNTIMES for line in [job_line(name)] * (REPEATS + 1)]
    (jobs / "jobs").write_text("".join(lines), encoding="utf-8")
    ended = machine.run(jobs, cpu)
    found: dict[str, Any] = {"cpu": cpu, "kernel": machine.kernel().name}
    for name in RUNTIMES:
        first, *more = [e for e in ended if e.name == name]
        peaks = [e.peak_rss_bytes for e in more]
        found[name] = {"first": first.peak_rss_bytes, "peak_rss_bytes": peaks, "output": more[-1].output.hex()}
    return found


def job_line(name: str) -> str:
    environment, words = job(name, 1)
    return "\t".join((name, *environment, *words)) + "\n"


# --- the page


def markdown(document: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in document["versions"].items())
    lines = [
        "# The native runtime",
        "",
        f"Made by `make bench-native` on {document['date']} ({versions}).",
        f"The Fashion-MNIST model of examples/, int8, with {document['model']['macs']:,} MACs and "
        f"{document['model']['weight_bytes']:,} bytes of weights and biases.",
        "All CPUs are emulated: bytes, executed instructions and memory, no times.",
        "",
        *programs_table(document),
        *releases_table(document),
        *instructions_table(document),
        *memory_table(document),
    ]
    return "\n".join(lines)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    head = list(head)
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return [lines[0], "|---" * len(head) + "|", *lines[1:], ""]


def programs_table(document: dict[str, Any]) -> list[str]:
    weights = document["model"]["weight_bytes"]
    rows = [
        (
            row["built_for"],
            f"{row['bytes']:,}",
            f"**{row['bytes'] - weights:,}**{'' if row['bytes'] - weights <= BAR_BYTES else ' OVER'}",
            "yes" if row["static"] else "NO",
            ", ".join(f"{cpu}: {'OK' if ran['ok'] else 'WRONG'}" for cpu, ran in row["selftest"].items()),
        )
        for row in document["programs"]
    ]
    return [
        HOW["programs"],
        *table(("built for", "program, B", "without the weights, B", "static", "self-test on"), rows),
    ]


def releases_table(document: dict[str, Any]) -> list[str]:
    sizes = document["releases"]
    names = {
        "native": "native, with the library and `edgekit_runtime` for Python",
        "native, no Python": "native, a board without Python: the program twice, as model and as runtime",
    }
    rows = [(names.get(key, key), f"{sizes[key]:,}", ratio(sizes[key], sizes["native"])) for key in RELEASES]
    return [
        HOW["releases"],
        *table(("release", "bytes", "ratio to native"), rows),
    ]


def instructions_table(document: dict[str, Any]) -> list[str]:
    rows = []
    for row in document["instructions"]:
        own = row["native"]
        for name in RUNTIMES:
            first, second = max(row[name]["first_inference"]), row[name]["second_inference"]
            rows.append(
                (
                    row["cpu"],
                    LABELS.get(name, name),
                    f"**{first:,}**",
                    repeated(row[name]["first_inference"]),
                    ratio(first, max(own["first_inference"])),
                    f"{second:,}",
                    ratio(second, own["second_inference"]),
                )
            )
    return [
        HOW["instructions"],
        *table(("CPU", "runtime", "to first inference", "again", "ratio to native", "second inference", "ratio"), rows),
    ]


def repeated(counts: Sequence[int]) -> str:
    spread = max(counts) - min(counts)
    return "the same" if spread == 0 else f"{spread / min(counts):.4%} apart"


def memory_table(document: dict[str, Any]) -> list[str]:
    rows = []
    for found in document["memory"]:
        own = max(found["native"]["peak_rss_bytes"])
        for name in RUNTIMES:
            peaks = found[name]["peak_rss_bytes"]
            shown = f"{min(peaks) / 1e6:.3f} to {max(peaks) / 1e6:.3f}" if min(peaks) != max(peaks) else "the same"
            row = (found["cpu"], LABELS.get(name, name), f"**{max(peaks) / 1e6:.3f}**", shown, ratio(max(peaks), own))
            rows.append(row)
    return [
        HOW["memory"],
        f"Linux {document['memory'][0]['kernel']}.",
        "",
        *table(("CPU", "runtime", "MB", f"range of {REPEATS}", "ratio to native"), rows),
    ]


def ratio(theirs: int, ours: int) -> str:
    return f"{theirs / ours:.3g}x"


if __name__ == "__main__":
    main()

"""A runtime name and a board's Python, CPU and libc → one finished folder for PYTHONPATH there.

The wheels are resolved and downloaded on the host by pip, with the user's own pip configuration; the board needs no
pip, no compiler and no internet. They are unpacked by name, slimmed by the table below and stripped of symbols. Where
LiteRT has no wheel for a board, or its libraries do not load there, tflite-runtime takes its place if it can. Refused:
CPUs and Pythons for which no wheels exist, archives with links or names outside their folder.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from edgekit import resources
from edgekit.deployment import elf
from edgekit.errors import DeviceError, EdgekitError, IntegrityError, UnsupportedError, did_you_mean
from edgekit.files import write_whole

Progress = Callable[[str], None]

# NumPy by the board's Python: the release whose libraries are smallest among those that the newest runtimes accept.
# (aarch64, stripped: OpenBLAS is 21.4 MB in 2.0.2 and 2.1.3, 23 to 26 MB in 1.26.4 and in 2.2 to 2.4.)
NUMPY = {
    "3.9": "numpy==2.0.2", "3.10": "numpy==2.0.2", "3.11": "numpy==2.0.2", "3.12": "numpy==2.0.2",
    "3.13": "numpy==2.1.3", "3.14": "numpy==2.3.5",
}  # fmt: skip
NUMPY_1 = dict.fromkeys(("3.9", "3.10", "3.11", "3.12"), "numpy==1.26.4")  # tflite-runtime breaks with NumPy 2


@dataclass(frozen=True)
class BoardRuntime:
    """What runs models on a board.

    file_type      ending of the model files that it runs
    requirement    for pip, which takes the newest release up to the tested one that has a wheel for the board
    numpy          by the board's Python, the release that goes with it
    architectures  CPUs that it has wheels for
    tag_libc       the glibc that the tags of its wheels name, where their libraries need less
    fallback       what runs the same files where this one cannot; "" is nothing
    """

    file_type: str
    requirement: str
    numpy: Mapping[str, str]
    architectures: tuple[str, ...] = ("aarch64", "x86_64")
    tag_libc: str = "2.17"
    fallback: str = ""


# ONNX Runtime stops at 1.28.0: its library has 21.6 MB on aarch64, that of 1.32.0 has 28.5 MB, and glibc 2.27 is enough
# for it (1.32.0: 2.28). The libraries of tflite-runtime need glibc 2.27.
RUNTIMES = {
    "onnxruntime": BoardRuntime(".onnx", "onnxruntime>=1.19,<=1.28.0", NUMPY),
    "litert": BoardRuntime(".tflite", "ai-edge-litert>=2.0,<=2.3.0", NUMPY, fallback="tflite-runtime"),
    "tflite-runtime": BoardRuntime(
        ".tflite", "tflite-runtime==2.14.0", NUMPY_1, ("aarch64", "x86_64", "armv7l"), tag_libc="2.34"
    ),
}
WITHOUT_NUMPY = ("armv7l",)  # CPUs that NumPy has no wheels for: the board's own must do

# Paths inside the wheels that stay behind, each for a reason; a pattern's * also matches "/".
DROPPED = (
    # its C library: the Python module holds the whole of ONNX Runtime itself
    "onnxruntime/capi/libonnxruntime.so*",
    # tools for making models, not for running them
    "onnxruntime/backend/*", "onnxruntime/datasets/*", "onnxruntime/quantization/*", "onnxruntime/tools/*",
    "onnxruntime/transformers/*", "onnxruntime/capi/convert_npz_to_onnx_adapter.py",
    # everything of LiteRT but its interpreter: GPU, NPU compilers, calibration, generative AI, protobuf classes
    "ai_edge_litert/libLiteRt*.so", "ai_edge_litert/format_converter_wrapper_pybind11.so",
    "ai_edge_litert/pywrap_genai_ops.so", "ai_edge_litert/schema_py_generated.py",
    "ai_edge_litert/_pywrap_analyzer_wrapper.so", "ai_edge_litert/_pywrap_litert_[!i]*.so",
    "ai_edge_litert/_pywrap_modify_model_interface.so", "ai_edge_litert/_pywrap_string_util.so",
    "ai_edge_litert/_pywrap_tensorflow_lite_calibration_wrapper.so", "ai_edge_litert/_pywrap_tfl_calibration.so",
    "ai_edge_litert/*_pb2.py", "ai_edge_litert/vendors/*", "ai_edge_litert/aot/*", "ai_edge_litert/tools/*",
    "ai_edge_litert/tflite/*",
    "ai_edge_litert/*_options.py", "ai_edge_litert/options.py", "ai_edge_litert/option_utils.py",
    "ai_edge_litert/compiled_model.py", "ai_edge_litert/environment.py", "ai_edge_litert/tensor_buffer.py",
    # what only compiles, types or tests against NumPy
    "numpy/*/tests/*", "numpy/tests/*", "numpy/conftest.py", "numpy/f2py/*", "numpy/distutils/*",
    "numpy/_pyinstaller/*", "numpy/*/include/*", "numpy/*/lib/npy-pkg-config/*", "numpy/*/lib/pkgconfig/*",
    "numpy/random/lib/*", "numpy/random/_examples/*", "numpy/doc/*", "numpy/*core/_simd.*.so",
    "numpy/*core/_operand_flag_tests.*.so", "numpy/*core/_rational_tests.*.so",
    "numpy/*core/_struct_ufunc_tests.*.so", "numpy/*core/_umath_tests.*.so",  # not _multiarray_tests: NumPy imports it
    "*.pyi", "*.pxd", "*.pyx", "*.h", "*.a", "*/py.typed",
)  # fmt: skip
_DIST_INFO_KEPT = re.compile(r"METADATA|.*(LICEN[CS]E|NOTICE|COPYING).*", re.IGNORECASE)
_LARGEST_UNPACKED_BYTES = 1 << 30
# what every glibc system with Python has; anything else must be in the tree itself
_SYSTEM_LIBRARIES = re.compile(
    r"lib(c|m|dl|rt|pthread|util|gcc_s|stdc\+\+)\.so\.\d+|ld-linux-(aarch64|x86-64|armhf)\.so\.\d|libz\.so\.1|libatomic\.so\.1"
)
_LAYOUT = 2  # part of a tree's identity: raise it when slimming changes


@dataclass(frozen=True)
class Wheel:
    """One wheel of a tree, by the hash of its file."""

    name: str
    version: str
    file: str
    sha256: str


@dataclass(frozen=True)
class RuntimeTree:
    """A finished folder for PYTHONPATH on the board. `notes` says what decides its size and what was left out."""

    path: Path
    runtime: str
    python: str
    arch: str
    files: int
    bytes: int
    wheels: tuple[Wheel, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Wanted:
    """What is asked of pip; also the key under which its answer is remembered."""

    requirements: tuple[str, ...]
    python: str
    arch: str
    libc_version: str

    def __str__(self) -> str:
        wheels = " and ".join(self.requirements)
        return f"{wheels} for Python {self.python}, {self.arch}, glibc {self.libc_version}"

    def platforms(self) -> list[str]:
        """Every manylinux tag up to the board's glibc, newest first."""
        minor = elf.parse_version(self.libc_version)[1]
        tags = [f"manylinux_2_{n}_{self.arch}" for n in range(minor, 16, -1)]
        return [*tags, f"manylinux2014_{self.arch}", f"linux_{self.arch}"]

    def key(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()


@dataclass(frozen=True)
class Board:
    """What decides which libraries run on a board.

    python  "3.11"; arch: "aarch64"; libc: its glibc, "2.36"
    numpy   version of its own NumPy; None: it has none
    """

    python: str
    arch: str
    libc: str
    numpy: str | None = None


def board_runtime(name: str) -> BoardRuntime:
    """The entry of RUNTIMES. Raises UnsupportedError for what is no runtime."""
    if name not in RUNTIMES:
        raise UnsupportedError(f"runtime {name!r} is unknown", hint=did_you_mean(name, (*RUNTIMES, "native")))
    return RUNTIMES[name]


class _NoWheel(UnsupportedError):
    """No wheel exists for the board: another runtime may have one."""


class _DoesNotLoad(DeviceError):
    """The libraries of the wheels need more than the board has."""


def assemble(runtime: str, board: Board, cache: Path, progress: Progress | None = None) -> RuntimeTree:
    """`runtime`, or what takes its place on this board, ready to be sent.

    Downloads and finished trees are kept under `cache`; a second call with the same arguments needs no network. Raises
    UnsupportedError when no wheels exist for the board, DeviceError when it lacks what they need (libc, NumPy).
    """
    say = progress or (lambda _: None)
    try:
        return _assemble(runtime, board, cache, say)
    except (_NoWheel, _DoesNotLoad) as e:
        fallback = RUNTIMES[runtime].fallback
        if not fallback:
            raise
        say(f"{e.message}: taking {fallback}, which runs the same files")
        try:
            return _assemble(fallback, board, cache, say)
        except EdgekitError as second:
            raise type(second)(f"{e.message}; {second.message}", hint=second.hint) from e


def _assemble(runtime: str, board: Board, cache: Path, say: Progress) -> RuntimeTree:
    wanted = _want(runtime, board)
    wheels = _resolve(wanted, cache, say)
    own = sorted(_own_files())
    identity = _identity(wheels, own)
    path = cache / "trees" / identity
    if not path.is_dir():
        say(f"unpacking and slimming {', '.join(f'{w.name} {w.version}' for w in wheels)}")
        _build(path, wheels, own, cache)
    tree = _describe(path, runtime, board.python, board.arch, wheels)
    complaints = check_needs(tree, board.libc)
    if complaints:
        more = " (more than the tag of its wheel says)" if any("GLIBC" in c for c in complaints) else ""
        raise _DoesNotLoad(
            f"{runtime} cannot run on this board: {'; '.join(complaints)}{more}",
            hint="use an OS image with a newer libc, or another --runtime",
        )
    return tree


def check_needs(tree: RuntimeTree, libc_version: str, libstdcxx: str | None = None) -> list[str]:
    """What the libraries of `tree` need that a board with this glibc lacks, read from the libraries; empty = nothing.

    `libstdcxx` is the newest GLIBCXX version of the board ("3.4.30"); None = not known, and not judged.
    """
    libraries = {p.name: elf.needs(p) for p in sorted(tree.path.rglob("*.so*")) if elf.is_elf(p.read_bytes()[:4])}
    have = {"GLIBC": libc_version, "GLIBCXX": libstdcxx}
    found = []
    for name, needs in libraries.items():
        if needs.machine != tree.arch:
            found.append(f"{name} is for {needs.machine}, not {tree.arch}")
        for prefix, version in have.items():
            highest = needs.highest(prefix)
            if version is not None and highest > elf.parse_version(version):
                found.append(f"{name} needs {prefix}_{'.'.join(map(str, highest))}, the board has {version}")
        missing = [n for n in needs.libraries if n not in libraries and not _SYSTEM_LIBRARIES.fullmatch(n)]
        found += [f"{name} needs {n}, which is not part of the runtime" for n in missing]
    return found


def _want(runtime: str, board: Board) -> _Wanted:
    kind = board_runtime(runtime)
    if board.arch not in kind.architectures:
        raise _NoWheel(
            f"{runtime} on {board.arch}: no wheels exist for this CPU, only for {' and '.join(kind.architectures)}",
            hint=_other_ways(board.arch),
        )
    if board.python not in kind.numpy:
        raise _NoWheel(
            f"{runtime} on Python {board.python}: supported are {', '.join(kind.numpy)}",
            hint="install one of these Pythons on the board, or use another --runtime",
        )
    if not re.fullmatch(r"2\.\d{1,3}", board.libc):
        raise DeviceError(
            f"libc version {board.libc!r} of the board: glibc 2.x is needed", hint="musl is not supported"
        )
    numpy = kind.numpy[board.python]
    if board.arch in WITHOUT_NUMPY:
        _check_numpy(runtime, board, numpy)
    requirements = (kind.requirement,) if board.arch in WITHOUT_NUMPY else (kind.requirement, numpy)
    return _Wanted(requirements, board.python, board.arch, max(board.libc, kind.tag_libc, key=elf.parse_version))


def _other_ways(arch: str) -> str:
    others = [f"--runtime {name} has them" for name, kind in RUNTIMES.items() if arch in kind.architectures]
    return "; ".join(others) or "--runtime native needs no wheels (edgekit convert --formats c)"


def _check_numpy(runtime: str, board: Board, wanted: str) -> None:
    """The board's own NumPy must be of the major version that `wanted` ("numpy==1.26.4") names. Raises DeviceError."""
    if board.numpy is None:
        raise DeviceError(
            f"the board has no NumPy, and there is no wheel of NumPy for {board.arch}",
            hint="run on the board: sudo apt install python3-numpy; then deploy again",
        )
    major = wanted.partition("==")[2].partition(".")[0]
    if board.numpy.partition(".")[0] != major:
        raise DeviceError(
            f"the board has NumPy {board.numpy}, {runtime} needs NumPy {major}, "
            f"and there is no wheel of NumPy for {board.arch}",
            hint="use an OS image with an older NumPy, such as Raspberry Pi OS bookworm",
        )


# --- resolving and downloading


def _resolve(wanted: _Wanted, cache: Path, say: Progress) -> tuple[Wheel, ...]:
    """The wheels that answer `wanted`, all present in the cache under their hashes."""
    answer = cache / "resolved" / f"{wanted.key()}.json"
    try:
        wheels = tuple(Wheel(**w) for w in json.loads(answer.read_text(encoding="utf-8")))
        if all(_wheel_path(cache, w).is_file() for w in wheels):
            return wheels
    except (OSError, ValueError, TypeError):
        pass  # not asked before, or an unreadable answer: ask again
    say(f"downloading {wanted}")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".download-") as folder:
        _download(wanted, Path(folder))
        wheels = tuple(_store(path, cache) for path in sorted(Path(folder).glob("*.whl")))
    answer.parent.mkdir(parents=True, exist_ok=True)
    write_whole(answer, json.dumps([asdict(w) for w in wheels], indent=1))
    return wheels


def _download(wanted: _Wanted, folder: Path) -> None:
    abis = (f"cp{wanted.python.replace('.', '')}", "abi3", "none")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--dest", str(folder)]
    command += ["--implementation", "cp", "--python-version", wanted.python]
    command += [part for abi in abis for part in ("--abi", abi)]
    command += [part for tag in wanted.platforms() for part in ("--platform", tag)]
    done = subprocess.run(
        [*command, *wanted.requirements], capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        raise _refusal(wanted, done.stderr)


def _refusal(wanted: _Wanted, stderr: str) -> UnsupportedError:
    if "No module named pip" in stderr:
        return UnsupportedError(
            f"cannot download {wanted}: this Python has no pip", hint=f"run: {sys.executable} -m ensurepip"
        )
    lines = [line.strip() for line in stderr.splitlines() if line.startswith("ERROR:")]
    if any("No matching distribution" in line for line in lines) and "onnection" not in stderr:
        hint = "check the package index that pip uses (pip config list); older Pythons and libcs have fewer wheels"
        return _NoWheel(f"no wheel for {wanted}: {lines[0].removeprefix('ERROR: ')}", hint=hint)
    reason = lines[-1].removeprefix("ERROR: ") if lines else stderr.strip()[-300:]
    return UnsupportedError(
        f"pip could not download {wanted}: {reason}", hint="check the network and `pip config list`"
    )


def _store(path: Path, cache: Path) -> Wheel:
    name, version = path.name.split("-")[:2]
    wheel = Wheel(name.replace("_", "-").lower(), version, path.name, _sha256(path))
    place = _wheel_path(cache, wheel)
    place.parent.mkdir(parents=True, exist_ok=True)
    path.replace(place)
    return wheel


def _wheel_path(cache: Path, wheel: Wheel) -> Path:
    return cache / "wheels" / wheel.sha256 / PurePosixPath(wheel.file).name


# --- unpacking and slimming


def _build(path: Path, wheels: tuple[Wheel, ...], own: list[tuple[str, bytes]], cache: Path) -> None:
    """The whole tree in a temporary folder, then one rename: a tree that exists is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=path.parent, prefix=".part-"))
    try:
        part.chmod(0o755)
        for wheel in wheels:
            for name, data in _kept_files(wheel, cache):
                _write(part / name, data)
        for name, data in own:
            _write(part / name, data)
        _write(part / "NOTICE", _notice(wheels).encode())
        part.rename(path)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        if not path.is_dir():  # else another process was faster, with the same content
            raise
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _kept_files(wheel: Wheel, cache: Path) -> Iterator[tuple[str, bytes]]:
    """(path, content) of what goes on the board, libraries without symbols."""
    source = _wheel_path(cache, wheel)
    if _sha256(source) != wheel.sha256:
        raise IntegrityError(f"{source}: changed since it was downloaded", hint="delete this file and try again")
    with zipfile.ZipFile(source) as archive:
        members = [m for m in archive.infolist() if not m.is_dir()]
        _check_members(wheel, members)
        names = [m.filename for m in members]
        kept = {name for name in names if is_kept(name)}
        for name in sorted(kept | _needed(archive, kept, names)):
            data = archive.read(name)
            yield name, elf.strip(data) if elf.is_elf(data) else data


def _needed(archive: zipfile.ZipFile, kept: set[str], names: list[str]) -> set[str]:
    """Libraries that would stay behind although kept ones are linked to them: libLiteRt.so in ai-edge-litert 2.1."""
    left = {PurePosixPath(name).name: name for name in names if name not in kept}
    found: set[str] = set()
    queue = [name for name in kept if ".so" in PurePosixPath(name).name]
    while queue:
        name = queue.pop()
        data = archive.read(name)
        libraries = elf.needs_of(data, name).libraries if elf.is_elf(data) else ()
        linked = [left.pop(library) for library in libraries if library in left]
        found.update(linked)
        queue += linked
    return found


def _check_members(wheel: Wheel, members: list[zipfile.ZipInfo]) -> None:
    """Wheels are made by others: only plain files below the folder, no more than a sane size, no name twice."""
    names = [m.filename for m in members]
    wrong = [m.filename for m in members if not _is_plain(m)]
    wrong += sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
    if wrong:
        raise IntegrityError(f"{wheel.file}: refused for its members {', '.join(map(repr, wrong[:5]))}")
    if sum(m.file_size for m in members) > _LARGEST_UNPACKED_BYTES:
        raise IntegrityError(f"{wheel.file}: unpacks to more than {_LARGEST_UNPACKED_BYTES} bytes")


def _is_plain(member: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(member.external_attr >> 16)
    parts = PurePosixPath(member.filename).parts
    inside = parts and not member.filename.startswith("/") and ".." not in parts and "\\" not in member.filename
    printable = member.filename.isprintable() and ":" not in member.filename
    return bool(inside) and printable and kind in (0, stat.S_IFREG)


def is_kept(name: str) -> bool:
    """Whether the file `name` of a wheel goes on the board."""
    top = name.split("/", 1)[0]
    if top.endswith(".data"):
        return False
    if top.endswith(".dist-info"):
        return bool(_DIST_INFO_KEPT.fullmatch(PurePosixPath(name).name))
    return not any(fnmatch.fnmatchcase(name, pattern) for pattern in DROPPED)


def _own_files() -> Iterator[tuple[str, bytes]]:
    source = resources.runtime_dir() / "python"
    for path in source.glob("edgekit_runtime/*.py"):
        yield path.relative_to(source).as_posix(), path.read_bytes()


def _notice(wheels: tuple[Wheel, ...]) -> str:
    lines = [f"{w.name} {w.version}  {w.file}  sha256:{w.sha256}" for w in wheels]
    return (
        "Runtime assembled by edgekit from these packages, without their tests, tools and debugging symbols.\n"
        "Their licences are in the *.dist-info folders and beside the code.\n\n" + "\n".join(lines) + "\n"
    )


def _identity(wheels: tuple[Wheel, ...], own: list[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256(repr((_LAYOUT, wheels, DROPPED)).encode())
    for name, data in own:
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:32]


def _describe(path: Path, runtime: str, python: str, arch: str, wheels: tuple[Wheel, ...]) -> RuntimeTree:
    sizes = {p.relative_to(path): p.stat().st_size for p in path.rglob("*") if p.is_file()}
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:3]
    notes = [f"{name.name}: {size / 1e6:.1f} MB" for name, size in largest]
    if runtime == "onnxruntime" and python == "3.10":
        notes.append("onnxruntime 1.23.2 is the last release for Python 3.10")
    return RuntimeTree(path, runtime, python, arch, len(sizes), sum(sizes.values()), wheels, tuple(notes))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()

"""A model as C → one static program, or one library, for Linux boards: built here by zig, which carries every libc.

The program (runtime/c/ports/linux) needs nothing on the board, not even a C library; the library needs none either and
loads into programs of any. Refused: CPUs that are not in ARCHITECTURES, and machines without a compiler for them.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit import __version__
from edgekit.building.compiler import Compiler, build, built
from edgekit.emitters.c import CSources
from edgekit.errors import UnsupportedError
from edgekit.resources import cache_dir, runtime_dir

Progress = Callable[[str], None]

# no-contract: a product and a sum are rounded each, as everywhere else; wrapv: sums that overflow wrap
FLAGS = (
    *("-std=c99", "-O2", "-ffp-contract=off", "-fwrapv"),
    *("-ffunction-sections", "-fdata-sections", "-fno-asynchronous-unwind-tables"),
)
WARNINGS = ("-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror")
HOW_TO_GET = 'python3 -m pip install "edgekit-sdk[native]"'


@dataclass(frozen=True)
class Architecture:
    """How zig and GCC name a CPU architecture of boards.

    triple    zig's target, with the libc of static programs; soft: the same where a board's ABI passes no floats in
              registers of the floating point unit (Debian's armel); shared: of libraries
    baseline  what every board of it has; cpus: our cores → zig's names where that is more than the baseline
    gcc       a cross compiler that will do
    """

    triple: str
    shared: str
    baseline: str
    cpus: Mapping[str, str]
    soft_shared: str = ""
    gcc: tuple[str, ...] = ()


ARCHITECTURES = {
    "aarch64": Architecture(
        "aarch64-linux-musl",
        "aarch64-linux-gnu.2.17",
        "cortex_a53",
        {"cortex-a55": "cortex_a55", "cortex-a76": "cortex_a76", "cortex-a78ae": "cortex_a78ae"},  # dot products
        gcc=("aarch64-linux-gnu-gcc", "-static"),
    ),
    "armv7l": Architecture(
        "arm-linux-musleabihf",
        "arm-linux-gnueabihf.2.17",
        "cortex_a7",
        {},
        soft_shared="arm-linux-gnueabi.2.17",
        gcc=("arm-linux-gnueabihf-gcc", "-static", "-mfpu=neon-vfpv4"),
    ),
    "armv6l": Architecture(
        "arm-linux-musleabihf",
        "arm-linux-gnueabihf.2.17",
        "arm1176jzf_s",
        {},
        soft_shared="arm-linux-gnueabi.2.17",
    ),
    "x86_64": Architecture("x86_64-linux-musl", "x86_64-linux-gnu.2.17", "x86_64_v2", {}),
}


@dataclass(frozen=True)
class NativeTarget:
    """arch: a name in ARCHITECTURES; core: of the target, such as "cortex-a72", "" for any of its architecture."""

    arch: str
    core: str = ""

    def __post_init__(self) -> None:
        if self.arch not in ARCHITECTURES:
            raise UnsupportedError(
                f"there is no native runtime for {self.arch}", hint=f"there is one for {', '.join(ARCHITECTURES)}"
            )

    @property
    def cpu(self) -> str:
        """zig's name of the CPU that is built for."""
        known = ARCHITECTURES[self.arch]
        return known.cpus.get(self.core, known.baseline)

    def __str__(self) -> str:
        return f"{self.arch} {self.cpu}"


def compiler_for(target: NativeTarget) -> Compiler:
    """The compiler of static programs: zig, else a cross GCC, else that of this machine where it is of the kind."""
    known = ARCHITECTURES[target.arch]
    zig = _zig(known.triple, target.cpu, "-static", "-s", "-Wl,--gc-sections")
    if zig.installed:
        return zig
    if known.gcc and shutil.which(known.gcc[0]):
        return Compiler(known.gcc[0], (*known.gcc, "-s", *FLAGS), ("-lm",))
    if platform.machine() == target.arch and shutil.which("cc"):
        return Compiler("cc", ("cc", "-static", "-s", *FLAGS), ("-lm",))
    return zig


def library_compiler_for(target: NativeTarget, name: str, *, soft_float: bool = False) -> Compiler:
    """The compiler of lib<name>.so. soft_float: for boards whose ABI passes floats in integer registers."""
    known = ARCHITECTURES[target.arch]
    triple = known.soft_shared if soft_float else known.shared
    return _zig(triple, target.cpu, "-shared", "-fPIC", "-s", f"-Wl,-soname,lib{name}.so", *library_exports())


def library_exports() -> tuple[str, ...]:
    """Linker flags: kernels of one library must not stand in for those of another."""
    return (f"-Wl,--version-script={EXPORTS}",)


def _zig(triple: str, cpu: str, *flags: str) -> Compiler:
    folder = cache_dir() / "zig"
    return Compiler(
        name="zig",
        command=(_zig_path(), "cc", "-target", triple, f"-mcpu={cpu}", *FLAGS, *WARNINGS, *flags),
        links=("-lm",),
        how_to_get=HOW_TO_GET,
        environment=(("ZIG_GLOBAL_CACHE_DIR", str(folder)), ("ZIG_LOCAL_CACHE_DIR", "zig")),
        version=_zig_version(),
        separately=False,  # it takes long to start, and makes its C library with the first source
    )


def _zig_path() -> str:
    """The program of the package ziglang, else one that is on the PATH."""
    found = importlib.util.find_spec("ziglang")
    folder = Path(found.origin).parent if found and found.origin else None
    inside = [folder / name for name in ("zig", "zig.exe") if (folder / name).is_file()] if folder else []
    return str(inside[0]) if inside else "zig"


def _zig_version() -> str:
    try:
        return importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        return ""


EXPORTS = "exports.map"
_PORT = runtime_dir() / "c" / "ports" / "linux"
MOST_DIMENSIONS = 8  # of an array that is transposed (values.c)


@dataclass(frozen=True)
class NativeModel:
    """A model and what applications see of it.

    document  of the model file: name, precision, inputs and outputs as in model.json (edgekit.artifacts.Description)
    """

    sources: CSources
    document: Mapping[str, Any]

    def program(self, target: NativeTarget, progress: Progress = lambda _: None) -> Path:
        """One static program with the model inside. Raises UsageError where there is no compiler."""
        return _built(self.program_files(target), compiler_for(target), self.sources.name, target, progress)

    def library(self, target: NativeTarget, progress: Progress = lambda _: None, *, soft_float: bool = False) -> Path:
        """lib<name>.so; NAME.h and edgekit.h of the sources are its headers. Raises UsageError without zig."""
        name = self.sources.name
        files = self.library_files(target)
        compiler = library_compiler_for(target, name, soft_float=soft_float)
        return _built(files, compiler, f"lib{name}.so", target, progress)

    def program_files(self, target: NativeTarget) -> dict[str, str]:
        """Text by path of what a program is compiled from."""
        return self._files(target, sorted(_PORT.glob("*.[ch]")))

    def library_files(self, target: NativeTarget) -> dict[str, str]:
        """The same of a library."""
        exports = f"{{ global: {self.sources.name}_*; edgekit_*; local: *; }};\n"
        return self._files(target, [_PORT / "native.h", _PORT / "values.c"]) | {EXPORTS: exports}

    def _files(self, target: NativeTarget, port: Iterable[Path]) -> dict[str, str]:
        files = {f"port/{path.name}": path.read_text(encoding="utf-8") for path in port}
        files |= {path: text for path, text in self.sources.texts().items() if path.endswith((".c", ".h"))}
        return files | {"native.c": self._native(target)}

    def _native(self, target: NativeTarget) -> str:
        """The C of `edgekit_native`."""
        name = self.sources.name
        inputs, outputs = self.document["inputs"], self.document["outputs"]
        facts = (str(self.document["name"]), __version__, str(self.document["precision"]), str(target))
        assert all('"' not in fact and "\\" not in fact for fact in facts[1:])
        lines = [
            "/* What a program or library says of its model. Made by edgekit: do not edit. */",
            '#include "native.h"',
            f"extern const ek_model {name}_model;",
            *_views("inputs", inputs),
            *_views("outputs", outputs),
            f"static const ek_native native = {{&{name}_model, {', '.join(_string(f) for f in facts[1:])}, "
            f"{'inputs' if inputs else '0'}, {'outputs' if outputs else '0'}}};",
            "const ek_native *edgekit_native(void) { return &native; }",
        ]
        return "\n".join(lines) + "\n"


def app_shape(value: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape of an application's array, of an input or output in model.json."""
    shape, axes = value["shape"], value.get("permutation")
    if value.get("app_shape") is not None:
        return tuple(value["app_shape"])
    return tuple(shape) if axes is None else tuple(shape[axes.index(axis)] for axis in range(len(shape)))


def _views(which: str, values: Sequence[Mapping[str, Any]]) -> list[str]:
    lines, rows = [], []
    for k, value in enumerate(values):
        shape, axes = app_shape(value), value.get("permutation")
        if axes is not None and len(axes) > MOST_DIMENSIONS:
            raise UnsupportedError(f'"{value["name"]}" has {len(axes)} dimensions, allowed are {MOST_DIMENSIONS}')
        lines.append(_numbers(f"{which}{k}_shape", shape))
        if axes is not None:
            lines.append(_numbers(f"{which}{k}_axes", axes))
        tolerance = value.get("tolerance")
        shown = "-1.0" if tolerance is None else repr(float(tolerance))
        rows.append(f"{{{shown}, {len(shape)}, {which}{k}_shape, {'0' if axes is None else f'{which}{k}_axes'}}}")
    return [*lines, f"static const ek_view {which}[{len(rows)}] = {{{', '.join(rows)}}};"] if rows else []


def _numbers(name: str, numbers: Sequence[int]) -> str:
    return f"static const int32_t {name}[{max(len(numbers), 1)}] = {{{', '.join(map(str, numbers)) or '0'}}};"


def _string(text: str) -> str:
    return f'"{text}"'


def _built(files: Mapping[str, str], compiler: Compiler, name: str, target: NativeTarget, progress: Progress) -> Path:
    found = built(files, compiler, name)
    if found is not None:
        return found
    progress(f"compiling {name} for {target} (the first one for a CPU takes about a minute)")
    return build(files, compiler, name)

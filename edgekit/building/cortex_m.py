"""C sources and a Cortex-M target → firmware images: the test bench with files, and the bare one that is measured.

Startup, linker script and port lie in runtime/c/ports/cortex_m; what differs from target to target is `memory.ld` and
the flags of the compiler. The linker is given more room than there is, and addresses where a target has none: what does
not fit is said here, in figures.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.building.bench import bench_files
from edgekit.building.compiler import Compiler, build
from edgekit.building.image import Image, read_image
from edgekit.building.placement import Layout, check_flash, layout
from edgekit.emitters.c import CSources
from edgekit.errors import InternalError, UnsupportedError
from edgekit.resources import runtime_dir
from edgekit.target import Core, Target

PORT = "cortex_m"
STACK_BYTES = 2048
VARIABLES_BYTES = 512  # of startup, port and C library: more than they have
HOW_TO_GET = "apt install gcc-arm-none-eabi libnewlib-arm-none-eabi"

# core → what its -mcpu brings that a chip may lack: (isa, name after "+no")
CORES: dict[str, tuple[tuple[str, str], ...]] = {
    "cortex-m0plus": (),
    "cortex-m3": (),
    "cortex-m4": (("fpu-sp", "fp"),),
    "cortex-m7": (("fpu-sp", "fp"), ("fpu-dp", "fp.dp")),
    "cortex-m33": (("dsp", "dsp"), ("fpu-sp", "fp")),
    "cortex-m55": (("mve-int", "mve"), ("mve-float", "mve.fp"), ("fpu-sp", "fp")),
}
_ROOM = 0x1000_0000


@dataclass(frozen=True)
class Firmware:
    """bench: reads samples and writes answers; bare: the model and what starts it, no files."""

    bench: Image
    bare: Image
    layout: Layout


def compiler(core: Core, *flags: str) -> Compiler:
    """The cross compiler for a Cortex-M, with what this chip has of its options. Raises UnsupportedError."""
    if core.id not in CORES:
        raise UnsupportedError(
            f"firmware for {core.name} cannot be built", hint=f"possible: {', '.join(sorted(CORES))}"
        )
    lacks = "".join(f"+no{name}" for isa, name in CORES[core.id] if isa not in core.isa)
    abi = "hard" if "fpu-sp" in core.isa else "soft"
    command = ("arm-none-eabi-gcc", f"-mcpu={core.id}{lacks}", "-mthumb", f"-mfloat-abi={abi}", "-O2")
    sections = ("-ffunction-sections", "-fdata-sections", "--specs=nano.specs", "-nostartfiles")
    links = ("-Tport/link.ld", "-Lport", "-Wl,--gc-sections", "-lm")
    return Compiler(f"gcc for {core.name}", (*command, *sections, *flags), links, HOW_TO_GET)


def bench_image(models: Sequence[CSources], target: Target, *flags: str) -> Image:
    """The test bench for models whose names differ, with an arena for the largest. flags: more for the compiler.

    Raises UnsupportedError where it does not fit, UsageError without a compiler, InternalError.
    """
    places = layout(target, max(model.arena_bytes for model in models), STACK_BYTES + VARIABLES_BYTES)
    files = bench_files(models, PORT) | {
        "port/memory.ld": memory_script(places, max(model.arena_bytes for model in models))
    }
    return _built(files, target, "bench.elf", flags)


def bare_image(model: CSources, target: Target, *flags: str) -> Image:
    """Startup, init() and one invoke(): what a firmware has of a model, without files and without test code; raises
    what `bench_image` does."""
    places = layout(target, model.arena_bytes, STACK_BYTES + VARIABLES_BYTES)
    port = runtime_dir() / "c" / "ports" / PORT
    files = {f"model/{name}": text for name, text in model.files.items() if not name.endswith("_model.c")}
    files |= {f"kernels/{name}": text for name, text in model.kernel_files.items()}
    files |= {
        f"port/{name}": (port / name).read_text(encoding="utf-8") for name in ("startup.c", "semihosting.h", "link.ld")
    }
    files |= {"port/memory.ld": memory_script(places, 0), "main.c": _bare_main(model.name)}
    return _built(files, target, "bare.elf", flags)


def build_firmware(model: CSources, target: Target) -> Firmware:
    """Both images; raises what `bench_image` does."""
    places = layout(target, model.arena_bytes, STACK_BYTES + VARIABLES_BYTES)
    return Firmware(bench_image([model], target), bare_image(model, target), places)


def compiler_version() -> str:
    """Name and version of the cross compiler."""
    done = subprocess.run(["arm-none-eabi-gcc", "-dumpfullversion"], capture_output=True, text=True)
    return f"arm-none-eabi-gcc {done.stdout.strip()}"


def memory_script(places: Layout, arena: int) -> str:
    """memory.ld: the memories of a target under the names that link.ld has for them. arena: bytes that it reserves."""
    roles = {"CODE": places.code, "DATA": places.data, "ARENA": places.arena}
    regions = {region.name: region for region in roles.values()}
    lines = [
        f"  {_word(r.name)} : ORIGIN = {k * _ROOM if r.address is None else r.address:#010x}, LENGTH = {_ROOM:#x}"
        for k, r in enumerate(regions.values())
    ]
    aliases = [f'REGION_ALIAS("{role}", {_word(region.name)});' for role, region in roles.items()]
    sizes = [f"_stack_bytes = {STACK_BYTES};", f"_arena_bytes = {arena};"]
    return "\n".join(["MEMORY", "{", *lines, "}", *aliases, *sizes, ""])


def counting_plugin(interface: int) -> Path:
    """The plugin with which QEMU counts instructions, built for this machine.

    interface: version of QEMU's interface for plugins, 1 or 2. Raises UsageError without a compiler.
    """
    source = runtime_dir() / "c" / "ports" / PORT / "qemu" / "counting.c"
    flags = ("-O2", "-shared", "-fPIC", f"-DINTERFACE={interface}")
    host = Compiler("cc", ("cc", *flags), (), "install a C compiler, such as the package gcc")
    return build({"counting.c": source.read_text(encoding="utf-8")}, host, "counting.so")


def _word(name: str) -> str:
    return name.replace("-", "_")


def _bare_main(name: str) -> str:
    return "\n".join(
        [
            f'#include "{name}.h"',
            f'static {name}_arena arena __attribute__((section(".bss.arena")));',
            "int main(void) {",
            f"  {name}_init(&arena);",
            f"  return (int){name}_invoke(&arena);",
            "}",
            "",
        ]
    )


def _built(files: dict[str, str], target: Target, name: str, flags: Sequence[str]) -> Image:
    cluster = target.clusters[0]
    clock = f"-DEK_CLOCK_HZ={round((cluster.max_mhz or 1) * 1e6)}u"
    image = read_image(build(files, compiler(cluster.core, clock, *flags), name))
    check_flash(target, image.flash_bytes)
    if image.other_ram_bytes > VARIABLES_BYTES:
        raise InternalError(f"variables need {image.other_ram_bytes} bytes, planned are {VARIABLES_BYTES}")
    return image

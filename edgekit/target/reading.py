"""targets/*.toml → `Target`. targets/TEMPLATE.toml documents the schema.

Refused, with file and line: unknown keys, values out of range, facts without provenance, contradicting fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from edgekit.errors import UsageError, did_you_mean
from edgekit.resources import targets_dir
from edgekit.strict_toml import Document, Table, load
from edgekit.target.board import (
    FLASH_KINDS,
    RAM_KINDS,
    Abi,
    Bandwidth,
    Cluster,
    Core,
    Emulator,
    Power,
    Provenance,
    Region,
    Target,
    Thermal,
    fields,
)

ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
KINDS = ("linux", "mcu")
BASES = ("measured", "datasheet", "derived", "unknown")
LIBCS = ("glibc", "musl", "none")

# arch → (width of a pointer in bits, kind of target)
ARCHES = {
    "aarch64": (64, "linux"),
    "x86_64": (64, "linux"),
    "armv7l": (32, "linux"),
    "armv6l": (32, "linux"),
    "thumb": (32, "mcu"),
    "xtensa": (32, "mcu"),
    "riscv32": (32, "mcu"),
}

# runtime → (kind of target, narrowest pointer it is published for)
RUNTIMES = {
    "onnxruntime": ("linux", 64),
    "litert": ("linux", 64),
    "tflite-runtime": ("linux", 32),
    "native": ("linux", 32),
    "c": ("mcu", 32),
    "tflite-micro": ("mcu", 32),
}

# feature → features that it cannot be without
ISA: Mapping[str, tuple[str, ...]] = {
    "simd32": (),  # Armv6 SIMD within 32-bit registers
    "vfp2": (),
    "vfp4": (),
    "neon": (),
    "fp16": ("neon",),  # arithmetic, not only conversion
    "dotprod": ("neon",),
    "i8mm": ("neon",),
    "bf16": ("neon",),
    "sve": ("neon",),
    "lse": (),
    "aes": (),
    "crc32": (),
    "dsp": (),  # Cortex-M: 16-bit dual multiply-accumulate
    "mve-int": ("dsp",),
    "mve-float": ("mve-int", "fpu-sp"),
    "fpu-sp": (),
    "fpu-dp": ("fpu-sp",),
    "xtensa-pie": (),  # ESP32-S3 vector instructions
    "rv32m": (),
    "rv32c": (),
}

# The share of the usable memory that a fit verdict keeps free. Linux: page cache, other services, allocator slack.
# Microcontroller: stack and static data of the application around the model.
HEADROOM = {"linux": 0.2, "mcu": 0.1}

_KIB = 1024
_MAX_BYTES = 1 << 44
_MAX_MHZ = 10_000
# What every file says about itself; never taken from the file it extends.
_OWN_KEYS = ("id", "name", "aliases", "extends")


def read_targets(path: Path) -> tuple[Target, ...]:
    """The target of one file, then its memory variants. UsageError names every fault of the file."""
    return read_document(load(path, what="target file"))


def read_document(document: Document) -> tuple[Target, ...]:
    """The same of a file that is parsed already."""
    document = _with_base(document)
    base = _target(document, document.root())
    _check_variants(document, base)
    variants = tuple(_variant(document, base, name) for name in _variant_names(base))
    smaller = [v.id for v in variants if v.ram_bytes < base.ram_bytes]
    if smaller:
        document.offend(
            ("variants",), f"{', '.join(smaller)} has less RAM than {base.id}; allowed: the base is the smallest"
        )
    document.check()
    return (base, *variants)


def _variant_names(base: Target) -> Iterator[str]:
    return (variant.removeprefix(f"{base.id}-") for variant in base.variants)


def _check_variants(document: Document, base: Target) -> None:
    for _, table in document.root().tables("variants", ID):
        table.table("regions", required=True)
        table.table("provenance")
        table.finish()
    document.check()


def _variant(document: Document, base: Target, name: str) -> Target:
    overlaid = document.overlay(("variants", name))
    own = {"id": f"{base.id}-{name}", "aliases": [f"{alias}-{name}" for alias in base.aliases]}
    values = {key: value for key, value in overlaid.data.items() if key != "variants"}
    return _target(overlaid, Table(overlaid, (), values | own))


def _with_base(document: Document) -> Document:
    """The file over the one that it extends."""
    name = document.root().text("extends", pattern=ID, meaning="the id of a shipped target")
    document.check()
    if name is None:
        return document
    path = targets_dir() / f"{name}.toml"
    if not path.is_file():
        near = did_you_mean(name, [p.stem for p in targets_dir().glob("*.toml") if p.stem != "TEMPLATE"])
        raise UsageError(f'{document.where(("extends",))}: extends "{name}", which is no shipped target', hint=near)
    base = load(path, what="target file")
    if "extends" in base.data:
        raise UsageError(
            f'{document.where(("extends",))}: "{name}" extends another target itself; allowed: one level',
            hint=f'extend "{base.data["extends"]}"',
        )
    inherited = {key: value for key, value in base.data.items() if key not in _OWN_KEYS}
    return document.extend(Document(base.path, base.what, inherited, base.lines))


# ---- one file → Target


def _target(document: Document, root: Table) -> Target:
    """Reads every key of the schema; raises all complaints at once."""
    kind = root.text("kind", required=True, allowed=KINDS) or "linux"
    abi = _abi(root.table("abi", required=True), kind)
    root.text("extends")
    emulated = root.boolean("emulated") or False
    ident = root.text("id", required=True, pattern=ID, meaning="lower-case letters, digits and '-'") or ""
    target = Target(
        id=ident,
        aliases=root.texts("aliases", pattern=ID) or (),
        name=root.text("name", required=True) or "",
        vendor=root.text("vendor", required=True) or "",
        soc=root.text("soc"),
        kind=kind,
        os_image=root.text("os_image"),
        emulated=emulated,
        emulator=_emulator(root, emulated),
        clusters=tuple(_clusters(document, root)),
        regions=tuple(_regions(root)),
        abi=abi,
        page_size_bytes=_page_size(root),
        thermal=_thermal(root.table("thermal")),
        bandwidth=_bandwidth(root.table("bandwidth")),
        accelerators=root.texts("accelerators"),
        power=_power(root.table("power")),
        runtimes=_runtimes(root, kind, abi),
        headroom=_headroom(root, kind),
        variants=tuple(f"{ident}-{name}" for name in root.table("variants").values),
        provenance=_provenance(root.table("provenance", required=True)),
    )
    root.finish()
    _check_together(target, root)
    document.check()
    _check_provenance(target, document)
    document.check()
    return target


def _headroom(root: Table, kind: str) -> float:
    given = root.number("headroom", 0, 0.9)
    return HEADROOM[kind] if given is None else given


def _page_size(root: Table) -> int | None:
    size = root.integer("page_size_bytes", 4096, 65536)
    if size is not None and size & (size - 1):
        root.offend("page_size_bytes", f"page_size_bytes is {size}; allowed: a power of two")
    return size


def _emulator(root: Table, emulated: bool) -> Emulator | None:
    if emulated != ("emulator" in root):
        root.offend("emulated", "emulated = true and [emulator] belong together", "give both or neither")
    table = root.table("emulator")
    if not table.values:
        return None
    machine = table.text("machine", required=True, pattern=ID, meaning="a QEMU machine (qemu-system-arm -M help)")
    cpu = table.text("cpu", required=True, pattern=ID, meaning="a QEMU CPU model (-cpu help)")
    table.finish()
    return Emulator(machine or "", cpu or "")


def _clusters(document: Document, root: Table) -> Iterator[Cluster]:
    for name, table in root.tables("clusters", ID, required=True):
        core_id = table.text("core", required=True, pattern=ID, meaning="the id of a file in targets/cores")
        core = _core(document, table, core_id)
        extra = table.texts("extra_isa", allowed=ISA) or ()
        count = table.integer("count", 1, 1024, required=True)
        max_mhz = table.number("max_mhz", 1, _MAX_MHZ)
        sustained = table.number("sustained_mhz", 1, _MAX_MHZ)
        table.finish()
        if max_mhz and sustained and sustained > max_mhz:
            table.offend("sustained_mhz", f"sustained_mhz is {sustained:g}; allowed: at most max_mhz ({max_mhz:g})")
        if core:
            isa = core.isa | set(extra)
            _check_isa(table, "extra_isa", isa)
            core = Core(core.id, core.name, core.architecture, core.bits, isa, core.qemu_cpu)
            yield Cluster(name, core, count or 1, max_mhz, sustained)


def _core(document: Document, table: Table, core_id: str | None) -> Core | None:
    """From cores/ beside the file, or from the shipped ones."""
    if core_id is None:
        return None
    folders = (document.path.parent / "cores", targets_dir() / "cores")
    path = next((f / f"{core_id}.toml" for f in folders if (f / f"{core_id}.toml").is_file()), None)
    if path is None:
        near = did_you_mean(core_id, {p.stem for folder in folders for p in folder.glob("*.toml")})
        table.offend("core", f'core "{core_id}" has no file cores/{core_id}.toml', near)
        return None
    return read_core(path)


@lru_cache(maxsize=256)
def read_core(path: Path) -> Core:
    """One file of cores/. UsageError names every fault."""
    document = load(path, what="core file")
    root = document.root()
    core = Core(
        id=path.stem,
        name=root.text("name", required=True) or "",
        architecture=root.text("architecture", required=True) or "",
        bits=_core_bits(root),
        isa=frozenset(root.texts("isa", required=True, allowed=ISA) or ()),
        qemu_cpu=root.text("qemu_cpu", pattern=ID, meaning="a QEMU CPU model (-cpu help)"),
    )
    _entry(root.table("provenance", required=True))
    root.finish()
    _check_isa(root, "isa", core.isa)
    document.check()
    return core


def _core_bits(root: Table) -> int:
    bits = root.integer("bits", 32, 64, required=True) or 32
    if bits not in (32, 64):
        root.offend("bits", f"bits is {bits}; allowed: 32, 64")
    return bits


def _check_isa(table: Table, key: str, isa: frozenset[str]) -> None:
    for feature in sorted(isa):
        for needed in ISA[feature]:
            if needed not in isa:
                table.offend(key, f'isa "{feature}" needs "{needed}"', f'add "{needed}"')


def _regions(root: Table) -> Iterator[Region]:
    for name, table in root.tables("regions", ID, required=True):
        region = Region(
            name=name,
            kind=table.text("kind", required=True, allowed=RAM_KINDS + FLASH_KINDS) or "sram",
            bytes=table.integer("bytes", _KIB, _MAX_BYTES, required=True) or 0,
            reserved_bytes=table.integer("reserved_bytes", 0, _MAX_BYTES),
            executable=table.boolean("executable"),
            address=table.integer("address", 0, (1 << 64) - 1),
        )
        table.finish()
        if region.bytes and (region.reserved_bytes or 0) > region.bytes:
            allowed = f"at most bytes ({region.bytes:,})"
            table.offend("reserved_bytes", f"reserved_bytes is {region.reserved_bytes:,}; allowed: {allowed}")
        yield region


def _abi(table: Table, kind: str) -> Abi:
    arches = [arch for arch, (_, of) in ARCHES.items() if of == kind]
    arch = table.text("arch", required=True, allowed=arches) or arches[0]
    libc = table.text("libc", allowed=LIBCS)
    version = table.text(
        "libc_version", pattern=re.compile(r"\d{1,3}(\.\d{1,3}){1,2}"), meaning='a version such as "2.36"'
    )
    cxx = re.compile(r"GLIBCXX_3\.4\.\d{1,3}")
    found = Abi(
        arch=arch,
        bits=ARCHES[arch][0],
        libc=libc,
        libc_version=version,
        libstdcxx=table.text("libstdcxx", pattern=cxx, meaning='a symbol version such as "GLIBCXX_3.4.30"'),
        pythons=table.texts("pythons", pattern=re.compile(r"3\.\d{1,2}")) or (),
    )
    table.finish()
    if version and libc in (None, "none"):
        table.offend("libc_version", "libc_version without a libc", 'add libc = "glibc" or "musl"')
    if kind == "mcu" and (found.pythons or found.libstdcxx):
        table.offend("pythons", "pythons and libstdcxx are for Linux targets", "remove them")
    return found


def _thermal(table: Table) -> Thermal:
    thermal = Thermal(*(table.number(key, 20, 150) for key in ("throttle_c", "hard_c", "soft_c")))
    table.finish()
    limits = [limit for limit in (thermal.soft_c, thermal.throttle_c, thermal.hard_c) if limit is not None]
    if limits != sorted(limits):
        table.offend("throttle_c", "thermal limits are out of order; allowed: soft_c <= throttle_c <= hard_c")
    return thermal


def _bandwidth(table: Table) -> Bandwidth:
    copy, fill, read = (table.number(key, 1, 1e7) for key in ("memcpy_mb_per_s", "memset_mb_per_s", "read_mb_per_s"))
    bandwidth = Bandwidth(copy, fill, read, table.text("kernel"), table.text("tool"))
    table.finish()
    return bandwidth


def _power(table: Table) -> Power:
    power = Power(table.number("idle_w", 0.0001, 1000), table.number("load_w", 0.0001, 1000), table.text("how"))
    table.finish()
    if power.idle_w and power.load_w and power.idle_w > power.load_w:
        table.offend("idle_w", f"idle_w is {power.idle_w:g}; allowed: at most load_w ({power.load_w:g})")
    return power


def _runtimes(root: Table, kind: str, abi: Abi) -> tuple[str, ...]:
    allowed = [name for name, (of, bits) in RUNTIMES.items() if of == kind and bits <= abi.bits]
    runtimes = root.texts("runtimes", required=True, allowed=allowed)
    if runtimes == ():
        root.offend("runtimes", "runtimes is empty; allowed: at least one, the default first")
    return runtimes or ()


def _provenance(table: Table) -> Mapping[str, Provenance]:
    entries = {}
    for path in table.values:
        entry = table.table(path)
        if isinstance(table.values[path], dict):
            entries[path] = _entry(entry)
    return entries


def _entry(table: Table) -> Provenance:
    basis = table.text("basis", required=True, allowed=BASES) or "unknown"
    source = table.text("source", required=True)
    date = table.date("date", required=basis != "unknown")
    table.finish()
    return Provenance(source or "", basis, date.isoformat() if date else None)


# ---- what must agree


def _check_together(target: Target, root: Table) -> None:
    if not any(region.is_ram for region in target.regions):
        root.offend("regions", f"no region is RAM; allowed: at least one of {', '.join(RAM_KINDS)}")
    if target.kind == "linux" and target.abi.libc == "none":
        root.document.offend(("abi", "libc"), 'libc is "none"; allowed on Linux: glibc, musl')
    if target.id in target.aliases:
        root.offend("aliases", f'alias "{target.id}" is the id itself')
    narrow = [cluster.core.name for cluster in target.clusters[:1] if cluster.core.bits < target.abi.bits]
    for core in narrow:  # clusters after the first may be small cores beside the system
        root.document.offend(("abi", "arch"), f'arch "{target.abi.arch}" is {target.abi.bits}-bit, {core} is not')
    _check_overlap(target, root)


def _check_overlap(target: Target, root: Table) -> None:
    placed = sorted((r.address, r.bytes, r.name) for r in target.regions if r.address is not None)
    for (low, size, name), (high, _, other) in zip(placed, placed[1:], strict=False):  # noqa: RUF007
        if low + size > high:
            root.document.offend(("regions", other), f'regions "{name}" and "{other}" overlap at address {high:#x}')


def _check_provenance(target: Target, document: Document) -> None:
    stated = [(path, value) for path, value, _ in fields(target) if value is not None]
    for path, _ in stated:
        entry, keys = target.provenance_of(path), tuple(path.split("."))
        if entry is None:
            hint = f'add to [provenance]: "{path}" = {{ basis = ..., source = ..., date = ... }}'
            document.offend(keys, f"{path} has no provenance", hint)
        elif entry.basis == "unknown":
            document.offend(keys, f'{path} has a value, but the basis in its provenance is "unknown"')
    paths = [path.split(".") for path, _, _ in fields(target)]
    groups = {".".join(parts[:end]) for parts in paths for end in range(1, len(parts) + 1)}
    for path in target.provenance:
        if path not in groups:
            document.offend(
                ("provenance", path), f'provenance of "{path}", which is no field', did_you_mean(path, groups)
            )

"""A kind of board as frozen values: what is known about it, where each fact comes from, and what nobody knows.

A value that nobody knows is None and is listed in `Target.unknown`; nothing is filled in by a guess.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

RAM_KINDS = ("tcm", "sram", "psram", "dram")
FLASH_KINDS = ("flash", "mram", "qspi", "storage")


@dataclass(frozen=True)
class Provenance:
    """Where a fact comes from. `date` is ISO 8601; None where the basis is unknown."""

    source: str
    basis: str
    date: str | None


@dataclass(frozen=True)
class Core:
    """A CPU core. In a cluster, `isa` holds what this SoC implements, optional features of the core included."""

    id: str
    name: str
    architecture: str
    bits: int
    isa: frozenset[str]
    qemu_cpu: str | None


@dataclass(frozen=True)
class Cluster:
    """`count` equal cores that share a clock."""

    name: str
    core: Core
    count: int
    max_mhz: float | None
    sustained_mhz: float | None


@dataclass(frozen=True)
class Region:
    """One memory. `reserved_bytes` is what firmware or operating system keep for themselves; None = unknown."""

    name: str
    kind: str
    bytes: int
    reserved_bytes: int | None
    executable: bool | None
    address: int | None

    @property
    def usable_bytes(self) -> int:
        """Without what is known to be reserved."""
        return self.bytes - (self.reserved_bytes or 0)

    @property
    def is_ram(self) -> bool:
        return self.kind in RAM_KINDS


@dataclass(frozen=True)
class Abi:
    """What a binary for the target must match. `libstdcxx` is the newest symbol version, e.g. GLIBCXX_3.4.30."""

    arch: str
    bits: int
    libc: str | None
    libc_version: str | None
    libstdcxx: str | None
    pythons: tuple[str, ...]


@dataclass(frozen=True)
class Thermal:
    """Temperatures in °C at which the clock is lowered (throttle, hard), and a lower limit of some boards (soft)."""

    throttle_c: float | None
    hard_c: float | None
    soft_c: float | None


@dataclass(frozen=True)
class Bandwidth:
    """Measured memory bandwidth in 10^6 bytes/s, one thread. A copy counts each byte once but moves it twice."""

    memcpy_mb_per_s: float | None
    memset_mb_per_s: float | None
    read_mb_per_s: float | None
    kernel: str | None
    tool: str | None


@dataclass(frozen=True)
class Power:
    """Board power in watts, and how it was measured."""

    idle_w: float | None
    load_w: float | None
    how: str | None


@dataclass(frozen=True)
class Emulator:
    """The QEMU machine and CPU that stand for an emulated target."""

    machine: str
    cpu: str


@dataclass(frozen=True)
class Target:
    """A kind of board. None and an empty `pythons` mean unknown (see `unknown`); `runtimes[0]` is the default."""

    id: str
    aliases: tuple[str, ...]
    name: str
    vendor: str
    soc: str | None
    kind: str
    os_image: str | None
    emulated: bool
    emulator: Emulator | None
    clusters: tuple[Cluster, ...]
    regions: tuple[Region, ...]
    abi: Abi
    page_size_bytes: int | None
    thermal: Thermal
    bandwidth: Bandwidth
    accelerators: tuple[str, ...] | None
    power: Power
    runtimes: tuple[str, ...]
    headroom: float
    variants: tuple[str, ...]
    provenance: Mapping[str, Provenance] = field(hash=False)

    @property
    def ram_bytes(self) -> int:
        return sum(region.bytes for region in self.regions if region.is_ram)

    @property
    def usable_ram_bytes(self) -> int:
        """RAM without what is known to be reserved. Where that is unknown, `unknown` lists "usable_ram_bytes"."""
        return sum(region.usable_bytes for region in self.regions if region.is_ram)

    @property
    def storage_bytes(self) -> int | None:
        """Flash or storage that comes with the board, without what is known to be reserved; None = unknown."""
        sizes = [region.usable_bytes for region in self.regions if not region.is_ram]
        return sum(sizes) if sizes else None

    @property
    def cpu(self) -> str:
        """The clusters in one line, for people: `4× cortex-a72 1500 MHz`."""
        return " + ".join(_cluster_text(cluster) for cluster in self.clusters)

    @property
    def isa(self) -> frozenset[str]:
        """Features that every core has: what code may use wherever the scheduler puts it."""
        return frozenset.intersection(*(cluster.core.isa for cluster in self.clusters))

    @property
    def unknown(self) -> tuple[str, ...]:
        """Every field that nobody knows, as a dotted path."""
        gaps = [path for path, value in facts(self).items() if value is None]
        if any(region.is_ram and region.reserved_bytes is None for region in self.regions):
            gaps.append("usable_ram_bytes")
        if self.storage_bytes is None:
            gaps.append("storage_bytes")
        return tuple(gaps)

    def provenance_of(self, path: str) -> Provenance | None:
        """Of a field, or of the nearest group of fields around it."""
        parts = path.split(".")
        names = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
        return next((self.provenance[name] for name in names if name in self.provenance), None)

    def document(self) -> dict[str, Any]:
        """The target as an entry of `targets` in docs/json.md."""
        return {
            "id": self.id,
            "aliases": list(self.aliases),
            "name": self.name,
            "vendor": self.vendor,
            "kind": self.kind,
            "cpu": self.cpu,
            "ram_bytes": self.ram_bytes,
            "usable_ram_bytes": self.usable_ram_bytes,
            "storage_bytes": self.storage_bytes,
            "os_image": self.os_image,
            "emulated": self.emulated,
            "runtimes": list(self.runtimes),
            "headroom": self.headroom,
            "variants": list(self.variants),
            "unknown": list(self.unknown),
        }

    def evidence(self) -> list[dict[str, Any]]:
        """Each fact with its provenance: [{field, value, basis, source, date}]; an unknown value is None."""
        return [_evidence(path, value, self.provenance_of(path)) for path, value in facts(self).items()]


def _evidence(path: str, value: Any, entry: Provenance | None) -> dict[str, Any]:
    basis = "unknown" if value is None else entry.basis if entry else "unknown"
    known = entry is not None and (value is not None or entry.basis == "unknown")
    source, date = (entry.source, entry.date) if entry and known else (None, None)
    return {"field": path, "value": value, "basis": basis, "source": source, "date": date}


def _cluster_text(cluster: Cluster) -> str:
    clock = "" if cluster.max_mhz is None else f" {cluster.max_mhz:g} MHz"
    return f"{cluster.count}× {cluster.core.id}{clock}"


def facts(target: Target) -> dict[str, Any]:
    """Every field that is a fact about the board (not a policy of edgekit), by dotted path; None = unknown.

    A field that does not apply to the kind of target is left out unless it is known.
    """
    return {path: value for path, value, applies in fields(target) if applies or value is not None}


def fields(target: Target) -> Iterator[tuple[str, Any, bool]]:
    """(dotted path, value, whether one would miss it on this kind of target) of every fact that a file can state."""
    linux, real, thermal = target.kind == "linux", not target.emulated, target.thermal
    yield "soc", target.soc, True
    yield "os_image", target.os_image, linux
    for cluster in target.clusters:
        yield from _cluster_fields(cluster, linux)
    for region in target.regions:
        yield from _region_fields(region, linux)
    yield "abi.arch", target.abi.arch, True
    for key in ("libc", "libc_version", "libstdcxx", "pythons"):
        yield f"abi.{key}", getattr(target.abi, key) or None, linux
    yield "page_size_bytes", target.page_size_bytes, linux
    yield "thermal.throttle_c", thermal.throttle_c, linux
    yield "thermal.hard_c", thermal.hard_c, linux
    yield "thermal.soft_c", thermal.soft_c, False  # most boards have none
    for key in ("memcpy_mb_per_s", "memset_mb_per_s", "read_mb_per_s", "kernel", "tool"):
        yield f"bandwidth.{key}", getattr(target.bandwidth, key), linux
    yield "accelerators", target.accelerators, real
    yield "power.idle_w", target.power.idle_w, real
    yield "power.load_w", target.power.load_w, real
    yield "power.how", target.power.how, False
    if target.emulator:
        yield "emulator.machine", target.emulator.machine, True
        yield "emulator.cpu", target.emulator.cpu, True


def _cluster_fields(cluster: Cluster, linux: bool) -> Iterator[tuple[str, Any, bool]]:
    at = f"clusters.{cluster.name}"
    yield f"{at}.core", cluster.core.id, True
    yield f"{at}.isa", tuple(sorted(cluster.core.isa)), True
    yield f"{at}.count", cluster.count, True
    yield f"{at}.max_mhz", cluster.max_mhz, True
    yield f"{at}.sustained_mhz", cluster.sustained_mhz, linux


def _region_fields(region: Region, linux: bool) -> Iterator[tuple[str, Any, bool]]:
    at = f"regions.{region.name}"
    yield f"{at}.kind", region.kind, True
    yield f"{at}.bytes", region.bytes, True
    yield f"{at}.reserved_bytes", region.reserved_bytes, region.is_ram
    yield f"{at}.address", region.address, not linux
    yield f"{at}.executable", region.executable, not linux

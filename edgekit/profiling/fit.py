"""A graph and a Target → Profile: how much memory the model needs there, with bounds, and whether it fits.

Lower bounds hold for the best that a runtime can do, upper bounds for what it was seen to do plus a margin. FITS means
that the upper bound fits, DOES NOT FIT that the lower one does not, UNSURE everything between. What nobody measured is
listed in `unknown` and never guessed; latency is unknown as long as no operator has a calibrated cost.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import onnx_ir as ir

from edgekit.errors import UnsupportedError, did_you_mean
from edgekit.profiling import memory
from edgekit.profiling.costs import COSTS, Bounds, process_ram, storage
from edgekit.profiling.generated_c import CNeeds, c_needs
from edgekit.profiling.macs import count_macs
from edgekit.profiling.memory import Network
from edgekit.profiling.order import best_order
from edgekit.target import Target

ALIGNMENT_BYTES = 64
KIB, MIB = 1 << 10, 1 << 20


INT_RUNTIMES = ("c", "tflite-micro")  # their inputs and outputs are int8


@dataclass(frozen=True)
class LayerProfile:
    """One layer; `live_bytes` are the activations that exist while it runs, in the order of the graph."""

    name: str
    op: str
    macs: int
    weights_bytes: int
    output_shape: tuple[int, ...]
    output_bytes: int
    live_bytes: int


@dataclass(frozen=True)
class PeakTensor:
    """A tensor that lives at the peak."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int


@dataclass(frozen=True)
class PeakProfile:
    """The most activations at once in the order of the graph, the node that runs then, and the tensors."""

    bytes: int
    node: str
    tensors: tuple[PeakTensor, ...]


@dataclass(frozen=True)
class Profile:
    """A model on a target; `document()` is an entry of `targets` in the `profile` document of docs/json.md."""

    target: str
    kind: str
    verdict: str
    reasons: tuple[str, ...]
    runtime: str
    ram_bytes: Bounds
    ram_available_bytes: int
    arena_bytes: Bounds
    flash_bytes: Bounds
    flash_available_bytes: int | None
    weights_bytes: int
    macs: int
    latency_s: float | None
    unknown: tuple[str, ...]
    peak: PeakProfile
    layers: tuple[LayerProfile, ...]

    def document(self) -> dict[str, Any]:
        return asdict(self)


def profile_model(model: ir.Model, file_bytes: int, target: Target, runtime: str | None = None) -> Profile:
    """Judge a float or QDQ graph of `file_bytes` on `target`, run by `runtime` (default: the target's own)."""
    chosen = runtime or target.runtimes[0]
    if chosen not in target.runtimes:
        raise UnsupportedError(f"{target.id} has no runtime {chosen!r}", hint=did_you_mean(chosen, target.runtimes))
    network = memory.read_network(model, float_border=chosen not in INT_RUNTIMES)
    order = best_order(network)
    arena = _arena(network, order.lower_bytes)
    macs = count_macs(model)
    unknown = [f"latency: no calibrated cost of {chosen} on {target.clusters[0].core.id}"]
    unknown += [f"MACs of {op}" for op in macs.unknown]
    unknown += (
        [] if order.exact else ["the best order of execution: too many to search; the lower bound is below all of them"]
    )
    ram, flash = _needs(network, file_bytes, chosen, arena, unknown)
    if chosen == "c":
        arena, ram, flash = _needs_of_c(model, CNeeds(arena, ram, flash), unknown)
    available = int(target.usable_ram_bytes * (1 - target.headroom))
    kept = target.storage_bytes
    room = None if kept is None else int(kept * (1 - target.headroom))
    verdict, reasons = _verdict(target, ram, available, flash, room, unknown)
    if split := _arena_region(target, arena) if chosen == "c" else _split_ram(target, network, arena):
        verdict, reasons = _worst(verdict, split[0]), [*reasons, split[1]]
    return Profile(
        target=target.id,
        kind=target.kind,
        verdict=verdict,
        reasons=tuple(reasons),
        runtime=chosen,
        ram_bytes=ram,
        ram_available_bytes=available,
        arena_bytes=arena,
        flash_bytes=flash,
        flash_available_bytes=room,
        weights_bytes=network.weights_bytes,
        macs=macs.total,
        latency_s=None,
        unknown=tuple(unknown),
        peak=_peak(network),
        layers=_layers(network),
    )


def _arena(network: Network, lower: int) -> Bounds:
    """Lower: best order, elementwise layers in place. Upper: the order given, every tensor aligned."""
    aligned = (_aligned(network, live) for live in memory.live_tensors(network))
    return Bounds(lower, max(aligned, default=memory.peak(network).bytes))


def _aligned(network: Network, live: tuple[int, ...]) -> int:
    return sum(-(-network.tensors[t].bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES for t in live)


def _needs(network: Network, file_bytes: int, runtime: str, arena: Bounds, unknown: list[str]) -> tuple[Bounds, Bounds]:
    """RAM and storage (flash) that model and runtime need together."""
    cost = COSTS.get(runtime)
    if cost is not None:
        return process_ram(cost, network, file_bytes, arena.lower), storage(cost, file_bytes)
    unknown.append(f"memory of {runtime} itself: not measured yet")
    return Bounds(arena.lower, None), Bounds(network.weights_bytes, None)


def _needs_of_c(model: ir.Model, by_graph: CNeeds, unknown: list[str]) -> tuple[Bounds, Bounds, Bounds]:
    """Arena, RAM and flash from the plan of the C itself; those of the graph, with the reason, where it has none."""
    try:
        needs = c_needs(model)
        unknown[:] = [reason for reason in unknown if not reason.startswith(("memory of c", "the best order"))]
    except UnsupportedError as e:
        needs = by_graph
        unknown.append(f"C: {e.message}")
    return needs.arena, needs.ram, needs.flash


def _verdict(
    target: Target, ram: Bounds, available: int, flash: Bounds, room: int | None, unknown: list[str]
) -> tuple[str, list[str]]:
    kept = f"{target.headroom:.0%} of it kept free"
    reasons = [_reason("RAM", ram, available, kept)]
    fits = [_fits(ram, available)]
    if room is None:
        unknown.append("storage of the board: not in its profile")
    else:
        reasons.append(_reason("flash" if target.kind == "mcu" else "storage", flash, room, kept))
        fits.append(_fits(flash, room))
    if "usable_ram_bytes" in target.unknown:
        unknown.append("how much RAM firmware and system keep: judged by the total")
    return _worst(*fits), reasons


def _worst(*verdicts: str) -> str:
    return next(v for v in ("DOES NOT FIT", "UNSURE", "FITS") if v in verdicts)


def _arena_region(target: Target, arena: Bounds) -> tuple[str, str] | None:
    """The same for generated C, whose arena is one piece."""
    pieces = [region for region in target.regions if region.is_ram]
    if len(pieces) < 2:
        return None
    largest = max(pieces, key=lambda region: region.usable_bytes)
    room = int(largest.usable_bytes * (1 - target.headroom))
    where = f"the largest of {len(pieces)} RAM regions, {largest.name}, which has {_size(room)}"
    verdict = _fits(arena, room)
    words = {"FITS": "fits into", "DOES NOT FIT": "is one piece and exceeds", "UNSURE": "may or may not fit into"}
    return verdict, f"regions: the arena, {_size(arena.lower)}, {words[verdict]} {where}"


def _split_ram(target: Target, network: Network, arena: Bounds) -> tuple[str, str] | None:
    """Verdict and reason where RAM is several regions, of which some may lie side by side: no tensor spans a gap."""
    pieces = [region for region in target.regions if region.is_ram]
    if target.kind != "mcu" or len(pieces) < 2:
        return None
    largest = max(pieces, key=lambda region: region.usable_bytes)
    room = int(largest.usable_bytes * (1 - target.headroom))
    where = f"the largest of {len(pieces)} RAM regions, {largest.name}, which has {_size(room)}"
    tensor = max((t.bytes for t in network.tensors), default=0)
    if tensor > room:
        return "UNSURE", f"regions: one tensor alone has {_size(tensor)}, more than {where}"
    if arena.lower > room:
        return "UNSURE", f"regions: the activations, {_size(arena.lower)}, must be split; they exceed {where}"
    if arena.upper is None or arena.upper > room:
        return "UNSURE", f"regions: the activations, {_size(arena.lower)} at least, may or may not fit into {where}"
    return "FITS", f"regions: the activations fit into {where}"


def _fits(need: Bounds, available: int) -> str:
    if need.lower > available:
        return "DOES NOT FIT"
    return "FITS" if need.upper is not None and need.upper <= available else "UNSURE"


def _reason(what: str, need: Bounds, available: int, kept: str) -> str:
    upper = "an unknown most" if need.upper is None else _size(need.upper)
    return f"{what}: needs {_size(need.lower)} to {upper}, has {_size(available)} ({kept})"


def _size(count: int) -> str:
    if count < KIB:
        return f"{count} B"
    return f"{count / MIB:.1f} MiB" if count >= MIB else f"{count / KIB:.1f} KiB"


def _peak(network: Network) -> PeakProfile:
    found = memory.peak(network)
    node = network.layers[found.layer].name if network.layers else ""
    tensors = [network.tensors[t] for t in found.tensors]
    return PeakProfile(found.bytes, node, tuple(PeakTensor(t.name, t.shape, t.dtype, t.bytes) for t in tensors))


def _layers(network: Network) -> tuple[LayerProfile, ...]:
    return tuple(
        LayerProfile(
            layer.name,
            layer.op,
            layer.macs,
            layer.weights_bytes,
            layer.output_shape,
            sum(network.tensors[t].bytes for t in layer.outputs),
            sum(network.tensors[t].bytes for t in live),
        )
        for layer, live in zip(network.layers, memory.live_tensors(network), strict=True)
    )

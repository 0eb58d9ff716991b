"""What a runtime needs beside the model: measured figures, with margins, and the bounds of a process that follow.

A runtime that nobody measured is not in the table, and its needs are unknown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgekit.profiling.memory import Network, Tensor, live_tensors

MIB = 1 << 20
BLOCK_CHANNELS = 16  # ONNX Runtime's float convolutions pad channels to multiples of 8 or 16


@dataclass(frozen=True)
class Bounds:
    """Bytes: at least `lower`; `upper` is None where nobody knows."""

    lower: int
    upper: int | None


@dataclass(frozen=True)
class RuntimeCost:
    """What a runtime needs beside the model; each pair is least and most.

    process_bytes  resident memory of the process with the smallest model
    copies         how often the model file is in memory at the peak, which is while it loads
    activations    the most that its allocator holds, times the activations as its kernels lay them out
    storage_bytes  the runtime's own files
    """

    process_bytes: tuple[int, int]
    copies: tuple[float, float]
    activations: float
    storage_bytes: tuple[int, int]
    source: str


# docs/profile.md says how these were measured (benchmarks/runtime_memory.py): 57.8 MB + 1.76 x file + 0.5 to 3.3 x the
# activations as laid out. The bounds leave about a third, because that is x86-64 and boards run aarch64 builds.
COSTS = {
    "onnxruntime": RuntimeCost(
        process_bytes=(38 * MIB, 80 * MIB),
        copies=(1.0, 2.4),
        activations=4.4,
        storage_bytes=(55 * MIB, 75 * MIB),
        source="measured on x86-64, Python 3.11, onnxruntime 1.32.0, numpy 2.4.6, 2026-11-24",
    ),
}


def process_ram(cost: RuntimeCost, network: Network, file_bytes: int, arena_lower_bytes: int) -> Bounds:
    """Resident memory of the whole process at its peak."""
    least = cost.process_bytes[0] + cost.copies[0] * file_bytes + arena_lower_bytes
    held = cost.activations * _laid_out(network) + _unrolled(network)
    return Bounds(int(least), int(cost.process_bytes[1] + cost.copies[1] * file_bytes + held))


def storage(cost: RuntimeCost, file_bytes: int) -> Bounds:
    """Files of the runtime and the model; twice the model while a new release lies beside the old one."""
    return Bounds(cost.storage_bytes[0] + file_bytes, cost.storage_bytes[1] + 2 * file_bytes)


def _laid_out(network: Network) -> int:
    """Peak of the activations where every one is float (a kernel may have no int8 form), channels in whole blocks."""
    sizes = [_block_bytes(tensor) for tensor in network.tensors]
    return max((sum(sizes[t] for t in live) for live in live_tensors(network)), default=sum(sizes))


def _block_bytes(tensor: Tensor) -> int:
    shape = list(tensor.shape)
    if len(shape) == 4:
        shape[1] = -(-shape[1] // BLOCK_CHANNELS) * BLOCK_CHANNELS
    return max(tensor.bytes, 4 * math.prod(shape))


def _unrolled(network: Network) -> int:
    """The largest copy that an int8 convolution makes of its input: each output pixel's window, one byte a value."""
    windows = (
        layer.macs // layer.output_shape[1]
        for layer in network.layers
        if layer.op == "Conv" and all(network.tensors[t].dtype in ("int8", "uint8") for t in layer.outputs)
    )
    return max(windows, default=0)

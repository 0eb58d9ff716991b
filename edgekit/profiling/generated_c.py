"""A graph → what its generated C needs: the arena of the real plan, its constants, and bounds of the code around them.

Refused is nothing: a graph that has no form in C gives the reasons, which the profile tells.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgekit.emitters.c import CModel, emit_c
from edgekit.lowering import from_onnx
from edgekit.profiling.costs import Bounds

# Code and parameters of a firmware with startup, GCC 12.2 -O2, without constants: 1.7 to 8.6 KB for the MLPerf Tiny
# models (benchmarks/microcontrollers.md). The largest kernel, the LSTM, has 1.1 KB, parameters some 100 bytes a call.
STARTUP_BYTES = (512, 4096)
KERNEL_BYTES, CALL_BYTES = 1536, 256
FLOAT_LIBRARY_BYTES = 32 << 10  # of a core without an FPU: software floats, and functions such as expf
STACK_BYTES = (64, 2048)  # 100 to 400 measured; firmware reserves 2048


@dataclass(frozen=True)
class CNeeds:
    arena: Bounds
    ram: Bounds
    flash: Bounds


def c_needs(graph: ir.Model) -> CNeeds:
    """What the C of a graph needs on a microcontroller. Raises UnsupportedError where it has no form in C."""
    model = emit_c(from_onnx(graph, graph.graph.name or "model"))
    arena = Bounds(model.arena_bytes, model.arena_bytes)
    ram = Bounds(model.arena_bytes + STACK_BYTES[0], model.arena_bytes + STACK_BYTES[1] + 512)
    least = model.constant_bytes + STARTUP_BYTES[0]
    return CNeeds(arena, ram, Bounds(least, model.constant_bytes + STARTUP_BYTES[1] + _code_bytes(model)))


def _code_bytes(model: CModel) -> int:
    sources = [name for name in model.sources.kernel_files if name.endswith(".c")]
    library = FLOAT_LIBRARY_BYTES if any(name.endswith("_f32.c") for name in sources) else 0
    return KERNEL_BYTES * len(sources) + CALL_BYTES * len(model.memory.ops) + library

"""Program → C99: NAME.h, NAME.c, NAME_model.c and the kernels that they call, with a planned arena.

`ROWS` says for every operator which kernels it calls. The C is deterministic and readable; no heap, no float unless
the model has float. Refused: operators and types without a kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.emitters.c import (
    elementwise,
    functions,
    matrix,
    movement,
    normalising,
    pooling,
    quantization,
    recurrent,
    reduction,
    resizing,
    weighted,
)
from edgekit.emitters.c.call import Lowered, Row
from edgekit.emitters.c.kernel_sets import KERNEL_SETS, KernelSet
from edgekit.emitters.c.memory import Memory, aliased, memory_of
from edgekit.emitters.c.sources import CSources, kernel_sources
from edgekit.emitters.c.states import settled
from edgekit.emitters.c.writer import Writer
from edgekit.errors import UnsupportedError, UnsupportedOpError
from edgekit.ops.reading import Refusal
from edgekit.planner import Plan, plan, verify
from edgekit.program import Op, Program

__all__ = ["KERNEL_SETS", "ROWS", "CModel", "CSources", "check", "emit_c"]

LARGEST_BYTES = (1 << 31) - 8  # offsets and sizes are int32_t, an arena a multiple of 8
ROWS: dict[type[Op], Row] = {
    **elementwise.ROWS,
    **functions.ROWS,
    **normalising.ROWS,
    **quantization.ROWS,
    **weighted.ROWS,
    **pooling.ROWS,
    **matrix.ROWS,
    **movement.ROWS,
    **reduction.ROWS,
    **resizing.ROWS,
    **recurrent.ROWS,
}


@dataclass(frozen=True)
class CModel:
    """A model as C, and where its buffers lie in the `arena_bytes` that the application gives it.

    constant_bytes  weights and tables: what its flash holds besides code
    """

    sources: CSources
    arena_bytes: int
    constant_bytes: int
    memory: Memory
    plan: Plan


def emit_c(program: Program, *, kernels: str = "reference", keep_input: bool = False) -> CModel:
    """The sources of a model.

    kernels     a name in KERNEL_SETS
    keep_input  inputs still hold what the caller wrote after an inference

    Raises UnsupportedOpError naming every operation that has no kernel, UnsupportedError where the arena is too large.
    """
    kernel_set, program = KERNEL_SETS[kernels], settled(program)
    lowered = _lowered(program, kernel_set)
    memory = memory_of(program, lowered, keep_input=keep_input)
    _check_size(memory)
    found = plan(memory.problem)
    if found.bytes > LARGEST_BYTES:
        raise _too_large(f"its arena needs {found.bytes:,} bytes")
    verify(memory.problem, found)
    writer = Writer(program, memory, lowered, found, keep_input=keep_input)
    calls = [call for made in lowered.values() for call in made.calls]
    kernel_files = kernel_sources(
        (call.kernel for call in calls), ("edgekit.h", *(call.header for call in calls)), kernel_set
    )
    made = CSources(writer.names.lower, writer.texts(), kernel_files)
    return CModel(made, writer.arena_bytes, writer.constant_bytes, memory, found)


def _check_size(memory: Memory) -> None:
    for tensor in memory.buffers:
        if tensor.bytes > LARGEST_BYTES:
            raise _too_large(f'"{tensor.name}" is {tensor.bytes:,} bytes')


def _too_large(what: str) -> UnsupportedError:
    return UnsupportedError(f"{what}, C allows {LARGEST_BYTES:,}", hint="take a smaller model, or convert to onnx")


def check(program: Program, kernels: str = "reference") -> None:
    """Raises UnsupportedOpError naming every operation that has no kernel."""
    _lowered(program, KERNEL_SETS[kernels])


def _lowered(program: Program, kernel_set: KernelSet) -> dict[Op, Lowered]:
    made, missing = {}, []
    for op in program.ops:
        if aliased(op):
            continue
        row = kernel_set.rows.get(type(op)) or ROWS.get(type(op))
        try:
            if row is None:
                raise Refusal("there is no kernel for it")
            made[op] = row(op)
        except Refusal as e:
            missing.append(f'"{op.name}" ({op.kind}): {e.reason}{f" ({e.hint})" if e.hint else ""}')
    if missing:
        raise UnsupportedOpError(missing, hint="convert to onnx or tflite, or replace these layers (docs/c.md)")
    return made

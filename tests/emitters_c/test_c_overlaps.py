"""What overlaps.py says about placing an output over an input is true of the kernels.

First on paper: all reads and writes of random operators in the order of the kernels, enumerated here by code of its
own; no claim is below the smallest distance at which nothing is overwritten before its last read. Then in C: the output
lies over the input at exactly the claimed distance, in both directions, under AddressSanitizer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from c_cases import answers, worst
from random_operators import PROGRAMS, inputs_of, like, one, value, weighted, whole, window
from test_c_operators import KINDS, allowed

from edgekit.emitters.c import KERNEL_SETS, ROWS, CModel, CSources
from edgekit.emitters.c.memory import aliased, memory_of
from edgekit.emitters.c.overlaps import elementwise
from edgekit.emitters.c.sources import kernel_sources
from edgekit.emitters.c.writer import Writer
from edgekit.ops import (
    AveragePool2D,
    BatchMatMul,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    MaxPool2D,
    TransposeConv,
)
from edgekit.planner import Plan, Problem, verify
from edgekit.program import Op, Program, QuantParams, Tensor

Event = tuple[str, int]  # "read" an element of the input, or "write" one of the output
OURS = (Conv2D, DepthwiseConv2D, TransposeConv, FullyConnected, MaxPool2D, AveragePool2D, BatchMatMul)
CASES_ON_PAPER, CASES_IN_C = 60, 5
SUMS, OWN_SUMS = 4, 8  # outputs that weighted sums make before they write them; of depthwise ones


# --- random operators, wide enough for several blocks of channels


def channels(rng) -> int:
    return int(rng.choice([1, 2, 3, 4, 5, 7, 16, 17, 21]))


def program_of(cls: type[Op], rng, kind: str) -> Program:
    if cls in (Conv2D, DepthwiseConv2D):
        return convolution(cls, rng, kind)
    if cls in (MaxPool2D, AveragePool2D):
        return pooling(cls, rng, kind)
    return PROGRAMS[cls](rng, kind)


def convolution(cls: type[Op], rng, kind: str) -> Program:
    kernel, stride, dilation, padding, size, out = window(rng)
    depth, n = channels(rng), whole(rng, 1, 2)
    fields = {"stride": stride, "dilation": dilation, "padding": padding}
    if cls is DepthwiseConv2D:
        multiplier = whole(rng, 1, 2)
        x = value(rng, "x", (n, *size, depth), kind)
        operands = weighted(rng, x, (1, *kernel, depth * multiplier), 3)
        return one(cls, operands, value(rng, "y", (n, *out, depth * multiplier), kind), multiplier=multiplier, **fields)
    groups, filters = whole(rng, 1, 3), channels(rng)
    x = value(rng, "x", (n, *size, depth * groups), kind)
    operands = weighted(rng, x, (filters * groups, *kernel, depth), 0)
    return one(cls, operands, value(rng, "y", (n, *out, filters * groups), kind), groups=groups, **fields)


def pooling(cls: type[Op], rng, kind: str) -> Program:
    kernel, stride, _, padding, size, out = window(rng, dilated=False)
    padding = tuple((min(a, k - 1), min(b, k - 1)) for (a, b), k in zip(padding, kernel, strict=True))
    out = tuple((s + a + b - k) // t + 1 for s, (a, b), k, t in zip(size, padding, kernel, stride, strict=True))
    n, depth = whole(rng, 1, 2), channels(rng)
    x = value(rng, "x", (n, *size, depth), kind)
    return one(cls, x, like(x, "y", (n, *out, depth)), kernel=kernel, stride=stride, padding=padding)


# --- reads and writes, in the order of the kernels


def events(op: Op, operand: int, backward: bool) -> Iterator[Event]:
    """Of the input number `operand`."""
    if isinstance(op, FullyConnected):
        yield from row_events(op, backward)
    elif isinstance(op, BatchMatMul):
        yield from product_events(op, operand, backward)
    else:
        yield from pixel_events(op, backward)


def pixel_events(op: Op, backward: bool) -> Iterator[Event]:
    n, height, width, depth = op.input.shape
    _, out_h, out_w, outputs = op.output.shape
    places = [(b, r, c) for b in range(n) for r in range(out_h) for c in range(out_w)]
    for pixel in reversed(range(len(places))) if backward else range(len(places)):
        picture, row, column = places[pixel]
        seen = [
            ((picture * height + i) * width + j) * depth
            for i in places_seen(op, 0, row)
            for j in places_seen(op, 1, column)
        ]
        for read, written in channel_steps(op, depth, outputs):
            yield from (("read", at + c) for c in read for at in seen)
            yield from (("write", pixel * outputs + c) for c in written)


def places_seen(op: Op, axis: int, out: int) -> list[int]:
    """Rows (columns) of the input that an output row (column) reads."""
    size = op.input.shape[1 + axis]
    if isinstance(op, TransposeConv):
        taps = range(op.inputs[1].shape[1 + axis])
        whole_place, step = out + op.crop[axis], op.stride[axis]
        return [i for i in range(size) for tap in taps if i * step + tap == whole_place]
    taps = range(op.kernel[axis] if hasattr(op, "kernel") else op.inputs[1].shape[1 + axis])
    dilation = getattr(op, "dilation", (1, 1))[axis]
    at = [out * op.stride[axis] - op.padding[axis][0] + tap * dilation for tap in taps]
    return [i for i in at if 0 <= i < size]


def channel_steps(op: Op, depth: int, outputs: int) -> Iterator[tuple[range, range]]:
    """Channels that a step reads, and those that it then writes."""
    if isinstance(op, (MaxPool2D, AveragePool2D)):
        yield from ((range(c, c + 1), range(c, c + 1)) for c in range(depth))
        return
    groups = depth if isinstance(op, DepthwiseConv2D) else getattr(op, "groups", 1)
    own = depth == outputs == groups and (groups > 1 or isinstance(op, DepthwiseConv2D))
    each, per_group, step = (depth, outputs, OWN_SUMS) if own else (depth // groups, outputs // groups, SUMS)
    for group in range(1 if own else groups):
        for first in range(group * per_group, (group + 1) * per_group, step):
            made = range(first, min(first + step, (group + 1) * per_group))
            yield made if own else range(group * each, (group + 1) * each), made


def row_events(op: FullyConnected, backward: bool) -> Iterator[Event]:
    units, depth = op.inputs[1].shape
    rows = range(op.input.size // depth)
    for row in reversed(rows) if backward else rows:
        for first in range(0, units, SUMS):
            yield from (("read", row * depth + k) for k in range(depth))
            yield from (("write", row * units + unit) for unit in range(first, min(first + SUMS, units)))


def product_events(op: BatchMatMul, operand: int, backward: bool) -> Iterator[Event]:
    tensor = op.inputs[operand]
    numbers = np.arange(tensor.size).reshape(tensor.shape)
    exchanged = op.adj_x if operand == 0 else op.adj_y
    numbers = numbers.swapaxes(-1, -2) if exchanged else numbers
    numbers = np.broadcast_to(numbers, (*op.output.shape[:-2], *numbers.shape[-2:])).reshape(-1, *numbers.shape[-2:])
    rows, columns = op.output.shape[-2:]
    order = range(len(numbers) * rows)
    for at in reversed(order) if backward else order:
        product, row = divmod(at, rows)
        for first in range(0, columns, 4):
            made = range(first, min(first + 4, columns))
            read = numbers[product][row] if operand == 0 else numbers[product][:, made.start : made.stop].reshape(-1)
            yield from (("read", int(k)) for k in read)
            yield from (("write", at * columns + j) for j in made)


def elementwise_events(size: int) -> Iterator[Event]:
    for i in range(size):
        yield "read", i
        yield "write", i


def smallest(found: Iterator[Event], read_size: int, write_size: int, backward: bool) -> int:
    """The least distance from which on nothing is overwritten before its last read; sizes: bytes of an element."""
    least, last_read = -(10**9), None
    for kind, at in reversed(list(found)):
        if kind == "read":
            edge = (at + 1) * read_size - 1 if backward else at * read_size
            last_read = edge if last_read is None else max(last_read, edge) if backward else min(last_read, edge)
        elif last_read is not None:
            apart = last_read - at * write_size if backward else (at + 1) * write_size - 1 - last_read
            least = max(least, apart + 1)
    return least


# --- on paper


@pytest.mark.parametrize("cls", OURS, ids=lambda cls: cls.__name__)
def test_no_claim_is_below_the_smallest_safe_distance(cls):
    for seed in range(CASES_ON_PAPER):
        kind = "s8" if seed % 4 else "f32"
        op = program_of(cls, np.random.default_rng([seed, 5]), kind).ops[0]
        for (x, y), claim in ROWS[cls](op).overlaps.items():
            size, operand = y.numpy_dtype.itemsize, op.inputs.index(x)
            for backward, claimed in ((False, claim.forward_bytes), (True, claim.backward_bytes)):
                if claimed is not None:
                    least = smallest(events(op, operand, backward), size, size, backward)
                    assert claimed >= least, (seed, kind, backward, claimed, least, op.details())


def test_claims_save_memory():
    """A pointwise convolution is done in place, and one that keeps its size moves by little more than a row."""
    quant = QuantParams.of(0.1)
    x, y = Tensor("x", (1, 8, 8, 16), "s8", quant), Tensor("y", (1, 8, 8, 16), "s8", quant)
    for kernel, padding, most in (((1, 1), (0, 0), 16), ((3, 3), (1, 1), (8 + 3) * 16)):
        w = Tensor("w", (16, *kernel, 16), "s8", quant, np.ones((16, *kernel, 16), np.int8))
        op = Conv2D(name="op", inputs=(x, w), outputs=(y,), padding=(padding, padding))
        assert ROWS[Conv2D](op).overlaps[x, y].forward_bytes <= most


@pytest.mark.parametrize("before", ["s8", "s16", "f32"])
@pytest.mark.parametrize("after", ["s8", "s16", "f32"])
def test_elementwise(before, after):
    for size in (1, 2, 7):
        x, y = Tensor("x", (size,), before), Tensor("y", (size,), after)
        claim = elementwise(x, y)
        least = smallest(elementwise_events(size), x.numpy_dtype.itemsize, y.numpy_dtype.itemsize, False)
        assert claim.backward_bytes is None and claim.forward_bytes is not None and claim.forward_bytes >= least


# --- in C


@dataclass(frozen=True)
class Placed:
    """A program of one operator, one of its pairs of input and output, and the direction of its kernel."""

    program: Program
    pair: int
    backward: bool

    def model(self, program: Program) -> CModel:
        """program: the same under another name."""
        op = program.ops[0]
        lowered = {op: ROWS[type(op)](op)}
        memory = memory_of(program, lowered, keep_input=False)
        found = plan_of(memory.problem, self.pair, self.backward)
        verify(memory.problem, found)
        writer = Writer(program, memory, lowered, found, keep_input=False)
        calls = lowered[op].calls
        files = kernel_sources(
            [call.kernel for call in calls], ["edgekit.h", *(call.header for call in calls)], KERNEL_SETS["reference"]
        )
        sources = CSources(writer.names.lower, writer.texts(), files)
        return CModel(sources, writer.arena_bytes, writer.constant_bytes, memory, found)


def plan_of(problem: Problem, pair: int, backward: bool) -> Plan:
    """The pair as close to the claimed distance as their alignment lets them be, all other buffers behind both."""
    (step,) = problem.steps
    (read, written), overlap = list(step.overlaps.items())[pair]
    unit = max(read.alignment, written.alignment)
    distance = -(-overlap.backward_bytes // unit) * unit if backward else -overlap.forward_bytes // unit * unit
    offsets = {read: max(0, -distance), written: max(0, distance)}
    end = max(buffer.bytes + at for buffer, at in offsets.items())
    scratch = [] if step.scratch is None else [step.scratch]
    for buffer in (*step.reads, *step.writes, *problem.inputs, *problem.outputs, *scratch):
        if buffer not in offsets:
            offsets[buffer] = -(-end // 8) * 8
            end = offsets[buffer] + buffer.bytes
    return Plan((0,), offsets, frozenset({0} if backward else ()), end, 0)


def placements(program: Program) -> Iterator[Placed]:
    """Every pair in both directions, where a distance is claimed."""
    op = program.ops[0]
    (step,) = memory_of(program, {op: ROWS[type(op)](op)}, keep_input=False).problem.steps
    for pair, overlap in enumerate(step.overlaps.values()):
        for backward, distance in ((False, overlap.forward_bytes), (True, overlap.backward_bytes)):
            if distance is not None:
                yield Placed(program, pair, backward)


def check_in_c(programs: list[Program]) -> None:
    placed = [one for program in programs for one in placements(program)]
    cases = [(one.program, [inputs_of(one.program, 3)]) for one in placed]
    assert cases
    emits = iter(placed)
    for case, got in zip(cases, answers(cases, "sanitized", emit=lambda p: next(emits).model(p)), strict=True):
        assert worst(case, got) <= allowed(case), case[0].text()


@pytest.mark.parametrize("cls", OURS, ids=lambda cls: cls.__name__)
def test_runs_at_the_claimed_distance(cls):
    seeds = [(seed, kind) for seed in range(CASES_IN_C) for kind in ("s8", "f32")]
    check_in_c([program_of(cls, np.random.default_rng([seed, 6]), kind) for seed, kind in seeds])


def test_others_run_at_the_claimed_distance():
    """All other operators that say an overlap, and remember nothing."""
    programs = [
        PROGRAMS[cls](np.random.default_rng([1, len(cls.__name__)]), kind)
        for cls, kind in KINDS
        if cls in ROWS and cls not in OURS
    ]
    check_in_c([program for program in programs if not aliased(program.ops[0]) and not program.states])

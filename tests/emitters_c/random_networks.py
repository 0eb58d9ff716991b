"""Random networks of many operators: those of random_operators behind each other, with branches and states.

An operator reads what earlier ones made, cut or repeated to its shape; Reshapes also change scales, which moves no
number. Only operators that C and the interpreter compute to the same bit are taken.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from random_operators import PROGRAMS, Rng, flag, one_of, whole
from runtimes_of_cases import random_inputs

from edgekit.ops import ALL
from edgekit.ops.arithmetic import Add, Maximum, Minimum, Mul, Sub
from edgekit.ops.functions import Clamp
from edgekit.ops.matrix import BatchMatMul
from edgekit.ops.pooling import MaxPool2D
from edgekit.ops.reduction import ArgMax, ReduceMax, ReduceMin
from edgekit.ops.shape import Reshape
from edgekit.ops.slicing import Slice
from edgekit.ops.spreading import Tile
from edgekit.ops.support import SUPPORT
from edgekit.program import Op, Program, State, Tensor

MOVING = ("Concat", "Split", "Select", "Slice", "Gather", "Reverse", "Pad", "MirrorPad", "Tile", "SpaceToDepth",
          "DepthToSpace", "SpaceToBatch", "BatchToSpace", "Transpose", "ResizeNearest", "Reshape")  # fmt: skip
# float operators that round each number once at most
EXACT = (Add, Sub, Mul, Minimum, Maximum, Clamp, MaxPool2D, ReduceMax, ReduceMin, ArgMax)
KINDS = [(cls, "s8") for cls in ALL if SUPPORT[cls].int8 and cls is not BatchMatMul] + [
    (cls, "f32") for cls in ALL if cls in EXACT or cls.__name__ in MOVING
]
LARGEST = 3000  # elements of a value that further operators read


class Network:
    """A program that grows."""

    def __init__(self, rng: Rng) -> None:
        self.rng = rng
        self.inputs: list[Tensor] = []
        self.made: list[Tensor] = []
        self.ops: list[Op] = []
        self.states: list[State] = []

    def grow(self) -> None:
        """One more operator."""
        k = len(self.ops)
        cls, kind = one_of(self.rng, KINDS)
        program = PROGRAMS[cls](self.rng, kind)
        new = {t: self._like(t) for t in program.inputs}
        named = {t: replace(t, name=f"{k}/{t.name}") for t in program.tensors() if t not in new}
        named |= {s.after: replace(s.after, name=f"{k}/{s.after.name}") for s in program.states if s.after not in named}
        new |= named
        for op in program.ops:
            inputs, outputs = (tuple(new[t] for t in ends) for ends in (op.inputs, op.outputs))
            self.ops.append(replace(op, name=f"{k}/{op.name}", inputs=inputs, outputs=outputs))
            self.made += [t for t in outputs if 0 < t.size <= LARGEST]
        self.states += [replace(s, before=new[s.before], after=new[s.after]) for s in program.states]

    def _like(self, wanted: Tensor) -> Tensor:
        """A value of this type, shape and scale: something earlier, or a further input."""
        earlier = [t for t in (*self.inputs, *self.made[-6:]) if t.dtype == wanted.dtype]
        if not earlier or whole(self.rng, 0, 5) == 0 or not wanted.size:
            self.inputs.append(replace(wanted, name=f"in{len(self.inputs)}"))
            return self.inputs[-1]
        return self._fitted(one_of(self.rng, earlier), wanted)

    def _fitted(self, x: Tensor, wanted: Tensor) -> Tensor:
        if (x.shape, x.quant) == (wanted.shape, wanted.quant):
            return x
        if x.size != wanted.size:
            x = self._move(Reshape, x, replace(x, shape=(x.size,)))
        if x.size < wanted.size:
            times = -(-wanted.size // x.size)
            x = self._move(Tile, x, replace(x, shape=(x.size * times,)), multiples=(times,))
        if x.size > wanted.size:
            begin = whole(self.rng, 0, x.size - wanted.size)
            x = self._move(Slice, x, replace(x, shape=(wanted.size,)), begin=(begin,))
        return self._move(Reshape, x, wanted)

    def _move(self, cls: type[Op], x: Tensor, like: Tensor, **fields) -> Tensor:
        y = replace(like, name=f"m{len(self.ops)}")
        self.ops.append(cls(name=y.name, inputs=(x,), outputs=(y,), **fields))
        return y

    def program(self) -> Program:
        """Outputs are what nothing reads and a few others, one of them perhaps twice."""
        read = {t for op in self.ops for t in op.inputs} | {s.after for s in self.states}
        every = [t for op in self.ops for t in op.outputs]
        outputs = [t for t in every if t not in read]
        outputs += [one_of(self.rng, [*every, *self.inputs]) for _ in range(whole(self.rng, 0, 2))]
        outputs = outputs if flag(self.rng) else list(dict.fromkeys(outputs))
        return Program("network", tuple(self.inputs), tuple(outputs), tuple(self.ops), tuple(self.states))


def network(seed: int, most: int = 12) -> Program:
    """Of up to `most` operators, and those that only move numbers between them."""
    grown = Network(np.random.default_rng([seed, 4]))
    for _ in range(whole(grown.rng, 1, most)):
        grown.grow()
    return grown.program()


def samples_of(program: Program, seed: int, count: int = 3) -> list[dict[str, np.ndarray]]:
    return [random_inputs(program, seed + 1000 * call) for call in range(count)]

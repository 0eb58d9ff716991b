"""(a - b)^2 between integers as one operation: how the ONNX emitter writes SquaredDifference, and what old TFLite files
normalise with.

Dequantize, Sub, Mul by itself and Quantize become SquaredDifference where nobody else reads what is between.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from edgekit.ops.arithmetic import Mul, SquaredDifference, Sub
from edgekit.ops.quantization import Dequantize, Quantize
from edgekit.program import Activation, Op, Program, Tensor


def join_squares(program: Program) -> Program:
    """A program with the same outputs within a step: nothing is rounded to float between."""
    makers = {t: op for op in program.ops for t in op.outputs}
    readers = Counter(t for op in program.ops for t in set(op.inputs))
    readers.update(program.outputs)
    return replace(program, ops=tuple(_joined(op, makers, readers) or op for op in program.ops))


def _joined(op: Op, makers: dict[Tensor, Op], readers: Counter[Tensor]) -> Op | None:
    if not isinstance(op, Quantize) or op.output.dtype != "s8" or readers[op.input] != 1:
        return None
    square = makers.get(op.input)
    if not isinstance(square, Mul) or square.inputs[0] is not square.inputs[1] or readers[square.input] != 1:
        return None
    difference = makers.get(square.input)
    if not isinstance(difference, Sub) or difference.activation is not Activation.NONE:
        return None
    sources = [makers.get(t) for t in difference.inputs]
    if not all(isinstance(s, Dequantize) and s.input.dtype == "s8" for s in sources):
        return None
    stored = tuple(s.input for s in sources if s is not None)
    return SquaredDifference(name=square.name, inputs=stored, outputs=op.outputs, activation=square.activation)

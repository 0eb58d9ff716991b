"""Borders of zeros that only convolutions read become part of the convolutions.

TFLite files write a PAD before each VALID convolution whose padding SAME cannot say; so do graphs of ONNX's Pad.
"""

from __future__ import annotations

from dataclasses import replace

from edgekit.ops.convolution import Conv2D, DepthwiseConv2D
from edgekit.ops.padding import Pad
from edgekit.program import Op, Program, Tensor

Convolution = Conv2D | DepthwiseConv2D


def fold_padding(program: Program) -> Program:
    """Convolutions with the padding of the Pads before them; each then computes the same numbers."""
    pads = {op.output: op for op in program.ops if isinstance(op, Pad) and _is_border_of_zeros(op)}
    foldable = {tensor for tensor in pads if all(_reads_as_picture(op, tensor) for op in _readers(program, tensor))}
    foldable -= {*program.outputs, *(state.after for state in program.states)}
    ops = tuple(_padded(op, pads[op.input]) if op.inputs and op.input in foldable else op for op in program.ops)
    return replace(program, ops=tuple(op for op in ops if not foldable.intersection(op.outputs)))


def _is_border_of_zeros(op: Pad) -> bool:
    zero = op.input.zero_point if op.input.quant is not None else 0
    return len(op.padding) == 4 and not any((*op.padding[0], *op.padding[3])) and op.fill == zero


def _readers(program: Program, tensor: Tensor) -> list[Op]:
    return [op for op in program.ops if tensor in op.inputs]


def _reads_as_picture(op: Op, tensor: Tensor) -> bool:
    return isinstance(op, Convolution) and op.inputs.index(tensor) == 0 and op.inputs.count(tensor) == 1


def _padded(op: Op, pad: Pad) -> Op:
    assert isinstance(op, Convolution)
    (top, bottom), (left, right) = pad.padding[1:3]
    (up, down), (before, after) = op.padding
    padding = ((top + up, bottom + down), (left + before, right + after))
    return replace(op, inputs=(pad.input, *op.inputs[1:]), padding=padding)

"""A reordering of channels that alone reads a weighted sum becomes a reordering of its weights.

ONNX's DepthToSpace in mode CRD (torch's PixelShuffle) counts its channels in another order than TFLite's.
"""

from __future__ import annotations

from dataclasses import replace

from edgekit.ops.convolution import Conv2D
from edgekit.ops.fully_connected import FullyConnected
from edgekit.ops.slicing import Gather
from edgekit.program import Op, Program, QuantParams, Tensor
from edgekit.program.tensor import Array

Weighted = Conv2D | FullyConnected


def fold_channel_order(program: Program) -> Program:
    """Convolutions and fully connected layers that make their channels in the order (and number) in which a Gather
    behind them takes them."""
    makers = {op.output: op for op in program.ops if isinstance(op, Weighted) and _movable(op)}
    kept = {*program.outputs, *(state.after for state in program.states)}
    reads = [t for op in program.ops for t in op.inputs]
    gathers = {
        op.input: op
        for op in program.ops
        if _takes_channels(op) and op.input in makers and op.input not in kept and reads.count(op.input) == 1
    }
    ops = (_reordered(op, gathers[op.output]) if op.outputs[0] in gathers else op for op in program.ops)
    return replace(program, ops=tuple(op for op in ops if op not in gathers.values()))


def _movable(op: Weighted) -> bool:
    return op.inputs[1].constant and (isinstance(op, FullyConnected) or op.groups == 1)


def _takes_channels(op: Op) -> bool:
    return (
        isinstance(op, Gather)
        and op.axis == len(op.input.shape) - 1
        and op.inputs[1].constant
        and len(op.inputs[1].shape) == 1
    )


def _reordered(op: Op, gather: Op) -> Op:
    indices = gather.inputs[1].data
    assert indices is not None
    operands = (_taken(t, indices, gather.name) for t in op.inputs[1:])
    return replace(op, inputs=(op.input, *operands), outputs=gather.outputs)


def _taken(tensor: Tensor, indices: Array, name: str) -> Tensor:
    """Weights or bias with their first axis taken in another order."""
    assert tensor.data is not None
    quant, data = tensor.quant, tensor.data[indices]
    if quant is not None and quant.axis == 0:
        scales, zeros = (tuple(values[i] for i in indices) for values in (quant.scales, quant.zero_points))
        quant = QuantParams(scales, zeros, 0 if len(scales) > 1 else None)
    return Tensor(f"{tensor.name}_for_{name}", data.shape, tensor.dtype, quant, data)

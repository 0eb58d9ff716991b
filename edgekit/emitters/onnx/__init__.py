"""Program → ONNX graph: QDQ where tensors are quantized, plain float where they are not.

Inputs and outputs are float32, in the layout and under the names that they have in the program (the model of a .tflite
file keeps NHWC inputs). `ROWS` says for every operator which nodes it becomes. Scales are kept bit for bit. Refused:
operators without a row, activations of other integer types than int8, uint8 and int16.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx_ir as ir

from edgekit.emitters.onnx import (
    arithmetic,
    convolution,
    functions,
    matrix,
    movement,
    normalising,
    recurrent,
    reduction,
    resizing,
    shape,
)
from edgekit.emitters.onnx.writer import Writer
from edgekit.errors import UnsupportedOpError
from edgekit.ops.arithmetic import Add, AddN, Div, Maximum, Minimum, Mul, Pow, SquaredDifference, Sub
from edgekit.ops.blocks import BatchToSpace, DepthToSpace, SpaceToBatch, SpaceToDepth
from edgekit.ops.convolution import Conv2D, DepthwiseConv2D
from edgekit.ops.elementwise import Elementwise
from edgekit.ops.fully_connected import FullyConnected
from edgekit.ops.functions import Clamp, HardSwish, LeakyRelu, Logistic, Lookup, PRelu, Tanh
from edgekit.ops.joining import Concat, Select, Split
from edgekit.ops.matrix import BatchMatMul
from edgekit.ops.normalising import L2Normalization, LogSoftmax, Softmax
from edgekit.ops.padding import MirrorPad, Pad
from edgekit.ops.pooling import AveragePool2D, MaxPool2D
from edgekit.ops.quantization import Cast, Dequantize, Quantize
from edgekit.ops.recurrent import Lstm, Svdf
from edgekit.ops.reduction import ArgMax, ArgMin, Mean, ReduceMax, ReduceMin, ReduceProd, Sum
from edgekit.ops.resizing import ResizeBilinear, ResizeNearest
from edgekit.ops.shape import Reshape, Transpose
from edgekit.ops.slicing import Gather, Reverse, Slice
from edgekit.ops.spreading import Tile
from edgekit.ops.transposed_convolution import TransposeConv
from edgekit.program import Op, Program

Row = Callable[[Any, Writer], None]

ROWS: dict[type[Op], Row] = {
    Conv2D: convolution.conv_2d,
    DepthwiseConv2D: convolution.depthwise,
    TransposeConv: convolution.transpose_conv,
    FullyConnected: convolution.fully_connected,
    MaxPool2D: convolution.max_pool,
    AveragePool2D: convolution.average_pool,
    BatchMatMul: matrix.batch_mat_mul,
    **dict.fromkeys((Add, Sub, Mul, Div, Pow), arithmetic.binary),
    **dict.fromkeys((Minimum, Maximum, AddN), arithmetic.alike),
    SquaredDifference: arithmetic.squared_difference,
    **dict.fromkeys((Logistic, Tanh, HardSwish), functions.function),
    LeakyRelu: functions.leaky_relu,
    PRelu: functions.prelu,
    Clamp: functions.clamp,
    Elementwise: functions.elementwise,
    Lookup: functions.lookup,
    Softmax: normalising.softmax,
    LogSoftmax: normalising.log_softmax,
    L2Normalization: normalising.l2_normalization,
    **dict.fromkeys((Mean, Sum, ReduceMax, ReduceMin, ReduceProd), reduction.reduction),
    **dict.fromkeys((ArgMax, ArgMin), reduction.arg_extremum),
    ResizeNearest: resizing.nearest,
    ResizeBilinear: resizing.bilinear,
    Concat: movement.concat,
    Split: movement.split,
    Select: movement.select,
    Slice: movement.slice_,
    Gather: movement.gather,
    Reverse: movement.reverse,
    Pad: movement.pad,
    MirrorPad: movement.mirror_pad,
    Tile: movement.tile,
    SpaceToDepth: movement.space_to_depth,
    DepthToSpace: movement.depth_to_space,
    SpaceToBatch: movement.space_to_batch,
    BatchToSpace: movement.batch_to_space,
    Reshape: shape.reshape,
    Transpose: shape.transpose,
    Quantize: shape.quantize,
    Dequantize: shape.dequantize,
    Cast: shape.cast,
    Svdf: recurrent.svdf,
    Lstm: recurrent.lstm,
}
STORED = ("s8", "u8", "s16")  # what QuantizeLinear can make


def to_onnx(program: Program) -> ir.Model:
    """The graph, opset 20 (21 where values are int16). States become inputs and outputs behind the others.

    Raises UnsupportedOpError naming every operation that has no form in ONNX.
    """
    refused = [f'"{op.name}" ({op.kind}): {reason}' for op in program.ops if (reason := _refusal(op))]
    if refused:
        raise UnsupportedOpError(refused, hint="use the .tflite file as it is, or replace these layers")
    writer = Writer(program)
    for op in program.ops:
        ROWS[type(op)](op, writer)
    return writer.model()


def _refusal(op: Op) -> str | None:
    if type(op) not in ROWS:
        return "ONNX has no operator for it"
    wide = next((t for t in op.outputs if t.quant is not None and t.dtype not in STORED), None)
    return recurrent.refusal(op) if wide is None else f'"{wide.name}" is {wide.dtype} with a scale'


__all__ = ["ROWS", "to_onnx"]

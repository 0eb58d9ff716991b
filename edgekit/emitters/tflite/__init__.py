"""Program → .tflite: int8 inputs and outputs, every buffer inside the FlatBuffer, nothing that a runtime does not need.

`ROWS` says for every operator which TFLite operators it becomes. Refused: operators without a row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgekit.emitters.tflite import (
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
from edgekit.emitters.tflite.writer import Writer
from edgekit.errors import UnsupportedOpError
from edgekit.ops.arithmetic import AddN
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
from edgekit.ops.reduction import ArgMax, ArgMin
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
    BatchMatMul: matrix.batch_mat_mul,
    MaxPool2D: convolution.max_pool,
    AveragePool2D: convolution.average_pool,
    **dict.fromkeys(arithmetic.BUILTINS, arithmetic.binary),
    AddN: arithmetic.add_n,
    Lookup: functions.lookup,
    Logistic: functions.logistic,
    Tanh: functions.tanh,
    HardSwish: functions.hard_swish,
    LeakyRelu: functions.leaky_relu,
    PRelu: functions.prelu,
    Clamp: functions.clamp,
    Elementwise: functions.elementwise,
    Cast: functions.cast,
    Softmax: normalising.softmax,
    LogSoftmax: normalising.log_softmax,
    L2Normalization: normalising.l2_normalization,
    **dict.fromkeys(reduction.BUILTINS, reduction.reduction),
    ArgMax: reduction.arg_max,
    ArgMin: reduction.arg_max,
    ResizeNearest: resizing.resize,
    ResizeBilinear: resizing.resize,
    Reshape: shape.reshape,
    Transpose: shape.transpose,
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
    Quantize: shape.quantize,
    Dequantize: shape.dequantize,
    Svdf: recurrent.svdf,
    Lstm: recurrent.lstm,
}


def emit_tflite(program: Program) -> bytes:
    """The file. Raises UnsupportedOpError naming every operation that TFLite has no operator for."""
    missing = [f'"{op.name}" ({op.kind}): TFLite has no operator for it' for op in program.ops if type(op) not in ROWS]
    missing += recurrent.unkept_states(program)
    if missing:
        raise UnsupportedOpError(missing, hint="use the ONNX file, or replace these layers (docs/operators.md)")
    writer = Writer(program)
    for op in program.ops:
        ROWS[type(op)](op, writer)
    return writer.content()

"""Program → .tflite: int8 inputs and outputs, every buffer inside the FlatBuffer, nothing that a runtime does not need.

`ROWS` says for every operator which TFLite operators it becomes. Refused: operators without a row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgekit.emitters.tflite import arithmetic, convolution, recurrent, shape
from edgekit.emitters.tflite.writer import Writer
from edgekit.errors import UnsupportedOpError
from edgekit.ops.arithmetic import AddN
from edgekit.ops.convolution import Conv2D, DepthwiseConv2D
from edgekit.ops.fully_connected import FullyConnected
from edgekit.ops.pooling import AveragePool2D, MaxPool2D
from edgekit.ops.quantization import Dequantize, Quantize
from edgekit.ops.recurrent import Lstm, Svdf
from edgekit.ops.shape import Reshape, Transpose
from edgekit.program import Op, Program

Row = Callable[[Any, Writer], None]

ROWS: dict[type[Op], Row] = {
    Conv2D: convolution.conv_2d,
    DepthwiseConv2D: convolution.depthwise,
    FullyConnected: convolution.fully_connected,
    MaxPool2D: convolution.max_pool,
    AveragePool2D: convolution.average_pool,
    **dict.fromkeys(arithmetic.BUILTINS, arithmetic.binary),
    AddN: arithmetic.add_n,
    Reshape: shape.reshape,
    Transpose: shape.transpose,
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

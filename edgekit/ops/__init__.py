"""The operators of a program, one class each: fields, how it is read from ONNX and from TFLite, how it runs, its MACs.

`ALL` is the one list of them; `ONNX` and `TFLITE` say which class reads which operator of the two formats. Adding an
operator: one class here, its rows in edgekit/emitters, its cases in tests/ops.
"""

from __future__ import annotations

from collections.abc import Callable

from edgekit.ops.arithmetic import Add, AddN, Binary, Div, Maximum, Minimum, Mul, Pow, SquaredDifference, Sub
from edgekit.ops.convolution import Conv2D, DepthwiseConv2D
from edgekit.ops.fully_connected import FullyConnected
from edgekit.ops.pooling import AveragePool2D, MaxPool2D
from edgekit.ops.quantization import Dequantize, Quantize
from edgekit.ops.reading import OnnxCall, Refusal, TfliteCall
from edgekit.ops.recurrent import Lstm, Svdf
from edgekit.ops.shape import Reshape, Transpose
from edgekit.program import Op

ALL: tuple[type[Op], ...] = (
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Add,
    Sub,
    Mul,
    Div,
    SquaredDifference,
    Pow,
    Minimum,
    Maximum,
    AddN,
    MaxPool2D,
    AveragePool2D,
    Reshape,
    Transpose,
    Quantize,
    Dequantize,
    Svdf,
    Lstm,
)

# Operators that only rename or reorder (Reshape, Transpose, Identity ...) are lowering's own matter: they are no rows.
ONNX: dict[str, Callable[[OnnxCall], None]] = {
    "Conv": Conv2D.from_onnx,
    "Gemm": FullyConnected.from_onnx,
    "MatMul": FullyConnected.from_onnx,
    "Add": Add.from_onnx,
    "Sub": Sub.from_onnx,
    "Sum": Add.from_onnx,
    "Mul": Mul.from_onnx,
    "Div": Div.from_onnx,
    "Pow": Pow.from_onnx,
    "Min": Minimum.from_onnx,
    "Max": Maximum.from_onnx,
    "MaxPool": MaxPool2D.from_onnx,
    "GlobalMaxPool": MaxPool2D.from_onnx,
    "AveragePool": AveragePool2D.from_onnx,
}

TFLITE: dict[str, Callable[[TfliteCall], Op | tuple[Op, ...]]] = {
    "CONV_2D": Conv2D.from_tflite,
    "DEPTHWISE_CONV_2D": DepthwiseConv2D.from_tflite,
    "FULLY_CONNECTED": FullyConnected.from_tflite,
    "ADD": Add.from_tflite,
    "SUB": Sub.from_tflite,
    "MUL": Mul.from_tflite,
    "DIV": Div.from_tflite,
    "SQUARED_DIFFERENCE": SquaredDifference.from_tflite,
    "POW": Pow.from_tflite,
    "MINIMUM": Minimum.from_tflite,
    "MAXIMUM": Maximum.from_tflite,
    "ADD_N": AddN.from_tflite,
    "MAX_POOL_2D": MaxPool2D.from_tflite,
    "AVERAGE_POOL_2D": AveragePool2D.from_tflite,
    "RESHAPE": Reshape.from_tflite,
    "SQUEEZE": Reshape.from_tflite,
    "EXPAND_DIMS": Reshape.from_tflite,
    "TRANSPOSE": Transpose.from_tflite,
    "QUANTIZE": Quantize.from_tflite,
    "DEQUANTIZE": Dequantize.from_tflite,
    "SVDF": Svdf.from_tflite,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Lstm.from_tflite,
}

# Types of activations that an operator of a .tflite file may have where they are not the usual s8, f32, s32, s64, b8.
TYPES_OF: dict[str, tuple[str, ...]] = {
    "QUANTIZE": ("s8", "u8", "s16", "s32", "f32"),
    "DEQUANTIZE": ("s8", "u8", "s16", "s32", "f32"),
    **dict.fromkeys(("ADD", "SUB", "MUL", "SQUARED_DIFFERENCE", "MINIMUM", "MAXIMUM"), Binary.types),
    "RESHAPE": ("s8", "u8", "s16", "s32", "s64", "f32", "b8"),
    "SVDF": ("s8", "s16", "f32"),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": ("s8", "s16", "f32"),
}

__all__ = ["ALL", "ONNX", "TFLITE", "TYPES_OF", "OnnxCall", "Refusal", "TfliteCall"]

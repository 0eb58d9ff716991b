"""The operators of a program, one class each: fields, how it is read from ONNX and from TFLite, how it runs, its MACs.

`ALL` is the one list of them; `ONNX` and `TFLITE` say which class reads which operator of the two formats. Adding an
operator: one class here, its rows in edgekit/emitters, its cases in tests/ops.
"""

from __future__ import annotations

from collections.abc import Callable

from edgekit.ops.arithmetic import Add, AddN, Binary, Div, Maximum, Minimum, Mul, Pow, SquaredDifference, Sub
from edgekit.ops.blocks import BatchToSpace, DepthToSpace, SpaceToBatch, SpaceToDepth
from edgekit.ops.convolution import Conv2D, DepthwiseConv2D
from edgekit.ops.elementwise import ONNX_FUNCTIONS, TFLITE_FUNCTIONS, Elementwise
from edgekit.ops.fully_connected import FullyConnected
from edgekit.ops.functions import CLAMPS, Clamp, HardSwish, LeakyRelu, Logistic, Lookup, PRelu, Tanh
from edgekit.ops.grids import gather_nd
from edgekit.ops.joining import Concat, Select, Split, pack, unpack
from edgekit.ops.matrix import BatchMatMul, from_onnx_matmul, from_tflite_fully_connected
from edgekit.ops.normalising import L2Normalization, LogSoftmax, Softmax
from edgekit.ops.padding import MirrorPad, Pad
from edgekit.ops.pooling import AveragePool2D, MaxPool2D
from edgekit.ops.quantization import Cast, Dequantize, Quantize
from edgekit.ops.reading import OnnxCall, Refusal, TfliteCall
from edgekit.ops.recurrent import Lstm, Svdf
from edgekit.ops.reduction import ArgMax, ArgMin, Mean, ReduceMax, ReduceMin, ReduceProd, Sum
from edgekit.ops.resizing import ResizeBilinear, ResizeNearest
from edgekit.ops.shape import Reshape, Transpose
from edgekit.ops.slicing import Gather, Reverse, Slice, strided_slice
from edgekit.ops.spreading import Tile, fill, shape_of, value_range, zeros_like
from edgekit.ops.transposed_convolution import TransposeConv
from edgekit.program import Op

ALL: tuple[type[Op], ...] = (
    Conv2D,
    DepthwiseConv2D,
    TransposeConv,
    FullyConnected,
    BatchMatMul,
    Add,
    Sub,
    Mul,
    Div,
    SquaredDifference,
    Pow,
    Minimum,
    Maximum,
    AddN,
    Lookup,
    Logistic,
    Tanh,
    HardSwish,
    LeakyRelu,
    PRelu,
    Clamp,
    Elementwise,
    Cast,
    Softmax,
    LogSoftmax,
    L2Normalization,
    MaxPool2D,
    AveragePool2D,
    Mean,
    Sum,
    ReduceMax,
    ReduceMin,
    ReduceProd,
    ArgMax,
    ArgMin,
    ResizeNearest,
    ResizeBilinear,
    Reshape,
    Transpose,
    Concat,
    Split,
    Select,
    Slice,
    Gather,
    Reverse,
    Pad,
    MirrorPad,
    Tile,
    SpaceToDepth,
    DepthToSpace,
    SpaceToBatch,
    BatchToSpace,
    Quantize,
    Dequantize,
    Svdf,
    Lstm,
)

# Operators that only rename or reorder (Reshape, Transpose, Identity ...) are lowering's own matter: they are no rows.
ONNX: dict[str, Callable[[OnnxCall], None]] = {
    "Conv": Conv2D.from_onnx,
    "ConvTranspose": TransposeConv.from_onnx,
    "Gemm": FullyConnected.from_onnx,
    "MatMul": from_onnx_matmul,
    "Add": Add.from_onnx,
    "Sub": Sub.from_onnx,
    "Sum": Add.from_onnx,
    "Mul": Mul.from_onnx,
    "Div": Div.from_onnx,
    "Pow": Pow.from_onnx,
    "Min": Minimum.from_onnx,
    "Max": Maximum.from_onnx,
    **dict.fromkeys(ONNX_FUNCTIONS, Elementwise.from_onnx),
    "Relu": Clamp.from_onnx,
    "Clip": Clamp.from_onnx,
    "Sigmoid": Logistic.from_onnx,
    "Tanh": Tanh.from_onnx,
    "HardSwish": HardSwish.from_onnx,
    "LeakyRelu": LeakyRelu.from_onnx,
    "PRelu": PRelu.from_onnx,
    "Cast": Cast.from_onnx,
    "Softmax": Softmax.from_onnx,
    "LogSoftmax": LogSoftmax.from_onnx,
    "LpNormalization": L2Normalization.from_onnx,
    "MaxPool": MaxPool2D.from_onnx,
    "GlobalMaxPool": MaxPool2D.from_onnx,
    "AveragePool": AveragePool2D.from_onnx,
    "GlobalAveragePool": Mean.from_onnx,
    "ReduceMean": Mean.from_onnx,
    "ReduceSum": Sum.from_onnx,
    "ReduceMax": ReduceMax.from_onnx,
    "ReduceMin": ReduceMin.from_onnx,
    "ReduceProd": ReduceProd.from_onnx,
    "ArgMax": ArgMax.from_onnx,
    "ArgMin": ArgMin.from_onnx,
    "Resize": ResizeNearest.from_onnx,
    "Concat": Concat.from_onnx,
    "Split": Split.from_onnx,
    "Where": Select.from_onnx,
    "Slice": Slice.from_onnx,
    "Gather": Gather.from_onnx,
    "GatherND": gather_nd,
    "Pad": Pad.from_onnx,
    "Expand": Tile.from_onnx,
    "Tile": Tile.from_onnx,
    "SpaceToDepth": SpaceToDepth.from_onnx,
    "DepthToSpace": DepthToSpace.from_onnx,
}

TFLITE: dict[str, Callable[[TfliteCall], Op | tuple[Op, ...]]] = {
    "CONV_2D": Conv2D.from_tflite,
    "DEPTHWISE_CONV_2D": DepthwiseConv2D.from_tflite,
    "TRANSPOSE_CONV": TransposeConv.from_tflite,
    "FULLY_CONNECTED": from_tflite_fully_connected,
    "BATCH_MATMUL": BatchMatMul.from_tflite,
    "ADD": Add.from_tflite,
    "SUB": Sub.from_tflite,
    "MUL": Mul.from_tflite,
    "DIV": Div.from_tflite,
    "SQUARED_DIFFERENCE": SquaredDifference.from_tflite,
    "POW": Pow.from_tflite,
    "MINIMUM": Minimum.from_tflite,
    "MAXIMUM": Maximum.from_tflite,
    "ADD_N": AddN.from_tflite,
    **dict.fromkeys(TFLITE_FUNCTIONS, Elementwise.from_tflite),
    **dict.fromkeys(CLAMPS, Clamp.from_tflite),
    "LOGISTIC": Logistic.from_tflite,
    "TANH": Tanh.from_tflite,
    "HARD_SWISH": HardSwish.from_tflite,
    "LEAKY_RELU": LeakyRelu.from_tflite,
    "PRELU": PRelu.from_tflite,
    "CAST": Cast.from_tflite,
    "SOFTMAX": Softmax.from_tflite,
    "LOG_SOFTMAX": LogSoftmax.from_tflite,
    "L2_NORMALIZATION": L2Normalization.from_tflite,
    "MAX_POOL_2D": MaxPool2D.from_tflite,
    "AVERAGE_POOL_2D": AveragePool2D.from_tflite,
    "RESHAPE": Reshape.from_tflite,
    "SQUEEZE": Reshape.from_tflite,
    "EXPAND_DIMS": Reshape.from_tflite,
    "TRANSPOSE": Transpose.from_tflite,
    "MEAN": Mean.from_tflite,
    "SUM": Sum.from_tflite,
    "REDUCE_MAX": ReduceMax.from_tflite,
    "REDUCE_MIN": ReduceMin.from_tflite,
    "REDUCE_PROD": ReduceProd.from_tflite,
    "ARG_MAX": ArgMax.from_tflite,
    "ARG_MIN": ArgMin.from_tflite,
    "RESIZE_NEAREST_NEIGHBOR": ResizeNearest.from_tflite,
    "RESIZE_BILINEAR": ResizeBilinear.from_tflite,
    "CONCATENATION": Concat.from_tflite,
    "PACK": pack,
    "SPLIT": Split.from_tflite,
    "SPLIT_V": Split.from_tflite,
    "UNPACK": unpack,
    "SELECT": Select.from_tflite,
    "SELECT_V2": Select.from_tflite,
    "SLICE": Slice.from_tflite,
    "STRIDED_SLICE": strided_slice,
    "GATHER": Gather.from_tflite,
    "EMBEDDING_LOOKUP": Gather.from_tflite,
    "REVERSE_V2": Reverse.from_tflite,
    "PAD": Pad.from_tflite,
    "PADV2": Pad.from_tflite,
    "MIRROR_PAD": MirrorPad.from_tflite,
    "TILE": Tile.from_tflite,
    "BROADCAST_TO": Tile.from_tflite,
    "SPACE_TO_DEPTH": SpaceToDepth.from_tflite,
    "DEPTH_TO_SPACE": DepthToSpace.from_tflite,
    "SPACE_TO_BATCH_ND": SpaceToBatch.from_tflite,
    "BATCH_TO_SPACE_ND": BatchToSpace.from_tflite,
    "SHAPE": shape_of,
    "FILL": fill,
    "ZEROS_LIKE": zeros_like,
    "RANGE": value_range,
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
    "CAST": Cast.types,
    "SOFTMAX": ("s8", "s16", "f32"),
    "SVDF": ("s8", "s16", "f32"),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": ("s8", "s16", "f32"),
}

__all__ = ["ALL", "ONNX", "TFLITE", "TYPES_OF", "OnnxCall", "Refusal", "TfliteCall"]

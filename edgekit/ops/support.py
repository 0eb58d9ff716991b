"""Which runtime runs which operator, and how far its answers are from the interpreter's.

`SUPPORT` is the one table of it: docs/operators.md is written from it (`make docs`), and tests/ops/test_support.py
measures it with random integers and random geometry. Bounds are the largest differences seen on x86-64 in 200 to 600
such cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgekit.ops.arithmetic import Add, AddN, Div, Maximum, Minimum, Mul, Pow, SquaredDifference, Sub
from edgekit.ops.blocks import BatchToSpace, DepthToSpace, SpaceToBatch, SpaceToDepth
from edgekit.ops.convolution import Conv2D, DepthwiseConv2D
from edgekit.ops.elementwise import TFLITE_FUNCTIONS, Elementwise
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
from edgekit.program import Op

# As edgekit.runtimes calls them; the interpreter runs every operator and is what the others are compared with.
RUNTIMES = ("tflite-micro", "litert-reference", "litert", "onnxruntime")

Bound = int | str


@dataclass(frozen=True)
class Support:
    """One operator.

    tflite   the operators of TFLite that it is written as: its own one, then what stands around it where need be
    one field for each runtime
             int8: the largest difference from the interpreter, in steps of the output (0: the same bytes); or the
             reason why it is not to be used there
    int8     whether it has an int8 form at all
    f32      the runtimes that run it in float32
    lacking  runtime → those of its functions (Lookup, Elementwise) that are not there
    remark   what else is to be known
    """

    tflite: tuple[str, ...]
    tflite_micro: Bound = 0
    litert_reference: Bound = 0
    litert: Bound = 0
    onnxruntime: Bound = 0
    int8: bool = True
    f32: tuple[str, ...] = RUNTIMES
    lacking: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    remark: str = ""

    def bound(self, runtime: str) -> Bound:
        """The field of a runtime by its name; 0 for the interpreter."""
        if not self.int8:
            return "float32 only"
        bound: Bound = 0 if runtime == "interpreter" else getattr(self, runtime.replace("-", "_"))
        return bound


def runs(op: Op, runtime: str) -> bool:
    """Whether a runtime runs this very operation, in its type."""
    support, function = SUPPORT[type(op)], str(getattr(op, "function", ""))
    if function in support.lacking.get(runtime, ()):
        return False
    is_float = all(t.quant is None for t in (*op.inputs, *op.outputs))
    return runtime in (*support.f32, "interpreter") if is_float else isinstance(support.bound(runtime), int)


_NOWHERE: tuple[str, ...] = ()
_NOT_MICRO = RUNTIMES[1:]
_RUNS = "TFLite Micro: at most 2 groups of neighbouring axes"

SUPPORT: dict[type[Op], Support] = {
    Conv2D: Support(("CONV_2D", "PAD"), litert=1, onnxruntime=1),
    DepthwiseConv2D: Support(("DEPTHWISE_CONV_2D", "PAD"), litert=1, onnxruntime=1),
    TransposeConv: Support(("TRANSPOSE_CONV", "SLICE"), litert=1, onnxruntime=1),
    FullyConnected: Support(("FULLY_CONNECTED",), litert_reference=1, litert=1, onnxruntime=1),
    BatchMatMul: Support(("BATCH_MATMUL",), litert=1, onnxruntime=1),
    Add: Support(("ADD",), litert=1, onnxruntime=1),
    Sub: Support(("SUB",), litert=1, onnxruntime=1),
    Mul: Support(("MUL",), litert=1, onnxruntime=1),
    Div: Support(("DIV",), int8=False, remark="int8: by a constant or a broadcast value, which is a Mul"),
    SquaredDifference: Support(("SQUARED_DIFFERENCE",), onnxruntime=1, remark="ONNX: Sub, and Mul by itself"),
    Pow: Support(("POW",), int8=False, f32=_NOT_MICRO, remark="int8: with a constant exponent, which is a Lookup"),
    Minimum: Support(("MINIMUM",)),
    Maximum: Support(("MAXIMUM",)),
    AddN: Support(
        ("ADD_N",), litert_reference="float32 and int32 only", litert="float32 and int32 only",
        remark="Only read from .tflite files: ONNX's Sum becomes a chain of Add",
    ),
    Lookup: Support(
        ("CAST", "ADD", "GATHER", "ABS", "ELU"), onnxruntime=1, f32=_NOWHERE, lacking={"litert-reference": ("elu",)}
    ),
    Logistic: Support(
        ("LOGISTIC",), litert=1,
        remark="From an input scale of 8 on TFLite Micro answers 0 to large negative numbers, LiteRT rightly",
    ),
    Tanh: Support(("TANH",), remark="From an input scale of 8 on as Logistic"),
    HardSwish: Support(("HARD_SWISH",), onnxruntime=1),
    LeakyRelu: Support(("LEAKY_RELU",), litert=1, onnxruntime=1),
    PRelu: Support(("PRELU",), onnxruntime=1),
    Clamp: Support(("RELU", "RELU6", "MAXIMUM", "MINIMUM", "QUANTIZE", "RESHAPE"), litert=1),
    Elementwise: Support(
        TFLITE_FUNCTIONS, int8=False,
        lacking={"tflite-micro": ("gelu", "gelu_tanh", "sign"), "litert-reference": ("ceil", "elu", "round")},
    ),
    Cast: Support(("CAST",)),
    Softmax: Support(("SOFTMAX", "RESHAPE"), litert=1, onnxruntime=1),
    LogSoftmax: Support(("LOG_SOFTMAX", "RESHAPE"), litert=1, onnxruntime=1),
    L2Normalization: Support(("L2_NORMALIZATION", "RESHAPE"), onnxruntime=1),
    MaxPool2D: Support(("MAX_POOL_2D", "PADV2")),
    AveragePool2D: Support(("AVERAGE_POOL_2D",), onnxruntime=1, remark="Padded as SAME or not at all"),
    Mean: Support(("MEAN", "RESHAPE"), litert=1, onnxruntime=1, remark=_RUNS),
    Sum: Support(
        ("SUM", "RESHAPE"), litert=1, onnxruntime=1, remark=_RUNS,
        litert_reference="wrong numbers where sums saturate or are negative",
    ),
    ReduceMax: Support(("REDUCE_MAX", "RESHAPE"), remark=_RUNS),
    ReduceMin: Support(("REDUCE_MIN", "RESHAPE"), remark=_RUNS),
    ReduceProd: Support(("REDUCE_PROD", "RESHAPE"), int8=False, f32=_NOT_MICRO),
    ArgMax: Support(("ARG_MAX", "RESHAPE")),
    ArgMin: Support(("ARG_MIN", "RESHAPE")),
    ResizeNearest: Support(("RESIZE_NEAREST_NEIGHBOR",)),
    ResizeBilinear: Support(("RESIZE_BILINEAR",), litert=2, onnxruntime=2),
    Reshape: Support(("RESHAPE",)),
    Transpose: Support(("TRANSPOSE",)),
    Concat: Support(("CONCATENATION",)),
    Split: Support(("SPLIT", "SPLIT_V")),
    Select: Support(("SELECT_V2",)),
    Slice: Support(("SLICE", "STRIDED_SLICE"), remark="TFLite Micro: beyond 5 axes (4 with steps) 2 cuts"),
    Gather: Support(("GATHER",), remark="TFLite Micro: int8 and float32 only"),
    Reverse: Support(("REVERSE_V2",)),
    Pad: Support(("PAD", "PADV2")),
    MirrorPad: Support(("MIRROR_PAD",)),
    Tile: Support(("BROADCAST_TO", "RESHAPE")),
    SpaceToDepth: Support(("SPACE_TO_DEPTH",)),
    DepthToSpace: Support(("DEPTH_TO_SPACE",)),
    SpaceToBatch: Support(("SPACE_TO_BATCH_ND", "PAD")),
    BatchToSpace: Support(("BATCH_TO_SPACE_ND",)),
    Quantize: Support(("QUANTIZE",), litert=1, onnxruntime=1, f32=_NOWHERE),
    Dequantize: Support(("DEQUANTIZE",), f32=_NOWHERE),
    Svdf: Support(("SVDF",), remark="States of 8 bits are read too; only TFLite Micro runs them"),
    Lstm: Support(
        ("UNIDIRECTIONAL_SEQUENCE_LSTM",), litert_reference=1, litert=1, onnxruntime=8,
        remark="Only read from .tflite files; ONNX Runtime computes it in float32",
    ),
}  # fmt: skip

"""Sound .tflite files that mutations start from: one for each operator, in int8 and in float, and files of odd forms.

They are written with the tables of edgekit.tflite.schema, without any runtime.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.tflite import schema
from edgekit.tflite.flatbuffer import Table, decode, encode

STORED = {"LOGISTIC": (1 / 256, -128), "SOFTMAX": (1 / 256, -128), "TANH": (1 / 128, 0), "LOG_SOFTMAX": (16 / 256, 127)}
STORED["L2_NORMALIZATION"] = STORED["TANH"]


@dataclass
class Draft:
    """A file with one subgraph that is being written; tensors and operators are known by their number."""

    tensors: list[Table] = field(default_factory=list)
    operators: list[Table] = field(default_factory=list)
    buffers: list[Table] = field(default_factory=lambda: [Table("Buffer")])
    codes: list[Table] = field(default_factory=list)

    def tensor(self, shape, kind="INT8", data=None, scale=None, zero_point=0, axis=0, **fields: Any) -> int:
        made = Table("Tensor", name=f"t{len(self.tensors)}", shape=np.array(shape, np.int32), **fields)
        made.type = schema.TensorType[kind]
        if data is not None:
            self.buffers.append(Table("Buffer", data=np.frombuffer(_bytes(data), np.uint8)))
            made.buffer = len(self.buffers) - 1
        if scale is not None:
            scales = np.atleast_1d(np.asarray(scale, np.float32))
            zero_points = np.full(scales.shape, zero_point, np.int64)
            made.quantization = Table(
                "QuantizationParameters", scale=scales, zero_point=zero_points, quantized_dimension=axis
            )
        self.tensors.append(made)
        return len(self.tensors) - 1

    def operator(self, builtin: str, inputs, outputs, options: str = "", custom: str = "", **fields: Any) -> None:
        number = schema.BuiltinOperator[builtin]
        self.codes.append(Table("OperatorCode", builtin_code=number, deprecated_builtin_code=min(number, 127)))
        if custom:
            self.codes[-1].custom_code = custom
        made = Table("Operator", opcode_index=len(self.codes) - 1)
        made.inputs, made.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        if options:
            second = options in schema.BuiltinOptions2.__members__
            setattr(made, "builtin_options_2" if second else "builtin_options", Table(options, **fields))
        self.operators.append(made)

    def table(self, inputs, outputs, *more: Table) -> Table:
        main = Table("SubGraph", tensors=tuple(self.tensors), operators=tuple(self.operators), name="main")
        main.inputs, main.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        return Table(
            "Model",
            version=3,
            operator_codes=tuple(self.codes),
            subgraphs=(main, *more),
            buffers=tuple(self.buffers),
        )

    def content(self, inputs, outputs, *more: Table) -> bytes:
        return encode(self.table(inputs, outputs, *more))


def _bytes(data: Any) -> bytes:
    return data if isinstance(data, bytes) else np.ascontiguousarray(data).tobytes()


def integers(*shape: int) -> np.ndarray:
    """int8 weights."""
    return np.random.default_rng(len(shape)).integers(-127, 128, shape).astype(np.int8)


def numbers(*values: Any) -> np.ndarray:
    """An int32 constant: axes, sizes, shapes."""
    return np.array(values, np.int32)


@dataclass(frozen=True)
class One:
    """One operator. given: shapes of activations, int8 weights, int32 constants, biases; made: shapes of outputs."""

    given: tuple[Any, ...]
    made: tuple[tuple[int, ...], ...]
    options: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    made_type: str = ""
    scale: float = 0.05  # of activations


class Bias:
    """A bias of so many channels."""

    def __init__(self, channels: int) -> None:
        self.channels = channels


class Indices:
    """An activation of int32 numbers."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape


SCALE, WEIGHT_SCALE = 0.05, 0.01
X = (1, 6, 5, 3)
V = (2, 3)
CONV = {"stride_w": 1, "stride_h": 1, "fused_activation_function": 1}
POOL = {"stride_w": 2, "stride_h": 2, "filter_width": 2, "filter_height": 2, "padding": 1}
UNARY = (
    *("ABS", "NEG", "SQRT", "RSQRT", "SQUARE", "EXP", "LOG", "SIN", "COS", "CEIL", "FLOOR", "ROUND", "ELU", "GELU"),
    *("HARD_SWISH", "LOGISTIC", "TANH", "RELU", "RELU6", "RELU_N1_TO_1", "LOG_SOFTMAX", "L2_NORMALIZATION"),
    *("ZEROS_LIKE", "SIGN", "RELU_0_TO_1"),
)
BINARY = {
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "DIV": "DivOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "SQUARED_DIFFERENCE": "",
    "POW": "",
    "FLOOR_DIV": "",
    "FLOOR_MOD": "",
    "PRELU": "",
}
REDUCTIONS = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD")

ONES: dict[str, One] = {
    "CONV_2D": One((X, integers(4, 3, 3, 3), Bias(4)), ((1, 6, 5, 4),), "Conv2DOptions", CONV),
    "DEPTHWISE_CONV_2D": One(
        (X, integers(1, 3, 3, 6), Bias(6)), ((1, 6, 5, 6),), "DepthwiseConv2DOptions", CONV | {"depth_multiplier": 2}
    ),
    "TRANSPOSE_CONV": One(
        (numbers(1, 8, 8, 2), integers(2, 3, 3, 3), (1, 4, 4, 3)),
        ((1, 8, 8, 2),),
        "TransposeConvOptions",
        {"stride_w": 2, "stride_h": 2},
    ),
    "FULLY_CONNECTED": One((V, integers(4, 3), Bias(4)), ((2, 4),), "FullyConnectedOptions"),
    "BATCH_MATMUL": One(((2, 3, 4), (2, 4, 5)), ((2, 3, 5),), "BatchMatMulOptions"),
    "ADD_N": One((V, V, V), (V,), "AddNOptions"),
    "MAX_POOL_2D": One((X,), ((1, 3, 2, 3),), "Pool2DOptions", POOL),
    "AVERAGE_POOL_2D": One((X,), ((1, 3, 2, 3),), "Pool2DOptions", POOL),
    "RESHAPE": One((X, numbers(1, 90)), ((1, 90),), "ReshapeOptions", {"new_shape": numbers(1, 90)}),
    "SQUEEZE": One(((1, 3, 1, 2),), ((3, 2),), "SqueezeOptions", {"squeeze_dims": numbers(0, 2)}),
    "EXPAND_DIMS": One((V, numbers(1)), ((2, 1, 3),), "ExpandDimsOptions"),
    "TRANSPOSE": One((X, numbers(0, 3, 1, 2)), ((1, 3, 6, 5),), "TransposeOptions"),
    "ARG_MAX": One((V, numbers(1)), ((2,),), "ArgMaxOptions", {"output_type": 2}, made_type="INT32"),
    "ARG_MIN": One((V, numbers(1)), ((2,),), "ArgMinOptions", {"output_type": 2}, "INT32"),
    "RESIZE_NEAREST_NEIGHBOR": One((X, numbers(12, 10)), ((1, 12, 10, 3),), "ResizeNearestNeighborOptions"),
    "RESIZE_BILINEAR": One(
        (X, numbers(12, 10)), ((1, 12, 10, 3),), "ResizeBilinearOptions", {"half_pixel_centers": True}
    ),
    "CONCATENATION": One((X, (1, 6, 5, 2)), ((1, 6, 5, 5),), "ConcatenationOptions", {"axis": 3}),
    "PACK": One((V, V), ((2, 2, 3),), "PackOptions", {"values_count": 2, "axis": 1}),
    "UNPACK": One(((2, 2, 3),), (V, V), "UnpackOptions", {"num": 2, "axis": 1}),
    "SPLIT": One((numbers(1), (2, 6)), (V, V), "SplitOptions", {"num_splits": 2}),
    "SPLIT_V": One(((2, 5), numbers(2, 3), numbers(1)), ((2, 2), (2, 3)), "SplitVOptions", {"num_splits": 2}),
    "SLICE": One((X, numbers(0, 1, 2, 0), numbers(1, 4, -1, 3)), ((1, 4, 3, 3),), "SliceOptions"),
    "STRIDED_SLICE": One(
        (X, numbers(0, 1, 0, 0), numbers(1, 6, 5, 3), numbers(1, 2, 1, 1)),
        ((1, 3, 5, 3),),
        "StridedSliceOptions",
        {"begin_mask": 4, "end_mask": 8},
    ),
    "GATHER": One(((4, 3), numbers(2, 0)), (V,), "GatherOptions", {"axis": 0}),
    "EMBEDDING_LOOKUP": One((Indices(2), integers(7, 3)), (V,), scale=WEIGHT_SCALE),
    "CAST": One((V,), (V,), "CastOptions", {"out_data_type": 2}, made_type="INT32"),
    "SHAPE": One((V,), ((2,),), "ShapeOptions", {"out_type": 2}, made_type="INT32"),
    "REVERSE_V2": One((X, numbers(1)), (X,), "ReverseV2Options"),
    "PAD": One((V, numbers((0, 1), (2, 0))), ((3, 5),), "PadOptions"),
    "PADV2": One((V, numbers((0, 1), (2, 0)), integers(1)), ((3, 5),), "PadV2Options", scale=WEIGHT_SCALE),
    "MIRROR_PAD": One((V, numbers((0, 1), (2, 0))), ((3, 5),), "MirrorPadOptions"),
    "TILE": One((V, numbers(1, 2)), ((2, 6),), "TileOptions"),
    "BROADCAST_TO": One((V, numbers(4, 2, 3)), ((4, 2, 3),), "BroadcastToOptions"),
    "SPACE_TO_DEPTH": One(((1, 6, 4, 3),), ((1, 3, 2, 12),), "SpaceToDepthOptions", {"block_size": 2}),
    "DEPTH_TO_SPACE": One(((1, 3, 2, 12),), ((1, 6, 4, 3),), "DepthToSpaceOptions", {"block_size": 2}),
    "SPACE_TO_BATCH_ND": One(
        ((1, 6, 4, 3), numbers(2, 2), numbers((0, 0), (0, 0))), ((4, 3, 2, 3),), "SpaceToBatchNDOptions"
    ),
    "BATCH_TO_SPACE_ND": One(
        ((4, 3, 2, 3), numbers(2, 2), numbers((0, 0), (0, 0))), ((1, 6, 4, 3),), "BatchToSpaceNDOptions"
    ),
    "SELECT": One((integers(2, 3) > 0, V, V), (V,)),
    "SELECT_V2": One((integers(2, 3) > 0, V, (1, 3)), (V,)),
    "SOFTMAX": One((V,), (V,), "SoftmaxOptions", {"beta": 1.0}),
    "LEAKY_RELU": One((V,), (V,), "LeakyReluOptions", {"alpha": 0.2}),
    **{name: One((X, (1, 1, 1, 3)), (X,), options) for name, options in BINARY.items()},
    **{name: One((V,), (V,)) for name in UNARY},
    **{name: One((X, numbers(1, 2)), ((1, 3),), "ReducerOptions") for name in REDUCTIONS},
}


def one(builtin: str, *, real: bool = False) -> bytes:
    """A file of this operator alone, on int8 or on float numbers."""
    case, draft = ONES[builtin], Draft()
    kind, scale = ("FLOAT32", None) if real else ("INT8", case.scale)
    inputs: list[int] = []
    activations: list[int] = []
    for part in case.given:
        if isinstance(part, Bias):
            zeros = np.zeros(part.channels, np.float32 if real else np.int32)
            bias_scale = None if real else SCALE * WEIGHT_SCALE
            inputs.append(draft.tensor(zeros.shape, "FLOAT32" if real else "INT32", zeros, bias_scale))
        elif isinstance(part, Indices):
            inputs.append(draft.tensor(part.shape, "INT32"))
            activations.append(inputs[-1])
        elif isinstance(part, np.ndarray) and part.dtype == np.int8:
            data = part.astype(np.float32) if real else part
            inputs.append(draft.tensor(part.shape, kind, data, None if real else WEIGHT_SCALE))
        elif isinstance(part, np.ndarray):
            inputs.append(draft.tensor(part.shape, "BOOL" if part.dtype == np.bool_ else "INT32", part))
        else:
            inputs.append(draft.tensor(part, kind, scale=scale))
            activations.append(inputs[-1])
    out_scale, zero_point = STORED.get(builtin, (case.scale, 0))
    stored = {} if real or case.made_type else {"scale": out_scale, "zero_point": zero_point}
    outputs = [draft.tensor(shape, case.made_type or kind, **stored) for shape in case.made]
    draft.operator(builtin, inputs, outputs, case.options, **case.fields)
    return draft.content(activations, outputs)


def network(*, weights: str = "INT8") -> bytes:
    """Convolution (a scale per channel) → depthwise → add → pooling → reshape → fully connected, weights as int8, or
    as 4-bit integers, or as float16 behind DEQUANTIZE."""
    draft = Draft()
    real = weights == "FLOAT16"
    kind, scale = ("FLOAT32", None) if real else ("INT8", SCALE)
    x, a, b, c = (draft.tensor((1, 6, 6, 4), kind, scale=scale) for _ in range(4))
    pooled = draft.tensor((1, 3, 3, 4), kind, scale=scale)
    flat = draft.tensor((1, 36), kind, scale=scale)
    y = draft.tensor((1, 5), kind, scale=scale)
    conv = _weights(draft, weights, (4, 3, 3, 4), np.linspace(0.002, 0.01, 4), 0)
    depthwise = _weights(draft, weights, (1, 3, 3, 4), np.linspace(0.002, 0.01, 4), 3)
    full = _weights(draft, weights, (5, 36), 0.004, 0)
    biases = [
        draft.tensor((4,), "FLOAT32", np.ones(4, np.float32))
        if real
        else draft.tensor((4,), "INT32", numbers(1, 200, -3, 40), SCALE * np.linspace(0.002, 0.01, 4))
        for _ in range(2)
    ]
    draft.operator("CONV_2D", [x, conv, biases[0]], [a], "Conv2DOptions", **CONV)
    draft.operator(
        "DEPTHWISE_CONV_2D", [a, depthwise, biases[1]], [b], "DepthwiseConv2DOptions", depth_multiplier=1, **CONV
    )
    draft.operator("ADD", [a, b], [c], "AddOptions")
    draft.operator("MAX_POOL_2D", [c], [pooled], "Pool2DOptions", **POOL)
    draft.operator("RESHAPE", [pooled, draft.tensor((2,), "INT32", numbers(1, 36))], [flat], "ReshapeOptions")
    draft.operator("FULLY_CONNECTED", [flat, full, -1], [y], "FullyConnectedOptions")
    return draft.content([x], [y])


def _weights(draft: Draft, kind: str, shape, scale, axis: int) -> int:
    data = integers(*shape)
    if kind == "INT8":
        return draft.tensor(shape, kind, data, scale, axis=axis)
    if kind == "INT4":
        low, high = (data.reshape(-1)[k::2].astype(np.int16) & 15 for k in (0, 1))
        return draft.tensor(shape, kind, (low | high << 4).astype(np.uint8), scale, axis=axis)
    half = draft.tensor(shape, kind, (data / 100).astype(np.float16))
    real = draft.tensor(shape, "FLOAT32")
    draft.operator("DEQUANTIZE", [half], [real])
    return real


def weights_outside() -> bytes:
    """The network with its constants after the FlatBuffer, as ai-edge-quantizer writes them."""
    root = decode(network())
    moved = [(b, b.data.tobytes()) for b in root.buffers if b.data.size]
    for buffer, data in moved:
        buffer.data, buffer.offset, buffer.size = None, 1 << 40, len(data)
    end, tail = len(encode(root)), b""
    for buffer, data in moved:
        tail += bytes(-(end + len(tail)) % 16)
        buffer.offset = end + len(tail)
        tail += data
    return encode(root) + tail


def quantized_at_its_border() -> bytes:
    """float → QUANTIZE → int8 → DEQUANTIZE → float, and uint8 on a side branch."""
    draft = Draft()
    x, y = draft.tensor(V, "FLOAT32"), draft.tensor(V, "FLOAT32")
    s8, other = draft.tensor(V, scale=SCALE), draft.tensor(V, scale=0.02, zero_point=9)
    u8 = draft.tensor(V, "UINT8", scale=SCALE, zero_point=128)
    draft.operator("QUANTIZE", [x], [s8], "QuantizeOptions")
    draft.operator("QUANTIZE", [s8], [other], "QuantizeOptions")
    draft.operator("QUANTIZE", [s8], [u8], "QuantizeOptions")
    draft.operator("DEQUANTIZE", [other], [y], "DequantizeOptions")
    return draft.content([x], [y, u8])


def branches() -> bytes:
    """An IF with two more subgraphs, and a signature."""
    draft = Draft()
    yes, x, y = draft.tensor((1,), "BOOL"), draft.tensor(V, scale=SCALE), draft.tensor(V, scale=SCALE)
    draft.operator("IF", [yes, x], [y], "IfOptions", then_subgraph_index=1, else_subgraph_index=2)
    sides = []
    for _ in range(2):
        side = Draft(buffers=draft.buffers, codes=draft.codes)
        a, b = side.tensor(V, scale=SCALE), side.tensor(V, scale=SCALE)
        side.operator("ADD", [a, a], [b], "AddOptions")
        sides.append(side.table([a], [b]).subgraphs[0])
    root = draft.table([yes, x], [y], *sides)
    maps = [Table("TensorMap", name=f"n{i}", tensor_index=i) for i in (yes, x, y)]
    root.signature_defs = (
        Table("SignatureDef", inputs=tuple(maps[:2]), outputs=tuple(maps[2:]), signature_key="serving_default"),
    )
    return encode(root)


def custom() -> bytes:
    draft = Draft()
    x, y = draft.tensor(V, scale=SCALE), draft.tensor(V, scale=SCALE)
    draft.operator("CUSTOM", [x], [y], custom="Mystery")
    return draft.content([x], [y])


def sparse(*, densified: bool = True) -> bytes:
    """A fully connected layer whose weights are stored sparsely."""
    draft = Draft()
    dense = Table("DimensionMetadata", dense_size=4)
    rows = Table("DimensionMetadata", format=schema.DimensionType.SPARSE_CSR)
    rows.array_segments = Table("Uint8Vector", values=np.array([0, 1, 2, 2, 2], np.uint8))
    rows.array_indices = Table("Uint16Vector", values=np.array([1, 2], np.uint16))
    sparsity = Table("SparsityParameters", traversal_order=numbers(0, 1), dim_metadata=(dense, rows))
    x, y = draft.tensor((1, 4), scale=SCALE), draft.tensor((1, 4), scale=SCALE)
    weights = draft.tensor((4, 4), data=b"\1\2", scale=WEIGHT_SCALE, sparsity=sparsity)
    if densified:
        unpacked = draft.tensor((4, 4), scale=WEIGHT_SCALE)
        draft.operator("DENSIFY", [weights], [unpacked], "DensifyOptions")
        weights = unpacked
    draft.operator("FULLY_CONNECTED", [x, weights, -1], [y], "FullyConnectedOptions")
    return draft.content([x], [y])


def svdf() -> bytes:
    """A stream with a state in a variable tensor."""
    draft = Draft()
    x, y = draft.tensor((1, 6), scale=SCALE), draft.tensor((1, 4), scale=SCALE)
    features = draft.tensor((8, 6), data=integers(8, 6), scale=WEIGHT_SCALE)
    time = draft.tensor((8, 3), "INT16", integers(8, 3).astype(np.int16), 0.001)
    bias = draft.tensor((4,), "INT32", numbers(1, 2, 3, 4), SCALE * 0.001)
    state = draft.tensor((1, 24), "INT16", scale=SCALE, is_variable=True)
    draft.operator("SVDF", [x, features, time, bias, state], [y], "SVDFOptions", rank=2, fused_activation_function=1)
    return draft.content([x], [y])


def lstm(*, real: bool = False) -> bytes:
    """A sequence of 3 steps; what it remembers lies in variable tensors."""
    draft = Draft()
    kind, weight_scale = ("FLOAT32", None) if real else ("INT8", WEIGHT_SCALE)
    scale = None if real else SCALE

    def matrix(columns: int) -> int:
        data = integers(4, columns)
        return draft.tensor(data.shape, kind, data / np.float32(100) if real else data, weight_scale)

    x = draft.tensor((1, 3, 5), kind, scale=scale)
    weights = [matrix(5) for _ in range(4)] + [matrix(4) for _ in range(4)]
    zeros, bias_scale = np.zeros(4, np.float32 if real else np.int32), None if real else SCALE * WEIGHT_SCALE
    biases = [draft.tensor((4,), "FLOAT32" if real else "INT32", zeros, bias_scale) for _ in range(4)]
    y = draft.tensor((1, 3, 4), kind, scale=scale)
    hidden = draft.tensor((1, 4), kind, scale=scale, is_variable=True)
    cell = draft.tensor((1, 4), "FLOAT32" if real else "INT16", scale=None if real else 2.0**-11, is_variable=True)
    out = [-1]
    inputs = [x, *weights, *out * 3, *biases, *out * 2, hidden, cell, *out * 4]
    draft.operator(
        *("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [y], "UnidirectionalSequenceLSTMOptions"),
        fused_activation_function=schema.ActivationFunctionType.TANH,
    )
    return draft.content([x], [y])


def worked_out() -> bytes:
    """FILL, RANGE and PACK of constants, which reading works out."""
    draft = Draft()
    x, y, filled = (draft.tensor(V, "FLOAT32") for _ in range(3))
    row, rows = draft.tensor((3,), "FLOAT32"), draft.tensor(V, "FLOAT32")
    sum_ = draft.tensor(V, "FLOAT32")
    shape, half = draft.tensor((2,), "INT32", numbers(*V)), draft.tensor((), "FLOAT32", np.float32(0.5))
    ends = [draft.tensor((), "FLOAT32", np.float32(n)) for n in (0, 3, 1)]
    draft.operator("FILL", [shape, half], [filled], "FillOptions")
    draft.operator("RANGE", ends, [row], "RangeOptions")
    draft.operator("PACK", [row, row], [rows], "PackOptions", values_count=2, axis=0)
    draft.operator("ADD", [x, filled], [sum_], "AddOptions")
    draft.operator("MUL", [sum_, rows], [y], "MulOptions")
    return draft.content([x], [y])


FORMS = {
    "network": network,
    "int4": lambda: network(weights="INT4"),
    "float16": lambda: network(weights="FLOAT16"),
    "weights_outside": weights_outside,
    "border": quantized_at_its_border,
    "branches": branches,
    "custom": custom,
    "densify": sparse,
    "sparse": lambda: sparse(densified=False),
    "svdf": svdf,
    "lstm": lstm,
    "float_lstm": lambda: lstm(real=True),
    "worked_out": worked_out,
}


def seeds() -> dict[str, bytes]:
    """Every file, by name."""
    made = {name: form() for name, form in FORMS.items()}
    made |= {f"{name}_s8": one(name) for name in ONES}
    return made | {f"{name}_f32": one(name, real=True) for name in ONES}

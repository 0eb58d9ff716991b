# The schema described here: Copyright 2017 The TensorFlow Authors. All Rights Reserved.
#
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with
# the License. You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on
# an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the
# specific language governing permissions and limitations under the License.
"""TensorFlow Lite's schema as tables. Written by tools/generate_tflite_schema.py; do not edit.

`TABLES` gives each table's fields in slot order, as `name: type = default`. A type is a scalar (int8 ... float64,
bool), `string`, the name of a table, a vector of one of these in brackets (`align n`: its data begin at a multiple of
n), or `union Name`: a member of that union, whose number is in the field before it. Without a default: 0, False, None
or empty. `-` is a slot that is no longer used.
"""

from enum import IntEnum


class TensorType(IntEnum):
    FLOAT32 = 0
    FLOAT16 = 1
    INT32 = 2
    UINT8 = 3
    INT64 = 4
    STRING = 5
    BOOL = 6
    INT16 = 7
    COMPLEX64 = 8
    INT8 = 9
    FLOAT64 = 10
    COMPLEX128 = 11
    UINT64 = 12
    RESOURCE = 13
    VARIANT = 14
    UINT32 = 15
    UINT16 = 16
    INT4 = 17
    BFLOAT16 = 18
    INT2 = 19
    UINT4 = 20
    FLOAT8_E4M3FN = 21
    FLOAT8_E5M2 = 22


class QuantizationDetails(IntEnum):
    NONE = 0
    CustomQuantization = 1
    BlockwiseQuantization = 2
    MultiAxisQuantization = 3


class DimensionType(IntEnum):
    DENSE = 0
    SPARSE_CSR = 1


class SparseIndexVector(IntEnum):
    NONE = 0
    Int32Vector = 1
    Uint16Vector = 2
    Uint8Vector = 3


class BuiltinOperator(IntEnum):
    ADD = 0
    AVERAGE_POOL_2D = 1
    CONCATENATION = 2
    CONV_2D = 3
    DEPTHWISE_CONV_2D = 4
    DEPTH_TO_SPACE = 5
    DEQUANTIZE = 6
    EMBEDDING_LOOKUP = 7
    FLOOR = 8
    FULLY_CONNECTED = 9
    HASHTABLE_LOOKUP = 10
    L2_NORMALIZATION = 11
    L2_POOL_2D = 12
    LOCAL_RESPONSE_NORMALIZATION = 13
    LOGISTIC = 14
    LSH_PROJECTION = 15
    LSTM = 16
    MAX_POOL_2D = 17
    MUL = 18
    RELU = 19
    RELU_N1_TO_1 = 20
    RELU6 = 21
    RESHAPE = 22
    RESIZE_BILINEAR = 23
    RNN = 24
    SOFTMAX = 25
    SPACE_TO_DEPTH = 26
    SVDF = 27
    TANH = 28
    CONCAT_EMBEDDINGS = 29
    SKIP_GRAM = 30
    CALL = 31
    CUSTOM = 32
    EMBEDDING_LOOKUP_SPARSE = 33
    PAD = 34
    UNIDIRECTIONAL_SEQUENCE_RNN = 35
    GATHER = 36
    BATCH_TO_SPACE_ND = 37
    SPACE_TO_BATCH_ND = 38
    TRANSPOSE = 39
    MEAN = 40
    SUB = 41
    DIV = 42
    SQUEEZE = 43
    UNIDIRECTIONAL_SEQUENCE_LSTM = 44
    STRIDED_SLICE = 45
    BIDIRECTIONAL_SEQUENCE_RNN = 46
    EXP = 47
    TOPK_V2 = 48
    SPLIT = 49
    LOG_SOFTMAX = 50
    DELEGATE = 51
    BIDIRECTIONAL_SEQUENCE_LSTM = 52
    CAST = 53
    PRELU = 54
    MAXIMUM = 55
    ARG_MAX = 56
    MINIMUM = 57
    LESS = 58
    NEG = 59
    PADV2 = 60
    GREATER = 61
    GREATER_EQUAL = 62
    LESS_EQUAL = 63
    SELECT = 64
    SLICE = 65
    SIN = 66
    TRANSPOSE_CONV = 67
    SPARSE_TO_DENSE = 68
    TILE = 69
    EXPAND_DIMS = 70
    EQUAL = 71
    NOT_EQUAL = 72
    LOG = 73
    SUM = 74
    SQRT = 75
    RSQRT = 76
    SHAPE = 77
    POW = 78
    ARG_MIN = 79
    FAKE_QUANT = 80
    REDUCE_PROD = 81
    REDUCE_MAX = 82
    PACK = 83
    LOGICAL_OR = 84
    ONE_HOT = 85
    LOGICAL_AND = 86
    LOGICAL_NOT = 87
    UNPACK = 88
    REDUCE_MIN = 89
    FLOOR_DIV = 90
    REDUCE_ANY = 91
    SQUARE = 92
    ZEROS_LIKE = 93
    FILL = 94
    FLOOR_MOD = 95
    RANGE = 96
    RESIZE_NEAREST_NEIGHBOR = 97
    LEAKY_RELU = 98
    SQUARED_DIFFERENCE = 99
    MIRROR_PAD = 100
    ABS = 101
    SPLIT_V = 102
    UNIQUE = 103
    CEIL = 104
    REVERSE_V2 = 105
    ADD_N = 106
    GATHER_ND = 107
    COS = 108
    WHERE = 109
    RANK = 110
    ELU = 111
    REVERSE_SEQUENCE = 112
    MATRIX_DIAG = 113
    QUANTIZE = 114
    MATRIX_SET_DIAG = 115
    ROUND = 116
    HARD_SWISH = 117
    IF = 118
    WHILE = 119
    NON_MAX_SUPPRESSION_V4 = 120
    NON_MAX_SUPPRESSION_V5 = 121
    SCATTER_ND = 122
    SELECT_V2 = 123
    DENSIFY = 124
    SEGMENT_SUM = 125
    BATCH_MATMUL = 126
    PLACEHOLDER_FOR_GREATER_OP_CODES = 127
    CUMSUM = 128
    CALL_ONCE = 129
    BROADCAST_TO = 130
    RFFT2D = 131
    CONV_3D = 132
    IMAG = 133
    REAL = 134
    COMPLEX_ABS = 135
    HASHTABLE = 136
    HASHTABLE_FIND = 137
    HASHTABLE_IMPORT = 138
    HASHTABLE_SIZE = 139
    REDUCE_ALL = 140
    CONV_3D_TRANSPOSE = 141
    VAR_HANDLE = 142
    READ_VARIABLE = 143
    ASSIGN_VARIABLE = 144
    BROADCAST_ARGS = 145
    RANDOM_STANDARD_NORMAL = 146
    BUCKETIZE = 147
    RANDOM_UNIFORM = 148
    MULTINOMIAL = 149
    GELU = 150
    DYNAMIC_UPDATE_SLICE = 151
    RELU_0_TO_1 = 152
    UNSORTED_SEGMENT_PROD = 153
    UNSORTED_SEGMENT_MAX = 154
    UNSORTED_SEGMENT_SUM = 155
    ATAN2 = 156
    UNSORTED_SEGMENT_MIN = 157
    SIGN = 158
    BITCAST = 159
    BITWISE_XOR = 160
    RIGHT_SHIFT = 161
    STABLEHLO_LOGISTIC = 162
    STABLEHLO_ADD = 163
    STABLEHLO_DIVIDE = 164
    STABLEHLO_MULTIPLY = 165
    STABLEHLO_MAXIMUM = 166
    STABLEHLO_RESHAPE = 167
    STABLEHLO_CLAMP = 168
    STABLEHLO_CONCATENATE = 169
    STABLEHLO_BROADCAST_IN_DIM = 170
    STABLEHLO_CONVOLUTION = 171
    STABLEHLO_SLICE = 172
    STABLEHLO_CUSTOM_CALL = 173
    STABLEHLO_REDUCE = 174
    STABLEHLO_ABS = 175
    STABLEHLO_AND = 176
    STABLEHLO_COSINE = 177
    STABLEHLO_EXPONENTIAL = 178
    STABLEHLO_FLOOR = 179
    STABLEHLO_LOG = 180
    STABLEHLO_MINIMUM = 181
    STABLEHLO_NEGATE = 182
    STABLEHLO_OR = 183
    STABLEHLO_POWER = 184
    STABLEHLO_REMAINDER = 185
    STABLEHLO_RSQRT = 186
    STABLEHLO_SELECT = 187
    STABLEHLO_SUBTRACT = 188
    STABLEHLO_TANH = 189
    STABLEHLO_SCATTER = 190
    STABLEHLO_COMPARE = 191
    STABLEHLO_CONVERT = 192
    STABLEHLO_DYNAMIC_SLICE = 193
    STABLEHLO_DYNAMIC_UPDATE_SLICE = 194
    STABLEHLO_PAD = 195
    STABLEHLO_IOTA = 196
    STABLEHLO_DOT_GENERAL = 197
    STABLEHLO_REDUCE_WINDOW = 198
    STABLEHLO_SORT = 199
    STABLEHLO_WHILE = 200
    STABLEHLO_GATHER = 201
    STABLEHLO_TRANSPOSE = 202
    DILATE = 203
    STABLEHLO_RNG_BIT_GENERATOR = 204
    REDUCE_WINDOW = 205
    STABLEHLO_COMPOSITE = 206
    STABLEHLO_SHIFT_LEFT = 207
    STABLEHLO_CBRT = 208
    STABLEHLO_CASE = 209


class BuiltinOptions(IntEnum):
    NONE = 0
    Conv2DOptions = 1
    DepthwiseConv2DOptions = 2
    ConcatEmbeddingsOptions = 3
    LSHProjectionOptions = 4
    Pool2DOptions = 5
    SVDFOptions = 6
    RNNOptions = 7
    FullyConnectedOptions = 8
    SoftmaxOptions = 9
    ConcatenationOptions = 10
    AddOptions = 11
    L2NormOptions = 12
    LocalResponseNormalizationOptions = 13
    LSTMOptions = 14
    ResizeBilinearOptions = 15
    CallOptions = 16
    ReshapeOptions = 17
    SkipGramOptions = 18
    SpaceToDepthOptions = 19
    EmbeddingLookupSparseOptions = 20
    MulOptions = 21
    PadOptions = 22
    GatherOptions = 23
    BatchToSpaceNDOptions = 24
    SpaceToBatchNDOptions = 25
    TransposeOptions = 26
    ReducerOptions = 27
    SubOptions = 28
    DivOptions = 29
    SqueezeOptions = 30
    SequenceRNNOptions = 31
    StridedSliceOptions = 32
    ExpOptions = 33
    TopKV2Options = 34
    SplitOptions = 35
    LogSoftmaxOptions = 36
    CastOptions = 37
    DequantizeOptions = 38
    MaximumMinimumOptions = 39
    ArgMaxOptions = 40
    LessOptions = 41
    NegOptions = 42
    PadV2Options = 43
    GreaterOptions = 44
    GreaterEqualOptions = 45
    LessEqualOptions = 46
    SelectOptions = 47
    SliceOptions = 48
    TransposeConvOptions = 49
    SparseToDenseOptions = 50
    TileOptions = 51
    ExpandDimsOptions = 52
    EqualOptions = 53
    NotEqualOptions = 54
    ShapeOptions = 55
    PowOptions = 56
    ArgMinOptions = 57
    FakeQuantOptions = 58
    PackOptions = 59
    LogicalOrOptions = 60
    OneHotOptions = 61
    LogicalAndOptions = 62
    LogicalNotOptions = 63
    UnpackOptions = 64
    FloorDivOptions = 65
    SquareOptions = 66
    ZerosLikeOptions = 67
    FillOptions = 68
    BidirectionalSequenceLSTMOptions = 69
    BidirectionalSequenceRNNOptions = 70
    UnidirectionalSequenceLSTMOptions = 71
    FloorModOptions = 72
    RangeOptions = 73
    ResizeNearestNeighborOptions = 74
    LeakyReluOptions = 75
    SquaredDifferenceOptions = 76
    MirrorPadOptions = 77
    AbsOptions = 78
    SplitVOptions = 79
    UniqueOptions = 80
    ReverseV2Options = 81
    AddNOptions = 82
    GatherNdOptions = 83
    CosOptions = 84
    WhereOptions = 85
    RankOptions = 86
    ReverseSequenceOptions = 87
    MatrixDiagOptions = 88
    QuantizeOptions = 89
    MatrixSetDiagOptions = 90
    HardSwishOptions = 91
    IfOptions = 92
    WhileOptions = 93
    DepthToSpaceOptions = 94
    NonMaxSuppressionV4Options = 95
    NonMaxSuppressionV5Options = 96
    ScatterNdOptions = 97
    SelectV2Options = 98
    DensifyOptions = 99
    SegmentSumOptions = 100
    BatchMatMulOptions = 101
    CumsumOptions = 102
    CallOnceOptions = 103
    BroadcastToOptions = 104
    Rfft2dOptions = 105
    Conv3DOptions = 106
    HashtableOptions = 107
    HashtableFindOptions = 108
    HashtableImportOptions = 109
    HashtableSizeOptions = 110
    VarHandleOptions = 111
    ReadVariableOptions = 112
    AssignVariableOptions = 113
    RandomOptions = 114
    BucketizeOptions = 115
    GeluOptions = 116
    DynamicUpdateSliceOptions = 117
    UnsortedSegmentProdOptions = 118
    UnsortedSegmentMaxOptions = 119
    UnsortedSegmentMinOptions = 120
    UnsortedSegmentSumOptions = 121
    ATan2Options = 122
    SignOptions = 123
    BitcastOptions = 124
    BitwiseXorOptions = 125
    RightShiftOptions = 126


class BuiltinOptions2(IntEnum):
    NONE = 0
    StablehloConcatenateOptions = 1
    StablehloBroadcastInDimOptions = 2
    StablehloSliceOptions = 3
    StablehloConvolutionOptions = 4
    StablehloCustomCallOptions = 5
    StablehloReduceOptions = 6
    StablehloScatterOptions = 7
    StablehloCompareOptions = 8
    StablehloDynamicSliceOptions = 9
    StablehloPadOptions = 10
    StablehloIotaOptions = 11
    StablehloDotGeneralOptions = 12
    StablehloReduceWindowOptions = 13
    StablehloSortOptions = 14
    StablehloWhileOptions = 15
    StablehloGatherOptions = 16
    StablehloTransposeOptions = 17
    DilateOptions = 18
    StablehloRngBitGeneratorOptions = 19
    ReduceWindowOptions = 20
    StableHLOCompositeOptions = 21
    StablehloShiftLeftOptions = 22
    StablehloCaseOptions = 23


class StablehloPrecisionConfig(IntEnum):
    DEFAULT = 0
    HIGH = 1
    HIGHEST = 2


class StablehloComparisonDirection(IntEnum):
    STABLEHLO_COMPARISON_DIRECTION_EQ = 0
    STABLEHLO_COMPARISON_DIRECTION_NE = 1
    STABLEHLO_COMPARISON_DIRECTION_GE = 2
    STABLEHLO_COMPARISON_DIRECTION_GT = 3
    STABLEHLO_COMPARISON_DIRECTION_LE = 4
    STABLEHLO_COMPARISON_DIRECTION_LT = 5


class StablehloComparisonType(IntEnum):
    STABLEHLO_COMPARISON_TYPE_NOTYPE = 0
    STABLEHLO_COMPARISON_TYPE_FLOAT = 1
    STABLEHLO_COMPARISON_TYPE_FLOAT_TOTAL_ORDER = 2
    STABLEHLO_COMPARISON_TYPE_SIGNED = 3
    STABLEHLO_COMPARISON_TYPE_UNSIGNED = 4


class RngAlgorithm(IntEnum):
    DEFAULT = 0
    PHILOX = 1
    THREEFRY = 2


class Padding(IntEnum):
    SAME = 0
    VALID = 1


class ActivationFunctionType(IntEnum):
    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3
    TANH = 4
    SIGN_BIT = 5


class LSHProjectionType(IntEnum):
    UNKNOWN = 0
    SPARSE = 1
    DENSE = 2


class FullyConnectedOptionsWeightsFormat(IntEnum):
    DEFAULT = 0
    SHUFFLED4x16INT8 = 1


class LSTMKernelType(IntEnum):
    FULL = 0
    BASIC = 1


class CombinerType(IntEnum):
    SUM = 0
    MEAN = 1
    SQRTN = 2


class MirrorPadMode(IntEnum):
    REFLECT = 0
    SYMMETRIC = 1


class ReduceWindowFunction(IntEnum):
    UNSUPPORTED = 0
    ADD = 1
    MUL = 2
    MINIMUM = 3
    MAXIMUM = 4
    ALL = 5
    ANY = 6


class CustomOptionsFormat(IntEnum):
    FLEXBUFFERS = 0


TABLES: dict[str, tuple[str, ...]] = {
    "CustomQuantization": ("custom: [uint8] align 16",),
    "BlockwiseQuantization": ("scales: int32", "zero_points: int32", "block_size: int32", "block_shape: [int32]"),
    "MultiAxisQuantization": (
        "scales: int32",
        "zero_points: int32",
        "block_size: int32",
        "quantized_dimensions: [int32]",
    ),
    "QuantizationParameters": (
        "min: [float32]",
        "max: [float32]",
        "scale: [float32]",
        "zero_point: [int64]",
        "details_type: uint8",
        "details: union QuantizationDetails",
        "quantized_dimension: int32",
    ),
    "Int32Vector": ("values: [int32]",),
    "Uint16Vector": ("values: [uint16]",),
    "Uint8Vector": ("values: [uint8]",),
    "DimensionMetadata": (
        "format: int8",
        "dense_size: int32",
        "array_segments_type: uint8",
        "array_segments: union SparseIndexVector",
        "array_indices_type: uint8",
        "array_indices: union SparseIndexVector",
    ),
    "SparsityParameters": ("traversal_order: [int32]", "block_map: [int32]", "dim_metadata: [DimensionMetadata]"),
    "VariantSubType": ("shape: [int32]", "type: int8", "has_rank: bool"),
    "Tensor": (
        "shape: [int32]",
        "type: int8",
        "buffer: uint32",
        "name: string",
        "quantization: QuantizationParameters",
        "is_variable: bool",
        "sparsity: SparsityParameters",
        "shape_signature: [int32]",
        "has_rank: bool",
        "variant_tensors: [VariantSubType]",
        "external_buffer: uint32",
    ),
    "StablehloGatherOptions": (
        "offset_dims: [int64]",
        "collapsed_slice_dims: [int64]",
        "start_index_map: [int64]",
        "index_vector_dim: int64",
        "slice_sizes: [int64]",
        "indices_are_sorted: bool",
    ),
    "StablehloTransposeOptions": ("permutation: [int64]",),
    "StablehloDotGeneralOptions": (
        "lhs_batching_dimensions: [int64]",
        "rhs_batching_dimensions: [int64]",
        "lhs_contracting_dimensions: [int64]",
        "rhs_contracting_dimensions: [int64]",
        "precision_config: [uint32]",
    ),
    "StablehloReduceWindowOptions": (
        "window_dimensions: [int64]",
        "window_strides: [int64]",
        "base_dilations: [int64]",
        "window_dilations: [int64]",
        "padding: [int64]",
        "body_subgraph_index: int32",
    ),
    "StablehloWhileOptions": ("cond_subgraph_index: int32", "body_subgraph_index: int32"),
    "StablehloSortOptions": ("dimension: int64", "is_stable: bool", "comparator_subgraph_index: int32"),
    "StablehloConcatenateOptions": ("dimension: int64",),
    "StablehloBroadcastInDimOptions": ("broadcast_dimensions: [int64]",),
    "StablehloCompareOptions": ("comparison_direction: uint32", "compare_type: uint32"),
    "StablehloDynamicSliceOptions": ("slice_sizes: [int64]",),
    "StablehloPadOptions": ("edge_padding_low: [int64]", "edge_padding_high: [int64]", "interior_padding: [int64]"),
    "StablehloIotaOptions": ("iota_dimension: int64",),
    "StablehloCustomCallOptions": (
        "call_target_name: string",
        "has_side_effect: bool",
        "backend_config: string",
        "api_version: int32",
        "called_computations: [int32]",
        "custom_attributes: [uint8]",
    ),
    "StablehloReduceOptions": ("dimensions: [int64]", "body_subgraph_index: int32"),
    "StablehloSliceOptions": ("start_indices: [int64]", "limit_indices: [int64]", "strides: [int64]"),
    "StablehloConvolutionOptions": (
        "window_strides: [int64]",
        "padding: [int64]",
        "lhs_dilation: [int64]",
        "rhs_dilation: [int64]",
        "window_reversal: [bool]",
        "input_batch_dimension: int64",
        "input_feature_dimension: int64",
        "input_spatial_dimensions: [int64]",
        "kernel_input_feature_dimension: int64",
        "kernel_output_feature_dimension: int64",
        "kernel_spatial_dimensions: [int64]",
        "output_batch_dimension: int64",
        "output_feature_dimension: int64",
        "output_spatial_dimensions: [int64]",
        "feature_group_count: int64",
        "batch_group_count: int64",
        "precision_config: [uint32]",
    ),
    "StablehloScatterOptions": (
        "indices_are_sorted: bool",
        "update_window_dims: [int64]",
        "inserted_window_dims: [int64]",
        "scatter_dims_to_operand_dims: [int64]",
        "index_vector_dim: int64",
        "unique_indices: bool",
        "update_computation_subgraph_index: int32",
    ),
    "StablehloCaseOptions": ("branch_subgraph_indices: [int32]",),
    "StablehloRngBitGeneratorOptions": ("algorithm: int8",),
    "Conv2DOptions": (
        "padding: int8",
        "stride_w: int32",
        "stride_h: int32",
        "fused_activation_function: int8",
        "dilation_w_factor: int32 = 1",
        "dilation_h_factor: int32 = 1",
        "quantized_bias_type: int8",
    ),
    "Conv3DOptions": (
        "padding: int8",
        "stride_d: int32",
        "stride_w: int32",
        "stride_h: int32",
        "fused_activation_function: int8",
        "dilation_d_factor: int32 = 1",
        "dilation_w_factor: int32 = 1",
        "dilation_h_factor: int32 = 1",
    ),
    "Pool2DOptions": (
        "padding: int8",
        "stride_w: int32",
        "stride_h: int32",
        "filter_width: int32",
        "filter_height: int32",
        "fused_activation_function: int8",
    ),
    "DepthwiseConv2DOptions": (
        "padding: int8",
        "stride_w: int32",
        "stride_h: int32",
        "depth_multiplier: int32",
        "fused_activation_function: int8",
        "dilation_w_factor: int32 = 1",
        "dilation_h_factor: int32 = 1",
    ),
    "ConcatEmbeddingsOptions": (
        "num_channels: int32",
        "num_columns_per_channel: [int32]",
        "embedding_dim_per_channel: [int32]",
    ),
    "LSHProjectionOptions": ("type: int8",),
    "SVDFOptions": ("rank: int32", "fused_activation_function: int8", "asymmetric_quantize_inputs: bool"),
    "RNNOptions": ("fused_activation_function: int8", "asymmetric_quantize_inputs: bool"),
    "SequenceRNNOptions": ("time_major: bool", "fused_activation_function: int8", "asymmetric_quantize_inputs: bool"),
    "BidirectionalSequenceRNNOptions": (
        "time_major: bool",
        "fused_activation_function: int8",
        "merge_outputs: bool",
        "asymmetric_quantize_inputs: bool",
    ),
    "FullyConnectedOptions": (
        "fused_activation_function: int8",
        "weights_format: int8",
        "keep_num_dims: bool",
        "asymmetric_quantize_inputs: bool",
        "quantized_bias_type: int8",
        "quant_spec: [uint8]",
    ),
    "SoftmaxOptions": ("beta: float32",),
    "ConcatenationOptions": ("axis: int32", "fused_activation_function: int8"),
    "AddOptions": ("fused_activation_function: int8", "pot_scale_int16: bool = True"),
    "MulOptions": ("fused_activation_function: int8",),
    "L2NormOptions": ("fused_activation_function: int8",),
    "LocalResponseNormalizationOptions": ("radius: int32", "bias: float32", "alpha: float32", "beta: float32"),
    "LSTMOptions": (
        "fused_activation_function: int8",
        "cell_clip: float32",
        "proj_clip: float32",
        "kernel_type: int8",
        "asymmetric_quantize_inputs: bool",
    ),
    "UnidirectionalSequenceLSTMOptions": (
        "fused_activation_function: int8",
        "cell_clip: float32",
        "proj_clip: float32",
        "time_major: bool",
        "asymmetric_quantize_inputs: bool",
        "diagonal_recurrent_tensors: bool",
    ),
    "BidirectionalSequenceLSTMOptions": (
        "fused_activation_function: int8",
        "cell_clip: float32",
        "proj_clip: float32",
        "merge_outputs: bool",
        "time_major: bool = True",
        "asymmetric_quantize_inputs: bool",
    ),
    "ResizeBilinearOptions": ("-", "-", "align_corners: bool", "half_pixel_centers: bool"),
    "ResizeNearestNeighborOptions": ("align_corners: bool", "half_pixel_centers: bool"),
    "CallOptions": ("subgraph: uint32",),
    "PadOptions": (),
    "PadV2Options": (),
    "ReshapeOptions": ("new_shape: [int32]",),
    "SpaceToBatchNDOptions": (),
    "BatchToSpaceNDOptions": (),
    "SkipGramOptions": ("ngram_size: int32", "max_skip_size: int32", "include_all_ngrams: bool"),
    "SpaceToDepthOptions": ("block_size: int32",),
    "DepthToSpaceOptions": ("block_size: int32",),
    "SubOptions": ("fused_activation_function: int8", "pot_scale_int16: bool = True"),
    "DivOptions": ("fused_activation_function: int8",),
    "TopKV2Options": (),
    "EmbeddingLookupSparseOptions": ("combiner: int8",),
    "GatherOptions": ("axis: int32", "batch_dims: int32"),
    "TransposeOptions": (),
    "ExpOptions": (),
    "CosOptions": (),
    "ReducerOptions": ("keep_dims: bool",),
    "SqueezeOptions": ("squeeze_dims: [int32]",),
    "SplitOptions": ("num_splits: int32",),
    "SplitVOptions": ("num_splits: int32",),
    "StridedSliceOptions": (
        "begin_mask: int32",
        "end_mask: int32",
        "ellipsis_mask: int32",
        "new_axis_mask: int32",
        "shrink_axis_mask: int32",
        "offset: bool",
    ),
    "LogSoftmaxOptions": (),
    "CastOptions": ("in_data_type: int8", "out_data_type: int8"),
    "DequantizeOptions": (),
    "MaximumMinimumOptions": (),
    "TileOptions": (),
    "ArgMaxOptions": ("output_type: int8",),
    "ArgMinOptions": ("output_type: int8",),
    "GreaterOptions": (),
    "GreaterEqualOptions": (),
    "LessOptions": (),
    "LessEqualOptions": (),
    "NegOptions": (),
    "SelectOptions": (),
    "SliceOptions": (),
    "TransposeConvOptions": (
        "padding: int8",
        "stride_w: int32",
        "stride_h: int32",
        "fused_activation_function: int8",
        "quantized_bias_type: int8",
    ),
    "ExpandDimsOptions": (),
    "SparseToDenseOptions": ("validate_indices: bool",),
    "EqualOptions": (),
    "NotEqualOptions": (),
    "ShapeOptions": ("out_type: int8",),
    "RankOptions": (),
    "PowOptions": (),
    "FakeQuantOptions": ("min: float32", "max: float32", "num_bits: int32", "narrow_range: bool"),
    "PackOptions": ("values_count: int32", "axis: int32"),
    "LogicalOrOptions": (),
    "OneHotOptions": ("axis: int32",),
    "AbsOptions": (),
    "HardSwishOptions": (),
    "LogicalAndOptions": (),
    "LogicalNotOptions": (),
    "UnpackOptions": ("num: int32", "axis: int32"),
    "FloorDivOptions": (),
    "SquareOptions": (),
    "ZerosLikeOptions": (),
    "FillOptions": (),
    "FloorModOptions": (),
    "RangeOptions": (),
    "LeakyReluOptions": ("alpha: float32",),
    "SquaredDifferenceOptions": (),
    "MirrorPadOptions": ("mode: int8",),
    "UniqueOptions": ("idx_out_type: int8 = 2",),
    "ReverseV2Options": (),
    "AddNOptions": (),
    "GatherNdOptions": (),
    "WhereOptions": (),
    "ReverseSequenceOptions": ("seq_dim: int32", "batch_dim: int32"),
    "MatrixDiagOptions": (),
    "QuantizeOptions": (),
    "MatrixSetDiagOptions": (),
    "IfOptions": ("then_subgraph_index: int32", "else_subgraph_index: int32"),
    "CallOnceOptions": ("init_subgraph_index: int32",),
    "WhileOptions": ("cond_subgraph_index: int32", "body_subgraph_index: int32"),
    "NonMaxSuppressionV4Options": (),
    "NonMaxSuppressionV5Options": (),
    "ScatterNdOptions": (),
    "SelectV2Options": (),
    "DensifyOptions": (),
    "SegmentSumOptions": (),
    "BatchMatMulOptions": ("adj_x: bool", "adj_y: bool", "asymmetric_quantize_inputs: bool"),
    "CumsumOptions": ("exclusive: bool", "reverse: bool"),
    "BroadcastToOptions": (),
    "Rfft2dOptions": (),
    "HashtableOptions": ("table_id: int32", "key_dtype: int8", "value_dtype: int8"),
    "HashtableFindOptions": (),
    "HashtableImportOptions": (),
    "HashtableSizeOptions": (),
    "VarHandleOptions": ("container: string", "shared_name: string"),
    "ReadVariableOptions": (),
    "AssignVariableOptions": (),
    "RandomOptions": ("seed: int64", "seed2: int64"),
    "BucketizeOptions": ("boundaries: [float32]",),
    "GeluOptions": ("approximate: bool",),
    "DynamicUpdateSliceOptions": (),
    "UnsortedSegmentProdOptions": (),
    "UnsortedSegmentMaxOptions": (),
    "UnsortedSegmentSumOptions": (),
    "ATan2Options": (),
    "UnsortedSegmentMinOptions": (),
    "SignOptions": (),
    "BitcastOptions": (),
    "BitwiseXorOptions": (),
    "RightShiftOptions": (),
    "DilateOptions": (),
    "ReduceWindowOptions": ("reduce_function: int32",),
    "OperatorCode": (
        "deprecated_builtin_code: int8",
        "custom_code: string",
        "version: int32 = 1",
        "builtin_code: int32",
    ),
    "StableHLOCompositeOptions": (
        "name: string",
        "decomposition_subgraph_index: int32",
        "composite_attributes: [uint8]",
        "composite_attributes_format: int8",
        "version: int32",
    ),
    "StablehloShiftLeftOptions": (),
    "Operator": (
        "opcode_index: uint32",
        "inputs: [int32]",
        "outputs: [int32]",
        "builtin_options_type: uint8",
        "builtin_options: union BuiltinOptions",
        "custom_options: [uint8]",
        "custom_options_format: int8",
        "mutating_variable_inputs: [bool]",
        "intermediates: [int32]",
        "large_custom_options_offset: uint64",
        "large_custom_options_size: uint64",
        "builtin_options_2_type: uint8",
        "builtin_options_2: union BuiltinOptions2",
        "debug_metadata_index: int32 = -1",
    ),
    "SubGraph": (
        "tensors: [Tensor]",
        "inputs: [int32]",
        "outputs: [int32]",
        "operators: [Operator]",
        "name: string",
        "debug_metadata_index: int32 = -1",
    ),
    "Buffer": ("data: [uint8] align 16", "offset: uint64", "size: uint64"),
    "ExternalBufferGroup": ("name: string",),
    "ExternalBuffer": ("id: uint32", "group: uint32", "offset: uint64", "length: uint64", "packing: string"),
    "Metadata": ("name: string", "buffer: uint32"),
    "TensorMap": ("name: string", "tensor_index: uint32"),
    "SignatureDef": (
        "inputs: [TensorMap]",
        "outputs: [TensorMap]",
        "signature_key: string",
        "-",
        "subgraph_index: uint32",
    ),
    "Model": (
        "version: uint32",
        "operator_codes: [OperatorCode]",
        "subgraphs: [SubGraph]",
        "description: string",
        "buffers: [Buffer]",
        "metadata_buffer: [int32]",
        "metadata: [Metadata]",
        "signature_defs: [SignatureDef]",
        "external_buffer_groups: [ExternalBufferGroup]",
        "external_buffers: [ExternalBuffer]",
    ),
}

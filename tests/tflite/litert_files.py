"""Small .tflite files made with the object API that ai-edge-litert carries: a writer that shares no code with ours."""

from __future__ import annotations

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as litert

RNG = np.random.default_rng(7)
KERNEL = RNG.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
WEIGHTS = RNG.integers(-127, 128, (5, 64)).astype(np.int8)


def packed(model: litert.ModelT) -> bytes:
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def quantization(scale, zero_point=0, axis=0) -> litert.QuantizationParametersT:
    scales = np.atleast_1d(np.asarray(scale, np.float32))
    zero_points = np.broadcast_to(np.asarray(zero_point, np.int64), scales.shape)
    return litert.QuantizationParametersT(scale=scales, zeroPoint=zero_points.copy(), quantizedDimension=axis)


class Builder:
    """Collects tensors, buffers and operators of a model with one subgraph."""

    def __init__(self) -> None:
        self.model = litert.ModelT(version=3, description="made by a test", operatorCodes=[], metadata=[])
        self.model.buffers = [litert.BufferT()]
        self.graph = litert.SubGraphT(tensors=[], operators=[], name="main", inputs=[], outputs=[])
        self.model.subgraphs = [self.graph]

    def tensor(self, name, shape, kind="INT8", data=None, quant=None, **more) -> int:
        buffer = 0
        if data is not None:
            content = data if isinstance(data, bytes) else np.ascontiguousarray(data).tobytes()
            self.model.buffers.append(litert.BufferT(data=np.frombuffer(content, np.uint8)))
            buffer = len(self.model.buffers) - 1
        number = getattr(litert.TensorType, kind)
        tensor = litert.TensorT(shape=list(shape), type=number, buffer=buffer, name=name, quantization=quant, **more)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def operator(self, builtin, inputs, outputs, options=None, **more) -> litert.OperatorT:
        number = builtin if isinstance(builtin, int) else getattr(litert.BuiltinOperator, builtin)
        code = litert.OperatorCodeT(deprecatedBuiltinCode=min(number, 127), builtinCode=number, version=1)
        self.model.operatorCodes.append(code)
        operator = litert.OperatorT(
            opcodeIndex=len(self.model.operatorCodes) - 1, inputs=inputs, outputs=outputs, **more
        )
        if options is not None:
            operator.builtinOptionsType = getattr(litert.BuiltinOptions, type(options).__name__.removesuffix("T"))
            operator.builtinOptions = options
        self.graph.operators.append(operator)
        return operator


def network() -> litert.ModelT:
    """Convolution (per channel) → reshape → fully connected → softmax; int8 in and out, a signature, metadata."""
    b = Builder()
    scales = np.linspace(0.002, 0.01, 4, dtype=np.float32)
    x = b.tensor("x", (1, 4, 4, 3), quant=quantization(0.05, -3), shapeSignature=[-1, 4, 4, 3])
    kernel = b.tensor("kernel", KERNEL.shape, data=KERNEL, quant=quantization(scales))
    bias = b.tensor(
        "bias", (4,), "INT32", np.array([3, -500, 0, 77], np.int32), quantization(scales * np.float32(0.05))
    )
    h = b.tensor("h", (1, 4, 4, 4), quant=quantization(0.04, -128))
    shape = b.tensor("shape", (2,), "INT32", np.array([1, 64], np.int32))
    flat = b.tensor("flat", (1, 64), quant=quantization(0.04, -128))
    weights = b.tensor("weights", WEIGHTS.shape, data=WEIGHTS, quant=quantization(0.003))
    logits = b.tensor("logits", (1, 5), quant=quantization(0.1, 10))
    y = b.tensor("y", (1, 5), quant=quantization(1 / 256, -128))
    relu = litert.ActivationFunctionType.RELU
    b.operator(
        "CONV_2D", [x, kernel, bias], [h], litert.Conv2DOptionsT(strideW=1, strideH=1, fusedActivationFunction=relu)
    )
    b.operator("RESHAPE", [h, shape], [flat], litert.ReshapeOptionsT(newShape=[1, 64]))
    b.operator("FULLY_CONNECTED", [flat, weights, -1], [logits], litert.FullyConnectedOptionsT())
    b.operator("SOFTMAX", [logits], [y], litert.SoftmaxOptionsT(beta=1.0))
    b.graph.inputs, b.graph.outputs = [x], [y]
    names = (litert.TensorMapT(name="image", tensorIndex=x), litert.TensorMapT(name="scores", tensorIndex=y))
    b.model.signatureDefs = [litert.SignatureDefT([names[0]], [names[1]], "serving_default", 0)]
    b.model.buffers.append(litert.BufferT(data=np.frombuffer(b"1.5.0\0", np.uint8)))
    b.model.metadata = [litert.MetadataT("min_runtime_version", len(b.model.buffers) - 1)]
    return b.model


def network_with_weights_outside() -> bytes:
    """The same with its constants after the FlatBuffer, as ai-edge-quantizer writes them."""
    model = network()
    moved = [(b, bytes(b.data)) for b in model.buffers[:-1] if b.data is not None]
    for buffer, data in moved:
        buffer.data, buffer.offset, buffer.size = None, 2, len(data)
    end = len(packed(model))  # offsets have a fixed width: the second packing is as long
    tail = b""
    for buffer, data in moved:
        tail += bytes(-(end + len(tail)) % 16)
        buffer.offset = end + len(tail)
        tail += data
    return packed(model) + tail


def oddities() -> litert.ModelT:
    """What foreign files hold beside the usual: nothing of it can be run, all of it can be read."""
    b = Builder()
    x = b.tensor("x", (2, 3), "FLOAT32", hasRank=True)
    packed4 = b.tensor("packed4", (3, 5), "INT4", bytes(range(8)), quantization(0.5))
    half = b.tensor("half", (2,), "FLOAT16", np.array([1, -2], np.float16))
    state = b.tensor("state", (2, 3), "FLOAT32", isVariable=True)
    sparse = b.tensor("sparse", (4, 4), "INT8", b"\1\2", quantization(0.1), sparsity=sparsity())
    custom = litert.QuantizationParametersT(detailsType=1, details=litert.CustomQuantizationT(custom=[1, 2, 3]))
    other = b.tensor("other", (2,), "INT8", b"\1\2", custom)
    text = b.tensor("text", (1,), "STRING", b"\1\0\0\0\x0c\0\0\0\x0e\0\0\0hi")
    nested = litert.VariantSubTypeT(shape=[1], type=litert.TensorType.FLOAT32, hasRank=True)
    variant = b.tensor("variant", (), "VARIANT", variantTensors=[nested])
    empty = b.tensor("empty", (0,), "INT32")
    made = [b.tensor(f"made{i}", (2, 3), "FLOAT32") for i in range(5)]
    b.operator("CUSTOM", [x, packed4, -1], [made[0]], customOptions=[7, 8], mutatingVariableInputs=[True, False])
    b.model.operatorCodes[-1].customCode = "Mystery"
    b.operator(9999, [made[0], half, sparse, other, text], [made[1]])
    dilate = b.operator("DILATE", [made[1], empty], [made[2]])
    dilate.builtinOptions2Type, dilate.builtinOptions2 = litert.BuiltinOptions2.DilateOptions, litert.DilateOptionsT()
    b.operator("GELU", [made[2], state], [made[3]], litert.GeluOptionsT(approximate=True))
    seeds = litert.RandomOptionsT(seed=-(1 << 62), seed2=5)
    b.operator("RANDOM_UNIFORM", [made[3]], [made[4], variant], seeds, intermediates=[state])
    b.graph.inputs, b.graph.outputs = [x], [made[4]]
    b.model.subgraphs.append(litert.SubGraphT(tensors=[], operators=[], name="body", inputs=[], outputs=[]))
    return b.model


def sparsity() -> litert.SparsityParametersT:
    dense = litert.DimensionMetadataT(format=litert.DimensionType.DENSE, denseSize=4)
    rows = litert.DimensionMetadataT(format=litert.DimensionType.SPARSE_CSR)
    rows.arraySegmentsType, rows.arraySegments = (
        litert.SparseIndexVector.Uint8Vector,
        litert.Uint8VectorT([0, 1, 2, 2, 2]),
    )
    rows.arrayIndicesType, rows.arrayIndices = litert.SparseIndexVector.Uint16Vector, litert.Uint16VectorT([1, 2])
    return litert.SparsityParametersT(traversalOrder=[0, 1], blockMap=[], dimMetadata=[dense, rows])

"""Collects the tensors, buffers and operators of one .tflite file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edgekit.program import Activation, Program, QuantParams, Tensor
from edgekit.program.tensor import Array
from edgekit.tflite import schema
from edgekit.tflite.flatbuffer import Table, encode

TYPES = {
    "s8": schema.TensorType.INT8,
    "u8": schema.TensorType.UINT8,
    "s16": schema.TensorType.INT16,
    "s32": schema.TensorType.INT32,
    "s64": schema.TensorType.INT64,
    "f32": schema.TensorType.FLOAT32,
    "b8": schema.TensorType.BOOL,
}
ACTIVATIONS = {
    Activation.NONE: schema.ActivationFunctionType.NONE,
    Activation.RELU: schema.ActivationFunctionType.RELU,
    Activation.RELU6: schema.ActivationFunctionType.RELU6,
    Activation.RELU_N1_TO_1: schema.ActivationFunctionType.RELU_N1_TO_1,
}
SCHEMA_VERSION = 3
PLACEHOLDER = 127  # deprecated_builtin_code of operators whose number needs more than a byte


@dataclass
class Writer:
    """Rows call `operator`, and `constant` and `between` for tensors that only TFLite needs."""

    program: Program
    _tensors: list[Table] = field(default_factory=list)
    _indices: dict[Tensor, int] = field(default_factory=dict)
    _buffers: list[Table] = field(default_factory=lambda: [Table("Buffer")])
    _buffer_of: dict[bytes, int] = field(default_factory=dict)
    _codes: dict[tuple[int, int], int] = field(default_factory=dict)
    _operators: list[Table] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._states = {s.before: s for s in self.program.states}
        self._names.update(t.name for t in self.program.tensors())
        for tensor in self.program.inputs:
            self.index(tensor)

    def operator(
        self,
        builtin: str,
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
        options: Table | None = None,
        *,
        version: int = 1,
        inner: Sequence[Tensor] = (),
    ) -> None:
        """Append one operator; inputs that are None are left out. inner: tensors that only the operator itself uses."""
        code = (int(schema.BuiltinOperator[builtin]), version)
        opcode = self._codes.setdefault(code, len(self._codes))
        made = Table(
            "Operator",
            opcode_index=opcode,
            inputs=np.array([-1 if t is None else self.index(t) for t in inputs], np.int32),
            outputs=np.array([self.index(t) for t in outputs], np.int32),
        )
        if inner:
            made.intermediates = np.array([self.index(t) for t in inner], np.int32)
        if options is not None:
            second = options.kind in schema.BuiltinOptions2.__members__
            union = schema.BuiltinOptions2 if second else schema.BuiltinOptions
            setattr(made, "builtin_options_2_type" if second else "builtin_options_type", union[options.kind])
            setattr(made, "builtin_options_2" if second else "builtin_options", options)
        self._operators.append(made)

    def constant(self, name: str, data: Array, dtype: str = "s32", quant: QuantParams | None = None) -> Tensor:
        """A constant that only TFLite needs: axes, paddings, shapes."""
        return Tensor(self._unique(name), tuple(data.shape), dtype, quant, data)

    def between(self, name: str, shape: Sequence[int], dtype: str = "s8", quant: QuantParams | None = None) -> Tensor:
        """A value between two operators of one row."""
        return Tensor(self._unique(name), tuple(shape), dtype, quant)

    def index(self, tensor: Tensor) -> int:
        if tensor not in self._indices:
            self._indices[tensor] = len(self._tensors)
            self._tensors.append(self._table(tensor))
        return self._indices[tensor]

    def content(self) -> bytes:
        subgraph = Table(
            "SubGraph",
            inputs=np.array([self.index(t) for t in self.program.inputs], np.int32),
            outputs=np.array([self.index(t) for t in self.program.outputs], np.int32),
            tensors=tuple(self._tensors),
            operators=tuple(self._operators),
        )
        return encode(
            Table(
                "Model",
                version=SCHEMA_VERSION,
                description="edgekit",
                operator_codes=tuple(_operator_code(code, version) for code, version in self._codes),
                subgraphs=(subgraph,),
                buffers=tuple(self._buffers),
            )
        )

    def _table(self, tensor: Tensor) -> Table:
        made = Table(
            "Tensor",
            name=tensor.name,
            shape=np.array(tensor.shape, np.int32),
            type=TYPES[tensor.dtype],
            buffer=0 if tensor.data is None else self._buffer(tensor.data),
            is_variable=tensor in self._states,
        )
        if tensor.quant is not None:
            made.quantization = Table(
                "QuantizationParameters",
                scale=np.array(tensor.quant.scales, np.float32),
                zero_point=np.array(tensor.quant.zero_points, np.int64),
                quantized_dimension=tensor.quant.axis or 0,
            )
        return made

    def _buffer(self, data: Array) -> int:
        """Equal bytes are stored once."""
        content = np.ascontiguousarray(data).astype(data.dtype.newbyteorder("<")).tobytes()
        if content not in self._buffer_of:
            self._buffer_of[content] = len(self._buffers)
            self._buffers.append(Table("Buffer", data=np.frombuffer(content, np.uint8)))
        return self._buffer_of[content]

    def _unique(self, name: str) -> str:
        made, i = name, 1
        while made in self._names:
            made, i = f"{name}_{i}", i + 1
        self._names.add(made)
        return made


def _operator_code(code: int, version: int) -> Table:
    return Table("OperatorCode", deprecated_builtin_code=min(code, PLACEHOLDER), builtin_code=code, version=version)

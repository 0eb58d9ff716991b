"""A .tflite file becomes frozen values that were checked against each other: the border behind which they are trusted.

Refused, as one ModelError with all offenders of a kind: what is no TFLite file of schema version 3, indices out of
range, data that are not what type and shape say, quantization that contradicts the shape, operators that cannot run in
their order, sizes above the limits below. Weights outside the FlatBuffer (`Buffer.offset`) are read; those in other
files are refused. Whether an operator is supported is decided by whoever lowers it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from edgekit.errors import ModelError
from edgekit.tflite import schema
from edgekit.tflite.flatbuffer import FIELDS, Array, Table, decode
from edgekit.tflite.schema import BuiltinOperator, TensorType

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
FILE_LIMIT_BYTES = 512 << 20
CLAIM_LIMIT_BYTES = 512 << 20  # of all tensors together
COUNT_LIMIT = 200_000  # tensors, and operators
NUMBER_LIMIT = 4_000_000  # scales, zero points and operands, which a hostile file can let many tables share
RANK_LIMIT = 32
NAME_LIMIT = 500
SHOWN = 5
SHOWN_NAME = 80
HINT = "get the file again, or convert it again"

# Bits of an element; types that are not here (texts, resources, variants) have no fixed size.
BITS = {
    TensorType.BOOL: 8,
    TensorType.INT2: 2,
    TensorType.INT4: 4,
    TensorType.UINT4: 4,
    TensorType.INT8: 8,
    TensorType.UINT8: 8,
    TensorType.INT16: 16,
    TensorType.UINT16: 16,
    TensorType.INT32: 32,
    TensorType.UINT32: 32,
    TensorType.INT64: 64,
    TensorType.UINT64: 64,
    TensorType.FLOAT8_E4M3FN: 8,
    TensorType.FLOAT8_E5M2: 8,
    TensorType.FLOAT16: 16,
    TensorType.BFLOAT16: 16,
    TensorType.FLOAT32: 32,
    TensorType.FLOAT64: 64,
    TensorType.COMPLEX64: 64,
    TensorType.COMPLEX128: 128,
}
TYPES = frozenset(TensorType)
OPERATORS = frozenset(BuiltinOperator)
# Numbers in options that stand for members of an enumeration.
ENUMS: dict[str, frozenset[int]] = {
    "padding": frozenset(schema.Padding),
    "fused_activation_function": frozenset(schema.ActivationFunctionType),
    "mode": frozenset(schema.MirrorPadMode),
    "kernel_type": frozenset(schema.LSTMKernelType),
    "weights_format": frozenset(schema.FullyConnectedOptionsWeightsFormat),
    "combiner": frozenset(schema.CombinerType),
    "quantized_bias_type": TYPES,
    "in_data_type": TYPES,
    "out_data_type": TYPES,
    "output_type": TYPES,
    "out_type": TYPES,
    "idx_out_type": TYPES,
}


@dataclass(frozen=True)
class TfliteQuantization:
    """real = (q - zero_point) * scale: one of each, or as many as the shape has slices along `axis`."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int | None = None


@dataclass(frozen=True, eq=False)
class TfliteTensor:
    """One tensor.

    name                what is printable of the name in the file; may be empty, and need not be unique
    shape_signature     the shape with -1 where it is dynamic, or None
    data                the bytes of a constant (int4 and int2 packed, low bits first); None where an operator makes it
    quantization        None for other than integers
    sparse              `data` is compressed (DENSIFY unpacks it)
    other_quantization  it is quantized in a way that `quantization` does not say (custom, blockwise, several axes)
    """

    index: int
    name: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...] | None
    type: TensorType
    data: memoryview | None
    quantization: TfliteQuantization | None
    is_variable: bool = False
    sparse: bool = False
    other_quantization: bool = False

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        return f'tensor {self.index} "{self.name[:SHOWN_NAME]}"'


@dataclass(frozen=True, eq=False)
class TfliteOperator:
    """One operator. `builtin` names a BuiltinOperator or is `UNKNOWN_<n>`; an operand of -1 is left out."""

    index: int
    builtin: str
    custom: str | None
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None

    def options_of(self, kind: str) -> Table:
        """Its options, which must be of this kind; the schema's defaults where there are none. Raises ModelError."""
        if self.options is None:
            return Table(kind)
        if self.options.kind != kind:
            raise _error(f"{self} has {self.options.kind}, wanted {kind}")
        return self.options

    def __str__(self) -> str:
        return f"operator {self.index} ({(self.custom or self.builtin)[:SHOWN_NAME]})"


@dataclass(frozen=True, eq=False)
class TfliteSubgraph:
    """Operators in an order in which they can run; numbers are indices of `tensors`."""

    name: str
    tensors: tuple[TfliteTensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[TfliteOperator, ...]


@dataclass(frozen=True)
class TfliteSignature:
    """Names under which the inputs and outputs of the first subgraph are known: pairs of name and tensor."""

    key: str
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]


@dataclass(frozen=True, eq=False)
class TfliteModel:
    """A whole file. The first subgraph is the model; others belong to control flow."""

    description: str
    subgraphs: tuple[TfliteSubgraph, ...]
    signature: TfliteSignature | None
    metadata_names: tuple[str, ...]


def read_file(path: Path) -> bytes:
    """The bytes of a .tflite file, no more than FILE_LIMIT_BYTES. Raises ModelError."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise ModelError(f"{path} is no file", hint="name a .tflite file")
        if size > FILE_LIMIT_BYTES:
            raise ModelError(f"{path} has {size} bytes; {FILE_LIMIT_BYTES} are allowed", hint="is this the right file?")
        return path.read_bytes()
    except (OSError, ValueError) as e:  # ValueError: a NUL in the name
        raise ModelError(
            f"{path} cannot be read: {getattr(e, 'strerror', None) or e}", hint="name a .tflite file"
        ) from e


def load(content: bytes) -> TfliteModel:
    """The model in the bytes of a .tflite file. Raises ModelError."""
    _refuse(_file_problems(content))
    root = decode(content)
    _refuse(_model_problems(root))
    file = _File(content, root)
    subgraphs = tuple(file.subgraph(table) for table in root.subgraphs)
    for subgraph in subgraphs:
        _refuse(_order_problems(subgraph))
    return TfliteModel(
        description=_printable(root.description),
        subgraphs=subgraphs,
        signature=_signature(root, subgraphs[0]),
        metadata_names=tuple(_printable(m.name) for m in root.metadata),
    )


def _file_problems(content: bytes) -> Iterator[str]:
    if content[4:8] != IDENTIFIER:
        yield f"it has {content[4:8]!r} where {IDENTIFIER!r} is wanted"
    elif len(content) > FILE_LIMIT_BYTES:
        yield f"it has {len(content)} bytes; {FILE_LIMIT_BYTES} are allowed"


def _model_problems(root: Table) -> Iterator[str]:
    if root.version != SCHEMA_VERSION:
        yield f"its schema has version {root.version}, wanted {SCHEMA_VERSION}"
    if not root.subgraphs:
        yield "it has no subgraph"
    for what in ("tensors", "operators"):
        count = sum(len(getattr(s, what)) for s in root.subgraphs)
        if count > COUNT_LIMIT:
            yield f"it has {count} {what}; {COUNT_LIMIT} are allowed"
    for i, metadata in enumerate(root.metadata):
        if metadata.buffer >= len(root.buffers):
            yield f"metadata {i} is in buffer {metadata.buffer} of {len(root.buffers)}"


class _Fault(Exception):
    """What is wrong with one tensor or operator; collected, and raised together as a ModelError."""


Part = TypeVar("Part")


def _all(tables: Iterable[Table], build: Callable[[int, Table], Part]) -> tuple[Part, ...]:
    """What `build` makes of each table. ModelError with everything that it found broken."""
    made, problems = [], []
    for index, table in enumerate(tables):
        try:
            made.append(build(index, table))
        except _Fault as e:
            problems.append(str(e))
    _refuse(problems)
    return tuple(made)


class _File:
    """Builds the parts of one file, and counts what they claim together."""

    def __init__(self, content: bytes, root: Table) -> None:
        self.content = content
        self.buffers = root.buffers
        self.codes = root.operator_codes
        self.claimed_bytes = 0
        self.numbers = 0

    def subgraph(self, table: Table) -> TfliteSubgraph:
        tensors = _all(table.tensors, self.tensor)
        ends = (self.integers(table.inputs), self.integers(table.outputs))
        wrong = [i for end in ends for i in end if not 0 <= i < len(tensors)]
        _refuse(f"an input or output is tensor {i} of {len(tensors)}" for i in wrong)
        operators = _all(table.operators, lambda i, t: self.operator(i, t, len(tensors)))
        return TfliteSubgraph(_printable(table.name), tensors, *ends, operators)

    def tensor(self, index: int, table: Table) -> TfliteTensor:
        name = _printable(table.name)
        where = f'tensor {index} "{name[:SHOWN_NAME]}"'
        if table.type not in TYPES:
            raise _Fault(f"{where} has the unknown type {table.type}")
        shape, kind = _shape(where, table), TensorType(table.type)
        self.claim(shape, kind)
        quantization = table.quantization or Table("QuantizationParameters")
        other = quantization.details_type != 0
        return TfliteTensor(
            index=index,
            name=name,
            shape=shape,
            shape_signature=_signature_of_shape(where, table, shape),
            type=kind,
            data=self.data(where, table, shape),
            quantization=None if other else self.quantization(where, quantization, kind, shape),
            is_variable=table.is_variable,
            sparse=table.sparsity is not None,
            other_quantization=other,
        )

    def claim(self, shape: tuple[int, ...], kind: TensorType) -> None:
        self.claimed_bytes += _bytes(shape, BITS.get(kind, 8))
        if self.claimed_bytes > CLAIM_LIMIT_BYTES:
            raise _error(f"its tensors claim over {CLAIM_LIMIT_BYTES} bytes")

    def integers(self, values: Array) -> tuple[int, ...]:
        self.count(values)
        return tuple(values.tolist())

    def count(self, values: Array) -> None:
        self.numbers += values.size
        if self.numbers > NUMBER_LIMIT:
            raise _error(f"it has over {NUMBER_LIMIT} scales, zero points and operands")

    def data(self, where: str, table: Table, shape: tuple[int, ...]) -> memoryview | None:
        """The bytes of a constant, as many as its type and shape say."""
        if table.external_buffer:
            raise _Fault(f"{where} lies in another file")
        if table.buffer >= max(1, len(self.buffers)):
            raise _Fault(f"{where} is in buffer {table.buffer} of {len(self.buffers)}")
        data = self.buffer(where, table.buffer) if table.buffer else None
        if data is None:
            return None
        if table.is_variable:
            raise _Fault(f"{where} is a variable, and has data like a constant")
        bits = BITS.get(TensorType(table.type))
        if bits and table.sparsity is None and len(data) != _bytes(shape, bits):
            raise _Fault(f"{where} holds {len(data)} bytes, its type and shape say {_bytes(shape, bits)}")
        return data

    def buffer(self, where: str, index: int) -> memoryview | None:
        """What a buffer holds, in the FlatBuffer or, with an offset above 1, after it; None where that is nothing."""
        buffer = self.buffers[index]
        if buffer.offset <= 1:
            return memoryview(buffer.data) if buffer.data.size else None
        end = buffer.offset + buffer.size
        if end > len(self.content):
            raise _Fault(f"{where} ends at byte {end} of {len(self.content)}")
        return memoryview(self.content)[buffer.offset : end] if buffer.size else None

    def quantization(
        self, where: str, table: Table, kind: TensorType, shape: tuple[int, ...]
    ) -> TfliteQuantization | None:
        scales, zero_points = table.scale, table.zero_point
        # TFLite takes a single scale of 0 for "not quantized"
        if not kind.name.startswith(("INT", "UINT")) or not scales.size or (scales.size == 1 and scales[0] == 0):
            return None
        self.count(scales)
        if not np.all(np.isfinite(scales) & (scales > 0)):
            raise _Fault(f"{where} has a scale that is not finite and above 0")
        if zero_points.size not in (1, scales.size):
            raise _Fault(f"{where} has {scales.size} scales and {zero_points.size} zero points")
        low, high = _limits(kind)
        if int(zero_points.min()) < low or int(zero_points.max()) > high:
            raise _Fault(f"{where} has a zero point that is no {kind.name}")
        every = np.broadcast_to(zero_points, scales.shape).tolist()
        return TfliteQuantization(tuple(scales.tolist()), tuple(every), _axis(where, table, shape))

    def operator(self, index: int, table: Table, tensors: int) -> TfliteOperator:
        if table.opcode_index >= len(self.codes):
            raise _Fault(f"operator {index} has the operator code {table.opcode_index} of {len(self.codes)}")
        code = self.codes[table.opcode_index]
        options = table.builtin_options if table.builtin_options is not None else table.builtin_options_2
        number = max(code.deprecated_builtin_code, code.builtin_code)
        operator = TfliteOperator(
            index=index,
            builtin=_operator_name(number),
            custom=_printable(code.custom_code) if number == BuiltinOperator.CUSTOM else None,
            version=code.version,
            inputs=self.integers(table.inputs),
            outputs=self.integers(table.outputs),
            options=options,
        )
        wrong = [i for i in operator.inputs if not -1 <= i < tensors]
        wrong += [i for i in operator.outputs if not 0 <= i < tensors]
        if wrong:
            raise _Fault(f"{operator} has tensor {wrong[0]} of {tensors}")
        if options is not None:
            _check_options(operator, options)
        return operator


def _axis(where: str, table: Table, shape: tuple[int, ...]) -> int | None:
    """Along which axis the scales lie; None for a single one."""
    axis: int = table.quantized_dimension
    if table.scale.size == 1:
        return None
    if not 0 <= axis < len(shape) or shape[axis] != table.scale.size:
        raise _Fault(f"{where} has {table.scale.size} scales along axis {axis}, and the shape {list(shape)}")
    return axis


def _shape(where: str, table: Table) -> tuple[int, ...]:
    if table.shape.size > RANK_LIMIT:
        raise _Fault(f"{where} has {table.shape.size} dimensions; {RANK_LIMIT} are allowed")
    shape: tuple[int, ...] = tuple(table.shape.tolist())
    empty_but_large = 0 in shape and math.prod(d or 1 for d in shape) > CLAIM_LIMIT_BYTES  # NumPy has no such array
    if any(d < 0 for d in shape) or empty_but_large:
        raise _Fault(f"{where} has the shape {list(shape)}")
    return shape


def _signature_of_shape(where: str, table: Table, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    if not table.shape_signature.size:
        return None
    if table.shape_signature.size != len(shape) or table.shape_signature.min() < -1:
        raise _Fault(f"{where} has the shape {list(shape)}, and a shape signature that does not fit")
    return tuple(table.shape_signature.tolist())


def _bytes(shape: tuple[int, ...], bits: int) -> int:
    return (math.prod(shape) * bits + 7) // 8


def _limits(kind: TensorType) -> tuple[int, int]:
    """Smallest and largest number of an integer type."""
    bits = BITS[kind]
    return (0, (1 << bits) - 1) if kind.name.startswith("U") else (-(1 << bits - 1), (1 << bits - 1) - 1)


def _operator_name(number: int) -> str:
    return BuiltinOperator(number).name if number in OPERATORS else f"UNKNOWN_{number}"


def _check_options(operator: TfliteOperator, options: Table) -> None:
    for name, field in FIELDS[options.kind].items():
        if field.form == "scalar" and name in ENUMS and getattr(options, name) not in ENUMS[name]:
            raise _Fault(f"{operator} has the unknown {name} {getattr(options, name)}")


def _order_problems(subgraph: TfliteSubgraph) -> Iterator[str]:
    """Whether each operator reads what is there, and every tensor is made once."""
    tensors = subgraph.tensors
    ready = {t.index for t in tensors if t.data is not None or t.is_variable or t.size == 0}
    made = {t.index for t in tensors if t.data is not None}
    for index in subgraph.inputs:
        if index in made:
            yield f"{tensors[index]} is an input a second time, or a constant"
        made.add(index)
    ready |= made | {-1}
    for operator in subgraph.operators:
        yield from (f"{operator} reads {tensors[i]} before it is made" for i in operator.inputs if i not in ready)
        for index in operator.outputs:
            if index in made:
                yield f"{operator} makes {tensors[index]}, which is an input, a constant or made before"
            made.add(index)
            ready.add(index)
    yield from (f"no operator makes the output {tensors[i]}" for i in subgraph.outputs if i not in ready)


def _signature(root: Table, main: TfliteSubgraph) -> TfliteSignature | None:
    """The first signature of the first subgraph. ModelError where it names what is no input or output."""
    table = next((s for s in root.signature_defs if s.subgraph_index == 0), None)
    if table is None:
        return None
    ends = ((table.inputs, frozenset(main.inputs), "input"), (table.outputs, frozenset(main.outputs), "output"))
    names = [tuple((_printable(m.name), m.tensor_index) for m in maps) for maps, _, _ in ends]
    _refuse(
        f'the signature names tensor {index} "{name[:SHOWN_NAME]}", which is no {what}'
        for pairs, (_, allowed, what) in zip(names, ends, strict=True)
        for name, index in pairs
        if index not in allowed
    )
    return TfliteSignature(_printable(table.signature_key), *names)


def _printable(text: str | None) -> str:
    """Names come from the file and end up in a terminal."""
    return "".join(c if c.isprintable() else "?" for c in (text or "")[:NAME_LIMIT])


def _refuse(problems: Iterable[str]) -> None:
    """ModelError where there are any. They are counted and not kept: a hostile file can have millions."""
    rest = iter(problems)
    if shown := list(islice(rest, SHOWN)):
        raise _error("; ".join(shown), more=sum(1 for _ in rest))


def _error(text: str, *, more: int = 0) -> ModelError:
    return ModelError(f"the TFLite file is broken: {text}{f'; and {more} more' if more else ''}", hint=HINT)

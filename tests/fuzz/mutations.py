"""A sound file and a number become a file that is wrong somewhere: bytes are changed, or fields of its format.

The same seed and number always give the same file.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

INTEGERS = (
    *(0, 1, -1, 2, 3, 4, 5, 7, 8, 16, 31, 32, 100, 127, 128, 255, 256, 1000, 32767, 65535, 65536, 1 << 24),
    *((1 << 31) - 1, -(1 << 31), (1 << 32) - 1, 1 << 40, (1 << 63) - 1, -(1 << 63), -2, -3, -128),
)
SIZES = (0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 16, 64, 257, 65536, (1 << 31) - 1, -1)
REALS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-3, 1e-30, 1e-38, 1e-45, 1e30, 3.4e38, float("inf"), float("-inf"), float("nan"))
TEXTS = ("", "x", "t0", "t1", "\x1b[31mred", "a" * 300, "é", "line\nline", "y")


def changed_bytes(content: bytes, rng: random.Random) -> bytes:
    """1 to 20 bytes changed, numbers overwritten, pieces copied; sometimes cut short."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 20))):
        at = rng.randrange(len(data))
        match rng.randrange(5):
            case 0:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at] = rng.choice((0, 1, 4, 0x7F, 0x80, 0xFF))
            case 2:
                at -= at % 4
                data[at : at + 4] = rng.getrandbits(32).to_bytes(4, "little")
            case 3:
                at -= at % 4
                number = rng.choice((0, 1, 2, 4, 8, len(data), len(data) - at, 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF))
                data[at : at + 4] = number.to_bytes(4, "little")
            case 4:
                start = rng.randrange(len(data))
                data[at : at + 8] = data[start : start + 8]
    return bytes(data if rng.random() < 0.9 else data[: rng.randrange(len(data))])


# --- TFLite: tables


def changed_tflite(content: bytes, rng: random.Random) -> bytes:
    """A file whose tables were changed, and written again; or whose bytes were."""
    from edgekit.errors import EdgekitError
    from edgekit.tflite.flatbuffer import decode, encode

    if rng.random() < 0.25:
        return changed_bytes(content, rng)
    try:
        root = decode(content)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            rng.choice(TFLITE_CHANGES)(root, rng)
        return encode(root)
    except (TypeError, ValueError, LookupError, OverflowError, struct.error, EdgekitError):
        return changed_bytes(content, rng)


def any_field(root: Any, rng: random.Random) -> None:
    """Any field of any table gets another value."""
    from edgekit.tflite.flatbuffer import FIELDS

    by_kind: dict[str, list[Any]] = {}
    for table in _tables(root):
        by_kind.setdefault(table.kind, []).append(table)
    table = rng.choice(by_kind[rng.choice(sorted(by_kind))])
    if FIELDS[table.kind]:
        field = rng.choice(list(FIELDS[table.kind].values()))
        setattr(table, field.name, _value(field, getattr(table, field.name), rng))


def _tables(root: Any) -> Iterator[Any]:
    from edgekit.tflite.flatbuffer import Table, present

    seen: set[int] = set()
    queue = [root]
    while queue:
        table = queue.pop()
        if id(table) not in seen:
            seen.add(id(table))
            yield table
            for value in present(table).values():
                queue += [v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, Table)]


def _value(field: Any, old: Any, rng: random.Random) -> Any:
    from edgekit.tflite.flatbuffer import DTYPES, Table

    match field.form:
        case "scalar":
            return _scalar(field.of, rng)
        case "string":
            return rng.choice(TEXTS)
        case "scalars":
            dtype = DTYPES[field.of]
            values = list(old) if len(old) < 100_000 else []
            return np.array(_list(values, lambda: _scalar(field.of, rng), rng), dtype)
        case "tables":
            return tuple(_list(list(old), lambda: Table(field.of), rng))
        case "table":
            return rng.choice((None, Table(field.of)))
        case _:
            from edgekit.tflite import schema

            kinds = [m.name for m in getattr(schema, field.of) if m]
            return rng.choice((None, Table(rng.choice(kinds))))


def _scalar(kind: str, rng: random.Random) -> Any:
    if kind == "bool":
        return rng.random() < 0.5
    if kind.startswith("float"):
        return rng.choice(REALS)
    info = np.iinfo(kind)
    allowed = [n for n in INTEGERS if info.min <= n <= info.max]
    return rng.choice(allowed) if rng.random() < 0.7 else rng.randrange(200) if info.max > 200 else rng.randrange(100)


def _list(values: list[Any], new: Callable[[], Any], rng: random.Random) -> list[Any]:
    """One element more, less, changed or moved."""
    at = rng.randrange(len(values)) if values else 0
    match rng.randrange(6):
        case 0:
            values.insert(at, new())
        case 1 if values:
            del values[at]
        case 2 if values:
            values.append(values[at])
        case 3 if values:
            other = rng.randrange(len(values))
            values[at], values[other] = values[other], values[at]
        case 4:
            values = []
        case _ if values:
            values[at] = new()
    return values


def _tensor(root: Any, rng: random.Random) -> Any:
    return rng.choice(rng.choice(root.subgraphs).tensors)


def _fill(root: Any, tensor: Any, rng: random.Random) -> None:
    """A constant gets as many bytes as its type and shape say."""
    from edgekit.tflite.flatbuffer import Table
    from edgekit.tflite.model import BITS
    from edgekit.tflite.schema import TensorType

    bits = BITS.get(TensorType(tensor.type), 8)
    count = int(np.prod(np.abs(tensor.shape.astype(np.float64))))
    if count > 1 << 20:
        return
    size = (count * bits + 7) // 8
    small = np.array([rng.choice(INTEGERS[:8]) for _ in range(min(count, 64))] or [0], np.int64)
    numbers = np.resize(small, count)
    data = numbers.astype(f"<i{max(bits // 8, 1)}").tobytes() if bits >= 8 and bits <= 64 else rng.randbytes(size)
    root.buffers = (*root.buffers, Table("Buffer", data=np.frombuffer(data[:size], np.uint8)))
    tensor.buffer = len(root.buffers) - 1


def other_type(root: Any, rng: random.Random) -> None:
    from edgekit.tflite.schema import TensorType

    tensor = _tensor(root, rng)
    usual = ("FLOAT32", "INT8", "UINT8", "INT16", "INT32", "INT64", "BOOL", "FLOAT16", "INT4")
    tensor.type = TensorType[rng.choice(usual)] if rng.random() < 0.8 else rng.choice(list(TensorType))
    if tensor.buffer:
        _fill(root, tensor, rng)


def other_shape(root: Any, rng: random.Random) -> None:
    tensor = _tensor(root, rng)
    shape = tensor.shape.tolist()
    if rng.random() < 0.5:
        shape = _list(shape, lambda: rng.choice(SIZES), rng)
    else:
        shape = [rng.choice(SIZES) for _ in range(rng.randrange(7))]
    tensor.shape = np.array(shape, np.int32)
    if tensor.buffer:
        _fill(root, tensor, rng)


def other_quantization(root: Any, rng: random.Random) -> None:
    from edgekit.tflite.flatbuffer import Table

    tensor = _tensor(root, rng)
    count = rng.choice((0, 1, 1, 1, 2, *tensor.shape.tolist()))
    if count > 1000:
        return
    tensor.quantization = Table(
        "QuantizationParameters",
        scale=np.array([rng.choice(REALS[2:12]) for _ in range(count)], np.float32),
        zero_point=np.array([rng.choice((0, 0, 0, -128, 127, 1, 255, 128)) for _ in range(count)], np.int64),
        quantized_dimension=rng.randrange(max(1, len(tensor.shape))),
    )


def other_constant(root: Any, rng: random.Random) -> None:
    """A constant has other numbers, or an activation becomes constant, or a constant an activation."""
    constants = [t for s in root.subgraphs for t in s.tensors if t.buffer]
    if not constants or rng.random() < 0.2:
        _fill(root, _tensor(root, rng), rng)
    elif rng.random() < 0.2:
        rng.choice(constants).buffer = 0
    else:
        _fill(root, rng.choice(constants), rng)


def other_operator(root: Any, rng: random.Random) -> None:
    """An operator code stands for another operator."""
    from edgekit.ops import TFLITE
    from edgekit.tflite.schema import BuiltinOperator

    code = rng.choice(root.operator_codes)
    number = BuiltinOperator[rng.choice(sorted(TFLITE))] if rng.random() < 0.9 else rng.randrange(220)
    code.builtin_code, code.deprecated_builtin_code = number, min(number, 127)


def other_operands(root: Any, rng: random.Random) -> None:
    operator = rng.choice(rng.choice(root.subgraphs).operators)
    name = rng.choice(("inputs", "inputs", "outputs"))
    count = len(root.subgraphs[0].tensors)
    values = _list(getattr(operator, name).tolist(), lambda: rng.randrange(-1, count), rng)
    setattr(operator, name, np.array(values, np.int32))


def other_ends(root: Any, rng: random.Random) -> None:
    graph = root.subgraphs[0]
    name = rng.choice(("inputs", "outputs"))
    values = _list(getattr(graph, name).tolist(), lambda: rng.randrange(len(graph.tensors)), rng)
    setattr(graph, name, np.array(values, np.int32))


def other_options(root: Any, rng: random.Random) -> None:
    """A number in the options of an operator is another."""
    from edgekit.tflite.flatbuffer import FIELDS

    operator = rng.choice(rng.choice(root.subgraphs).operators)
    options = operator.builtin_options or operator.builtin_options_2
    if options is not None and FIELDS[options.kind]:
        field = rng.choice(list(FIELDS[options.kind].values()))
        small = field.form == "scalar" and field.of in ("int8", "int32") and rng.random() < 0.7
        setattr(
            options, field.name, rng.randrange(-2, 7) if small else _value(field, getattr(options, field.name), rng)
        )


def other_names(root: Any, rng: random.Random) -> None:
    _tensor(root, rng).name = rng.choice((*TEXTS, _tensor(root, rng).name))


TFLITE_CHANGES: tuple[Callable[[Any, random.Random], None], ...] = (
    *(any_field, other_type, other_shape, other_shape, other_quantization, other_constant, other_constant),
    *(other_operator, other_operands, other_ends, other_options, other_options, other_names),
)


# --- ONNX: protobuf fields


def changed_onnx(content: bytes, rng: random.Random) -> bytes:
    """A file whose fields were changed; or whose bytes were."""
    import onnx

    if rng.random() < 0.2:
        return changed_bytes(content, rng)
    model = onnx.ModelProto.FromString(content)
    try:
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            rng.choice(ONNX_CHANGES)(model, rng)
        return model.SerializeToString()
    except (TypeError, ValueError, LookupError, AttributeError):
        return changed_bytes(content, rng)


def any_message_field(model: Any, rng: random.Random) -> None:
    """Any field of any message gets another value."""
    by_kind: dict[str, list[Any]] = {}
    for message in _messages(model):
        by_kind.setdefault(message.DESCRIPTOR.name, []).append(message)
    message = rng.choice(by_kind[rng.choice(sorted(by_kind))])
    field = rng.choice(message.DESCRIPTOR.fields)
    if field.is_repeated:
        _change_repeated(message, field, rng)
    elif field.message_type is not None:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _plain_value(field, rng))


def _messages(root: Any) -> Iterator[Any]:
    queue = [root]
    while queue:
        message = queue.pop()
        yield message
        for field, value in message.ListFields():
            if field.message_type is not None:
                queue += list(value) if field.is_repeated else [value]


def _change_repeated(message: Any, field: Any, rng: random.Random) -> None:
    values = getattr(message, field.name)
    at = rng.randrange(len(values)) if values else 0
    if field.message_type is not None:
        if values and rng.random() < 0.4:
            del values[at]
        elif values:
            values.add().CopyFrom(values[at])
        else:
            values.add()
    else:
        changed = _list(list(values), lambda: _plain_value(field, rng), rng)
        del values[:]
        values.extend(changed)


def _plain_value(field: Any, rng: random.Random) -> Any:
    kinds = {
        **dict.fromkeys((1, 2), lambda: rng.choice(REALS)),
        9: lambda: rng.choice(TEXTS),
        12: lambda: rng.randbytes(rng.choice((0, 1, 4, 8, 16))),
        8: lambda: rng.random() < 0.5,
        14: lambda: rng.choice(list(field.enum_type.values_by_number)) if field.enum_type else 0,
        5: lambda: _scalar("int32", rng),
        13: lambda: _scalar("uint32", rng),
        4: lambda: _scalar("uint64", rng),
    }
    return kinds.get(field.type, lambda: _scalar("int64", rng))()


def other_node(model: Any, rng: random.Random) -> None:
    """A node is of another type, twice there, or gone."""
    import onnx

    node = rng.choice(model.graph.node)
    match rng.randrange(4):
        case 0:
            model.graph.node.remove(node)
        case 1:
            model.graph.node.add().CopyFrom(node)
        case _:
            names = sorted({s.name for s in onnx.defs.get_all_schemas() if not s.domain})
            used = [n.op_type for n in model.graph.node]
            node.op_type = rng.choice(names if rng.random() < 0.7 else used)


def other_edges(model: Any, rng: random.Random) -> None:
    """A node reads or makes another value."""
    node = rng.choice(model.graph.node)
    known = [t.name for t in model.graph.initializer] + [v.name for v in model.graph.input]
    known += [name for n in model.graph.node for name in n.output] + [""]
    values = node.input if rng.random() < 0.8 else node.output
    changed = _list(list(values), lambda: rng.choice(known), rng)
    del values[:]
    values.extend(changed)


def other_attribute(model: Any, rng: random.Random) -> None:
    nodes = [n for n in model.graph.node if n.attribute]
    if not nodes:
        return
    node = rng.choice(nodes)
    attribute = rng.choice(node.attribute)
    if attribute.ints:
        small = rng.random() < 0.6
        changed = _list(list(attribute.ints), lambda: rng.randrange(-2, 8) if small else _scalar("int64", rng), rng)
        del attribute.ints[:]
        attribute.ints.extend(changed)
    elif attribute.HasField("f"):
        attribute.f = rng.choice(REALS)
    elif attribute.HasField("s"):
        words = (b"", b"linear", b"cubic", b"SAME_UPPER", b"VALID", b"reflect", b"edge", b"CRD", b"\xff\xfe")
        attribute.s = rng.choice(words)
    elif attribute.HasField("i"):
        attribute.i = rng.randrange(-3, 9) if rng.random() < 0.6 else _scalar("int64", rng)
    if rng.random() < 0.1:
        node.attribute.remove(attribute)


def other_initializer(model: Any, rng: random.Random) -> None:
    """A constant has another type, another shape, or other numbers; its bytes stay as many as it says."""
    from onnx import numpy_helper

    if not model.graph.initializer:
        return
    tensor = rng.choice(model.graph.initializer)
    array = numpy_helper.to_array(tensor)
    match rng.randrange(3):
        case 0:
            kinds = (np.float32, np.float16, np.float64, np.int8, np.uint8, np.int32, np.int64, np.bool_, np.int16)
            with np.errstate(all="ignore"):
                array = array.astype(rng.choice(kinds))
        case 1:
            shape = _list(list(array.shape), lambda: rng.choice(SIZES[:13]), rng)
            if np.prod(shape, dtype=np.float64) > 1 << 20:
                return
            array = np.resize(array, shape) if array.size else np.zeros(shape, array.dtype)
        case _ if array.size:
            array = array.copy()
            pool = REALS if array.dtype.kind == "f" else INTEGERS[:20]
            for _ in range(rng.choice((1, 1, array.size))):
                with np.errstate(all="ignore"):
                    array.flat[rng.randrange(array.size)] = np.asarray(rng.choice(pool)).astype(array.dtype)
    name = tensor.name
    tensor.CopyFrom(numpy_helper.from_array(array, name))


def other_ends_of_graph(model: Any, rng: random.Random) -> None:
    """An input has another type or shape, or an output is another value."""
    values = model.graph.input if rng.random() < 0.8 else model.graph.output
    if not values:
        return
    value = rng.choice(values)
    kind = value.type.tensor_type
    if rng.random() < 0.3:
        kind.elem_type = rng.randrange(0, 26)
    elif kind.shape.dim and rng.random() < 0.7:
        rng.choice(kind.shape.dim).dim_value = rng.choice(SIZES)
    elif rng.random() < 0.5:
        del kind.shape.dim[:]
        for _ in range(rng.randrange(6)):
            kind.shape.dim.add().dim_value = rng.choice(SIZES[:13])
    else:
        value.name = rng.choice([*TEXTS, *(name for n in model.graph.node for name in (*n.input, *n.output))])


def other_opset(model: Any, rng: random.Random) -> None:
    if model.opset_import:
        model.opset_import[0].version = rng.choice((*range(1, 27), *INTEGERS[:22]))


ONNX_CHANGES: tuple[Callable[[Any, random.Random], None], ...] = (
    *(any_message_field, any_message_field, other_node, other_node, other_edges, other_edges, other_attribute),
    *(other_attribute, other_initializer, other_initializer, other_ends_of_graph, other_opset),
)

CHANGES = {"tflite": changed_tflite, "onnx": changed_onnx}

"""FlatBuffers bytes become `Table`s and back, driven by the tables of edgekit.tflite.schema.

The bytes may come from anybody: every offset, length and vtable is checked against the file before it is used, what the
file only claims is never allocated, and the work is bounded by the size of the file. Refused, as ModelError: whatever
points outside the file, and parts that overlap. The format: flatbuffers.dev, "FlatBuffer internals".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import ModelError, UnsupportedError
from edgekit.tflite import schema

Array = npt.NDArray[Any]

SCALARS = {
    "bool": struct.Struct("<?"),
    "int8": struct.Struct("<b"),
    "uint8": struct.Struct("<B"),
    "int16": struct.Struct("<h"),
    "uint16": struct.Struct("<H"),
    "int32": struct.Struct("<i"),
    "uint32": struct.Struct("<I"),
    "int64": struct.Struct("<q"),
    "uint64": struct.Struct("<Q"),
    "float32": struct.Struct("<f"),
    "float64": struct.Struct("<d"),
}
DTYPES = {name: np.dtype(name).newbyteorder("<") for name in SCALARS}
OFFSET = SCALARS["uint32"]
# Tables, strings and vectors of one file, and the elements of vectors of tables. A tensor takes about 8, an operator 5:
# enough for 75,000 of each, and read in seconds.
PART_LIMIT = 1_000_000
FILE_LIMIT_BYTES = 1 << 31  # offsets are read as signed numbers by others
FILE_ALIGNMENT = 16


@dataclass(frozen=True)
class Field:
    """One field of a table. `form` is scalar, string, table, union, scalars or tables; `of` names the type inside."""

    name: str
    slot: int
    form: str
    of: str
    default: Any
    align: int = 4

    @property
    def width(self) -> int:
        """Bytes inside the table."""
        return SCALARS[self.of].size if self.form == "scalar" else OFFSET.size


def _field(slot: int, text: str) -> Field:
    name, _, rest = text.partition(": ")
    what, _, default = rest.partition(" = ")
    what, _, align = what.partition(" align ")
    inner = what.strip("[]")
    if what.startswith("["):
        if inner in schema.TABLES:
            return Field(name, slot, "tables", inner, ())
        empty = np.empty(0, DTYPES[inner])
        empty.flags.writeable = False
        return Field(name, slot, "scalars", inner, empty, max(4, int(align or 0), DTYPES[inner].itemsize))
    if what.startswith("union "):
        return Field(name, slot, "union", what.removeprefix("union "), None)
    if what in SCALARS:
        zero = SCALARS[what].unpack(bytes(8)[: SCALARS[what].size])[0]
        return Field(name, slot, "scalar", what, type(zero)(default == "True" or default) if default else zero)
    return Field(name, slot, "string" if what == "string" else "table", what, None)


FIELDS = {
    kind: {text.partition(":")[0]: _field(slot, text) for slot, text in enumerate(texts) if text != "-"}
    for kind, texts in schema.TABLES.items()
}


class Table:
    """One table: its `kind` and its fields as attributes. What a table does not hold reads as the schema's default:
    scalars as the number there, tables and strings as None, vectors as empty. Setting a union sets its number too."""

    kind: str

    def __init__(self, kind: str, **fields: Any) -> None:
        if kind not in FIELDS:
            raise TypeError(f"there is no table {kind}")
        self.__dict__["kind"] = kind
        for name, value in fields.items():
            setattr(self, name, value)

    def __getattr__(self, name: str) -> Any:
        return _known(self.__dict__.get("kind", ""), name, AttributeError).default

    def __setattr__(self, name: str, value: Any) -> None:
        field = _known(self.kind, name, TypeError)
        if value is None:
            self.__dict__.pop(name, None)
            return
        if field.form == "union":
            self.__dict__[f"{name}_type"] = _member(field, value)
        self.__dict__[name] = value

    def __repr__(self) -> str:
        return f"Table({self.kind!r}, {', '.join(f'{k}={v!r}' for k, v in present(self).items())})"


def _known(kind: str, name: str, error: type[Exception]) -> Field:
    field = FIELDS.get(kind, {}).get(name)
    if field is None:
        raise error(f"{kind or 'Table'} has no field {name}")
    return field


def _member(field: Field, value: Table) -> int:
    """The number of a table in a union."""
    for number, kind in _MEMBERS[field.of].items():
        if kind == value.kind:
            return number
    raise TypeError(f"{field.name} holds {field.of}, got {value.kind}")


def present(table: Table) -> dict[str, Any]:
    """The fields that a table really holds."""
    return {name: value for name, value in table.__dict__.items() if name != "kind"}


def decode(content: bytes, root: str = "Model") -> Table:
    """The root table with all that it holds. Vectors of numbers are read-only, and views of `content` where aligned.

    A table that several others point to is one object. A union of an unknown type is None. Raises ModelError.
    """
    reader = _Reader(content)
    return reader.table(root, reader.target(0))


def encode(table: Table, identifier: bytes = b"TFL3") -> bytes:
    """The file of a root table. Defaults are left out, equal parts written once, and equal tables give equal bytes.

    Raises UnsupportedError above 2 GiB; TypeError, ValueError or struct.error for values that the schema cannot hold.
    """
    writer = _Writer()
    root = writer.table(table)
    writer.place(lambda start: OFFSET.pack(start - root) + identifier, 8, FILE_ALIGNMENT, lead=0)
    return writer.content()


class _Reader:
    """Reads parts at positions of the file, each at most once.

    left     bytes that parts may still claim. Parts of a sound file do not overlap, so the file's size would do; twice
             that lets writers share a little more than we know of
    count    parts so far, and elements of vectors of tables
    parts    what was read, by type and position
    layouts  where a vtable places the fields of a kind of table
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.left = 2 * len(content)
        self.count = 0
        self.parts: dict[tuple[str, int], Any] = {}
        self.layouts: dict[tuple[str, int], tuple[int, list[tuple[Field, int]]]] = {}

    def table(self, kind: str, at: int) -> Table:
        return self._once(kind, at, self._table)  # type: ignore[no-any-return]

    def target(self, at: int) -> int:
        """What the offset at a position points to."""
        offset = self.number("uint32", at)
        if offset == 0:
            raise _broken(f"the offset at byte {at} is 0")
        return at + int(offset)

    def number(self, scalar: str, at: int) -> Any:
        form = SCALARS[scalar]
        if not 0 <= at <= len(self.content) - form.size:
            raise _broken(f"it points to byte {at} of {len(self.content)}")
        return form.unpack_from(self.content, at)[0]

    def _once(self, what: str, at: int, read: Callable[[str, int], Any]) -> Any:
        key = (what, at)
        if key not in self.parts:
            self.parts[key] = read(what, at)
        return self.parts[key]

    def _claim(self, at: int, size: int, elements: int = 0) -> None:
        """A part takes these bytes of the file, and points to so many others."""
        if not 0 <= at <= len(self.content) - size:
            raise _broken(f"a part of {size} bytes begins at byte {at} of {len(self.content)}")
        self.left -= size
        self.count += 1 + elements
        if self.left < 0:
            raise _broken("its parts overlap")
        if self.count > PART_LIMIT:
            raise _broken(f"it has over {PART_LIMIT} parts")

    def _table(self, kind: str, at: int) -> Table:
        size, places = self._layout(kind, at - self.number("int32", at))
        self._claim(at, size)
        values: dict[str, Any] = {"kind": kind}
        for field, offset in places:
            value = _READ[field.form](self, field, at + offset, values)
            if value is not None:
                values[field.name] = value
        table = Table.__new__(Table)  # the names come from the schema: nothing to check
        table.__dict__.update(values)
        return table

    def _layout(self, kind: str, vtable: int) -> tuple[int, list[tuple[Field, int]]]:
        """Size of a table and the fields in it with their offsets, from its vtable."""
        if (kind, vtable) not in self.layouts:
            self.layouts[kind, vtable] = self._read_layout(kind, vtable)
        return self.layouts[kind, vtable]

    def _read_layout(self, kind: str, vtable: int) -> tuple[int, list[tuple[Field, int]]]:
        length, size = self.number("uint16", vtable), self.number("uint16", vtable + 2)
        if length < 4 or length % 2 or vtable + length > len(self.content) or size < 4:
            raise _broken(f"the vtable at byte {vtable} claims {length} bytes, and {size} for its table")
        places = []
        for field in FIELDS[kind].values():
            entry = 4 + 2 * field.slot
            offset = self.number("uint16", vtable + entry) if entry < length else 0
            if offset and not 4 <= offset <= size - field.width:
                raise _broken(f"{kind}.{field.name} lies at byte {offset} of a table of {size} bytes")
            if offset:
                places.append((field, offset))
        return size, places

    def scalar(self, field: Field, at: int, _: Mapping[str, Any]) -> Any:
        return SCALARS[field.of].unpack_from(self.content, at)[0]  # inside a table that was claimed

    def child(self, field: Field, at: int, _: Mapping[str, Any]) -> Table:
        return self.table(field.of, self.target(at))

    def union(self, field: Field, at: int, values: Mapping[str, Any]) -> Table | None:
        kind = _MEMBERS[field.of].get(values.get(f"{field.name}_type", 0))
        return self.table(kind, self.target(at)) if kind else None

    def string(self, _: Field, at: int, __: Mapping[str, Any]) -> str:
        return self._once("string", self.target(at), self._string)  # type: ignore[no-any-return]

    def scalars(self, field: Field, at: int, _: Mapping[str, Any]) -> Array:
        return self._once(f"[{field.of}]", self.target(at), self._scalars)  # type: ignore[no-any-return]

    def children(self, field: Field, at: int, _: Mapping[str, Any]) -> tuple[Table, ...]:
        return self._once(f"[{field.of}]", self.target(at), self._tables)  # type: ignore[no-any-return]

    def _string(self, _: str, at: int) -> str:
        length = self.number("uint32", at)
        self._claim(at, 4 + length)
        return self.content[at + 4 : at + 4 + length].decode("utf-8", errors="replace")

    def _scalars(self, what: str, at: int) -> Array:
        dtype = DTYPES[what.strip("[]")]
        count = self.number("uint32", at)
        self._claim(at, 4 + count * dtype.itemsize)
        if dtype == np.bool_:  # bytes other than 0 and 1 make no sound booleans
            array: Array = np.frombuffer(self.content, np.uint8, count, at + 4) != 0
        else:
            array = np.frombuffer(self.content, dtype, count, at + 4)
        array = array if array.flags.aligned else array.copy()
        array.flags.writeable = False
        return array

    def _tables(self, what: str, at: int) -> tuple[Table, ...]:
        kind = what.strip("[]")
        count = self.number("uint32", at)
        self._claim(at, 4 + 4 * count, count)
        return tuple(self.table(kind, self.target(at + 4 + 4 * i)) for i in range(count))


_READ: dict[str, Callable[[_Reader, Field, int, Mapping[str, Any]], Any]] = {
    "scalar": _Reader.scalar,
    "string": _Reader.string,
    "table": _Reader.child,
    "union": _Reader.union,
    "scalars": _Reader.scalars,
    "tables": _Reader.children,
}
_MEMBERS: dict[str, dict[int, str]] = {
    union: {int(member): member.name for member in getattr(schema, union) if member}
    for union in {f.of for fields in FIELDS.values() for f in fields.values() if f.form == "union"}
}


def _broken(reason: str) -> ModelError:
    return ModelError(f"the TFLite file is broken: {reason}", hint="get the file again, or convert it again")


class _Writer:
    """Builds the file from its end to its beginning, because offsets only point forward: children come before parents.

    A place is the distance of a part's first byte from the end of the file.
    """

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.size = 0
        self.places: dict[Any, int] = {}  # equal parts are written once

    def content(self) -> bytes:
        return b"".join(reversed(self.chunks))

    def place(self, body: Callable[[int], bytes], size: int, align: int, lead: int = 4) -> int:
        """Puts `body(start)` of `size` bytes before all others; what follows its first `lead` bytes is aligned."""
        padding = -(self.size + size - lead) % align
        start = self.size + padding + size
        if start >= FILE_LIMIT_BYTES:
            raise UnsupportedError(f"the TFLite file would have over {start} bytes; {FILE_LIMIT_BYTES - 1} are allowed")
        self.chunks += [bytes(padding), body(start)]
        self.size = start
        return start

    def shared(self, body: bytes, align: int) -> int:
        if (body, align) not in self.places:
            self.places[body, align] = self.place(lambda _: body, len(body), align)
        return self.places[body, align]

    def table(self, table: Table) -> int:
        """Places what the table holds, then its vtable, then itself."""
        values = present(table)
        fields = [f for f in FIELDS[table.kind].values() if f.name in values and not _is_default(f, values[f.name])]
        # Wide fields first: no gaps
        parts = [(f, self.value(f, values[f.name])) for f in sorted(fields, key=lambda f: (-f.width, f.slot))]
        offsets, size = {}, 4
        for field, _ in parts:
            offsets[field.slot] = size
            size += field.width
        slots = [offsets.get(slot, 0) for slot in range(max(offsets, default=-1) + 1)]
        vtable = self.shared(struct.pack(f"<{2 + len(slots)}H", 4 + 2 * len(slots), size, *slots), 2)
        key = ("table", vtable, *(part for _, part in parts))

        def body(start: int) -> bytes:
            places = (start - offsets[field.slot] for field, _ in parts)
            inside = (
                p if isinstance(p, bytes) else OFFSET.pack(place - p)
                for place, (_, p) in zip(places, parts, strict=True)
            )
            return SCALARS["int32"].pack(vtable - start) + b"".join(inside)

        if key not in self.places:
            self.places[key] = self.place(body, size, max((4, *(f.width for f in fields))))
        return self.places[key]

    def value(self, field: Field, value: Any) -> bytes | int:
        """The bytes of a scalar, or the place of what the table points to."""
        if field.form == "scalar":
            return SCALARS[field.of].pack(value)
        if field.form == "string":
            text = value.encode("utf-8", errors="replace")
            return self.shared(OFFSET.pack(len(text)) + text + b"\0", 4)
        if field.form == "scalars":
            data = _numbers(field, value)
            return self.shared(OFFSET.pack(data.size) + data.tobytes(), field.align)
        for child in value if field.form == "tables" else (value,):
            if field.form != "union" and child.kind != field.of:
                raise TypeError(f"{field.name} holds {field.of}, got {child.kind}")
        return self.tables(value) if field.form == "tables" else self.table(value)

    def tables(self, tables: tuple[Table, ...]) -> int:
        children = tuple(self.table(t) for t in tables)

        def body(start: int) -> bytes:
            offsets = (start - 4 - 4 * i - child for i, child in enumerate(children))
            return struct.pack(f"<{1 + len(children)}I", len(children), *offsets)

        key = ("tables", *children)
        if key not in self.places:
            self.places[key] = self.place(body, 4 + 4 * len(children), 4)
        return self.places[key]


def _is_default(field: Field, value: Any) -> bool:
    return field.form == "scalar" and bool(value == field.default)


def _numbers(field: Field, value: Any) -> Array:
    """A vector's values in its own type. Integers that do not fit are a bug: ValueError."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = np.frombuffer(value, np.uint8)
    given, dtype = np.asarray(value), DTYPES[field.of]
    array: Array = given.astype(dtype, copy=False)
    if given.dtype != dtype and dtype.kind in "iu" and not np.array_equal(array, given):
        raise ValueError(f"{field.name} is a vector of {field.of}, got other numbers ({given.dtype})")
    return array

"""A model that edgekit compiled to a library → `Model` for boards without NumPy, and what runtimes.py needs of it.

Inputs are float32 in any container: bytes, array.array, memoryview, lists, NumPy arrays; outputs are memoryviews of
the same shape as with the other runtimes (`y.tolist()`). Refused as there: another shape or kind of number, NaN and
infinity.
"""

from __future__ import annotations

import ctypes
import os
import struct
from array import array

from edgekit_runtime import description
from edgekit_runtime.description import LoadError, Value

_DTYPES = ("int8", "uint8", "int16", "int32", "int64", "float32", "bool")  # in the order of ek_dtype (edgekit.h)
_CODES = {"int8": "b", "uint8": "B", "int16": "h", "int32": "i", "int64": "q", "float32": "f", "bool": "B"}
_GOLDEN_HEAD = struct.Struct("<8sII64s")
_OUT_OF_RANGE = 1


class _Value(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("dtype", ctypes.c_int), ("rank", ctypes.c_int32),
        ("shape", ctypes.POINTER(ctypes.c_int32)), ("bytes", ctypes.c_int32), ("offset", ctypes.c_int32),
        ("scale", ctypes.c_float), ("zero_point", ctypes.c_int32),
    ]  # fmt: skip


class _Model(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("arena_bytes", ctypes.c_int32), ("input_count", ctypes.c_int32),
        ("inputs", ctypes.POINTER(_Value)), ("output_count", ctypes.c_int32), ("outputs", ctypes.POINTER(_Value)),
        ("init", ctypes.CFUNCTYPE(None, ctypes.c_void_p)), ("invoke", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)),
    ]  # fmt: skip


class _View(ctypes.Structure):
    _fields_ = [
        ("tolerance", ctypes.c_double), ("rank", ctypes.c_int32),
        ("app_shape", ctypes.POINTER(ctypes.c_int32)), ("permutation", ctypes.POINTER(ctypes.c_int32)),
    ]  # fmt: skip


class _Native(ctypes.Structure):
    _fields_ = [
        ("model", ctypes.POINTER(_Model)), ("version", ctypes.c_char_p), ("precision", ctypes.c_char_p),
        ("built_for", ctypes.c_char_p), ("inputs", ctypes.POINTER(_View)), ("outputs", ctypes.POINTER(_View)),
    ]  # fmt: skip


class End:
    """An input or output: its place in the arena, and an application's array to and from it."""

    def __init__(self, library, value: _Value, view: _View, arena: int) -> None:
        self._library, self._value, self._view = library, value, view
        self._at = arena + value.offset
        self.bytes = value.bytes
        self.value = _described(value, view)
        self.code = "f" if self.value.scale is not None else _CODES[self.value.dtype]

    @property
    def app_bytes(self) -> int:
        return _product(self.value.app_shape) * struct.calcsize(self.code)

    def write(self, app) -> None:
        """From a buffer of `app_bytes`; ValueError for NaN and infinity."""
        buffer = (ctypes.c_char * self.app_bytes).from_buffer_copy(app)
        if not self._library.edgekit_write(ctypes.byref(self._value), ctypes.byref(self._view), buffer, self._at):
            raise ValueError(f"input {self.value.name}: contains NaN or infinity, expected finite numbers")

    def read(self) -> memoryview:
        return self._to_app(self._at)

    def app_of(self, stored: bytes) -> memoryview:
        """The application's array of what the model stores."""
        return self._to_app(ctypes.create_string_buffer(stored, len(stored)))

    def _to_app(self, stored) -> memoryview:
        app = bytearray(self.app_bytes)
        buffer = (ctypes.c_char * len(app)).from_buffer(app)
        self._library.edgekit_read(ctypes.byref(self._value), ctypes.byref(self._view), stored, buffer)
        return shaped(app, self.code, self.value.app_shape)

    def write_raw(self, stored) -> None:
        ctypes.memmove(self._at, bytes(stored), self.bytes)

    def read_raw(self) -> bytes:
        return ctypes.string_at(self._at, self.bytes)


class Library:
    """A loaded library and the memory of one model. Not for two threads at once. Raises LoadError."""

    def __init__(self, path: str) -> None:
        try:
            self._library = ctypes.CDLL(path)
            self._library.edgekit_native.restype = ctypes.POINTER(_Native)
        except (OSError, AttributeError) as e:  # another CPU or ABI; a file that is none of edgekit's
            raise LoadError(f"{path}: {e}") from e
        self._library.edgekit_write.argtypes = [ctypes.c_void_p] * 4
        self._library.edgekit_read.argtypes = [ctypes.c_void_p] * 4
        native = self._library.edgekit_native().contents
        self._model = native.model.contents
        self._memory = (ctypes.c_uint64 * (self._model.arena_bytes // 8 + 1))()  # at a multiple of 8
        self._arena = ctypes.addressof(self._memory)
        self.version, self.built_for = native.version.decode(), native.built_for.decode()
        self.inputs = self._ends(self._model.inputs, native.inputs, self._model.input_count)
        self.outputs = self._ends(self._model.outputs, native.outputs, self._model.output_count)
        self._model.init(self._arena)

    def _ends(self, values, views, count: int) -> list[End]:
        return [End(self._library, values[i], views[i], self._arena) for i in range(count)]

    def invoke(self) -> None:
        """One inference. IndexError where the model computed an index outside of its table."""
        if self._model.invoke(self._arena) == _OUT_OF_RANGE:
            raise IndexError("an index that the model computed lies outside of its table")

    def reset(self) -> None:
        """Forget what earlier inferences left behind."""
        self._model.init(self._arena)


class Model:
    """A deployed native model, loaded once; as edgekit_runtime.model.Model, but for NumPy.

    `threads` and `runtime` are there for the sake of that one: this has one thread and is its own runtime.
    """

    def __init__(self, path, *, threads: int | None = None, runtime: str | None = None, verify: bool = True) -> None:
        self.description = description.read(path)
        if not self.description.file.endswith(".so") or runtime not in (None, "native"):
            raise LoadError(f"{self.description.file}: without NumPy only native models run here")
        if verify:
            description.verify(self.description)
        self.folder = self.description.folder
        self.threads = 1
        self._library = Library(self.description.model_path)
        self.inputs, self.outputs = self.description.inputs, self.description.outputs
        check(self.description, self._library)
        self.runtime = ("native", self._library.version, ())

    def __call__(self, *arrays, **named):
        """Run once: `m(x)`, `m(x, state)`, `m({"x": x})` or `m(x=x)`; one memoryview, or a tuple of them."""
        for end, x in zip(self._library.inputs, self._in_order(arrays, named)):
            end.write(packed(end.value, end.code, x))
        self._library.invoke()
        return _result([end.read() for end in self._library.outputs])

    def raw(self, *arrays, **named):
        """Run once on bytes of exactly what the model stores; the outputs are memoryviews of the same kind."""
        for end, x in zip(self._library.inputs, self._in_order(arrays, named)):
            content = _view(end.value, x).tobytes()
            if len(content) != end.bytes:
                raise ValueError(f"input {end.value.name}: {len(content)} bytes, expected {end.bytes}")
            end.write_raw(content)
        self._library.invoke()
        return _result([shaped(e.read_raw(), _CODES[e.value.dtype], e.value.shape) for e in self._library.outputs])

    def golden(self):
        """Yields (inputs, outputs) of each golden sample as dicts by name, in real values. Raises LoadError."""
        yield from golden(self.description, self._library)

    def example(self):
        """The first golden input; `m(m.example())` runs."""
        inputs, _ = next(self.golden())
        return inputs[self.inputs[0].name] if len(self.inputs) == 1 else inputs

    def _in_order(self, arrays, named):
        if len(arrays) == 1 and isinstance(arrays[0], dict):
            arrays, named = (), {**arrays[0], **named}
        names = [v.name for v in self.inputs]
        if arrays and not named and len(arrays) == len(names):
            return arrays
        if not arrays and len(named) == len(names) and all(n in named for n in names):
            return [named[n] for n in names]
        got = sorted(named) if named else f"{len(arrays)} arrays"
        raise ValueError(f"inputs: got {got}, expected {names}")


def check(described: description.Description, library: Library) -> None:
    """LoadError unless the library holds what model.json says."""
    for kind, values, ends in (
        ("inputs", described.inputs, library.inputs),
        ("outputs", described.outputs, library.outputs),
    ):
        want, got = [(v.shape, v.dtype) for v in values], [(e.value.shape, e.value.dtype) for e in ends]
        if want != got:
            raise LoadError(f"model.json describes {kind} {want}, the library has {got}")


def golden(described: description.Description, library: Library):
    """(inputs, outputs) of each sample of golden.raw (runtime/c/ports/linux/golden.h) as dicts by name."""
    path = os.path.join(described.folder, described.golden or "")
    try:
        with open(path, "rb") as f:
            content = f.read()
        magic, count, _, _ = _GOLDEN_HEAD.unpack_from(content)
    except (OSError, struct.error) as e:
        raise LoadError(f"{path}: {e}") from e
    sample_bytes = sum(e.bytes for e in library.inputs) + sum(e.app_bytes for e in library.outputs)
    if magic != b"EKGOLD1\0" or len(content) != _GOLDEN_HEAD.size + count * sample_bytes:
        raise LoadError(f"{path}: golden data of another model; deploy again")
    at = _GOLDEN_HEAD.size
    for _ in range(count):
        inputs, outputs = {}, {}
        for value, end in zip(described.inputs, library.inputs):
            inputs[value.name] = end.app_of(content[at : at + end.bytes])
            at += end.bytes
        for value, end in zip(described.outputs, library.outputs):
            outputs[value.name] = shaped(content[at : at + end.app_bytes], end.code, end.value.app_shape)
            at += end.app_bytes
        yield inputs, outputs


def packed(value: Value, code: str, x):
    """What an application gives, as a flat buffer of the numbers that `code` names. Raises ValueError."""
    count = _product(value.app_shape)
    if isinstance(x, (bytes, bytearray)):
        return _of_size(value, memoryview(x), count * struct.calcsize(code))
    if isinstance(x, (list, tuple)):
        return _from_lists(value, code, x)
    view = _view(value, x)
    if tuple(view.shape) not in (value.app_shape, (count,)):
        raise ValueError(f"input {value.name}: shape {tuple(view.shape)}, expected {value.app_shape}")
    kind = view.format.lstrip("<=@")
    if kind == code or (code == "B" and kind == "?") or (code == "q" and kind == "l" and view.itemsize == 8):
        return view if view.c_contiguous else view.tobytes()
    numbers = x.tolist() if hasattr(x, "tolist") else view.tolist()  # a memoryview has no float16 and no byte order
    return _from_lists(value, code, _flat(numbers), given=kind.lstrip(">!"))


def _view(value: Value, x) -> memoryview:
    try:
        return memoryview(x)
    except (TypeError, ValueError) as e:
        got = type(x).__name__
        raise ValueError(f"input {value.name}: got {got}, expected an array or lists of numbers") from e


def _of_size(value: Value, view: memoryview, size: int) -> memoryview:
    if view.nbytes != size:
        raise ValueError(f"input {value.name}: {view.nbytes} bytes, expected {size}: float32 or the model's integers")
    return view


def _from_lists(value: Value, code: str, x, given: str = "") -> array:
    if given and (given in "fde") != (code == "f"):
        raise ValueError(f"input {value.name}: numbers of type {given!r}, expected {code!r}; scale it as in training")
    flat = _flat(x)
    if len(flat) != _product(value.app_shape) or not (given or _shape(x) in (value.app_shape, (len(flat),))):
        raise ValueError(f"input {value.name}: shape {_shape(x)}, expected {value.app_shape}")
    try:
        return array(code, flat)
    except (TypeError, OverflowError) as e:
        raise ValueError(f"input {value.name}: {e}") from e


def _flat(x) -> list:
    if not isinstance(x, (list, tuple)):
        return [x]
    return [number for part in x for number in _flat(part)] if x and isinstance(x[0], (list, tuple)) else list(x)


def _shape(x) -> tuple[int, ...]:
    return (len(x), *(_shape(x[0]) if len(x) else ())) if isinstance(x, (list, tuple)) else ()


def shaped(content, code: str, shape: tuple[int, ...]) -> memoryview:
    """`content` as numbers of a shape; one number where it has no dimensions."""
    flat = memoryview(content)
    return flat.cast(code, shape) if shape and all(shape) else flat.cast(code)


def _product(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _described(value: _Value, view: _View) -> Value:
    quantized = value.scale > 0
    return Value(
        name=value.name.decode("utf-8", "replace"),
        shape=tuple(value.shape[i] for i in range(value.rank)),
        dtype=_DTYPES[value.dtype],
        scale=value.scale if quantized else None,
        zero_point=value.zero_point if quantized else None,
        tolerance=None if view.tolerance < 0 else view.tolerance,
        permutation=tuple(view.permutation[i] for i in range(view.rank)) if view.permutation else None,
        app_shape=tuple(view.app_shape[i] for i in range(view.rank)),
    )


def _result(outputs):
    return outputs[0] if len(outputs) == 1 else tuple(outputs)

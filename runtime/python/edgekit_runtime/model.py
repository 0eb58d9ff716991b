"""A release folder → `Model`: real values in, real values out; model.json says how the file's own arrays differ.

They may be integers (quantized and dequantized here) and lie in memory in another order (NHWC files of NCHW models): an
app gives and gets the same arrays whichever file and runtime it was deployed with.

Refuses inputs of another name, shape or kind of number, NaN and infinity: a silent conversion there is a wrong answer
later.
"""

from __future__ import annotations

import os

import numpy as np

from edgekit_runtime import board, description, runtimes
from edgekit_runtime.description import Value


class Model:
    """A deployed model, loaded once.

    `path` is a release folder (…/current), a model folder or a model.json; links are resolved here and never again, so
    that a later switch of `current` does not mix two releases. `threads` defaults to the number of big cores, `runtime`
    to the first that can load the file. `verify=False` skips the sha256 check of the model file. Raises LoadError.

    Attributes: `inputs`, `outputs` (of each value: name, app_shape; shape, dtype, scale, zero_point, permutation of the
    file), `runtime` (name, version, providers), `threads`, `folder`, `description`.
    """

    def __init__(self, path, *, threads: int | None = None, runtime: str | None = None, verify: bool = True) -> None:
        self.description = description.read(path)
        if verify:
            description.verify(self.description)
        self.threads = threads or board.System().big_cores()
        self._interpreter = runtimes.build(self.description, self.threads, runtime)
        self.threads = getattr(self._interpreter, "threads", self.threads)
        self.folder = self.description.folder
        self.inputs = self.description.inputs
        self.outputs = self.description.outputs
        self.runtime = self._interpreter.runtime
        self._quantize_tables = {v.name: _limits(v) for v in self.inputs if v.scale is not None}

    def __call__(self, *arrays, **named):
        """Run once: `m(x)`, `m(x, state)`, `m({"x": x})` or `m(x=x)`, arrays of the `app_shape` of `m.inputs`.

        Inputs that stand for real values are floating point and come out as float32 arrays, whatever type the model
        computes in; integer inputs without a scale (token ids, a sample rate) are integers. Returns one array for a
        model with one output, else a tuple in the order of `m.outputs`. Raises ValueError for inputs that do not match.
        """
        ready = [_to_file(v, self._to_type(v, x)) for v, x in zip(self.inputs, self._in_order(arrays, named))]
        return _result([_to_app(v, _to_real(v, y)) for v, y in zip(self.outputs, self._interpreter.run(ready))])

    def raw(self, *arrays, **named):
        """Run once on arrays of exactly the file's types and shapes, as the outputs are. Arguments as for a call."""
        ready = [_exactly(v, x) for v, x in zip(self.inputs, self._in_order(arrays, named))]
        return _result(self._interpreter.run(ready))

    def golden(self):
        """Yields (inputs, outputs) of each golden sample as dicts by name, in real values. Raises LoadError."""
        for sample in range(self._golden_samples()):
            yield (
                {v.name: self._golden["input." + v.name][sample] for v in self.inputs},
                {v.name: _to_real(v, self._golden["output." + v.name][sample]) for v in self.outputs},
            )

    def example(self):
        """The first golden input: an array, or a dict by name where there are several; `m(m.example())` runs."""
        inputs, _ = next(self.golden())
        return inputs[self.inputs[0].name] if len(self.inputs) == 1 else inputs

    def _golden_samples(self) -> int:
        if not hasattr(self, "_golden"):
            library = getattr(self._interpreter, "library", None)
            self._golden = _native_golden(self.description, library) if library else _load_golden(self.description)
        return min(len(array) for array in self._golden.values())

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

    def _to_type(self, value: Value, x) -> np.ndarray:
        """An app's array in the type of the file."""
        if value.scale is None and value.dtype[0] != "f":
            return _integers(value, x)
        x = _reals(value, x)
        if value.scale is None:
            return x if value.dtype == "float32" else _finite(value, _quietly(x, value.dtype))
        low, high = self._quantize_tables[value.name]
        q = np.rint(x / np.float32(value.scale))
        q += value.zero_point
        return np.clip(q, low, high, out=q).astype(value.dtype)


def _limits(value: Value) -> tuple[int, int]:
    info = np.iinfo(value.dtype)
    return int(info.min), int(info.max)


def _reals(value: Value, x) -> np.ndarray:
    x = np.asarray(x)
    if x.dtype.kind != "f":
        raise ValueError(
            f"input {value.name}: dtype {x.dtype}, expected float32; scale it as in training (often x / 255)"
        )
    _check_shape(value, x, value.app_shape)
    return _finite(value, _quietly(x, np.float32))


def _quietly(x: np.ndarray, dtype) -> np.ndarray:
    """`x` in another type of number; what overflows there becomes infinite and is refused next, so no warning."""
    if x.dtype == dtype and x.flags.c_contiguous:
        return x
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(x, dtype).reshape(x.shape)


def _finite(value: Value, x: np.ndarray) -> np.ndarray:
    """`x`, or ValueError where it holds NaN or infinity: as given, or too large for its type."""
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        kind = "NaN" if np.isnan(x).any() else f"infinity (or values too large for {x.dtype})"
        raise ValueError(f"input {value.name}: contains {kind}, expected finite numbers")
    return x


def _integers(value: Value, x) -> np.ndarray:
    x = np.asarray(x)
    want = np.dtype(value.dtype)
    if x.dtype.kind not in "iub":
        raise ValueError(f"input {value.name}: dtype {x.dtype}, expected {value.dtype}")
    _check_shape(value, x, value.app_shape)
    converted = np.ascontiguousarray(x, want).reshape(x.shape)
    if x.dtype != want and not np.array_equal(converted, x):
        raise ValueError(f"input {value.name}: values {x.min()} to {x.max()} do not fit into {value.dtype}")
    return converted


def _exactly(value: Value, x) -> np.ndarray:
    x = np.asarray(x)
    if x.dtype.name != value.dtype:
        raise ValueError(f"input {value.name}: dtype {x.dtype}, expected {value.dtype}, the model's own type")
    _check_shape(value, x, value.shape)
    return _finite(value, np.ascontiguousarray(x).reshape(x.shape))


def _check_shape(value: Value, x: np.ndarray, expected: tuple[int, ...]) -> None:
    if x.shape != expected:
        raise ValueError(f"input {value.name}: shape {x.shape}, expected {expected}")


def _to_file(value: Value, x: np.ndarray) -> np.ndarray:
    """An app's array in the order and shape of the file's."""
    if value.permutation is not None:
        x = x.transpose(value.permutation)
    return x if x.shape == value.shape and x.flags.c_contiguous else np.ascontiguousarray(x).reshape(value.shape)


def _to_app(value: Value, y: np.ndarray) -> np.ndarray:
    """The file's output in the order and shape of an app's."""
    if value.permutation is None:
        return y if y.shape == value.app_shape else y.reshape(value.app_shape)
    inverse = np.argsort(value.permutation)
    transposed = y.reshape([value.app_shape[axis] for axis in value.permutation]).transpose(inverse)
    return np.ascontiguousarray(transposed)


def _to_real(value: Value, y) -> np.ndarray:
    y = np.asarray(y)
    if value.scale is not None and y.dtype.kind != "f":
        return (y.astype(np.float32) - np.float32(value.zero_point)) * np.float32(value.scale)
    return y.astype(np.float32) if y.dtype.kind == "f" and y.dtype != np.float32 else y


def _result(outputs):
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _native_golden(described: description.Description, library) -> dict:
    from edgekit_runtime import native

    rows = [{"input": inputs, "output": outputs} for inputs, outputs in native.golden(described, library)]
    names = [("input", v.name) for v in described.inputs] + [("output", v.name) for v in described.outputs]
    return {f"{kind}.{name}": np.stack([np.asarray(row[kind][name]) for row in rows]) for kind, name in names}


def _load_golden(described: description.Description) -> dict:
    if described.golden is None:
        raise description.LoadError(f"{described.folder}: model.json names no golden data; convert the model again")
    path = os.path.join(described.folder, described.golden)
    keys = ["input." + v.name for v in described.inputs] + ["output." + v.name for v in described.outputs]
    try:
        with np.load(path, allow_pickle=False) as npz:
            arrays = {key: npz[key] for key in keys}
    except Exception as e:  # zip, zlib and NumPy each have errors of their own for a damaged file
        raise description.LoadError(f"{path}: {type(e).__name__}: {e}") from e
    values = dict(zip(keys, described.inputs + described.outputs))
    wrong = [f"{k} {a.shape}" for k, a in arrays.items() if a.shape[1:] != values[k].app_shape or len(a) == 0]
    if wrong:
        raise description.LoadError(f"{path}: shape of {', '.join(wrong)}, expected (samples, *shape of the value)")
    return arrays

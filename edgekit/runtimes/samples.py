"""Arrays of somebody's .npz ↔ the samples of a model: checked against its inputs, cut into runs, and joined again.

Refused, all arrays at once: other names, shapes and counts, numbers of another kind than the input's own (a float array
for an int8 input: the message says how to quantize it), integers and floats that do not fit into its type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from edgekit.errors import ModelError, did_you_mean
from edgekit.runtimes.session import Array, Value


def samples(given: Mapping[str, Array], inputs: Sequence[Value]) -> list[dict[str, Array]]:
    """One dict of arrays per sample, each array of its input's type and shape. Raises ModelError.

    given: by input name (any name where the model has one input), of shape (n, *shape), or (n, *shape[1:]) where the
    model's own first dimension is 1 or free.
    """
    arrays = _by_name(given, inputs)
    problems = {v.name: p for v in inputs if (p := _problem(v, arrays[v.name]))}
    if problems:
        wrong = [v for v in inputs if v.name in problems]
        text = "; ".join(f'input "{v.name}" {problems[v.name]}, wanted {_wanted(v)}' for v in wrong)
        ways = [way for v in wrong for way in _ways(v, arrays[v.name])]
        raise ModelError(text, hint="; ".join(ways) or "give arrays in the model's own types, first axis = samples")
    batches = {v.name: _batch(v, arrays[v.name]).astype(v.dtype, copy=False) for v in inputs}
    counts = {name: len(batch) for name, batch in batches.items()}
    if len(set(counts.values())) != 1 or not all(counts.values()):
        raise ModelError(f"samples (first axis): {counts}", hint="every input needs the same number, at least one")
    return [{name: batch[i] for name, batch in batches.items()} for i in range(next(iter(counts.values())))]


def joined(answers: Iterable[Mapping[str, Array]]) -> dict[str, Array]:
    """Outputs of single runs as arrays of shape (n, *shape). Raises ModelError where their shapes differ."""
    rows = list(answers)
    shapes = {name: sorted({row[name].shape for row in rows}) for name in rows[0]}
    uneven = [f'"{name}" {found[:3]}' for name, found in shapes.items() if len(found) > 1]
    if uneven:
        raise ModelError(f"outputs of other shapes from one sample to the next: {', '.join(uneven)}")
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _by_name(given: Mapping[str, Array], inputs: Sequence[Value]) -> dict[str, Array]:
    names = [v.name for v in inputs]
    golden = all(name.startswith(("input.", "output.")) for name in given)  # as a build folder has them
    if golden and not set(names) <= set(given):
        given = {name.removeprefix("input."): array for name, array in given.items() if name.startswith("input.")}
    if len(names) == len(given) == 1:
        return {names[0]: next(iter(given.values()))}
    if set(given) != set(names):
        missing = [name for name in names if name not in given]
        unknown = [name for name in given if name not in names]
        hint = did_you_mean(unknown[0], names) if unknown else f"the inputs: {', '.join(map(str, names))}"
        raise ModelError(f"arrays by input name: missing {missing}, not known {unknown}", hint=hint)
    return dict(given)


def _problem(value: Value, array: Array) -> str | None:
    """What is wrong with an array; None if nothing is."""
    want = np.dtype(value.dtype)
    if _batch_or_none(value, array) is None:
        return f"has the shape {list(array.shape)}"
    if (array.dtype.kind == "f") != (want.kind == "f") or array.dtype.kind not in "fiub":
        return f"is {array.dtype}"
    if not array.size or array.dtype == want:
        return None
    low, high = array.min(), array.max()
    if want.kind == "f":
        with np.errstate(over="ignore"):
            lost = np.isfinite(array).all() and not np.isfinite(array.astype(want)).all()
        return f"has values from {low:g} to {high:g}" if lost else None
    smallest, largest = (0, 1) if want.kind == "b" else (np.iinfo(want).min, np.iinfo(want).max)
    return None if smallest <= low and high <= largest else f"has values from {low} to {high}"


def _wanted(value: Value) -> str:
    own = "".join(", ?" if d is None else f", {d}" for d in value.shape)
    quant = "" if value.scale is None else f" with scale {np.float32(value.scale)!s} and zero point {value.zero_point}"
    return f"{value.dtype} of shape (n{own}){quant}"


def _ways(value: Value, array: Array) -> list[str]:
    """What makes a wrong array fit."""
    ways = []
    if _batch_or_none(value, array) is None:
        fitting = (a for a in range(1, array.ndim - 1) if _batch_or_none(value, np.moveaxis(array, a, -1)) is not None)
        ways += [f"channels come last: numpy.moveaxis(x, {axis}, -1)" for axis in list(fitting)[:1]]
    return ways + ([_way(value)] if value.scale is not None and array.dtype != value.dtype else [])


def _way(value: Value) -> str:
    """How real values become those of an integer input."""
    assert value.scale is not None and value.zero_point is not None
    offset = f"{'-' if value.zero_point < 0 else '+'} {abs(value.zero_point)}"
    steps = f"numpy.round(x / {np.float32(value.scale)!s}) {offset}"
    limits = np.iinfo(value.dtype)
    return f'from real values x: numpy.clip({steps}, {limits.min}, {limits.max}).astype("{value.dtype}")'


def _batch(value: Value, array: Array) -> Array:
    batch = _batch_or_none(value, array)
    assert batch is not None, "checked before"
    return batch


def _batch_or_none(value: Value, array: Array) -> Array | None:
    """The array as (n, *shape); None where its shape is another."""
    if _fits(value.shape, array.shape[1:]) and array.ndim:
        return array
    if value.shape and value.shape[0] in (1, None) and array.ndim and _fits(value.shape[1:], array.shape[1:]):
        return array[:, None]
    return None


def _fits(want: Sequence[int | None], got: Sequence[int]) -> bool:
    return len(want) == len(got) and all(w in (None, g) for w, g in zip(want, got, strict=True))

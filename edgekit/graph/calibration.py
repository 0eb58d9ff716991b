"""Calibration: the user's arrays become checked samples, and a float graph run over them becomes a range per value.

Refused: no data at all (unless "random" is asked for), names or shapes that are not the model's, values that are not
finite, casts that lose information. Observers (`observers`) decide how much of a value's tails a range keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from edgekit.errors import ModelError, UnsupportedError, did_you_mean
from edgekit.graph.observers import OBSERVERS, Histogram, Observer
from edgekit.graph.quant_params import Array, Range
from edgekit.graph.sessions import observing_session, run

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgekit.model import ValueSpec

FEW_SAMPLES = 32
RANDOM_SAMPLES = 64

HOW_TO_CALIBRATE = (
    "give 100 or more typical inputs: define calibration_data() in model.py, or pass --calibration FILE.npz (arrays by "
    "input name, first axis = samples); --calibration random goes on without data, and the accuracy is then unknown"
)

Progress = Callable[[int, int], None]
ObserverName = Literal["minmax", "percentile", "entropy", "mse"]


@dataclass(frozen=True)
class CalibrationData:
    """Samples by input name, each array (samples, *shape of the input), finite, in the input's own type."""

    arrays: Mapping[str, Array]
    kind: Literal["data", "random"]
    warnings: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        return len(next(iter(self.arrays.values())))

    def sample(self, i: int) -> dict[str, Array]:
        """Sample `i` with the exact shapes of the model's inputs."""
        return {name: np.ascontiguousarray(array[i]) for name, array in self.arrays.items()}


def calibration_data(
    raw: Mapping[str, npt.ArrayLike] | npt.ArrayLike | str | None,
    inputs: Sequence[ValueSpec],
    *,
    samples_limit: int | None = None,
    seed: int = 0,
) -> CalibrationData:
    """Check `raw` against the model's inputs.

    raw: arrays by input name (first axis = samples), one bare array for a model of one input, or "random". An array is
    (samples, *shape), or (samples, *shape[1:]) where the model's own first dimension is 1. Raises ModelError (exit 3),
    and UnsupportedError for inputs of a type that NumPy has not.
    """
    if raw is None:
        raise ModelError("int8 needs calibration data and none was given", hint=HOW_TO_CALIBRATE)
    _check_types(inputs)
    if isinstance(raw, str):
        return _random(raw, inputs, samples_limit or RANDOM_SAMPLES, seed)
    by_name = _by_name(raw, inputs)
    _check_names(by_name, inputs)
    arrays, problems = {}, []
    for spec in inputs:
        try:
            arrays[spec.name] = _checked(by_name[spec.name], spec)[:samples_limit]
        except ModelError as e:
            problems.append(e.message)
    if problems:
        raise ModelError("; ".join(problems), hint=HOW_TO_CALIBRATE)
    _check_counts(arrays)
    return CalibrationData(arrays, "data", (*_integers(by_name, inputs), *_warnings(arrays)))


def observe(
    model: ir.Model,
    data: CalibrationData,
    observer: ObserverName,
    progress: Progress | None = None,
) -> Mapping[str, Range]:
    """Range of every float value of a float graph over the calibration samples, found by running it in ONNX Runtime.

    observer: "minmax", "percentile", "entropy" or "mse". One sample's values are in memory at a time; the histogram
    observers run the data twice. progress(done, total) counts runs. Raises ModelError on values that are not finite.
    """
    chosen = _observer(observer)
    passes = 1 if chosen.range_of is None else 2
    total = passes * data.samples
    tick = progress or (lambda done, total: None)
    extremes: dict[str, Range] = {}
    names = _node_names(model)
    runs = _Runs(model, data)
    for i, values in enumerate(runs):
        for name, array in values.items():
            seen = _finite_range(name, array, names)
            extremes[name] = extremes[name].union(seen) if name in extremes else seen
        tick(i + 1, total)
    if chosen.range_of is None:
        return extremes
    histograms = {name: Histogram.over(r) for name, r in extremes.items()}
    for i, values in enumerate(runs):
        for name, array in values.items():
            histograms[name].add(array)
        tick(data.samples + i + 1, total)
    return {name: chosen.range_of(histogram) for name, histogram in histograms.items()}


class _Runs:
    """Iterates over the samples, giving each time all float values of the graph by name."""

    def __init__(self, model: ir.Model, data: CalibrationData) -> None:
        self._data = data
        self._session = observing_session(model)
        self._names = [o.name for o in self._session.get_outputs() if o.type == "tensor(float)"]

    def __iter__(self) -> Iterator[dict[str, Array]]:
        for i in range(self._data.samples):
            sample = self._data.sample(i)
            floats = {name: a for name, a in sample.items() if a.dtype == np.float32}
            inner = run(self._session, self._names, sample) if self._names else ()  # no names would mean all outputs
            yield {**floats, **dict(zip(self._names, inner, strict=True))}


def _observer(name: str) -> Observer:
    if name not in OBSERVERS:
        raise ModelError(f'no observer "{name}"', hint=did_you_mean(name, OBSERVERS))
    return OBSERVERS[name]


def _node_names(model: ir.Model) -> dict[str, str]:
    """Value name → the node that computes it, for messages."""
    return {v.name or "": node.name or node.op_type for node in model.graph for v in node.outputs}


def _finite_range(name: str, array: Array, nodes: Mapping[str, str]) -> Range:
    if array.size == 0:
        return Range(0.0, 0.0)
    low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = int(np.size(array) - np.isfinite(array).sum())
        raise ModelError(
            f'node "{nodes.get(name, name)}" computes {bad} values that are not finite (value "{name}") '
            "on the calibration data: int8 needs finite values",
            hint="look for an overflow, a division by zero or a -inf mask in the model: run it on this data in PyTorch",
        )
    return Range(low, high)


def _random(word: str, inputs: Sequence[ValueSpec], samples: int, seed: int) -> CalibrationData:
    if word != "random":
        raise ModelError(f'calibration "{word}": allowed are arrays, or the word "random"', hint=HOW_TO_CALIBRATE)
    rng = np.random.default_rng(seed)
    arrays = {s.name: _random_array(rng, (samples, *s.shape), np.dtype(s.dtype)) for s in inputs}
    return CalibrationData(
        arrays, "random", ("calibrated with random data: the accuracy of the int8 model is unknown",)
    )


def _random_array(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0, 2, shape).astype(dtype)  # 0 and 1 are valid as indices, flags and lengths nearly everywhere


def _check_types(inputs: Sequence[ValueSpec]) -> None:
    foreign = [f'"{spec.name}" is {spec.dtype}' for spec in inputs if np.dtype(spec.dtype).kind not in "fiub"]
    if foreign:
        raise UnsupportedError(
            f"input {', '.join(foreign)}: a type that NumPy and the runtimes on a device do not take as an input",
            hint="export the model with float32 inputs",
        )


def _by_name(raw: Mapping[str, npt.ArrayLike] | npt.ArrayLike, inputs: Sequence[ValueSpec]) -> dict[str, Array]:
    if isinstance(raw, Mapping):
        return {str(name): _array(array, str(name)) for name, array in raw.items()}
    if len(inputs) != 1:
        names = ", ".join(spec.name for spec in inputs)
        raise ModelError(
            f"calibration is one array, the model has {len(inputs)} inputs ({names})", hint=HOW_TO_CALIBRATE
        )
    return {inputs[0].name: _array(raw, inputs[0].name)}


def _array(given: npt.ArrayLike, name: str) -> Array:
    detached = given.detach().cpu() if hasattr(given, "detach") else given  # a torch tensor, without importing torch
    try:
        return np.asarray(detached)
    except (ValueError, TypeError) as e:
        raise ModelError(f'calibration of "{name}": not an array: {e}', hint=HOW_TO_CALIBRATE) from e


def _check_names(arrays: Mapping[str, Array], inputs: Sequence[ValueSpec]) -> None:
    wanted, got = {spec.name for spec in inputs}, set(arrays)
    if wanted == got:
        return
    parts = [f"missing: {', '.join(sorted(wanted - got))}"] if wanted - got else []
    parts += [f"not an input: {', '.join(sorted(got - wanted))}"] if got - wanted else []
    raise ModelError(
        f"calibration arrays do not match the model's inputs ({'; '.join(parts)})",
        hint=f"the model's inputs are: {', '.join(spec.name for spec in inputs)}",
    )


def _checked(array: Array, spec: ValueSpec) -> Array:
    """`array` as (samples, *shape) of the input's type, or ModelError."""
    where = f'calibration of "{spec.name}"'
    wanted = np.dtype(spec.dtype)
    if array.dtype.kind not in "fiub" or not _castable(array.dtype, wanted):
        raise ModelError(f"{where}: dtype {array.dtype}, wanted {wanted} (or one that casts to it without loss)")
    shaped = _shaped(array, spec)
    if shaped is None:
        raise ModelError(f"{where}: shape {list(array.shape)}, wanted [samples, {', '.join(map(str, spec.shape))}]")
    if len(shaped) == 0:
        raise ModelError(f"{where}: 0 samples")
    with np.errstate(over="ignore"):
        cast = shaped.astype(wanted, copy=False)  # also brings byte-swapped arrays into native order
    bad = int((~np.isfinite(cast)).sum()) if wanted.kind == "f" else 0
    if bad:
        raise ModelError(f"{where}: {bad} values are NaN or infinite, or too large for {wanted}")
    return cast


def _castable(given: np.dtype[np.generic], wanted: np.dtype[np.generic]) -> bool:
    both_float = given.kind == "f" and wanted.kind == "f"  # float64 is what numpy makes; rounding to float32 is meant
    small_integer = given.kind in "iub" and given.itemsize <= 2 and wanted.kind == "f"
    return both_float or small_integer or np.can_cast(given, wanted, "safe")


def _shaped(array: Array, spec: ValueSpec) -> Array | None:
    shape = tuple(spec.shape)
    if array.shape[1:] == shape and array.ndim == len(shape) + 1:
        return array
    if shape and shape[0] == 1 and array.ndim == len(shape) and array.shape[1:] == shape[1:]:
        return array[:, np.newaxis]
    return None


def _check_counts(arrays: Mapping[str, Array]) -> None:
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        got = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise ModelError(f"calibration arrays have different numbers of samples ({got})", hint=HOW_TO_CALIBRATE)


def _integers(given: Mapping[str, Array], inputs: Sequence[ValueSpec]) -> Iterator[str]:
    """Pixels that were never scaled: on the board the runtime refuses integers for a float input."""
    for spec in inputs:
        dtype = given[spec.name].dtype
        if dtype.kind in "iu" and np.dtype(spec.dtype).kind == "f":
            yield f'calibration of "{spec.name}" is {dtype}, the input {spec.dtype}: does the app scale it (/ 255)?'


def _warnings(arrays: Mapping[str, Array]) -> Iterator[str]:
    samples = len(next(iter(arrays.values())))
    if samples < FEW_SAMPLES:
        yield f"only {samples} calibration samples: {FEW_SAMPLES} or more give steadier ranges"
    for name, array in arrays.items():
        if array.dtype.kind == "f" and array.min() == array.max():
            yield f'calibration of "{name}": all values are {float(array.flat[0]):g}; real data will not fit that'

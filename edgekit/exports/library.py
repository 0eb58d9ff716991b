"""What an export is made of: a model as C, what its inputs and outputs are, and samples that it was tested with.

Refused: names that a header of the C library or of Arduino has already, and versions that are not semantic ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.building import FLOAT_CLOSE
from edgekit.emitters.c import CSources
from edgekit.emitters.c.text import identifiers
from edgekit.errors import ModelError, UsageError
from edgekit.program.tensor import DTYPE_OF, DTYPES, Array

# NAME.h would stand before these in the search path of everything that uses the library.
_TAKEN = re.compile(
    "alloca|ar|arduino|argz|assert|binary|byteswap|client|complex|cpio|ctype|devctl|dirent|edgekit|elf|endian|envlock|"
    "envz|errno|error|ethernet|fastmath|fcntl|features|fenv|float|fnmatch|ftw|getopt|glob|grp|hid|iconv|ieeefp|"
    "inttypes|iso646|keyboard|langinfo|libgen|libintl|limits|link|locale|main|malloc|math|memory|mouse|mqueue|ndbm|"
    "netdb|newlib|paths|poll|pthread|pwd|reent|regdef|regex|rpc|sched|sd|search|semaphore|servo|server|setjmp|signal|"
    "spawn|spi|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|stream|string|strings|syslog|"
    "tar|termios|tgmath|threads|time|uchar|ucontext|unctrl|unistd|usb|utime|utmp|wchar|wctype|wifi|wire|wordexp|"
    "wstring|zephyr"
)
_VERSION = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")


@dataclass(frozen=True)
class Value:
    """An input or output as the arena holds it.

    function  what its accessor is called behind NAME_: "input", or "input_x" where there are several
    dtype     as in generated C: s8 is int8_t
    scale     real value = (stored - zero_point) * scale; None where stored values are the real ones
    """

    name: str
    function: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int = 0

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def bytes(self) -> int:
        return self.size * DTYPES[self.dtype].itemsize


@dataclass(frozen=True)
class Sample:
    """Stored arrays of one inference, in the order of the inputs and outputs.

    tolerances: the largest difference of each output that still counts as equal, in stored units
    """

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    tolerances: tuple[float, ...]


@dataclass(frozen=True)
class Library:
    """A model to be embedded. Samples run in order from the initial state: a model that remembers goes on."""

    sources: CSources
    arena_bytes: int
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    samples: tuple[Sample, ...]
    licence: str
    version: str = "1.0.0"

    def __post_init__(self) -> None:
        if _TAKEN.fullmatch(self.name):
            hint = "convert again with --name"
            raise UsageError(f'"{self.name}" cannot be the name of a library: {self.name}.h is taken', hint=hint)
        if not _VERSION.fullmatch(self.version):
            raise UsageError(f'version "{self.version}"', hint="three numbers, such as 1.0.0")
        for sample in self.samples:
            _check(sample.inputs, self.inputs)
            _check(sample.outputs, self.outputs)

    @property
    def name(self) -> str:
        """What its functions and files start with."""
        return self.sources.name

    @property
    def tested_with(self) -> str:
        """For texts: "2 samples"."""
        return f"{len(self.samples)} sample{'' if len(self.samples) == 1 else 's'}"

    @property
    def upper(self) -> str:
        return self.name.upper()


def values(kind: str, facts: Iterable[tuple[str, tuple[int, ...], str, float | None, int]]) -> tuple[Value, ...]:
    """The inputs ("input") or outputs ("output") of a model, each from (name, shape, NumPy type, scale, zero point)."""
    found = list(facts)
    words = identifiers(name for name, *_ in found)
    functions = [kind] if len(found) == 1 else [f"{kind}_{word}" for word in words]
    return tuple(
        Value(name, function, shape, DTYPE_OF[np.dtype(dtype)], scale, zero_point)
        for (name, shape, dtype, scale, zero_point), function in zip(found, functions, strict=True)
    )


def sample(
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    given: Mapping[str, Array],
    answers: Mapping[str, Array],
    *,
    float_inside: bool = False,
) -> Sample:
    """One sample from arrays by name.

    float_inside: integers come from float arithmetic, which other machines round otherwise: one step off is right too
    """
    wanted = tuple(answers[v.name] for v in outputs)
    steps = (_tolerance(v, array, float_inside) for v, array in zip(outputs, wanted, strict=True))
    return Sample(tuple(given[v.name] for v in inputs), wanted, tuple(steps))


def _tolerance(value: Value, array: Array, float_inside: bool) -> float:
    if value.dtype == "f32":
        return FLOAT_CLOSE * float(np.abs(array[np.isfinite(array)]).max(initial=1.0))
    return 1.0 if float_inside and value.scale is not None else 0.0


def _check(arrays: Sequence[Array], wanted: Sequence[Value]) -> None:
    got = [(str(a.dtype), a.shape) for a in arrays]
    ours = [(str(DTYPES[v.dtype]), v.shape) for v in wanted]
    if got != ours:
        raise ModelError(f"a sample holds {got}, the model {ours}", hint="run edgekit convert again")

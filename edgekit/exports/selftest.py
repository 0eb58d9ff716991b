"""Samples of a library → NAME_selftest.h and NAME_selftest.c: does the model answer on the device as it did here?

The result is 0, or the place of the first byte that differs, counted from 1 through the outputs of all samples.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgekit import __version__
from edgekit.emitters.c import text
from edgekit.emitters.c.call import C_TYPES, Table
from edgekit.exports.library import Library, Sample, Value
from edgekit.program.tensor import DTYPES, Array

# Not memcpy(): a compiler without a C library has no string.h.
_COPY = """
static void copy(void *to, const void *from, int32_t count) {
  uint8_t *a = (uint8_t *)to;
  const uint8_t *b = (const uint8_t *)from;
  int32_t i;
  for (i = 0; i < count; ++i) a[i] = b[i];
}
"""
_EXACT = """
/* The place, counted from 1, of the first byte that differs; 0 where none does. */
static int32_t differs(const void *got, const void *wanted, int32_t count) {
  const uint8_t *a = (const uint8_t *)got, *b = (const uint8_t *)wanted;
  int32_t i;
  for (i = 0; i < count; ++i)
    if (a[i] != b[i]) return i + 1;
  return 0;
}
"""
_NEAR = """
/* The place of the first byte of a number that is further away than `by`; 0 where none is. */
static int32_t strays_{dtype}(const {type} *got, const {type} *wanted, int32_t count, {wide} by) {{
  int32_t i;
  for (i = 0; i < count; ++i) {{
    const {wide} a = got[i], b = wanted[i];
    if ({far}) return i * {size} + 1;
  }}
  return 0;
}}
"""
# Equal infinities have no distance, and NaN is right where NaN was wanted.
_FAR_FLOAT = "a != b && !((a > b ? a - b : b - a) <= by) && (a == a || b == b)"
_FAR_INTEGER = "a - b > by || b - a > by"


def selftest_sources(library: Library) -> dict[str, str]:
    """Text by file name."""
    name = library.name
    return {f"{name}_selftest.h": _header(library), f"{name}_selftest.c": _source(library)}


def _header(library: Library) -> str:
    n, guard = library.name, f"{library.upper}_SELFTEST_H"
    return f"""/* {n}: does it answer here as it did where it was made? Made by edgekit {__version__}: do not edit. */
#ifndef {guard}
#define {guard}

#include "{n}.h"

#ifdef __cplusplus
extern "C" {{
#endif

/* Runs {library.tested_with} whose answers are known. 0: all right; above 0: the place, counted from 1, of the
   first output byte that is wrong; below 0: minus the ek_status of an inference that failed. Afterwards the arena is
   as {n}_init() leaves it. */
int {n}_selftest_in({n}_arena *arena);

/* The same with an arena of its own: {library.arena_bytes} bytes more of RAM in a program that calls it. */
int {n}_selftest(void);

#ifdef __cplusplus
}}
#endif
#endif
"""


def _source(library: Library) -> str:
    n = library.name
    arrays = [line for k, sample in enumerate(library.samples) for line in _arrays(library, k, sample)]
    steps = [line for k, sample in enumerate(library.samples) for line in _steps(library, k, sample)]
    math = "\n#include <math.h>\n" if any("INFINITY" in a or "NAN" in a for a in arrays) else ""
    declared = "  int32_t wrong;\n  ek_status status;\n" if steps else ""
    return "".join(
        [
            f"/* {n}: inferences whose answers are known. Made by edgekit {__version__}: do not edit. */\n",
            f'#include "{n}_selftest.h"\n{math}\n',
            *arrays,
            *_comparisons(library),
            f"\nint {n}_selftest_in({n}_arena *arena) {{\n{declared}",
            f"  {n}_init(arena);\n",
            *steps,
            f"  {n}_init(arena);\n  return 0;\n}}\n",
            f"\nint {n}_selftest(void) {{\n  static {n}_arena arena;\n  return {n}_selftest_in(&arena);\n}}\n",
        ]
    )


def _arrays(library: Library, k: int, sample: Sample) -> Iterator[str]:
    for value, data in (*_inputs(library, sample), *_outputs(library, sample)):
        yield text.array(f"sample{k}_{value.function}", Table(data))


def _steps(library: Library, k: int, sample: Sample) -> Iterator[str]:
    n = library.name
    for value, _ in _inputs(library, sample):
        yield f"  copy({n}_{value.function}(arena), sample{k}_{value.function}, {value.bytes});\n"
    yield f"  if ((status = {n}_invoke(arena)) != EK_OK) return -(int)status;\n"
    before = k * sum(v.bytes for v in library.outputs)
    for value, by in zip(library.outputs, sample.tolerances, strict=True):
        if value.size:
            added = f" + {before}" if before else ""
            yield f"  if ((wrong = {_comparison(n, value, k, by)}) != 0) return (int)wrong{added};\n"
        before += value.bytes


def _comparison(name: str, value: Value, k: int, by: float) -> str:
    got, wanted = f"{name}_{value.function}(arena)", f"sample{k}_{value.function}"
    if not by:
        return f"differs({got}, {wanted}, {value.bytes})"
    largest = text.number(by) if value.dtype == "f32" else str(int(by))
    return f"strays_{value.dtype}({got}, {wanted}, {value.size}, {largest})"


def _comparisons(library: Library) -> Iterator[str]:
    """The functions that the steps call, and no others."""
    if library.samples and any(v.size for v in library.inputs):
        yield _COPY
    pairs = [(v, by) for s in library.samples for v, by in zip(library.outputs, s.tolerances, strict=True) if v.size]
    if any(not by for _, by in pairs):
        yield _EXACT
    for dtype in dict.fromkeys(v.dtype for v, by in pairs if by):
        wide, far = ("float", _FAR_FLOAT) if dtype == "f32" else ("int64_t", _FAR_INTEGER)
        yield _NEAR.format(dtype=dtype, type=C_TYPES[dtype], wide=wide, far=far, size=DTYPES[dtype].itemsize)


def _inputs(library: Library, sample: Sample) -> list[tuple[Value, Array]]:
    return [(v, a) for v, a in zip(library.inputs, sample.inputs, strict=True) if v.size]


def _outputs(library: Library, sample: Sample) -> list[tuple[Value, Array]]:
    return [(v, a) for v, a in zip(library.outputs, sample.outputs, strict=True) if v.size]

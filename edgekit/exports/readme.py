"""A library → its README: how to add it to a project, its functions, memory, quantization, self-test, licence."""

from __future__ import annotations

from edgekit import __version__
from edgekit.emitters.c.call import C_TYPES
from edgekit.emitters.c.text import comment, number
from edgekit.exports.library import Library, Value


def readme(library: Library, adding: str) -> str:
    """Markdown. adding: how the library is added to a project of its ecosystem."""
    n = library.name
    return f"""# {n}

A trained model as a library in C99, made by edgekit {__version__}. It allocates nothing and needs no operating system.

## Adding it to a project

{adding.strip()}

## Use

```c
#include "{n}.h"

static {n}_arena arena;   /* {library.arena_bytes} bytes */

{n}_init(&arena);         /* once */
{_use(library)}
```

| function | what it does |
|---|---|
{_functions(library)}

`{library.upper}_ARENA_BYTES` is {library.arena_bytes}: all memory that the model writes to, inputs and outputs
included. Beside it a call needs stack, usually under 1 KB. The weights are constants and stay in flash. Two threads
need an arena each.

## Inputs and outputs

| name | accessor | type | shape | real value |
|---|---|---|---|---|
{_values(library)}

A stored number is the real one divided by the scale, plus the zero point, rounded and kept within the limits
of its type (-128 to 127 for `int8_t`): `{n}.h` has both as macros, and for each integer input and output a function,
such as `{n}_quantize_input()` and `{n}_dequantize_output()`. Channels come last: height, width, channel.

## Self-test

`{n}_selftest_in(&arena)` runs {library.tested_with} whose answers are known. 0 means that this device
answers as the computer did that made the library; above 0 is the place of the first wrong output byte, counted from 1;
below 0 an inference failed. `{n}_selftest()` brings an arena of its own. A program that calls neither carries neither.

## Two models in one program

Each library has kernels of its own: their functions begin with `{n}_ek_`. So libraries of two models can be linked
together, also when other versions of edgekit made them, and what both need is there twice (some kilobytes).

## Licence

The code of edgekit in `src/` is under the Apache License 2.0 (`LICENSE`). Weights and samples are the model owner's.
"""


def _use(library: Library) -> str:
    n = library.name
    lines = [f"{C_TYPES[v.dtype]} *{v.function} = {n}_{v.function}(&arena);" for v in library.inputs]
    lines += [f"/* write {v.function}[0] to [{v.size - 1}] before each inference */" for v in library.inputs]
    lines.append(f"if ({n}_invoke(&arena) == EK_OK) {{")
    lines += [f"  const {C_TYPES[v.dtype]} *{v.function} = {n}_{v.function}(&arena);" for v in library.outputs]
    return "\n".join([*lines, "}"])


def _functions(library: Library) -> str:
    n = library.name
    rows = [
        (f"void {n}_init({n}_arena *arena)", "prepares the memory; forgets what a streaming model remembers"),
        (f"ek_status {n}_invoke({n}_arena *arena)", "one inference; `EK_OK`, or why it failed"),
        *(
            (f"{C_TYPES[v.dtype]} *{n}_{v.function}({n}_arena *arena)", "where an input is written")
            for v in library.inputs
        ),
        *(
            (f"const {C_TYPES[v.dtype]} *{n}_{v.function}(const {n}_arena *arena)", "where an output is read")
            for v in library.outputs
        ),
    ]
    return "\n".join(f"| `{signature}` | {what} |" for signature, what in rows)


def _values(library: Library) -> str:
    return "\n".join(_row(library, v) for v in (*library.inputs, *library.outputs))


def _row(library: Library, value: Value) -> str:
    name = comment(value.name).replace("|", "/").replace("`", "'")
    shape = " x ".join(map(str, value.shape)) or "1"
    return f"| {name} | `{library.name}_{value.function}` | `{C_TYPES[value.dtype]}` | {shape} | {_real(value)} |"


def _real(value: Value) -> str:
    if value.scale is None:
        return "as stored"
    return f"(stored - {value.zero_point}) * {number(value.scale).removesuffix('f')}".replace("- -", "+ ")

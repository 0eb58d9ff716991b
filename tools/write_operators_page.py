"""edgekit's tables of operators become docs/operators.md.

    python tools/write_operators_page.py            # writes the page
    python tools/write_operators_page.py --check    # says whether the page there is what the tables say

Refuses an operator, or a reader of an operator, that it has no place for.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.graph import decompose, recurrent, tables
from edgekit.lowering.sinks import FUSE_ACTIVATION, SAME_DATA
from edgekit.lowering.tflite import REASONS
from edgekit.ops import ALL, ONNX, TFLITE, TYPES_OF
from edgekit.ops.arithmetic import Mul, SquaredDifference
from edgekit.ops.convolution import DepthwiseConv2D
from edgekit.ops.elementwise import FUNCTIONS, ONNX_FUNCTIONS, TABLES, Elementwise
from edgekit.ops.fully_connected import FullyConnected
from edgekit.ops.functions import Lookup
from edgekit.ops.joining import Concat, Split
from edgekit.ops.matrix import BatchMatMul
from edgekit.ops.padding import MirrorPad
from edgekit.ops.quantization import Dequantize, Quantize
from edgekit.ops.resizing import ResizeBilinear
from edgekit.ops.shape import Reshape, Transpose
from edgekit.ops.slicing import Gather, Slice
from edgekit.ops.support import RUNTIMES, SUPPORT, Support
from edgekit.program import Op
from edgekit.tflite.schema import BuiltinOperator

Readers = Mapping[str, Callable[..., Any]]
Names = Mapping[type[Op], Sequence[str]]

PAGE = Path(__file__).resolve().parents[1] / "docs" / "operators.md"
NAMES = {
    "tflite-micro": "TFLite Micro",
    "litert-reference": "LiteRT reference",
    "litert": "LiteRT",
    "onnxruntime": "ONNX Runtime",
}

# Title → modules of edgekit/ops.
FAMILIES = {
    "Weighted sums": ("convolution", "transposed_convolution", "fully_connected", "matrix"),
    "Arithmetic": ("arithmetic",),
    "Functions of one value": ("functions", "elementwise"),
    "Pooling, reductions, normalization": ("pooling", "reduction", "normalising"),
    "Resizing": ("resizing",),
    "Moving numbers": ("shape", "joining", "slicing", "padding", "spreading", "blocks"),
    "Types and scales": ("quantization",),
    "Operators that remember": ("recurrent",),
}

# What the methods of a class do not tell: operators whose reader is a function, or makes several classes.
ONNX_TOO: Names = {
    DepthwiseConv2D: ["Conv"],
    FullyConnected: ["MatMul"],
    BatchMatMul: ["MatMul"],
    Mul: ["Div"],
    SquaredDifference: ["Sub", "Mul"],
    Lookup: [*ONNX_FUNCTIONS, "Pow"],
    ResizeBilinear: ["Resize"],
    Reshape: [name for name in SAME_DATA if name not in ("Identity", "Transpose")],
    Transpose: ["Transpose"],
    Gather: ["GatherND", "Pad", "Resize"],
    Slice: ["Gather", "Pad", "Split"],
    MirrorPad: ["Pad"],
    Quantize: ["QuantizeLinear"],
    Dequantize: ["DequantizeLinear"],
}
TFLITE_TOO: Names = {
    FullyConnected: ["FULLY_CONNECTED"],
    BatchMatMul: ["FULLY_CONNECTED"],
    Lookup: sorted({name.removesuffix("_tanh").upper() for name in TABLES}),
    Concat: ["PACK"],
    Split: ["UNPACK"],
    Slice: ["STRIDED_SLICE"],
}
CONSTANTS = ("FILL", "RANGE", "SHAPE", "ZEROS_LIKE")  # worked out when the file is read

HEAD = """\
# Operators: what runs where

Written by `make docs` from edgekit's own tables (`edgekit/ops/`); do not edit.

One row is one operation of a program, as `edgekit show --program` prints it.

* **ONNX**, **read from TFLite**: what becomes it. A PyTorch layer is found under the ONNX operators that it becomes.
* **Written as**: the TFLite operators of `model.tflite`. Some come along only where a runtime wants another form: a PAD
  where a padding is not SAME, a RESHAPE where it takes fewer axes.
* **One column for each runtime**: int8, the largest difference from edgekit's interpreter in steps of the output (LSB).
  0: the same bytes. *no*: do not use it there; the remark says why. –: there is no int8 form. The interpreter itself
  runs everything. Each operator was measured alone, with random integers, geometry and scales, on x86-64
  (`tests/ops/test_support.py`); in a network such steps add up.
* **float32**: where it runs in float.

Generated C ([c.md](c.md)) has every operation, in int8 and in float32: the same bytes as the interpreter where it is int8.
"""

TYPES = """\
## Types

| type | where |
|---|---|
| int8 | everything with a number in the columns of the runtimes; weights also per channel |
| float32 | everything with a runtime in the column float32 |
| int16 | {s16} |
| uint8 | {u8}; constants become int8 |
| int32, int64, bool | biases, indices, shapes, conditions; values of arithmetic and of what moves numbers |
| float16 | constants, which become float32 |
| int4 | weights, which become int8 |

ONNX's int64 is int32 in a program: microcontrollers' kernels take no other indices.
"""

FLOAT = """\
## What stays float

`edgekit convert` quantizes what has a number in these tables. Any other layer, and one in a form that int8 does not
have (the report names it with its reason), stays float in `model.onnx`. For `model.tflite` such a layer is refused
before anything is calibrated or written: exit code 4, all of them by name, for example

    "encoder.top" (CumSum): it has no integer form here

Operations in float32 are for `--precision float` and for float .tflite files that are read.

## Refused .tflite files

Refused when a .tflite file is read, all of them at once, by number, name and reason (exit code 4):

| operators | reason | what to do |
|---|---|---|
{reasons}
| custom operators | custom operator "NAME" | export the model with TFLite's own operators |
| other types than those above | "NAME" is int16, allowed are ... | quantize the model to int8 activations |
| all others | it has no form here | replace it in the model by operators of this page |

The others: {others}.
"""

BEFORE = """\
## What is rewritten before

For int8 these are taken apart ([quantization.md](quantization.md) has the forms and what they cost):

| ONNX | what happens |
|---|---|
{taken_apart}

* Elementwise nodes between one value and one value, all other operands being single numbers (SiLU, Mish,
  1 / sqrt(x + e), GELU written out), are one Lookup: a table of 256 numbers. Only there: {only_in_tables}.
* Relu and Clip behind {fuse} are part of that operation.
* BatchNormalization moves into the layer before it. Identity, Dropout, and a Reshape or Transpose that changes nothing
  vanish.
"""


def page() -> str:
    parts = [HEAD]
    for title, modules in FAMILIES.items():
        members = [cls for cls in ALL if _module(cls) in modules]
        parts.append(f"## {title}\n\n{_table(members)}")
    parts += [_before(), _types(), _float()]
    return "\n".join(parts)


# --- one row for each operator


def _table(members: Iterable[type[Op]]) -> str:
    heads = ["operation", "ONNX", "read from TFLite", "written as", *NAMES.values(), "float32", "remarks"]
    rows = [_row(heads), _row(["---"] * len(heads)), *(_row(_cells(cls)) for cls in members)]
    return "\n".join(rows) + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(cls: type[Op]) -> list[str]:
    support = SUPPORT[cls]
    bounds = [_bound(support, runtime) for runtime in RUNTIMES]
    read, written = _listed(_names(cls, TFLITE, TFLITE_TOO)), _listed(support.tflite)
    return [cls.__name__, _listed(_onnx(cls)), read, written, *bounds, _float32(support), _remarks(cls, support)]


def _onnx(cls: type[Op]) -> list[str]:
    names = _names(cls, ONNX, ONNX_TOO)
    return [name for name in names if name.lower() in FUNCTIONS] if cls is Elementwise else names


def _names(cls: type[Op], readers: Readers, too: Names) -> list[str]:
    own = [name for name, reader in readers.items() if getattr(reader, "__self__", None) is cls]
    return list(dict.fromkeys([*own, *too.get(cls, ())]))


def _bound(support: Support, runtime: str) -> str:
    bound = support.bound(runtime)
    if not support.int8:
        return "–"
    return str(bound) if isinstance(bound, int) else "no"


def _float32(support: Support) -> str:
    missing = [NAMES[runtime] for runtime in RUNTIMES if runtime not in support.f32]
    if len(missing) == len(RUNTIMES):
        return "–"
    return f"not {', '.join(missing)}" if missing else "all"


def _remarks(cls: type[Op], support: Support) -> str:
    lines = [_first_line(cls), support.remark]
    reasons: dict[str, list[str]] = {}
    for runtime in RUNTIMES if support.int8 else ():
        if isinstance(bound := support.bound(runtime), str):
            reasons.setdefault(bound, []).append(NAMES[runtime])
    lines += [f"{' and '.join(names)}: {reason}" for reason, names in reasons.items()]
    lines += [f"Not on {NAMES[name]}: {_listed(_upper(lacking))}" for name, lacking in support.lacking.items()]
    return ". ".join(line for line in lines if line).replace("|", "\\|")


def _first_line(cls: type[Op]) -> str:
    """The first line of its docstring, as far as its sentences end there."""
    line = (inspect.getdoc(cls) or "").split("\n")[0]
    return line.rstrip(".;") if line.endswith((".", ";")) else line.rpartition(". ")[0]


def _upper(functions: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name.removesuffix("_tanh").upper() for name in functions))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "–"


def _module(cls: type[Op]) -> str:
    return cls.__module__.rsplit(".", 1)[-1]


# --- what is not one row


def _before() -> str:
    """What becomes of layers before there is a program."""
    rows = [(recurrent.GATES, recurrent), *((module.FORMS, module) for module in _taking_apart())]
    return BEFORE.format(
        taken_apart="\n".join(_row([_listed(forms), _first_sentence(module)]) for forms, module in rows),
        only_in_tables=_listed(sorted((tables.FUNCTIONS | tables.ARITHMETIC) - set(ONNX))),
        fuse=_listed(FUSE_ACTIVATION),
    )


def _taking_apart() -> list[Any]:
    return [module for module in vars(decompose).values() if inspect.ismodule(module) and hasattr(module, "FORMS")]


def _first_sentence(module: Any) -> str:
    paragraph = (module.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    return paragraph.split(". ")[0].rstrip(".")


def _types() -> str:
    return TYPES.format(**{t: _listed(name for name, types in TYPES_OF.items() if t in types) for t in ("s16", "u8")})


def _float() -> str:
    grouped: dict[tuple[str, str], list[str]] = {}
    for name, words in REASONS.items():
        grouped.setdefault(words, []).append(name)
    reasons = "\n".join(_row([_listed(names), *words]) for words, names in grouped.items())
    return FLOAT.format(reasons=reasons, others=_listed(_not_read()))


def _not_read() -> list[str]:
    no_operators = ("CUSTOM", "DELEGATE", "PLACEHOLDER_FOR_GREATER_OP_CODES")
    names = [b.name for b in BuiltinOperator if b.name not in (*TFLITE, *REASONS, *no_operators)]
    return [*sorted(n for n in names if not n.startswith("STABLEHLO_")), "STABLEHLO_*"]


def _check_places() -> list[str]:
    """What has no place on the page."""
    modules = {module for family in FAMILIES.values() for module in family}
    problems = [f"{cls.__name__}: its module is in none of FAMILIES" for cls in ALL if _module(cls) not in modules]
    for readers, too, name in ((ONNX, ONNX_TOO, "ONNX_TOO"), (TFLITE, TFLITE_TOO, "TFLITE_TOO")):
        placed = {n for cls in ALL for n in _names(cls, readers, too)}
        problems += [f"{n} is read by a function: add it to {name}" for n in set(readers) - placed - set(CONSTANTS)]
    return problems


def main() -> int:
    problems = _check_places()
    if problems:
        print("\n".join(problems), file=sys.stderr)
        return 1
    if sys.argv[1:] != ["--check"]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    print(f"{PAGE} is not what the tables say: make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

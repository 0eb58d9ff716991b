"""Values as C text: identifiers, numbers, arrays, struct initializers. Names of strangers become comments safely."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

import numpy as np

from edgekit.emitters.c.call import C_TYPES, Table
from edgekit.program.tensor import Array

LINE = 118
_C_WORDS = re.compile(
    "auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|goto|if|inline|int|long|main|asm|"
    "register|restrict|return|short|signed|sizeof|static|struct|switch|typedef|union|unsigned|void|volatile|while|bool|"
    "class|delete|new|private|public|template|this|throw|try|catch|virtual|operator|namespace|using|true|false|std|"
    "assert|complex|ctype|errno|fenv|limits|locale|math|memory|signal|stddef|stdint|stdio|stdlib|string|time|test|arduino"
)
# Names whose files or functions edgekit has itself (runtime/c/ports), or that Windows allows for no file.
_OUR_WORDS = re.compile("ek|golden|models|native|port|shape|aux|com[0-9]|con|lpt[0-9]|nul|prn")
LONGEST = 60  # of an identifier: file names end with more


def identifier(name: str) -> str:
    """A C (and C++) identifier in small letters that reads like `name`."""
    word = re.sub(r"[^a-z0-9]+", "_", name.lower()[:1000]).strip("_")[:LONGEST].rstrip("_") or "model"
    reserved = _C_WORDS.fullmatch(word) or _OUR_WORDS.fullmatch(word) or word.startswith(("ek_", "edgekit"))
    return f"m_{word}" if word[0].isdigit() or reserved else word


def identifiers(names: Iterable[str]) -> list[str]:
    """One identifier for each name, all different."""
    made: list[str] = []
    for name in names:
        word, k = identifier(name), 2
        unique = word
        while unique in made:
            unique, k = f"{word}_{k}", k + 1
        made.append(unique)
    return made


def comment(text: str) -> str:
    """Text that cannot end a comment, continue a line or hide what it is."""
    plain = "".join(c if " " <= c <= "~" else "?" for c in text)
    return plain.replace("*/", "* /").replace("/*", "/ *").replace("\\", "/").replace("??", "? ?")[:200]


def string(text: str) -> str:
    """A C string of the printable part of `text`."""
    plain = "".join(c if " " <= c <= "~" else "?" for c in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?") + '"'


def number(value: float) -> str:
    """A float constant that reads back as the same float32."""
    single = np.float32(value)
    if math.isnan(single):
        return "NAN"
    if math.isinf(single):
        return "INFINITY" if single > 0 else "-INFINITY"
    text = f"{single:.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def integer(value: int, dtype: str = "s32") -> str:
    """An integer constant; the smallest ones have no literal of their own type."""
    if dtype == "s64":
        return "INT64_MIN" if value == -(1 << 63) else f"INT64_C({value})"
    return "INT32_MIN" if value == -(1 << 31) else str(value)


def array(name: str, table: Table) -> str:
    """`static const int8_t name[3] = {...};` over as few lines as needed."""
    data = table.data.reshape(-1)
    head = f"static const {C_TYPES[table.dtype]} {name}[{max(data.size, 1)}] = {{"
    return head + "\n" + "\n".join(_lines(_literals(data, table.dtype) or ["0"])) + "\n};\n"


def _literals(data: Array, dtype: str) -> list[str]:
    if dtype == "f32":
        return [number(v) for v in data.tolist()]
    if data.dtype.itemsize < 4:  # weights: there may be millions
        return list(map(str, data.astype(np.int32).tolist()))
    return [integer(int(v), dtype) for v in data.tolist()]


def _lines(words: list[str]) -> Iterable[str]:
    line = " "
    for word in words:
        if len(line) + len(word) + 2 > LINE:
            yield line
            line = " "
        line += f" {word},"
    yield line


def initializer(fields: Mapping[str, str]) -> str:
    """`{.a = 1, .b = 2}`."""
    return "{" + ", ".join(f".{name} = {value}" for name, value in fields.items()) + "}"

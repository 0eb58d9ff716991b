"""The sources of a model → the same with kernels of its own: ek_conv2d_s8 becomes kws_ek_conv2d_s8.

Two exported models may be linked into one firmware, also of different edgekit versions, whose kernels of one name take
other parameters. So each brings its own, under names that nobody else has. What edgekit.h declares keeps its name: that
is what applications see. All files lie in one folder, where `#include "..."` looks first.
"""

from __future__ import annotations

import re

from edgekit.exports.library import Library

_WORD = re.compile(r"\bek_\w+")
_INCLUDE = re.compile(r"\s*#\s*include\b")
PUBLIC_HEADER = "edgekit.h"


def private_sources(library: Library) -> dict[str, str]:
    """Text by file name, sorted: the model and its kernels."""
    sources = library.sources
    files = {**sources.files, **sources.kernel_files}
    public = frozenset(_WORD.findall(files[PUBLIC_HEADER]))
    own = f"{library.name}_"
    renamed = {name: _renamed(text, own, public) for name, text in files.items() if name.endswith((".c", ".h"))}
    return dict(sorted(renamed.items()))


def _renamed(text: str, own: str, public: frozenset[str]) -> str:
    def rename(match: re.Match[str]) -> str:
        return match.group() if match.group() in public else own + match.group()

    lines = text.split("\n")
    return "\n".join(line if _INCLUDE.match(line) else _WORD.sub(rename, line) for line in lines)

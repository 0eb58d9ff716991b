"""The kernels that a model calls → the files of runtime/c that it needs, and no others.

A kernel lies in a file of its name. A header X.h that a needed file includes brings in X.c where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgekit.emitters.c.kernel_sets import KernelSet, include_dir

_INCLUDE = re.compile(r'^#include "(\w+)\.h"', re.MULTILINE)


@dataclass(frozen=True)
class CSources:
    """A model as C.

    name          identifier that its functions and files start with
    files         text by file name: NAME.h, NAME.c, NAME_model.c
    kernel_files  the same of what it calls
    """

    name: str
    files: Mapping[str, str]
    kernel_files: Mapping[str, str]


def kernel_sources(kernels: Iterable[str], headers: Iterable[str], kernel_set: KernelSet) -> dict[str, str]:
    """File name → text of the .c and .h files behind `kernels` and `headers` (with .h), sorted by name."""
    found: dict[str, str] = {}
    wanted = [f"{name}.c" for name in kernels] + list(headers)
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        text = _text(name, kernel_set)
        found[name] = text
        for stem in _INCLUDE.findall(text):
            wanted.append(f"{stem}.h")
            if kernel_set.file(stem) is not None:
                wanted.append(f"{stem}.c")
    return dict(sorted(found.items()))


def _text(name: str, kernel_set: KernelSet) -> str:
    path = include_dir() / name if name.endswith(".h") else kernel_set.file(name.removesuffix(".c"))
    assert path is not None, f"no kernel {name} in {kernel_set.folders}"
    return path.read_text(encoding="utf-8")

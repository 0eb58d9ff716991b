"""The kernels that a model calls → the files of runtime/c that it needs, and no others.

A kernel lies in a file of its name. A header X.h that a needed file includes brings in X.c where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgekit.emitters.c.kernel_sets import KernelSet, include_dir
from edgekit.errors import ModelError

_ARENA_BYTES = re.compile(r"^#define \w+_ARENA_BYTES (\d+)$", re.MULTILINE)
KERNELS_FOLDER = "edgekit"
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

    @property
    def arena_bytes(self) -> int:
        """What NAME.h says. Raises ModelError where it does not."""
        found = _ARENA_BYTES.search(self.files.get(f"{self.name}.h", ""))
        if found is None:
            raise ModelError(f"{self.name}.h does not say how large its arena is", hint="run edgekit convert again")
        return int(found[1])

    def texts(self) -> dict[str, str]:
        """Text by path in one folder: the kernels lie in edgekit/."""
        return dict(self.files) | {f"{KERNELS_FOLDER}/{name}": text for name, text in self.kernel_files.items()}

    @classmethod
    def of_texts(cls, texts: Mapping[str, str]) -> CSources:
        """What `texts` gave, other files beside it left out. Raises ModelError where it is no model."""
        code = {path: text for path, text in texts.items() if path.endswith((".c", ".h"))}
        names = [path.removesuffix("_model.c") for path in code if path.endswith("_model.c")]
        if len(names) != 1 or f"{names[0]}.h" not in code:
            raise ModelError(f"the C sources hold {len(names)} models, wanted 1", hint="run edgekit convert again")
        head = f"{KERNELS_FOLDER}/"
        own = {path: text for path, text in code.items() if not path.startswith(head)}
        kernels = {path.removeprefix(head): text for path, text in code.items() if path.startswith(head)}
        return cls(names[0], own, kernels)


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

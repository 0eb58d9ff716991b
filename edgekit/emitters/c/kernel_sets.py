"""Which kernels a core gets: folders of runtime/c/kernels laid over each other, and the rows that go with them.

A kernel set is a folder whose files replace those of the same name in the folders behind it. A file may keep the
signature of the one that it replaces; where it wants its weights packed in another order, scratch memory or another
overlap, the set names a row of its own for the operator, and the planner sees what that row says. Adding a set: its
folder, its entry in KERNEL_SETS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.emitters.c.call import Row
from edgekit.program import Op
from edgekit.resources import runtime_dir


@dataclass(frozen=True)
class KernelSet:
    """folders: names in runtime/c/kernels, the first that has a file wins; rows: instead of the reference ones."""

    name: str
    folders: tuple[str, ...]
    rows: Mapping[type[Op], Row] = field(default_factory=dict)

    def file(self, name: str) -> Path | None:
        """The source file `name` (without .c), from the first folder that has it."""
        candidates = (kernels_dir() / folder / f"{name}.c" for folder in self.folders)
        return next((path for path in candidates if path.is_file()), None)


KERNEL_SETS = {"reference": KernelSet("reference", ("reference",))}
OF_CORE: dict[str, str] = {}  # core of a target → its set; all others get the reference one


def kernels_for(core: str) -> str:
    """The name of the fastest set for a core."""
    return OF_CORE.get(core, "reference")


def kernels_dir() -> Path:
    return runtime_dir() / "c" / "kernels"


def include_dir() -> Path:
    return runtime_dir() / "c" / "include"

"""What is known about kinds of boards: a reference (id, alias, memory variant or file) → `Target`.

The facts lie in targets/*.toml, one file per board; `reading` checks them strictly, `board` holds the values. An
unknown reference is refused with the nearest name.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from edgekit.errors import UsageError, did_you_mean
from edgekit.resources import targets_dir
from edgekit.target.board import (
    Abi,
    Bandwidth,
    Cluster,
    Core,
    Emulator,
    Power,
    Provenance,
    Region,
    Target,
    Thermal,
    facts,
)
from edgekit.target.reading import read_targets

__all__ = [
    "Abi",
    "Bandwidth",
    "Cluster",
    "Core",
    "Emulator",
    "Power",
    "Provenance",
    "Region",
    "Target",
    "Thermal",
    "all_targets",
    "facts",
    "load_target",
    "read_targets",
]


def all_targets() -> tuple[Target, ...]:
    """The shipped targets in order of their id; variants are named by each (`Target.variants`), not listed."""
    return tuple(targets[0] for _, targets in sorted(_shipped(targets_dir()).items()))


def load_target(ref: str) -> Target:
    """The target that `ref` means: an id, an alias, a memory variant (rpi4-4gb), or the path of a .toml file.

    An id with variants stands for the smallest memory sold: judging by that is the safe direction.
    Raises UsageError for an unknown reference or an invalid file.
    """
    if ref.endswith(".toml") or "/" in ref:
        return read_targets(Path(ref))[0]
    known: dict[str, Target] = {}
    for family in _shipped(targets_dir()).values():
        for target in family:
            known |= dict.fromkeys((target.id, *target.aliases), target)
    if ref not in known:
        hint = "`edgekit targets` lists them; a file of your own is given by path (./my-board.toml)"
        near = did_you_mean(ref.lower(), known)
        raise UsageError(f'no target "{ref}"', hint=f"{near} {hint}" if near.startswith("did") else hint)
    return known[ref]


@lru_cache(maxsize=4)
def _shipped(folder: Path) -> dict[str, tuple[Target, ...]]:
    """Base id → the target and its variants."""
    families = (read_targets(path) for path in sorted(folder.glob("*.toml")) if path.stem != "TEMPLATE")
    return {family[0].id: family for family in families}

"""A microcontroller target and the bytes of an arena → which of its memories hold code, data and the arena.

The fastest memory that holds the arena gets it; stack and variables go to the fastest that has room beside it. Refused:
what does not fit, with the figures.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.errors import UnsupportedError
from edgekit.target import Region, Target
from edgekit.target.board import FLASH_KINDS, RAM_KINDS


@dataclass(frozen=True)
class Layout:
    code: Region
    data: Region
    arena: Region


def place(target: Target, arena_bytes: int) -> Region:
    """The RAM for an arena alone. Raises UnsupportedError."""
    return layout(target, arena_bytes, 0).arena


def layout(target: Target, arena_bytes: int, data_bytes: int) -> Layout:
    """The memories for an arena and for `data_bytes` of stack and variables. Raises UnsupportedError."""
    rams = by_speed(target)
    for arena in rams:
        for data in rams:
            beside = data_bytes if data == arena else 0
            if arena_bytes + beside <= arena.usable_bytes and data_bytes <= data.usable_bytes:
                return Layout(_flash(target), data, arena)
    have = ", ".join(f"{region.name} {region.usable_bytes:,}" for region in rams) or "none"
    raise UnsupportedError(
        f"the model needs {arena_bytes:,} bytes of RAM in one piece and {data_bytes:,} for stack and variables; "
        f"{target.id} has {have}",
        hint="take a smaller model, or a target with more RAM (edgekit targets)",
    )


def check_flash(target: Target, flash_bytes: int) -> None:
    """Raises UnsupportedError where code and constants are more than the flash."""
    flash = _flash(target)
    if flash_bytes > flash.usable_bytes:
        raise UnsupportedError(
            f"the model needs {flash_bytes:,} bytes of flash with its code, {target.id} has {flash.usable_bytes:,}",
            hint="take a smaller model, or a target with more flash (edgekit targets)",
        )


def by_speed(target: Target) -> list[Region]:
    """RAM, the fastest first; of one kind the largest, which is where the data of small cores belongs (DTCM)."""
    rams = [region for region in target.regions if region.is_ram]
    return sorted(rams, key=lambda region: (RAM_KINDS.index(region.kind), -region.usable_bytes))


def _flash(target: Target) -> Region:
    """The memory that the program is kept in: the first of the best kind."""
    kept = [region for region in target.regions if region.kind in FLASH_KINDS]
    if not kept:
        raise UnsupportedError(f"{target.id} has no flash of its own", hint="it cannot hold a program")
    return min(kept, key=lambda region: FLASH_KINDS.index(region.kind))

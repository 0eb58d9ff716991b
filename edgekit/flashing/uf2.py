"""Blocks of flash ↔ a UF2 file: 512-byte records that a boot ROM takes from a USB drive.

Format: https://github.com/microsoft/uf2. Every 4 KiB sector that is touched is written whole: the RP2040's boot ROM
erases by the number of a record, not its address, and loses pages otherwise (erratum RP2040-E14).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise

from edgekit.errors import ModelError
from edgekit.flashing.images import Block

_RECORD = struct.Struct("<8I476sI")
_MAGIC = (0x0A324655, 0x9E5D5157, 0x0AB16F30)
_NOT_FLASH, _HAS_FAMILY = 0x00000001, 0x00002000
PAGE, SECTOR = 256, 4096


def is_uf2(content: bytes) -> bool:
    return content[:8] == struct.pack("<2I", *_MAGIC[:2])


def write_uf2(blocks: Sequence[Block], family: int) -> bytes:
    """Records in order of their address; what no block fills is 0xFF, as erased.

    blocks: sorted by address. Raises ModelError where two overlap.
    """
    for one, other in pairwise(blocks):
        if one.end > other.address:
            raise ModelError(f"two parts of the firmware lie at 0x{other.address:08x}", hint="check the linker script")
    pages = [page for sector in sorted(_sectors(blocks).items()) for page in _pages(*sector)]
    return b"".join(
        _RECORD.pack(*_MAGIC[:2], _HAS_FAMILY, address, PAGE, k, len(pages), family, data, _MAGIC[2])
        for k, (address, data) in enumerate(pages)
    )


def _sectors(blocks: Sequence[Block]) -> dict[int, bytearray]:
    """Content by address of every sector that a block touches."""
    found: dict[int, bytearray] = {}
    for block in blocks:
        at = block.address
        while at < block.end:
            start = at - at % SECTOR
            sector = found.setdefault(start, bytearray(b"\xff" * SECTOR))
            part = block.data[at - block.address : start + SECTOR - block.address]
            sector[at - start : at - start + len(part)] = part
            at += len(part)
    return found


def _pages(address: int, sector: bytearray) -> list[tuple[int, bytes]]:
    return [(address + k, bytes(sector[k : k + PAGE])) for k in range(0, SECTOR, PAGE)]


def read_uf2(content: bytes, family: int) -> tuple[Block, ...]:
    """The pages for `family` in order of their address. Raises ModelError for a damaged file or another family."""
    hint = "make the file again, for this board"
    if not content or len(content) % _RECORD.size:
        raise ModelError(f"a UF2 file has records of 512 bytes, this one {len(content)} bytes", hint=hint)
    found, others = {}, set()
    for at in range(0, len(content), _RECORD.size):
        first, second, flags, address, size, _, _, kind, data, last = _RECORD.unpack_from(content, at)
        if (first, second, last) != _MAGIC or size > len(data):
            raise ModelError(f"the UF2 file is damaged at byte {at}", hint=hint)
        if flags & _NOT_FLASH:
            continue
        if flags & _HAS_FAMILY and kind == family:
            found[address] = data[:size]
        else:
            others.add(kind if flags & _HAS_FAMILY else 0)
    if not found:
        shown = ", ".join(f"0x{kind:08x}" for kind in sorted(others))
        raise ModelError(f"the UF2 file is for the family {shown or '?'}, the board wants 0x{family:08x}", hint=hint)
    return tuple(Block(address, found[address]) for address in sorted(found))

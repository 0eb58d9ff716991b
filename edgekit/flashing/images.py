"""A firmware file → what lies where in flash.

ELF files say it themselves (load addresses of their segments), a .bin starts where the flash does. Refused: ELF files
of another CPU, and what is neither.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import ModelError

_HEADER, _SEGMENT = struct.Struct("<16sHHIIIIIHHHHHH"), struct.Struct("<IIIIIIII")
_ELF32_LITTLE, _ARM, _LOAD = b"\x7fELF\x01\x01", 40, 1
LARGEST_BYTES = 64 << 20


@dataclass(frozen=True)
class Block:
    """Bytes at an address."""

    address: int
    data: bytes

    @property
    def end(self) -> int:
        return self.address + len(self.data)


def read_firmware(path: Path) -> bytes:
    """Raises ModelError for a file that cannot be read, is empty or larger than any flash."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as e:
        raise ModelError(f"{path} cannot be read: {e.strerror}", hint="name a firmware file: .elf, .bin") from e
    if not 0 < len(content) <= LARGEST_BYTES:
        raise ModelError(f"{path} is empty or larger than any flash", hint="name a firmware file: .elf, .bin")
    return content


def is_elf(content: bytes) -> bool:
    return content[:4] == _ELF32_LITTLE[:4]


def arm_blocks(content: bytes) -> tuple[Block, ...]:
    """What an ELF file of a Cortex-M loads, sorted by address. Raises ModelError."""
    hint = "build it for the board, with a toolchain such as arm-none-eabi-gcc"
    try:
        header = _HEADER.unpack_from(content)
        if not content.startswith(_ELF32_LITTLE) or header[2] != _ARM:
            raise ModelError("the ELF file is not for a 32-bit Arm", hint=hint)
        start, size, count = header[5], header[9], header[10]
        segments = [_SEGMENT.unpack_from(content, start + k * size) for k in range(count)]
    except struct.error as e:
        raise ModelError("the ELF file is cut off", hint=hint) from e
    blocks = [
        Block(paddr, content[at : at + length])
        for kind, at, _, paddr, length, *_ in segments
        if kind == _LOAD and length
    ]
    if not blocks or any(at + length > len(content) for kind, at, _, _, length, *_ in segments if kind == _LOAD):
        raise ModelError("the ELF file loads nothing, or is cut off", hint=hint)
    return tuple(sorted(blocks, key=lambda block: block.address))

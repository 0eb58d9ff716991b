"""A firmware's ELF file → what it occupies and where its functions lie. Refused: files that are no 32-bit ELF."""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InternalError

_WRITABLE, _ALLOCATED = 1, 2
_SYMBOLS, _NO_BITS = 2, 8
_FUNCTION = 2
_UNSIZED = 64  # of assembly that does not say how large it is


@dataclass(frozen=True)
class Section:
    """loaded: its content lies in the file, and so in flash."""

    name: str
    bytes: int
    loaded: bool
    writable: bool


@dataclass(frozen=True)
class Function:
    name: str
    address: int
    bytes: int


@dataclass(frozen=True)
class Image:
    """sections: those that take memory on the device; functions: by address."""

    path: Path
    sections: tuple[Section, ...]
    functions: tuple[Function, ...]

    @property
    def flash_bytes(self) -> int:
        """Code, constants and the initial values of variables: text + data."""
        return sum(section.bytes for section in self.sections if section.loaded)

    @property
    def stack_bytes(self) -> int:
        return self._size(".stack")

    @property
    def arena_bytes(self) -> int:
        return self._size(".arena")

    @property
    def other_ram_bytes(self) -> int:
        """Variables: all RAM but stack and arena."""
        return sum(s.bytes for s in self.sections if s.writable) - self.stack_bytes - self.arena_bytes

    def _size(self, name: str) -> int:
        return sum(section.bytes for section in self.sections if section.name == name)

    def function(self, name: str) -> Function:
        """A function that the image has."""
        return next(function for function in self.functions if function.name == name)

    def function_at(self, address: int) -> str:
        """The name of the function around an address; "?" outside of all of them."""
        index = bisect_right(self.functions, address, key=lambda function: function.address) - 1
        if index < 0 or address >= self.functions[index].address + (self.functions[index].bytes or _UNSIZED):
            return "?"
        return self.functions[index].name


def read_image(path: Path) -> Image:
    """Sections and functions of a little-endian 32-bit ELF file. Raises InternalError."""
    content = path.read_bytes()
    if content[:6] != b"\x7fELF\x01\x01":
        raise InternalError(f"{path.name} is no 32-bit ELF file")
    (start,), (size, count, names) = struct.unpack_from("<I", content, 32), struct.unpack_from("<3H", content, 46)
    headers = [struct.unpack_from("<10I", content, start + k * size) for k in range(count)]
    texts = headers[names]
    sections = [
        Section(_text(content, texts, head[0]), head[5], head[1] != _NO_BITS, bool(head[2] & _WRITABLE))
        for head in headers
        if head[2] & _ALLOCATED
    ]
    return Image(path, tuple(sections), _functions(content, headers))


def _functions(content: bytes, headers: list[tuple[int, ...]]) -> tuple[Function, ...]:
    found = {}
    for head in headers:
        if head[1] != _SYMBOLS:
            continue
        for at in range(head[4], head[4] + head[5], 16):
            name, value, size, info = struct.unpack_from("<IIIB", content, at)
            if info & 15 == _FUNCTION:
                address = value & ~1  # the lowest bit says Thumb
                found[address] = Function(_text(content, headers[head[6]], name), address, size)
    return tuple(function for _, function in sorted(found.items()))


def _text(content: bytes, table: tuple[int, ...], at: int) -> str:
    start = table[4] + at
    return content[start : content.index(b"\0", start)].decode(errors="replace")

"""ELF libraries of little-endian Linux → what they need of a board, and the same libraries without symbols.

`needs` reads the dynamic section that the board's loader reads, because the tag of a wheel does not always tell the
truth. `strip` removes what no loader reads (.symtab, .strtab, .comment, .debug*) from 64-bit libraries and moves the
rest together. Anything that does not look exactly as expected is refused by `needs` (ValueError) and left unchanged by
`strip`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_MACHINES = {(64, 183): "aarch64", (64, 62): "x86_64", (32, 40): "armv7l"}  # by bits and e_machine
_BITS = {b"\x02\x01": 64, b"\x01\x01": 32}  # class and byte order (little endian)
_PT_LOAD, _PT_DYNAMIC = 1, 2
_SHT_NULL, _SHT_NOBITS, _SHF_ALLOC = 0, 8, 2
_DT_NEEDED, _DT_STRTAB, _DT_SONAME, _DT_VERNEED, _DT_VERNEEDNUM = 1, 5, 14, 0x6FFFFFFE, 0x6FFFFFFF
_HEADERS = {64: struct.Struct("<16sHHIQQQIHHHHHH"), 32: struct.Struct("<16sHHIIIIIHHHHHH")}
_SEGMENTS = {64: struct.Struct("<IIQQQQQQ"), 32: struct.Struct("<IIIIIIII")}
_SECTIONS = {64: struct.Struct("<IIQQQQIIQQ"), 32: struct.Struct("<IIIIIIIIII")}
_DYNAMICS = {64: struct.Struct("<QQ"), 32: struct.Struct("<II")}


@dataclass(frozen=True)
class ElfNeeds:
    """What a library asks of the system: `versions` are (library, version), such as ("libc.so.6", "GLIBC_2.28")."""

    machine: str
    soname: str | None
    libraries: tuple[str, ...]
    versions: tuple[tuple[str, str], ...]

    def highest(self, prefix: str) -> tuple[int, ...]:
        """Highest version needed of `prefix` (GLIBC, GLIBCXX), such as (2, 28); () when none."""
        found = [v.removeprefix(prefix + "_") for _, v in self.versions if v.startswith(prefix + "_")]
        return max((parse_version(v) for v in found if v[:1].isdigit()), default=())


@dataclass(frozen=True)
class _Header:
    bits: int
    fields: tuple[int, ...]

    machine = property(lambda self: _MACHINES[self.bits, self.fields[2]])
    phoff = property(lambda self: self.fields[5])
    shoff = property(lambda self: self.fields[6])
    phnum = property(lambda self: self.fields[10])
    shnum = property(lambda self: self.fields[12])
    shstrndx = property(lambda self: self.fields[13])


@dataclass(frozen=True)
class _Segment:
    kind: int
    flags: int
    offset: int
    vaddr: int
    paddr: int
    file_bytes: int
    memory_bytes: int
    align: int


@dataclass(frozen=True)
class _Section:
    name: int
    kind: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry_bytes: int


@dataclass(frozen=True)
class _Chunk:
    """A range of the file that stays together; its place may change by multiples of `align`."""

    start: int
    end: int
    align: int


def is_elf(data: bytes) -> bool:
    """Whether `data` begins like any ELF file."""
    return data[:4] == b"\x7fELF"


def parse_version(text: str) -> tuple[int, ...]:
    """`2.36` → (2, 36). Raises ValueError."""
    return tuple(int(part) for part in text.split("."))


def needs(path: Path) -> ElfNeeds:
    """What the shared library at `path` needs. Raises ValueError when it is not a well-formed library."""
    return needs_of(path.read_bytes(), path.name)


def needs_of(data: bytes, name: str) -> ElfNeeds:
    """As `needs`, of the content of a file; `name` is for the message of the ValueError."""
    try:
        return _needs(data)
    except (struct.error, IndexError, UnicodeDecodeError) as e:
        raise ValueError(f"{name}: damaged ELF file ({e})") from e


def strip(data: bytes) -> bytes:
    """The library without symbols that only debuggers read; `data` itself where nothing can be gained safely."""
    try:
        header = _header(data)
        segments, sections = _segments(data, header), _sections(data, header)
    except (ValueError, struct.error, IndexError):
        return data
    if header.bits != 64:
        return data
    dropped = {i for i, s in enumerate(sections) if _is_dispensable(i, s, header)}
    chunks = _chunks(header, segments, [s for i, s in enumerate(sections) if i not in dropped])
    if not dropped or any(c.end > len(data) for c in chunks):
        return data
    stripped = _rewrite(data, header, segments, sections, dropped, chunks)
    return stripped if len(stripped) < len(data) else data


def _needs(data: bytes) -> ElfNeeds:
    header = _header(data)
    segments = _segments(data, header)
    dynamic = _dynamic(data, segments, _DYNAMICS[header.bits])
    tags = dict(dynamic)
    if _DT_STRTAB not in tags:
        raise ValueError("no dynamic section: not a shared library")
    strings = _file_offset(segments, tags[_DT_STRTAB])
    libraries = tuple(_text(data, strings + value) for tag, value in dynamic if tag == _DT_NEEDED)
    soname = _text(data, strings + tags[_DT_SONAME]) if _DT_SONAME in tags else None
    versions: tuple[tuple[str, str], ...] = ()
    if _DT_VERNEED in tags:
        table = _file_offset(segments, tags[_DT_VERNEED])
        versions = tuple(_versions(data, table, tags.get(_DT_VERNEEDNUM, 0), strings))
    return ElfNeeds(header.machine, soname, libraries, versions)


def _versions(data: bytes, offset: int, count: int, strings: int) -> list[tuple[str, str]]:
    """Verneed is a list by relative offsets, each with a list of Vernaux of its own; both are the same in 32 bits."""
    found = []
    for _ in range(count):
        _, aux_count, file, aux, following = struct.unpack_from("<HHIII", data, offset)
        place = offset + aux
        for _ in range(aux_count):
            _, _, _, name, aux_next = struct.unpack_from("<IHHII", data, place)
            found.append((_text(data, strings + file), _text(data, strings + name)))
            place += aux_next
        offset += following
    return found


def _header(data: bytes) -> _Header:
    if not is_elf(data):
        raise ValueError("not an ELF file")
    bits = _BITS.get(data[4:6])
    if bits is None:
        raise ValueError("not a little-endian ELF file")
    fields = _HEADERS[bits].unpack_from(data)
    header = _Header(bits, fields)
    if (bits, fields[2]) not in _MACHINES:
        raise ValueError(f"ELF machine {fields[2]} of {bits} bits, known are {', '.join(_MACHINES.values())}")
    if fields[9] != _SEGMENTS[bits].size or (header.shnum and fields[11] != _SECTIONS[bits].size):
        raise ValueError("ELF headers of an unknown size")
    return header


def _segments(data: bytes, header: _Header) -> list[_Segment]:
    layout = _SEGMENTS[header.bits]
    rows = [layout.unpack_from(data, header.phoff + i * layout.size) for i in range(header.phnum)]
    if header.bits == 32:  # the flags stand behind the sizes
        rows = [(kind, flags, *places, align) for kind, *places, flags, align in rows]
    return [_Segment(*row) for row in rows]


def _sections(data: bytes, header: _Header) -> list[_Section]:
    layout = _SECTIONS[header.bits]
    return [_Section(*layout.unpack_from(data, header.shoff + i * layout.size)) for i in range(header.shnum)]


def _dynamic(data: bytes, segments: list[_Segment], layout: struct.Struct) -> list[tuple[int, int]]:
    entries = []
    for segment in (s for s in segments if s.kind == _PT_DYNAMIC):
        for place in range(segment.offset, segment.offset + segment.file_bytes, layout.size):
            tag, value = layout.unpack_from(data, place)
            if tag == 0:
                break
            entries.append((tag, value))
    return entries


def _file_offset(segments: list[_Segment], vaddr: int) -> int:
    for s in segments:
        if s.kind == _PT_LOAD and s.vaddr <= vaddr < s.vaddr + s.file_bytes:
            return s.offset + vaddr - s.vaddr
    raise ValueError(f"address {vaddr:#x} lies in no segment")


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode("ascii")


def _is_dispensable(index: int, section: _Section, header: _Header) -> bool:
    return section.kind != _SHT_NULL and not section.flags & _SHF_ALLOC and index != header.shstrndx


def _chunks(header: _Header, segments: list[_Segment], sections: list[_Section]) -> list[_Chunk]:
    """What must stay of the file, in order, overlapping ranges joined."""
    ranges = [(0, _HEADERS[64].size, 1), (header.phoff, header.phoff + header.phnum * _SEGMENTS[64].size, 8)]
    ranges += [(s.offset, s.offset + s.file_bytes, max(1, s.align)) for s in segments if s.file_bytes]
    ranges += [(s.offset, s.offset + s.size, max(1, s.align)) for s in sections if s.size and s.kind != _SHT_NOBITS]
    chunks: list[_Chunk] = []
    for start, end, align in sorted(ranges):
        if chunks and start < chunks[-1].end:
            last = chunks[-1]
            chunks[-1] = _Chunk(last.start, max(last.end, end), max(last.align, align))
        else:
            chunks.append(_Chunk(start, end, align))
    return chunks


def _rewrite(
    data: bytes,
    header: _Header,
    segments: list[_Segment],
    sections: list[_Section],
    dropped: set[int],
    chunks: list[_Chunk],
) -> bytes:
    """Chunks moved down, each by a multiple of its alignment: offset and address must stay congruent for the loader.

    Dropped sections become empty entries: the numbers of the others, which symbols refer to, stay as they are.
    """
    out = bytearray()
    moves: list[tuple[_Chunk, int]] = []
    for chunk in chunks:
        gap = (chunk.start - len(out)) % chunk.align
        moves.append((chunk, len(out) + gap - chunk.start))
        out += bytes(gap) + data[chunk.start : chunk.end]
    out += bytes(-len(out) % 8)
    section_table = len(out)
    for index, s in enumerate(sections):
        entry = _Section(s.name, *(0,) * 9) if index in dropped else _moved_section(s, moves)
        out += _SECTIONS[64].pack(*_astuple(entry))
    program_headers = header.phoff + _shift(moves, header.phoff)
    for index, segment in enumerate(segments):
        place = segment.offset + (_shift(moves, segment.offset) if segment.file_bytes else 0)
        moved = (segment.kind, segment.flags, place, *_astuple(segment)[3:])
        _SEGMENTS[64].pack_into(out, program_headers + index * _SEGMENTS[64].size, *moved)
    fields = list(header.fields)
    fields[5], fields[6] = program_headers, section_table
    _HEADERS[64].pack_into(out, 0, *fields)
    return bytes(out)


def _moved_section(s: _Section, moves: list[tuple[_Chunk, int]]) -> _Section:
    in_file = s.kind not in (_SHT_NULL, _SHT_NOBITS) and s.size
    offset = s.offset + (_shift(moves, s.offset) if in_file else 0)
    return _Section(s.name, s.kind, s.flags, s.addr, offset, s.size, s.link, s.info, s.align, s.entry_bytes)


def _shift(moves: list[tuple[_Chunk, int]], offset: int) -> int:
    return next(shift for chunk, shift in moves if chunk.start <= offset < chunk.end)


def _astuple(row: _Segment | _Section) -> tuple[int, ...]:
    return tuple(vars(row).values())

"""The payload of a step → the bytes that travel: a blob from its offset, or one tar; compressed where that helps."""

from __future__ import annotations

import itertools
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator

from edgekit.bundle import BundleFile
from edgekit.deployment.plan import Blob, Tree

SAMPLE_BYTES = 1 << 20
WORTHWHILE_RATIO = 0.9
ZLIB_LEVEL = 6
_GZIP_WINDOW_BITS = 31


def payload_bytes(payload: Blob | Tree, count: Callable[[int], None]) -> Iterator[bytes]:
    """The uncompressed bytes; `count` hears how many bytes of files are in each chunk."""
    if isinstance(payload, Blob):
        return _counted(payload.file.read(payload.offset), count)
    return _tar(payload, count)


def gzip_if_worthwhile(chunks: Iterable[bytes]) -> tuple[str, Iterator[bytes]]:
    """("gzip" or "raw", the stream): compressed when its first MiB shrinks by a tenth. int8 weights rarely do."""
    source = iter(chunks)
    sample = list(_first(source, SAMPLE_BYTES))
    whole = itertools.chain(sample, source)
    plain = b"".join(sample)
    if len(zlib.compress(plain, 1)) > WORTHWHILE_RATIO * len(plain):
        return "raw", whole
    return "gzip", _gzipped(whole)


def _first(source: Iterator[bytes], size: int) -> Iterator[bytes]:
    seen = 0
    for chunk in source:
        yield chunk
        seen += len(chunk)
        if seen >= size:
            return


def _gzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(ZLIB_LEVEL, zlib.DEFLATED, _GZIP_WINDOW_BITS)
    for chunk in chunks:
        if packed := packer.compress(chunk):
            yield packed
    yield packer.flush()


def _counted(chunks: Iterator[bytes], count: Callable[[int], None]) -> Iterator[bytes]:
    for chunk in chunks:
        count(len(chunk))
        yield chunk


def _tar(tree: Tree, count: Callable[[int], None]) -> Iterator[bytes]:
    """Staged blobs first: the hard links that follow may point at them."""
    folder = f"apps/{tree.bundle.app}/releases/.new-{tree.bundle.id}"
    for file in tree.staged:
        yield _header(f"stage/{file.sha256}", file.size_bytes, _mode(file))
        yield from _counted(file.read(), count)
        yield _padding(file.size_bytes)
    manifest = tree.bundle.manifest
    yield _header(f"{folder}/manifest", len(manifest), 0o444)
    yield from _counted(iter((manifest,)), count)
    yield _padding(len(manifest))
    staged = {file.sha256 for file in tree.staged}
    for file in tree.bundle.files:
        blob = f"{'stage' if file.sha256 in staged else 'blobs'}/{file.sha256}"
        yield _header(f"{folder}/{file.path}", 0, _mode(file), link=blob)
    yield b"\0" * 2 * tarfile.BLOCKSIZE


def _mode(file: BundleFile) -> int:
    return 0o555 if file.executable else 0o444


def _header(name: str, size: int, mode: int, link: str = "") -> bytes:
    """A tar header without owner, time or anything else of this machine, so that equal trees are equal bytes."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, mode
    if link:
        info.type, info.linkname = tarfile.LNKTYPE, link
    return info.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return b"\0" * (-size % tarfile.BLOCKSIZE)

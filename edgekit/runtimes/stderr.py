"""What C++ libraries write to descriptor 2 while they work, as text: their errors say there what went wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHOWN, READ_BYTES = 500, 1 << 14


@contextmanager
def captured_stderr() -> Iterator[Callable[[], str]]:
    """Descriptor 2 of this process goes to memory for a while; what is yielded gives the text written so far."""
    sys.stderr.flush()
    before, file = os.dup(2), os.memfd_create("stderr")
    os.dup2(file, 2)
    try:
        yield lambda: _shown(os.pread(file, READ_BYTES, max(0, os.fstat(file).st_size - READ_BYTES)))
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(file)


def _shown(raw: bytes) -> str:
    """One printable line: the words come from a library that read somebody's file."""
    words = " ".join(raw.decode(errors="replace").split())
    return "".join(c if c.isprintable() else "?" for c in words)[-SHOWN:]

"""What a script writes → the bytes that a Result holds: capped, and with the time at which something last moved."""

from __future__ import annotations

import time

TIMED_OUT = (124, 137)  # of `timeout`: after SIGTERM, after SIGKILL
CUT_STATUS = 141  # 128 + SIGPIPE: of a script that wrote more than the cap, after which nobody reads it any more


class Clock:
    """Time since a byte last moved, in either direction."""

    def __init__(self) -> None:
        self.moved()

    def moved(self) -> None:
        self._last = time.monotonic()

    @property
    def idle_s(self) -> float:
        return time.monotonic() - self._last


class Capture:
    """One output stream: keeps the first `cap_bytes` bytes. Everything before `marker` (noise of a login shell) is
    dropped once the marker has come; `begun` says whether it has."""

    def __init__(self, cap_bytes: int, marker: str = "") -> None:
        self._cap = cap_bytes
        self._marker = f"{marker}\n".encode()
        self._buffer = bytearray()
        self.begun = not marker
        self.full = False

    def add(self, chunk: bytes) -> None:
        self._buffer += chunk
        if not self.begun:
            _, begun, rest = self._buffer.partition(self._marker)
            if begun:
                self._buffer, self.begun = rest, True
        if len(self._buffer) > self._cap:
            del self._buffer[self._cap :]
            self.full = True

    def content(self) -> bytes:
        return bytes(self._buffer)

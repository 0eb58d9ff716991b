"""What a script writes → the bytes that a Result holds: capped, and watched by a clock, so that neither silence nor
endless words hold up this side."""

from __future__ import annotations

import math
import time

from edgekit.errors import ConnectionFailed

TIMED_OUT = (124, 137)  # of `timeout`: after SIGTERM, after SIGKILL
CUT_STATUS = 141  # 128 + SIGPIPE: of a script that wrote more than the cap, after which nobody reads it any more


_SLOW_FACTOR = 4  # how many deadlines a transfer that moves may take in all
MARGIN_S = 15  # for the device to end the script itself, and to say so


def longest_s(deadline_s: float, *, sends: bool) -> int:
    """How long a script may take in all, whatever moves; `sends`: it is given bytes on its standard input."""
    return math.ceil(deadline_s) * (_SLOW_FACTOR if sends else 1)


class Clock:
    """Ends a script that is silent for `deadline_s`, or takes longer than `limit_s` though bytes move: a process that
    escaped from the script's own limit may write for ever."""

    def __init__(self, label: str, deadline_s: float, limit_s: int) -> None:
        self._label, self._deadline_s, self._limit_s = label, deadline_s, limit_s
        self._started = self._last = time.monotonic()

    def moved(self) -> None:
        """A byte has moved, in either direction."""
        self._last = time.monotonic()

    def check(self) -> None:
        """Raises ConnectionFailed."""
        now = time.monotonic()
        if now - self._last > self._deadline_s:
            hint = "is the board still on, and in the network?"
            raise ConnectionFailed(f"{self._label}: nothing came or went for {self._deadline_s:.0f} s", hint=hint)
        if now - self._started > self._limit_s + MARGIN_S:
            raise self.too_long()

    def too_long(self) -> ConnectionFailed:
        return ConnectionFailed(f"{self._label}: a step did not finish in {self._limit_s} s")


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

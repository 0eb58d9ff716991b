"""One board that can be reached, whatever the carrier: SSH, the virtual board, or this machine.

The protocol is deliberately small. A device runs a constant POSIX shell script with quoted arguments, bytes on its
standard input and a deadline, and answers with capped bytes. Everything else (probing, transfer, activation,
benchmarks) is built from that in `edgekit.deployment`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

OUTPUT_CAP_BYTES = 1 << 20


@dataclass(frozen=True)
class Result:
    """What a script on a device answered. Output is capped and is data, never to be trusted or printed raw."""

    returncode: int
    stdout: bytes
    stderr: bytes


class Device(Protocol):
    """A reachable board.

    label     how messages name it, for example `pi@raspberrypi.local` or `virtual rpi4`
    emulated  true when the CPU is emulated: timings are then meaningless
    """

    label: str
    emulated: bool

    def run(
        self,
        script: str,
        *args: str,
        stdin: Iterable[bytes] | None = None,
        deadline_s: float = 60.0,
        cap_bytes: int = OUTPUT_CAP_BYTES,
    ) -> Result:
        """Run `script` with sh; `args` become `$1`, `$2`, ... without ever being interpreted by a shell.

        Raises ConnectionFailed when the link is lost or the deadline passes.
        """
        ...

    def close(self) -> None:
        """Release the connection; safe to call twice."""
        ...

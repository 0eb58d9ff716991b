"""One board that can be reached, whatever the carrier: SSH, the virtual board, or this machine.

The protocol is deliberately small. A device runs a constant POSIX shell script with quoted arguments, bytes on its
standard input and a deadline, and answers with capped bytes. Everything else (probing, transfer, activation,
benchmarks) is built from that in `edgekit.deployment`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgekit.errors import UnsupportedError, UsageError
from edgekit.project import DeviceSpec
from edgekit.target import Target

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

        The script is ended (status 141) when it writes more than
        `cap_bytes` to one stream. Raises ConnectionFailed when the link is lost, when no byte has moved in either
        direction for `deadline_s`, or when it takes longer than that in all (four times that if it reads `stdin`).
        """
        ...

    def close(self) -> None:
        """Release the connection; safe to call twice."""
        ...


@dataclass(frozen=True)
class Address:
    """Where an SSH server is; None is "as ~/.ssh/config says, else the usual"."""

    host: str
    user: str | None = None
    port: int | None = None


_ADDRESS = re.compile(r"(?:(?P<user>[^@:\s]+)@)?(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^@:\s\[\]]+)(?::(?P<port>\d{1,5}))?")
_ADDRESS_MEANS = "virtual, local, or [USER@]NAME[:PORT] such as pi@raspberrypi.local or pi@[fe80::1%eth0]:22"


def parse_address(text: str) -> Address:
    """`[user@]name[:port]` → Address. Raises UsageError."""
    match = _ADDRESS.fullmatch(text)
    user, host, port = match.group("user", "host", "port") if match else (None, "", None)
    wrong = [part for part in (user or "", host) if part.startswith("-") or not part.isprintable()]
    if not host or wrong or (port is not None and not 0 < int(port) < 65536):
        shown = re.sub(r":.*@", ":***@", printable(text.encode()), flags=re.DOTALL)  # it may be a password
        raise UsageError(f'host "{shown}" is not an address', hint=f"allowed: {_ADDRESS_MEANS}")
    return Address(host.strip("[]"), user, int(port) if port else None)


def open_device(
    spec: DeviceSpec,
    target: Target,
    *,
    host_key: str | None = None,
    identity: Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> Device:
    """Connect to the board of `spec`; a virtual one is started first if it does not run.

    host_key  the fingerprint (`SHA256:...`) that an SSH server must have
    identity  the private key file to log in with
    progress  gets one line for each thing that takes its time

    Raises UsageError, UnsupportedError, ConnectionFailed, AuthenticationFailed or DeviceError.
    """
    say = progress or (lambda _: None)
    if spec.host == "local":
        from edgekit.device.local import LocalDevice

        return LocalDevice()
    if spec.host == "virtual":
        from edgekit.device import virtual

        return virtual.connect(virtual.up(target, say))
    if spec.host == "qemu":
        raise UnsupportedError(f"{spec.target} on qemu: microcontroller boards cannot be opened yet")
    address = parse_address(spec.host)
    from edgekit.device.ssh import connect

    return connect(address, host_key=host_key, identity=identity, progress=say)


def printable(raw: bytes) -> str:
    """`raw` as text that cannot steer a terminal: control, escape, bidirectional and other format characters become
    spaces (line feeds stay), invalid UTF-8 becomes U+FFFD."""
    text = raw.decode("utf-8", errors="replace")
    return "".join(c if c == "\n" or unicodedata.category(c)[0] != "C" else " " for c in text)

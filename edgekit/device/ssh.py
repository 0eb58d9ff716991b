"""A board over SSH: one login, then one channel for each script. A link that is lost or silent is an error, never a
hang; what a script says before it stops reading is kept."""

from __future__ import annotations

import contextlib
import secrets
import shlex
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import paramiko

from edgekit.device import OUTPUT_CAP_BYTES, Address, Result, printable
from edgekit.device.capture import CUT_STATUS, TIMED_OUT, Capture, Clock, longest_s
from edgekit.device.host_keys import HostKeys
from edgekit.device.ssh_config import read_login
from edgekit.device.ssh_login import CHANNEL_S, log_in
from edgekit.errors import ConnectionFailed, DeviceError

_TICK_S = 0.5
_CHUNK_BYTES = 1 << 15
_GRACE_S = 5  # between SIGTERM and SIGKILL
_LINK_ERRORS = (paramiko.SSHException, OSError, EOFError)

# $1 mark  $2 seconds  $3 script  $4... its arguments. The marks end whatever a login shell printed before; `timeout`
# frees what the script holds (locks) if this side is gone.
_START = f"""mark=$1 limit=$2 script=$3; shift 3; echo "$mark"; echo "$mark" >&2
timeout -k 1 5 true 2>/dev/null || exec sh -c "$script" ek "$@"
exec timeout -k {_GRACE_S} "$limit" sh -c "$script" ek "$@\""""


def connect(
    address: Address,
    *,
    host_key: str | None = None,
    identity: Path | None = None,
    label: str = "",
    emulated: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> SshDevice:
    """Log in. Raises ConnectionFailed, AuthenticationFailed, UnsupportedError or UsageError."""
    login = read_login(address, identity, label)
    host_keys = HostKeys(login.host, login.port, login.label, host_key)
    return SshDevice(log_in(login, host_keys, progress), login.label, emulated)


class SshDevice:
    """A board behind one SSH connection; one script at a time."""

    def __init__(self, transport: paramiko.Transport, label: str, emulated: bool = False) -> None:
        self.label = label
        self.emulated = emulated
        self._transport = transport

    def run(
        self,
        script: str,
        *args: str,
        stdin: Iterable[bytes] | None = None,
        deadline_s: float = 60.0,
        cap_bytes: int = OUTPUT_CAP_BYTES,
    ) -> Result:
        """As `Device.run`. Raises DeviceError where the login has no POSIX shell."""
        mark = f"__EK_START__{secrets.token_hex(8)}"
        limit = longest_s(deadline_s, sends=stdin is not None)
        words = (_START, "ek", mark, str(limit), script, *args)
        command = "exec sh -c " + " ".join(shlex.quote(word) for word in words)
        out, err, clock = Capture(cap_bytes, mark), Capture(cap_bytes, mark), Clock(self.label, deadline_s, limit)
        exchange = _Exchange(self._open(command), self.label, stdin, out, err, clock)
        started = time.monotonic()
        try:
            result = exchange.result()
        finally:
            exchange.close()
        if result.returncode in TIMED_OUT and time.monotonic() - started >= limit:
            raise clock.too_long()
        return result

    def _open(self, command: str) -> Any:
        """A channel in which `command` runs."""
        try:
            channel = self._transport.open_session(timeout=CHANNEL_S)
            channel.settimeout(_TICK_S)
            channel.exec_command(command)
            return channel
        except _LINK_ERRORS as e:
            if self._transport.is_active():
                hint = "the login must be allowed to run commands"
                raise DeviceError(f"{self.label} does not run commands: {_reason(e)}", hint=hint) from e
            raise _lost(self.label, e) from e

    def close(self) -> None:
        self._transport.close()


class _Exchange:
    """Bytes to and from one channel: this thread reads stdout, two others read stderr and write stdin."""

    def __init__(
        self, channel: Any, label: str, stdin: Iterable[bytes] | None, out: Capture, err: Capture, clock: Clock
    ) -> None:
        self.channel, self.label, self.stdin, self.out, self.err, self.clock = channel, label, stdin, out, err, clock
        self.failure: Exception | None = None  # of the iterable that gives stdin
        self.over = False
        self.reader = threading.Thread(target=self._read, args=(channel.recv_stderr, err), daemon=True)
        self.writer = threading.Thread(target=self._write, daemon=True)

    def result(self) -> Result:
        self.reader.start()
        self.writer.start()
        self._read(self.channel.recv, self.out, self.clock.check)
        while self.reader.is_alive() and not self._cut():
            self.clock.check()
            self.reader.join(_TICK_S)
        while not (self._cut() or self.channel.status_event.wait(_TICK_S)):
            self.clock.check()
        if self.failure is not None:
            raise self.failure
        if not self.out.begun:
            raise self._no_shell()
        return Result(self._status(), self.out.content(), self.err.content())

    def close(self) -> None:
        self.over = True
        self.channel.close()
        for thread in (self.reader, self.writer):
            if thread.ident:
                thread.join(2 * _TICK_S)

    def _cut(self) -> bool:
        """Whether more was written than anybody will read, or stdin cannot go on."""
        return self.out.full or self.err.full or self.over or self.failure is not None

    def _read(
        self, receive: Callable[[int], bytes], capture: Capture, check: Callable[[], None] = lambda: None
    ) -> None:
        while not self._cut():
            check()
            try:
                chunk = receive(_CHUNK_BYTES)
            except TimeoutError:
                continue
            if not chunk:
                return
            self.clock.moved()
            capture.add(chunk)

    def _write(self) -> None:
        try:
            for chunk in self.stdin or ():
                if not self._send(memoryview(chunk)):
                    return  # the script reads no more: what it wrote and its exit status say why
        except Exception as e:
            self.failure = e
            return
        with contextlib.suppress(OSError, EOFError):  # the script is done: the same
            self.channel.shutdown_write()

    def _send(self, rest: memoryview) -> bool:
        while rest:
            if self.over or self.channel.exit_status_ready():
                return False
            try:
                sent = self.channel.send(rest[:_CHUNK_BYTES])
            except TimeoutError:
                continue
            except (OSError, EOFError):
                return False
            self.clock.moved()
            rest = rest[sent:]
        return True

    def _status(self) -> int:
        if self.out.full or self.err.full:
            return CUT_STATUS
        status: int = self.channel.exit_status
        if status < 0 and not self.channel.get_transport().is_active():
            raise _lost(self.label, EOFError("the other side is gone"))
        return status if status >= 0 else 137  # ended by a signal; paramiko does not tell which

    def _no_shell(self) -> ConnectionFailed | DeviceError:
        if not self.channel.get_transport().is_active():
            return _lost(self.label, EOFError("the other side is gone"))
        said = " ".join(printable((self.out.content() + b" " + self.err.content())[:400]).split()) or "nothing"
        return DeviceError(
            f"{self.label}: the login has no POSIX shell; it said: {said}",
            hint="a forced command, nologin or a restricted shell cannot be deployed to: log in as another user",
        )


def _reason(error: BaseException) -> str:
    return printable(str(error).encode()) or type(error).__name__


def _lost(label: str, error: BaseException) -> ConnectionFailed:
    return ConnectionFailed(f"the connection to {label} was lost: {_reason(error)}", hint="try again")

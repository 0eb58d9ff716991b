"""This machine as a device: scripts run with sh in a process group of their own, which ends with the deadline."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections.abc import Iterable, Iterator
from typing import IO

from edgekit.device import OUTPUT_CAP_BYTES, Result
from edgekit.device.capture import CUT_STATUS, Capture, Clock, longest_s

_CHUNK_BYTES = 65536
_TICK_S = 0.5
_GRACE_S = 5.0  # between SIGTERM and SIGKILL


class LocalDevice:
    """This machine, in the home of the user that runs edgekit."""

    label = "this machine"
    emulated = False

    def run(
        self,
        script: str,
        *args: str,
        stdin: Iterable[bytes] | None = None,
        deadline_s: float = 60.0,
        cap_bytes: int = OUTPUT_CAP_BYTES,
    ) -> Result:
        """As `Device.run`; a script that writes more than `cap_bytes` to one stream is ended (status 141)."""
        process = subprocess.Popen(
            ["sh", "-c", script, "ek", *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
        with process:
            clock = Clock(self.label, deadline_s, longest_s(deadline_s, sends=stdin is not None))
            exchange = _Exchange(process, stdin, cap_bytes, clock)
            try:
                return exchange.result(deadline_s)
            finally:
                _end(process)

    def close(self) -> None:
        """Nothing is held."""


class _Exchange:
    """Bytes to and from one process, until both its outputs are closed."""

    def __init__(
        self, process: subprocess.Popen[bytes], stdin: Iterable[bytes] | None, cap_bytes: int, clock: Clock
    ) -> None:
        self.process, self.clock = process, clock
        self.input = _chunks(stdin)
        self.pending = b""
        self.captures = {process.stdout: Capture(cap_bytes), process.stderr: Capture(cap_bytes)}
        self.selector = selectors.DefaultSelector()
        for stream in self.captures:
            self._watch(stream, selectors.EVENT_READ)
        self._watch(process.stdin, selectors.EVENT_WRITE)

    def _watch(self, stream: IO[bytes] | None, event: int) -> None:
        assert stream is not None
        os.set_blocking(stream.fileno(), False)
        self.selector.register(stream, event)

    def result(self, deadline_s: float) -> Result:
        with self.selector:
            while any(stream in self.selector.get_map() for stream in self.captures):
                self._move()
                if any(capture.full for capture in self.captures.values()):
                    return self._answer(CUT_STATUS)
                self.clock.check()
            return self._answer(self._status(deadline_s))

    def _move(self) -> None:
        for key, _ in self.selector.select(_TICK_S):
            stream = key.fileobj
            if stream is self.process.stdin:
                self._send(self.process.stdin)
            elif chunk := os.read(key.fd, _CHUNK_BYTES):
                self.captures[stream].add(chunk)  # type: ignore[index]  # only our three pipes are registered
                self.clock.moved()
            else:
                self.selector.unregister(stream)

    def _send(self, stream: IO[bytes]) -> None:
        self.pending = self.pending or next(self.input, b"")
        try:
            sent = os.write(stream.fileno(), self.pending) if self.pending else 0
        except BrokenPipeError:  # it reads no more; what it wrote and its status say why
            sent = 0
        if not sent:
            self.selector.unregister(stream)
            stream.close()
        self.pending = self.pending[sent:]
        self.clock.moved()

    def _status(self, deadline_s: float) -> int:
        try:
            status = self.process.wait(deadline_s)
        except subprocess.TimeoutExpired as e:
            raise self.clock.too_long() from e
        return status if status >= 0 else 128 - status

    def _answer(self, status: int) -> Result:
        out, err = (capture.content() for capture in self.captures.values())
        return Result(status, out, err)


def _chunks(stdin: Iterable[bytes] | None) -> Iterator[bytes]:
    """`stdin` without empty chunks: an empty one would look like the end."""
    return (chunk for chunk in stdin or () if chunk)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends what is left of the process group: first asked, then killed."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

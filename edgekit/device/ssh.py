"""An address → a board over SSH: one login, then one channel for each script. Host keys are checked before anything is
said (edgekit.device.host_keys); a link that is lost or silent is an error, never a hang."""

from __future__ import annotations

import getpass
import logging
import math
import secrets
import shlex
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import paramiko

from edgekit.device import OUTPUT_CAP_BYTES, Address, Result, printable
from edgekit.device.capture import CUT_STATUS, Capture, Clock
from edgekit.device.host_keys import HostKeys
from edgekit.device.ssh_config import Login, read_login
from edgekit.errors import AuthenticationFailed, ConnectionFailed, DeviceError

CONNECT_S = 10.0
BANNER_S = 8.0
AUTHENTICATION_S = 30.0
CHANNEL_S = 20.0
BOOTING_S = 20.0  # a board that boots accepts TCP and says nothing, or resets: for so long it is asked again
_TICK_S = 0.5
_CHUNK_BYTES = 1 << 15

_BANNER_BYTES = 8192
_BOOTING = "a board that boots needs up to a minute: try again then"
_KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 40_000}  # s, s, times, ms

# no CBC (with Terrapin, CVE-2023-48795), no 3DES, no MD5, no SHA-1
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr", "aes192-ctr")
_WEAK = ("cbc", "3des", "md5", "sha1", "arcfour")

# $1 is the script, the rest its arguments; T seconds are all it gets where the board has `timeout`
_START = """printf '%s\\n' MARK; printf '%s\\n' MARK >&2; s=$1; shift
if timeout -k 5 1 true 2>/dev/null; then exec timeout -k 5 T sh -c "$s" ek "$@"; else exec sh -c "$s" ek "$@"; fi"""


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
    return SshDevice(log_in(login, HostKeys(login, host_key), progress), login.label, emulated)


def log_in(login: Login, host_keys: HostKeys, progress: Callable[[str], None]) -> paramiko.Transport:
    """An authenticated transport to a server whose key is known."""
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # what it logs, it also raises
    transport = _handshake(login, host_keys, progress)
    try:
        host_keys.check(transport.get_remote_server_key())
        _authenticate(transport, login)
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(15)
    return transport


def _handshake(login: Login, host_keys: HostKeys, progress: Callable[[str], None]) -> paramiko.Transport:
    """A transport whose keys are agreed on. A server that accepts but does not speak is asked again: it may boot."""
    end, pause_s = time.monotonic() + BOOTING_S, 0.5
    while True:
        sock = _socket(login)
        try:
            _wait_for_banner(sock, login)
            return _negotiate(sock, login, host_keys)
        except _Silent as e:
            sock.close()
            if time.monotonic() + pause_s >= end:
                raise e
            progress(f"{login.label} accepts the connection but does not answer yet: trying again")
            time.sleep(pause_s)
            pause_s *= 2
        except BaseException:
            sock.close()
            raise


class _Silent(ConnectionFailed):
    """TCP was accepted, but no SSH server spoke: as of a board that boots."""


def _socket(login: Login) -> socket.socket:
    try:
        sock = socket.create_connection((login.host, login.port), timeout=CONNECT_S)
    except (socket.gaierror, UnicodeError) as e:
        raise ConnectionFailed(f'the host name "{login.host}" is not known', hint="is it spelt right?") from e
    except OSError as e:
        why = "no answer" if isinstance(e, TimeoutError) else e.strerror or str(e)
        hint = "is the board on, in this network, and its SSH server enabled?"
        raise ConnectionFailed(f"{login.label} port {login.port} cannot be reached: {why}", hint=hint) from e
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return sock


def _wait_for_banner(sock: socket.socket, login: Login) -> None:
    """Looks, without taking it, at what the server says first; paramiko would read an endless line to its end."""
    end = time.monotonic() + BANNER_S
    said, before = b"", -1
    while not said.startswith(b"SSH-") and b"\nSSH-" not in said:
        if len(said) == before:
            time.sleep(0.05)
        before = len(said)
        if len(said) >= _BANNER_BYTES or (said and time.monotonic() > end):
            hint = "is it the right port?"
            raise ConnectionFailed(f"{login.label} is not an SSH server; it says: {_line(said)}", hint=hint)
        sock.settimeout(max(0.1, end - time.monotonic()))
        try:
            said = sock.recv(_BANNER_BYTES, socket.MSG_PEEK)
        except OSError as e:
            raise _Silent(f"{login.label} accepts the connection but no SSH server answers", hint=_BOOTING) from e
        if not said:
            raise _Silent(f"{login.label} closes the connection at once", hint=_BOOTING)


def _negotiate(sock: socket.socket, login: Login, host_keys: HostKeys) -> paramiko.Transport:
    transport = paramiko.Transport(sock, disabled_algorithms=_disabled())
    transport.banner_timeout = BANNER_S
    transport.auth_timeout = AUTHENTICATION_S
    transport.channel_timeout = CHANNEL_S
    options = transport.get_security_options()
    options.ciphers = [name for name in _CIPHERS if name in options.ciphers]
    known = _signatures(host_keys.types())
    options.key_types = sorted(options.key_types, key=lambda name: name not in known)
    try:
        transport.start_client(timeout=CONNECT_S)
        transport.get_remote_server_key()  # raises where the timeout ended it
    except (paramiko.SSHException, OSError, EOFError) as e:
        transport.close()
        why = printable(str(e).encode()) or type(e).__name__
        raise ConnectionFailed(f"{login.label}: the SSH handshake failed: {why}") from e
    return transport


def _disabled() -> dict[str, list[str]]:
    kinds = ("kex", "ciphers", "macs", "keys", "pubkeys")
    offered = {kind: getattr(paramiko.Transport, f"_preferred_{kind}") for kind in kinds}
    return {kind: [name for name in names if any(weak in name for weak in _WEAK)] for kind, names in offered.items()}


def _signatures(types: list[str]) -> set[str]:
    """The signature algorithms of key types: an RSA key signs with SHA-2 under other names."""
    rsa = {"rsa-sha2-256", "rsa-sha2-512"} if "ssh-rsa" in types else set()
    return {*types, *rsa}


def _authenticate(transport: paramiko.Transport, login: Login) -> None:
    """Tries the keys one after the other, the named ones first."""
    tried: list[str] = []
    for name, load in _keys(login):
        try:
            key = load()
            if key is None:
                tried.append(f"{name} (needs its passphrase: use ssh-agent)")
                continue
            tried.append(name)
            transport.auth_publickey(login.user, key)
        except paramiko.BadAuthenticationType as e:
            raise _refused(login, tried, f"it offers only {', '.join(e.allowed_types)}") from e
        except paramiko.AuthenticationException:
            continue
        except (paramiko.SSHException, OSError, EOFError, ValueError) as e:
            if not transport.is_active():
                raise _refused(login, tried, "it closed the connection: too many keys?") from e
            tried.append(f"{name} ({printable(str(e).encode())})")
            continue
        if transport.is_authenticated():
            return
    raise _refused(login, tried)


def _keys(login: Login) -> Iterator[tuple[str, Callable[[], Any]]]:
    for path in login.identities:
        yield str(path), lambda path=path: _load(path)  # type: ignore[misc]
    if login.agent:
        for key in paramiko.Agent().get_keys():
            yield f"{key.get_name()} of the agent", lambda key=key: key  # type: ignore[misc]


def _load(path: Path) -> Any:
    """The private key; None for an encrypted one where nobody can be asked."""
    try:
        return paramiko.PKey.from_path(path)
    except paramiko.PasswordRequiredException:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return None
    passphrase = getpass.getpass(f"passphrase of {path}: ", stream=sys.stderr)
    return paramiko.PKey.from_path(path, passphrase=passphrase.encode())


def _refused(login: Login, tried: list[str], why: str = "") -> AuthenticationFailed:
    what = ", ".join(tried) or "none: there is no agent and no key file"
    return AuthenticationFailed(
        f"{login.label} refused the login{': ' if why else ''}{why}; keys tried: {what}",
        hint=f"ssh-copy-id {login.user}@{login.host}, or name the key: --identity FILE",
    )


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
        exchange = _Exchange(self._open(), self.label, stdin, cap_bytes, mark)
        try:
            return exchange.result(_command(script, args, mark, deadline_s, stdin is not None), deadline_s)
        except (paramiko.SSHException, OSError, EOFError) as e:
            raise _lost(self.label, str(e) or type(e).__name__) from e
        finally:
            exchange.close()

    def _open(self) -> Any:
        try:
            return self._transport.open_session(timeout=CHANNEL_S)
        except (paramiko.SSHException, OSError, EOFError) as e:
            raise _lost(self.label, str(e) or type(e).__name__) from e

    def close(self) -> None:
        self._transport.close()


def _command(script: str, args: tuple[str, ...], mark: str, deadline_s: float, feeds: bool) -> str:
    """One line for the login shell, whichever it is: it only has to understand single quotes."""
    limit_s = math.ceil(deadline_s) * (4 if feeds else 1)  # a slow link that moves may take longer
    start = _START.replace("MARK", mark).replace("T sh", f"{limit_s} sh")
    return "exec sh -c " + " ".join(shlex.quote(word) for word in (start, "ek", script, *args))


def _lost(label: str, why: str) -> ConnectionFailed:
    return ConnectionFailed(f"the connection to {label} was lost: {printable(why.encode())}", hint="try again")


class _Exchange:
    """Bytes to and from one channel: this thread reads stdout, two others write stdin and read stderr."""

    def __init__(self, channel: Any, label: str, stdin: Iterable[bytes] | None, cap_bytes: int, mark: str) -> None:
        self.channel, self.label, self.stdin = channel, label, stdin
        self.clock = Clock()
        self.out = Capture(cap_bytes, mark.encode() + b"\n")
        self.err = Capture(cap_bytes, mark.encode() + b"\n")
        self.failure: BaseException | None = None
        self.ended = False
        channel.settimeout(_TICK_S)
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._feed, self._read_err)]

    def result(self, command: str, deadline_s: float) -> Result:
        self.channel.exec_command(command)
        for thread in self.threads:
            thread.start()
        self._read(self.channel.recv, self.out, deadline_s)
        while self.threads[1].is_alive() and not self._stuck(deadline_s):
            self.threads[1].join(_TICK_S)
        if self.failure is not None:
            raise self.failure
        if self.out.full or self.err.full:
            return self._answer(CUT_STATUS)
        return self._answer(self._status(deadline_s))

    def close(self) -> None:
        self.ended = True
        self.channel.close()
        for thread in self.threads:
            if thread.ident:
                thread.join()

    def _read(self, receive: Callable[[int], bytes], capture: Capture, deadline_s: float = math.inf) -> None:
        while not (self.out.full or self.err.full or self.ended or self.failure):
            try:
                chunk = receive(_CHUNK_BYTES)
            except TimeoutError:
                if self._stuck(deadline_s):
                    break
                continue
            if not chunk:
                return
            self.clock.moved()
            capture.add(chunk)

    def _stuck(self, deadline_s: float) -> bool:
        if self.clock.idle_s > deadline_s:
            hint = "is the board still on, and in the network?"
            raise ConnectionFailed(f"{self.label}: nothing came or went for {deadline_s:.0f} s", hint=hint)
        return bool(self.out.full or self.err.full or self.failure)

    def _read_err(self) -> None:
        self._read(self.channel.recv_stderr, self.err)

    def _feed(self) -> None:
        try:
            for chunk in self.stdin or ():
                if not self._send(memoryview(chunk)):
                    return  # it reads no more; what it wrote to stderr and its exit status say why
            self.channel.shutdown_write()
        except OSError:
            pass  # closed by the other side: the same
        except BaseException as e:
            self.failure = e

    def _send(self, rest: memoryview) -> bool:
        while rest:
            if self.ended or self.channel.closed or self.channel.exit_status_ready():
                return False
            try:
                sent = self.channel.send(rest[:_CHUNK_BYTES])
            except TimeoutError:
                continue
            if sent == 0:
                return False
            self.clock.moved()
            rest = rest[sent:]
        return True

    def _status(self, deadline_s: float) -> int:
        while not self.channel.status_event.wait(_TICK_S):
            self._stuck(deadline_s)
        status: int = self.channel.recv_exit_status()
        if status == -1 and not self.channel.get_transport().is_active():
            raise _lost(self.label, "the server closed it")
        if not self.out.begun:
            raise self._no_shell()
        return status if status >= 0 else 137  # ended by a signal, which paramiko does not tell

    def _no_shell(self) -> DeviceError:
        said = _line(self.out.content() or self.err.content())
        return DeviceError(
            f"{self.label}: the login has no POSIX shell; it said: {said}",
            hint="a forced command, nologin or a restricted shell cannot be deployed to: log in as another user",
        )

    def _answer(self, status: int) -> Result:
        return Result(status, self.out.content(), self.err.content())


def _line(raw: bytes) -> str:
    """The beginning of what a server said, on one line."""
    return " ".join(printable(raw[:400]).split())[:200] or "nothing"

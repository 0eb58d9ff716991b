"""A Login → an authenticated transport: own socket, server key checked before anything is said, keys tried one by one.

A server that accepts the connection but does not speak is asked again for 20 s, as a board that boots is like that;
a refused connection or an unknown name fails at once.
"""

from __future__ import annotations

import contextlib
import getpass
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko
from paramiko.pkey import UnknownKeyType

from edgekit.device import printable
from edgekit.device.host_keys import HostKeys
from edgekit.device.ssh_config import Login
from edgekit.errors import AuthenticationFailed, ConnectionFailed, UsageError

CONNECT_S = 10.0
BANNER_S = 8.0
AUTHENTICATION_S = 30.0
CHANNEL_S = 20.0
BOOTING_S = 20.0
KEEPALIVE_S = 15
_MIN_DIAL_S = 3.0
_BANNER_BYTES = 8192
_TOO_MANY = (b"Exceeded MaxStartups", b"Not allowed at this time")  # what OpenSSH says before it closes
# with these the kernel finds a dead link in about 40 s: seconds, seconds, times, milliseconds
_TCP_OPTIONS = {"TCP_NODELAY": 1, "TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 40_000}

# no CBC (Terrapin, CVE-2023-48795), no 3DES, no MD5, no SHA-1; the fastest first
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr", "aes192-ctr")
_WEAK = ("cbc", "3des", "md5", "sha1", "arcfour")

_LINK_ERRORS = (paramiko.SSHException, OSError, EOFError)


def log_in(login: Login, host_keys: HostKeys, progress: Callable[[str], None]) -> paramiko.Transport:
    """Raises ConnectionFailed or AuthenticationFailed."""
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # what it logs, it also raises
    transport = _shake_hands(login, host_keys, progress)
    try:
        key = transport.get_remote_server_key()
        host_keys.check(key.get_name(), key.asbytes())
        _authenticate(transport, login)
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(KEEPALIVE_S)
    return transport


class _Silent(ConnectionFailed):
    """TCP was accepted, but no SSH server spoke."""

    def __init__(self, message: str) -> None:
        super().__init__(message, hint="a board that boots needs up to a minute: try again then")


def _shake_hands(login: Login, host_keys: HostKeys, progress: Callable[[str], None]) -> paramiko.Transport:
    end, pause_s = time.monotonic() + BOOTING_S, 0.5
    while True:
        sock = _dial(login)
        try:
            _await_banner(sock, login, min(BANNER_S, max(1.0, end - time.monotonic())))
            return _negotiate(sock, login, host_keys)
        except _Silent:
            sock.close()
            if time.monotonic() + pause_s >= end:
                raise
            progress(f"{login.label} accepts the connection but does not answer yet: trying again")
            time.sleep(pause_s)
            pause_s *= 2
        except BaseException:
            sock.close()
            raise


def _dial(login: Login) -> socket.socket:
    addresses = _resolve(login)
    failure = OSError("no address")
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        sock.settimeout(max(_MIN_DIAL_S, CONNECT_S / len(addresses)))
        try:
            sock.connect(address)
        except OSError as e:
            sock.close()
            failure = e
            continue
        _tune(sock)
        return sock
    why = "no answer" if isinstance(failure, TimeoutError) else failure.strerror or str(failure)
    hint = "is the board on, in this network, and its SSH server enabled?"
    raise ConnectionFailed(f"{login.label} cannot be reached: {why}", hint=hint) from failure


def _resolve(login: Login) -> list[tuple[Any, ...]]:
    """The addresses of the name. Asked in a thread, as a resolver may take minutes and cannot be told a limit."""
    found: list[tuple[Any, ...]] = []

    def ask() -> None:
        with contextlib.suppress(OSError, UnicodeError):  # as good as no answer
            found.extend(socket.getaddrinfo(login.host, login.port, type=socket.SOCK_STREAM))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(CONNECT_S)
    if not found:
        hint = "is it spelt right? its address in numbers works too"
        raise ConnectionFailed(f'the host name "{login.host}" is not known in this network', hint=hint)
    return list(found)


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _TCP_OPTIONS.items():
        if hasattr(socket, name):  # not every system has all of them
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _await_banner(sock: socket.socket, login: Login, limit_s: float) -> None:
    """Looks, without taking it, at what the server says first: paramiko would read an endless line to its end."""
    end = time.monotonic() + limit_s
    said = b""
    while not said.startswith(b"SSH-") and b"\nSSH-" not in said:
        left_s = end - time.monotonic()
        if len(said) >= _BANNER_BYTES or (said and left_s < 0):
            shown = " ".join(printable(said[:200]).split())
            hint = "is it the right port?"
            raise ConnectionFailed(f"{login.label} is not an SSH server; it says: {shown}", hint=hint)
        sock.settimeout(max(0.05, left_s))
        before, said = said, _peek(sock, login)
        if said.startswith(_TOO_MANY):
            raise _Silent(f"{login.label} takes no more logins at the moment")
        if said == before:
            time.sleep(0.05)


def _peek(sock: socket.socket, login: Login) -> bytes:
    try:
        said = sock.recv(_BANNER_BYTES, socket.MSG_PEEK)
    except TimeoutError as e:
        raise _Silent(f"{login.label} accepts the connection but says nothing") from e
    except OSError as e:
        raise _Silent(f"{login.label} drops the connection: {e.strerror}") from e
    if not said:
        raise _Silent(f"{login.label} closes the connection at once")
    return said


def _negotiate(sock: socket.socket, login: Login, host_keys: HostKeys) -> paramiko.Transport:
    transport = paramiko.Transport(sock, disabled_algorithms=_weak_algorithms())
    transport.banner_timeout = BANNER_S
    transport.auth_timeout = AUTHENTICATION_S
    transport.channel_timeout = CHANNEL_S
    options = transport.get_security_options()
    options.ciphers = [name for name in _CIPHERS if name in options.ciphers]
    known = _signature_names(host_keys.kinds())
    options.key_types = sorted(options.key_types, key=lambda name: name not in known)
    try:
        transport.start_client(timeout=CONNECT_S)
        transport.get_remote_server_key()  # raises where the timeout ended it
    except _LINK_ERRORS as e:
        transport.close()
        why = printable(str(e).encode()) or type(e).__name__
        raise ConnectionFailed(f"{login.label}: the SSH handshake failed: {why}") from e
    return transport


def _weak_algorithms() -> dict[str, list[str]]:
    offered = {
        kind: getattr(paramiko.Transport, f"_preferred_{kind}")
        for kind in ("kex", "ciphers", "macs", "keys", "pubkeys")
    }
    return {kind: [name for name in names if any(weak in name for weak in _WEAK)] for kind, names in offered.items()}


def _signature_names(kinds: set[str]) -> set[str]:
    """An RSA key signs under the names of its hashes."""
    return kinds | ({"rsa-sha2-256", "rsa-sha2-512"} if "ssh-rsa" in kinds else set())


def _authenticate(transport: paramiko.Transport, login: Login) -> None:
    tried: list[str] = []
    for name, key, unusable in _keys(login):
        tried.append(f"{name} ({unusable})" if unusable else name)
        if key is None:
            continue
        try:
            transport.auth_publickey(login.user, key)
        except paramiko.BadAuthenticationType as e:
            raise _refused(login, tried, f": it offers only {', '.join(e.allowed_types)}") from e
        except paramiko.AuthenticationException:
            continue
        except _LINK_ERRORS as e:
            raise _refused(login, tried, ": it closed the connection, after too many keys?") from e
        if transport.is_authenticated():
            return
    raise _refused(login, tried, "")


def _refused(login: Login, tried: list[str], why: str) -> AuthenticationFailed:
    return AuthenticationFailed(
        f"{login.label} refused the login{printable(why.encode())}; "
        f"keys tried: {', '.join(tried) or 'none, as there is neither an agent with keys nor a key file'}",
        hint=f"bring your key there: ssh-copy-id -p {login.port} {login.user}@{login.host}; or name one: --identity",
    )


def _keys(login: Login) -> Iterator[tuple[str, Any, str]]:
    """Name, key and why it cannot be used."""
    for path in login.identities:
        yield (str(path), *_load(path))
    if login.agent:
        for key in _agent_keys():
            yield f"{key.get_name()} of the agent", key, ""


def _agent_keys() -> tuple[Any, ...]:
    try:
        return tuple(paramiko.Agent().get_keys())
    except _LINK_ERRORS:  # an agent that is gone, or speaks something else
        return ()


def _load(path: Path) -> tuple[Any, str]:
    try:
        return paramiko.PKey.from_path(path), ""
    except (paramiko.PasswordRequiredException, TypeError):  # TypeError: of the cryptography package, for the same
        return _load_encrypted(path)
    except (*_LINK_ERRORS, ValueError, UnknownKeyType) as e:
        return None, f"not a usable key file: {printable(str(e).encode()) or type(e).__name__}"


def _load_encrypted(path: Path) -> tuple[Any, str]:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None, "needs its passphrase: add it to ssh-agent"
    passphrase = getpass.getpass(f"passphrase of {path}: ", stream=sys.stderr)
    try:
        return paramiko.PKey.from_path(path, passphrase.encode()), ""
    except (*_LINK_ERRORS, ValueError, TypeError) as e:
        raise UsageError(f"{path}: wrong passphrase, or damaged", hint="try again, or use ssh-agent") from e

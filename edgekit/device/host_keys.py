"""A server's public key → known, or an error. Known are the keys of ~/.ssh/known_hosts and of edgekit's own file, or
the one whose fingerprint the user gave. A changed key is refused and never asked about; an unknown one is asked about
on a terminal and refused elsewhere."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

import paramiko

from edgekit.device.keys import fingerprint_of
from edgekit.device.ssh_config import Login
from edgekit.errors import AuthenticationFailed, UsageError
from edgekit.resources import cache_dir


class HostKeys:
    """What is known about the server of one login."""

    def __init__(self, login: Login, pinned: str | None, files: tuple[Path, ...] | None = None) -> None:
        if pinned is not None and not _is_fingerprint(pinned):
            raise UsageError(f'--host-key "{pinned}" is not a fingerprint', hint="allowed: SHA256:... as ssh shows it")
        self.login = login
        self.pinned = pinned
        self.own = cache_dir() / "known_hosts"
        self.files = files or (Path("~/.ssh/known_hosts").expanduser(), self.own)
        self.name = login.host if login.port == 22 else f"[{login.host}]:{login.port}"
        self.known = [(file, _read(file)) for file in self.files]

    def types(self) -> list[str]:
        """The key types that are known of this server; it is asked for one of these, to compare like with like."""
        return [kind for _, keys in self.known for kind in (keys.lookup(self.name) or {})]

    def check(self, key: Any) -> None:
        """Raises AuthenticationFailed unless the key is known, pinned, or accepted at the terminal."""
        seen = fingerprint_of(key.asbytes())
        if self.pinned is not None:
            if seen != self.pinned:
                raise AuthenticationFailed(f"{self.login.label} has host key {seen}, not {self.pinned}")
            return
        stored = [(file, keys.lookup(self.name)) for file, keys in self.known if keys.lookup(self.name)]
        if any(entry.get(key.get_name()) == key for _, entry in stored):
            return
        if stored:
            raise self._changed(stored[0][0], seen)
        self._ask(key, seen)

    def _changed(self, file: Path, seen: str) -> AuthenticationFailed:
        line = _line_of(file, self.name)
        return AuthenticationFailed(
            f"the host key of {self.login.label} has changed: it shows {seen}, {file} line {line} has another",
            hint="it may be another machine in between; if the board was set up anew: "
            f"ssh-keygen -R '{self.name}' -f {file}",
        )

    def _ask(self, key: Any, seen: str) -> None:
        unknown = f"the host key of {self.login.label} is not known: {key.get_name()} {seen}"
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise AuthenticationFailed(unknown, hint=f"compare it with the board's own and add --host-key {seen}")
        print(f"{unknown}\nIs it the board's (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub there)? yes or no: ", end="",
              file=sys.stderr, flush=True)  # fmt: skip
        if sys.stdin.readline().strip().lower() != "yes":
            raise AuthenticationFailed(f"{unknown}; it was not accepted")
        self.own.parent.mkdir(parents=True, exist_ok=True)
        with self.own.open("a", encoding="utf-8") as file:
            file.write(f"{self.name} {key.get_name()} {key.get_base64()}\n")


def _is_fingerprint(text: str) -> bool:
    try:
        return text.startswith("SHA256:") and len(base64.b64decode(text[7:] + "=", validate=True)) == 32
    except ValueError:
        return False


def _read(file: Path) -> Any:
    keys = paramiko.HostKeys()
    if file.is_file():
        try:
            keys.load(str(file))
        except (OSError, paramiko.SSHException) as e:
            raise UsageError(f"{file}: {e}", hint="OpenSSH's known_hosts format is expected") from e
    return keys


def _line_of(file: Path, name: str) -> int | None:
    """The first line of `file` that is about `name`, in clear or hashed."""
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        names = line.split(" ", 1)[0].split(",")
        hashed = (paramiko.HostKeys.hash_host(name, each) == each for each in names if each.startswith("|1|"))
        if name in names or any(hashed):
            return number
    return None

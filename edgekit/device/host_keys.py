"""A server's public key → known, or an error. Known are the keys of ~/.ssh/known_hosts and of edgekit's own file, or
the one whose fingerprint the user gave. A changed or revoked key is refused and never asked about; an unknown one is
asked about on a terminal and refused elsewhere."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit.device.keys import fingerprint_of
from edgekit.errors import AuthenticationFailed, UsageError
from edgekit.resources import cache_dir


@dataclass(frozen=True)
class KnownKey:
    """One line of a known_hosts file that is about the server."""

    file: Path
    line: int
    kind: str
    blob: bytes
    revoked: bool


class HostKeys:
    """What is known of one server; `label` is how messages name it, `pinned` the fingerprint that the user gave."""

    def __init__(self, host: str, port: int, label: str, pinned: str | None = None) -> None:
        if pinned is not None and not _is_fingerprint(pinned):
            raise UsageError(f'--host-key "{pinned}" is not a fingerprint', hint="allowed: SHA256:... as ssh shows it")
        self.name = host if port == 22 else f"[{host}]:{port}"
        self.label = label
        self.pinned = pinned
        self.own = cache_dir() / "known_hosts"
        files = (Path("~/.ssh/known_hosts").expanduser(), self.own)
        self.known = tuple(key for file in files for key in read_known_hosts(file, self.name))

    def kinds(self) -> set[str]:
        """The key types that are known; the server is asked for one of these, to compare like with like."""
        return {key.kind for key in self.known if not key.revoked}

    def check(self, kind: str, blob: bytes) -> None:
        """Raises AuthenticationFailed unless the key is pinned, known, or accepted at the terminal."""
        seen = fingerprint_of(blob)
        for key in self.known:
            if key.revoked and key.blob == blob:
                raise AuthenticationFailed(f"the host key of {self.label} is revoked by {key.file} line {key.line}")
        if self.pinned is not None:
            if seen != self.pinned:
                hint = "it may be another machine in between, or another board"
                raise AuthenticationFailed(f"{self.label} has host key {seen}, not {self.pinned}", hint=hint)
            return
        good = [key for key in self.known if not key.revoked]
        if good and all(key.blob != blob for key in good):
            raise self._changed(next((key for key in good if key.kind == kind), good[0]), seen)
        if not good:
            self._ask(kind, blob, seen)

    def _changed(self, key: KnownKey, seen: str) -> AuthenticationFailed:
        return AuthenticationFailed(
            f"the host key of {self.label} has changed: it shows {seen}, "
            f"{key.file} line {key.line} has {fingerprint_of(key.blob)}",
            hint="it may be another machine in between; if the board was set up anew, "
            f"forget the old key: ssh-keygen -R '{self.name}' -f {key.file}",
        )

    def _ask(self, kind: str, blob: bytes, seen: str) -> None:
        unknown = f"the host key of {self.label} is not known: {kind} {seen}"
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise AuthenticationFailed(unknown, hint=f"compare it with the board's own, then add --host-key {seen}")
        print(unknown, "Is it the board's? (there: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub) Type yes or no:",
              sep="\n", file=sys.stderr, flush=True)  # fmt: skip
        if sys.stdin.readline().strip().lower() != "yes":
            raise AuthenticationFailed(f"{unknown}; it was not accepted")
        self.own.parent.mkdir(parents=True, exist_ok=True)
        line = f"{self.name} {kind} {base64.b64encode(blob).decode()}\n"
        with os.fdopen(os.open(self.own, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as file:
            file.write(line)


def read_known_hosts(file: Path, name: str) -> Iterator[KnownKey]:
    """The keys of `name` (`host`, or `[host]:port`); lines that are not well formed are left out, as OpenSSH does."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    except OSError as e:
        raise UsageError(f"{file}: {e.strerror}", hint="edgekit must be able to read it") from e
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or marker not in ("", "@revoked") or fields[0].startswith("#"):
            continue
        if _matches(fields[0], name) or (marker and _matches(fields[0], "*")):
            try:
                yield KnownKey(file, number, fields[1], base64.b64decode(fields[2], validate=True), bool(marker))
            except binascii.Error:
                continue


def _matches(patterns: str, name: str) -> bool:
    """Whether a comma-separated list of names, of which each may be hashed, a glob or negated (!), means `name`."""
    found = False
    for pattern in patterns.split(","):
        if pattern.startswith("!") and _matches_one(pattern[1:], name):
            return False
        found = found or _matches_one(pattern, name)
    return found


def _matches_one(pattern: str, name: str) -> bool:
    if pattern.startswith("|1|"):  # |1|salt|HMAC-SHA1 of the name
        try:
            salt, digest = (base64.b64decode(part) for part in pattern[3:].split("|"))
        except ValueError:
            return False
        return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
    literal = pattern.replace("[", "[[]")  # brackets are part of a name with a port, not a set of characters
    return fnmatch.fnmatchcase(name.lower(), literal.lower())


def _is_fingerprint(text: str) -> bool:
    try:
        return text.startswith("SHA256:") and len(base64.b64decode(text[7:] + "=", validate=True)) == 32
    except ValueError:
        return False

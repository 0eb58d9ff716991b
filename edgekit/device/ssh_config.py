"""An address and ~/.ssh/config → how to log in: name, port, user and keys. Refuses what paramiko cannot do (jump hosts,
proxy commands)."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko

from edgekit.device import Address
from edgekit.errors import UnsupportedError, UsageError

_USUAL_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
_MAX_INCLUDES = 16  # nested, as in OpenSSH


@dataclass(frozen=True)
class Login:
    """Where and as whom; `identities` are private key files, tried in order; `agent`: its keys are tried too."""

    host: str
    port: int
    user: str
    identities: tuple[Path, ...]
    agent: bool
    label: str


def read_login(address: Address, identity: Path | None = None, label: str = "", folder: Path | None = None) -> Login:
    """`folder` holds the user's config and keys, by default ~/.ssh. Raises UnsupportedError or UsageError."""
    folder = folder or Path("~/.ssh").expanduser()
    config = _lookup(folder / "config", address.host)
    for key in ("proxyjump", "proxycommand"):
        if str(config.get(key) or "none").lower() != "none":
            raise UnsupportedError(
                f"{address.host}: {key} of {folder / 'config'} is not supported",
                hint="open a tunnel (ssh -NL 2222:BOARD:22 JUMPHOST) and use --host USER@127.0.0.1:2222",
            )
    user = address.user or config.get("user") or getpass.getuser()
    port = address.port or int(config.get("port", 22))
    where = f"{user}@{address.host}" + (f":{port}" if port != 22 else "")
    return Login(
        host=config.get("hostname", address.host),
        port=port,
        user=user,
        identities=_identities(identity, config, folder),
        agent=identity is None and config.get("identitiesonly", "no").lower() != "yes",
        label=label or where,
    )


def _identities(identity: Path | None, config: dict[str, Any], folder: Path) -> tuple[Path, ...]:
    if identity is not None:
        if not identity.expanduser().is_file():
            raise UsageError(f"--identity {identity}: no such file", hint="name the private key file")
        return (identity.expanduser(),)
    named = [Path(file).expanduser() for file in config.get("identityfile", ())]
    return tuple(path for path in named or (folder / name for name in _USUAL_KEYS) if path.is_file())


def _lookup(file: Path, host: str) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        found = dict(paramiko.SSHConfig.from_text(_with_includes(file, file.parent)).lookup(host))
        if not 0 < int(found.get("port", 22)) < 65536:
            raise ValueError(f"Port {found['port']} of {host} is not a port")
        return found
    except (OSError, ValueError, ImportError, paramiko.SSHException, paramiko.CouldNotCanonicalize) as e:
        hint = "edgekit understands Host, HostName, User, Port, IdentityFile, IdentitiesOnly and Include of it"
        raise UsageError(f"{file}: {e}", hint=hint) from e


def _with_includes(file: Path, folder: Path, depth: int = 0) -> str:
    """The text of a config with the files of its Include lines in their place; paramiko would ignore them."""
    if depth > _MAX_INCLUDES:
        raise ValueError(f"more than {_MAX_INCLUDES} nested Include")
    lines = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        word, *patterns = line.replace("=", " ", 1).split() or [""]
        if word.lower() == "match" and "exec" in (pattern.lower().lstrip("!") for pattern in patterns):
            raise ValueError("Match exec is not supported")
        if word.lower() != "include":
            lines.append(line)
            continue
        for pattern in patterns:
            path = Path(pattern.strip('"')).expanduser()
            base = Path(path.anchor) if path.is_absolute() else folder
            found = sorted(base.glob(str(path.relative_to(path.anchor) if path.is_absolute() else path)))
            lines.extend(_with_includes(each, folder, depth + 1) for each in found if each.is_file())
    return "\n".join(lines)

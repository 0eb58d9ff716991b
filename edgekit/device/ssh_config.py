"""An address and ~/.ssh/config → how to log in. Refuses what paramiko cannot do (jump hosts, proxy commands)."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko

from edgekit.device import Address
from edgekit.errors import UnsupportedError, UsageError


@dataclass(frozen=True)
class Login:
    """Where and as whom; `identities` are private key files, tried in order, `agent` whether its keys are tried too."""

    host: str
    port: int
    user: str
    identities: tuple[Path, ...]
    agent: bool
    label: str


_USUAL = ("id_ed25519", "id_ecdsa", "id_rsa")


def read_login(address: Address, identity: Path | None, label: str = "", folder: Path | None = None) -> Login:
    """Raises UnsupportedError for jump hosts, UsageError for a config or key file that cannot be read."""
    folder = folder or Path("~/.ssh").expanduser()
    config = _lookup(folder / "config", address.host)
    for key in ("proxyjump", "proxycommand"):
        if config.get(key, "none").lower() != "none":
            raise UnsupportedError(
                f"{address.host}: {key} of {folder / 'config'} is not supported",
                hint="open a tunnel (ssh -L 2222:BOARD:22 JUMPHOST) and use --host pi@127.0.0.1:2222",
            )
    host = config.get("hostname", address.host)
    user = address.user or config.get("user") or getpass.getuser()
    port = address.port or int(config.get("port", 22))
    if identity is not None and not identity.expanduser().is_file():
        raise UsageError(f"--identity {identity}: no such file")
    named = [identity] if identity else [Path(file) for file in config.get("identityfile", ())]
    usual = [] if named else [folder / name for name in _USUAL]
    identities = tuple(path.expanduser() for path in (*named, *usual) if path.expanduser().is_file())
    agent = identity is None and config.get("identitiesonly", "no").lower() != "yes"
    where = f"{user}@{address.host}" + (f":{port}" if port != 22 else "")
    return Login(host, port, user, identities, agent, label or where)


def _lookup(file: Path, host: str) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        return dict(paramiko.SSHConfig.from_path(str(file)).lookup(host))
    except (OSError, ValueError, paramiko.SSHException) as e:
        raise UsageError(f"{file}: {e}") from e

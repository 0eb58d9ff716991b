"""A real OpenSSH server of this machine, with keys and a configuration of its own, and a HOME that is empty."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgekit.device import Address
from edgekit.device.keys import fingerprint, write_key
from edgekit.device.ssh import SshDevice, connect

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@dataclass
class Server:
    """sshd in `folder`; `address` is where it listens, `key` what its user logs in with."""

    folder: Path
    port: int
    process: subprocess.Popen | None = None

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", pwd.getpwuid(os.getuid()).pw_name, self.port)

    @property
    def key(self) -> Path:
        return self.folder / "user_key"

    @property
    def host_key(self) -> str:
        return fingerprint(self.folder / "host_key")

    def start(self, *options: str) -> None:
        lines = [
            f"Port {self.port}", "ListenAddress 127.0.0.1", f"HostKey {self.folder}/host_key", "PidFile none",
            f"AuthorizedKeysFile {self.folder}/user_key.pub", "StrictModes no", "UsePAM no", "PermitRootLogin yes",
            "PasswordAuthentication no", "KbdInteractiveAuthentication no", *options,
        ]  # fmt: skip
        (self.folder / "config").write_text("\n".join(lines) + "\n")
        command = [SSHD, "-D", "-e", "-f", str(self.folder / "config")]
        self.process = subprocess.Popen(command, stderr=(self.folder / "log").open("wb"), start_new_session=True)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as link:
                assert link.recv(4) == b"SSH-"
                return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.02)
        raise AssertionError("sshd did not start")

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(10)

    def new_host_key(self) -> None:
        write_key(self.folder / "host_key")

    def connect(self, **options) -> SshDevice:
        return connect(self.address, **{"host_key": self.host_key, "identity": self.key, **options})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty HOME and cache, no agent."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture
def new_server(home: Path, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers with options of sshd_config."""
    if SSHD is None:
        assert not os.environ.get("CI"), "openssh-server is missing"
        pytest.skip("openssh-server is missing")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    servers: list[Server] = []

    def start(*options: str) -> Server:
        folder = tmp_path / f"server{len(servers)}"
        write_key(folder / "host_key")
        write_key(folder / "user_key")
        server = Server(folder, free_port())
        servers.append(server)
        server.start(*options)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def device(new_server: Callable[..., Server]) -> Iterator[SshDevice]:
    """Logged in to a server of this machine."""
    connected = new_server().connect()
    yield connected
    connected.close()

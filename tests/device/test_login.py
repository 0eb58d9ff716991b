"""Logging in: what may go wrong between a name and a shell, against real servers and hostile sockets."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgekit.device import Address
from edgekit.device.keys import fingerprint, write_key
from edgekit.device.ssh import connect
from edgekit.errors import AuthenticationFailed, ConnectionFailed, DeviceError, UsageError

from .conftest import Server, free_port

NewServer = Callable[..., Server]


def remember(home: Path, server: Server, key: Path) -> None:
    blob = key.with_suffix(".pub").read_text().split()[1]
    (home / ".ssh/known_hosts").write_text(f"# boards\n[127.0.0.1]:{server.port} ssh-ed25519 {blob}\n")


def test_unknown_host_key_is_refused_with_its_fingerprint(new_server: NewServer) -> None:
    server = new_server()
    with pytest.raises(AuthenticationFailed, match="not known") as e:
        server.connect(host_key=None)
    assert server.host_key in e.value.message
    assert f"--host-key {server.host_key}" in e.value.hint
    assert "Accepted" not in (server.folder / "log").read_text()


def test_known_host_key_is_accepted(new_server: NewServer, home: Path) -> None:
    server = new_server()
    remember(home, server, server.folder / "host_key")
    server.connect(host_key=None).close()


def test_changed_host_key_names_the_line(new_server: NewServer, home: Path, tmp_path: Path) -> None:
    server = new_server()
    write_key(tmp_path / "old")
    remember(home, server, tmp_path / "old")
    with pytest.raises(AuthenticationFailed, match="has changed") as e:
        server.connect(host_key=None)
    assert f"{home}/.ssh/known_hosts line 2" in e.value.message
    assert server.host_key in e.value.message
    assert fingerprint(tmp_path / "old") in e.value.message
    assert "ssh-keygen -R" in e.value.hint


def test_host_key_that_changes_after_it_was_accepted(new_server: NewServer, home: Path) -> None:
    server = new_server()
    remember(home, server, server.folder / "host_key")
    server.connect(host_key=None).close()
    server.stop()
    server.new_host_key()
    server.start()
    with pytest.raises(AuthenticationFailed, match="has changed"):
        server.connect(host_key=None)


def test_another_key_than_the_pinned_one(new_server: NewServer, tmp_path: Path) -> None:
    write_key(tmp_path / "other")
    with pytest.raises(AuthenticationFailed, match="has host key SHA256:"):
        new_server().connect(host_key=fingerprint(tmp_path / "other"))


@pytest.mark.parametrize("text", ["", "SHA256:", "MD5:00:11", "SHA256:abc", "yes"])
def test_pin_that_is_no_fingerprint(new_server: NewServer, text: str) -> None:
    with pytest.raises(UsageError, match="not a fingerprint"):
        new_server().connect(host_key=text)


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_unknown_host_key_is_asked_about_on_a_terminal(
    new_server: NewServer, home: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    server, screen = new_server(), Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
    monkeypatch.setattr(sys, "stderr", screen)
    own = Path(os.environ["EDGEKIT_CACHE"]) / "known_hosts"
    if answer == "yes":
        server.connect(host_key=None).close()
        assert own.stat().st_mode & 0o777 == 0o600
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        server.connect(host_key=None).close()  # now without a question
    else:
        with pytest.raises(AuthenticationFailed, match="was not accepted"):
            server.connect(host_key=None)
        assert not own.exists()
    assert server.host_key in screen.getvalue()


def test_server_is_asked_for_the_key_type_that_is_known(new_server: NewServer, home: Path, tmp_path: Path) -> None:
    rsa = tmp_path / "rsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", rsa], check=True)
    server = new_server(f"HostKey {rsa}")
    kind, blob = rsa.with_suffix(".pub").read_text().split()[:2]
    (home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{server.port} {kind} {blob}\n")
    server.connect(host_key=None).close()


def test_wrong_user_key_says_which_were_tried(new_server: NewServer, tmp_path: Path) -> None:
    write_key(tmp_path / "stranger")
    with pytest.raises(AuthenticationFailed, match="refused the login") as e:
        new_server().connect(identity=tmp_path / "stranger")
    assert str(tmp_path / "stranger") in e.value.message
    assert "ssh-copy-id" in e.value.hint


def test_no_key_at_all(new_server: NewServer) -> None:
    with pytest.raises(AuthenticationFailed, match="keys tried: none"):
        new_server().connect(identity=None)


def test_encrypted_key_without_a_terminal(new_server: NewServer) -> None:
    server = new_server()
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", server.key], check=True, stdout=subprocess.DEVNULL)
    with pytest.raises(AuthenticationFailed, match="passphrase"):
        server.connect()


@pytest.mark.parametrize("typed", ["secret", "wrong"])
def test_encrypted_key_asks_on_a_terminal(new_server: NewServer, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    server = new_server()
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", server.key], check=True, stdout=subprocess.DEVNULL)
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda *_, **__: typed)
    if typed == "secret":
        server.connect().close()
    else:
        with pytest.raises(UsageError, match="wrong passphrase"):
            server.connect()


def test_file_that_is_no_key(new_server: NewServer, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("Dear board,\n")
    with pytest.raises(AuthenticationFailed, match="not a usable key file"):
        new_server().connect(identity=tmp_path / "letter")


def test_missing_identity(home: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        connect(Address("127.0.0.1", "pi", 1), identity=Path("nowhere"))


def test_keys_of_the_agent(new_server: NewServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = new_server()
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        while not (tmp_path / "agent").exists():
            time.sleep(0.01)
        subprocess.run(["ssh-add", "-q", server.key], check=True)
        server.connect(identity=None).close()
    finally:
        agent.terminate()
        agent.wait()


def test_too_many_keys_for_the_server(new_server: NewServer, home: Path) -> None:
    for name in ("id_ed25519", "id_ecdsa", "id_rsa"):
        write_key(home / ".ssh" / name)
    with pytest.raises(AuthenticationFailed, match="too many keys"):
        new_server("MaxAuthTries 1").connect(identity=None)


def test_server_that_takes_no_keys(new_server: NewServer) -> None:
    options = ("PubkeyAuthentication no", "AuthenticationMethods none", "PermitEmptyPasswords no")
    with pytest.raises(AuthenticationFailed, match="refused the login"):
        new_server(*options).connect()


@pytest.mark.parametrize(
    "command", ["echo hi", "echo 'only git here' >&2; exit 1", "true", "head -c 3000000 /dev/zero"]
)
def test_forced_command_is_no_posix_shell(new_server: NewServer, command: str) -> None:
    device = new_server(f"ForceCommand {command}").connect()
    with pytest.raises(DeviceError, match="no POSIX shell"):
        device.run("echo hello")
    device.close()


def test_noise_of_a_login_shell_is_dropped(new_server: NewServer) -> None:
    noise = 'echo welcome; echo careful >&2; exec sh -c "$SSH_ORIGINAL_COMMAND"'
    device = new_server(f"ForceCommand {noise}").connect()
    result = device.run("cat; echo reason >&2", stdin=[b"data"])
    assert (result.stdout, result.stderr) == (b"data", b"reason\n")
    device.close()


def test_server_without_sessions(new_server: NewServer) -> None:
    device = new_server("MaxSessions 0").connect()
    with pytest.raises(DeviceError, match="does not run commands"):
        device.run("true")
    device.close()


def test_rekeying_in_the_middle_of_a_transfer(new_server: NewServer) -> None:
    device = new_server("RekeyLimit 1M").connect()
    assert device.run("wc -c", stdin=(b"x" * 65536 for _ in range(160))).stdout.strip() == b"10485760"
    device.close()


def test_link_that_is_lost(new_server: NewServer) -> None:
    device = new_server().connect()
    started = time.monotonic()
    with pytest.raises(ConnectionFailed, match="was lost"):
        device.run(_KILL_SESSION)
    assert time.monotonic() - started < 10
    with pytest.raises(ConnectionFailed, match="was lost"):
        device.run("true")
    device.close()
    device.close()


# kills the sshd process above this shell
_KILL_SESSION = """p=$$
while [ "$(cat /proc/$p/comm)" != sshd ]; do p=$(cut -d ' ' -f 4 /proc/$p/stat); done
kill -9 "$p"; sleep 30"""


@contextmanager
def listening(talk: Callable[[socket.socket], None]) -> Iterator[tuple[Address, list[float]]]:
    """A server that treats each connection with `talk`; the list holds when they came."""
    came: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    link, _ = server.accept()
                except OSError:
                    return
                came.append(time.monotonic())
                threading.Thread(target=talk, args=(link,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield Address("127.0.0.1", "pi", server.getsockname()[1]), came
        server.shutdown(socket.SHUT_RDWR)


def test_web_server_is_no_ssh_server(home: Path) -> None:
    with (
        listening(lambda link: link.sendall(b"HTTP/1.1 400 Bad\x1b[2J Request\r\n" * 400)) as (address, _),
        pytest.raises(ConnectionFailed, match=r"not an SSH server; it says: HTTP/1\.1 400 Bad") as e,
    ):
        connect(address)
    assert "\x1b" not in e.value.message


def test_endless_banner_is_not_read_to_its_end(home: Path) -> None:
    def endless(link: socket.socket) -> None:
        try:
            while True:
                link.sendall(b"A" * 65536)
        except OSError:
            link.close()

    started = time.monotonic()
    with listening(endless) as (address, _), pytest.raises(ConnectionFailed, match="not an SSH server"):
        connect(address)
    assert time.monotonic() - started < 5


def test_silent_server_is_asked_again_as_it_may_boot(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgekit.device.ssh_login.BANNER_S", 1.0)
    monkeypatch.setattr("edgekit.device.ssh_login.BOOTING_S", 3.0)
    said: list[str] = []
    with listening(lambda _: time.sleep(60)) as (address, came), pytest.raises(ConnectionFailed, match="says nothing"):
        connect(address, progress=said.append)
    assert len(came) == 2 == len(said) + 1


def test_board_that_boots_is_waited_for(new_server: NewServer) -> None:
    server, booting = new_server(), 2

    def relay(link: socket.socket) -> None:
        nonlocal booting
        if booting:
            booting -= 1
            link.close()
            return
        with socket.create_connection(("127.0.0.1", server.port)) as other:
            threading.Thread(target=copy, args=(other, link), daemon=True).start()
            copy(link, other)

    def copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while chunk := source.recv(65536):
                sink.sendall(chunk)
        except OSError:
            pass

    with listening(relay) as (address, came):
        where = Address(address.host, server.address.user, address.port)
        connect(where, host_key=server.host_key, identity=server.key).close()
        assert len(came) == 3


def test_closed_port_fails_at_once(home: Path) -> None:
    started = time.monotonic()
    with pytest.raises(ConnectionFailed, match="cannot be reached: Connection refused"):
        connect(Address("127.0.0.1", "pi", free_port()))
    assert time.monotonic() - started < 2


def test_unknown_name_fails_within_ten_seconds(home: Path) -> None:
    started = time.monotonic()
    with pytest.raises(ConnectionFailed, match=r'"no-such-board\.invalid" is not known'):
        connect(Address("no-such-board.invalid", "pi"))
    assert time.monotonic() - started < 11


def test_resolver_that_hangs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgekit.device.ssh_login.CONNECT_S", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(3) or [])
    with pytest.raises(ConnectionFailed, match="is not known"):
        connect(Address("board.local", "pi"))


def test_weak_algorithms_are_not_offered(new_server: NewServer) -> None:
    weak = new_server("Ciphers aes128-cbc,3des-cbc")
    with pytest.raises(ConnectionFailed, match="handshake failed"):
        weak.connect()
    with pytest.raises(ConnectionFailed, match="handshake failed"):
        new_server("Ciphers aes128-ctr", "MACs hmac-sha1,hmac-md5").connect()

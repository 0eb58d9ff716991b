"""Lines of known_hosts files, judged as `ssh-keygen -F` does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edgekit.device.host_keys import HostKeys, read_known_hosts
from edgekit.device.keys import fingerprint, write_key
from edgekit.errors import AuthenticationFailed

NAME = "[board.local]:2222"


@pytest.fixture
def key(tmp_path: Path) -> str:
    write_key(tmp_path / "key")
    return " ".join((tmp_path / "key.pub").read_text().split()[:2])


def found(file: Path, text: str, name: str = NAME) -> int:
    file.write_text(text)
    return len(list(read_known_hosts(file, name)))


@pytest.mark.parametrize(
    ("names", "name", "count"),
    [
        ("board.local", "board.local", 1),
        ("BOARD.local", "board.LOCAL", 1),
        ("board.local", NAME, 0),
        (NAME, NAME, 1),
        (NAME, "board.local", 0),
        ("a,board.local,10.0.0.7", "10.0.0.7", 1),
        ("*.local", "board.local", 1),
        ("b?ard.local", "board.local", 1),
        ("*.local,!board.local", "board.local", 0),
        ("[*.local]:2222", NAME, 1),
        ("*", NAME, 1),
        ("#board.local", "board.local", 0),
    ],
)
def test_names_match_as_ssh_keygen_says(tmp_path: Path, key: str, names: str, name: str, count: int) -> None:
    file = tmp_path / "known_hosts"
    assert found(file, f"{names} {key} comment\n", name) == count
    oracle = subprocess.run(["ssh-keygen", "-F", name.lower(), "-f", file], capture_output=True)
    assert (oracle.returncode == 0) == bool(count)


def test_hashed_names(tmp_path: Path, key: str) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"{NAME} {key}\nboard.local {key}\n")
    subprocess.run(["ssh-keygen", "-H", "-f", file], check=True, capture_output=True)
    assert "board" not in file.read_text()
    assert [k.line for k in read_known_hosts(file, NAME)] == [1]
    assert [k.line for k in read_known_hosts(file, "board.local")] == [2]


@pytest.mark.parametrize(
    "line", ["", "board.local", "board.local ssh-ed25519", "board.local ssh-ed25519 ###", "|1|x y z"]
)
def test_lines_that_are_not_well_formed_are_left_out(tmp_path: Path, line: str) -> None:
    assert found(tmp_path / "known_hosts", f"{line}\n", "board.local") == 0


def test_no_file(tmp_path: Path) -> None:
    assert list(read_known_hosts(tmp_path / "none", NAME)) == []


def test_one_of_several_keys_is_enough(home: Path, tmp_path: Path, key: str) -> None:
    write_key(tmp_path / "other")
    other = (tmp_path / "other.pub").read_text()
    (home / ".ssh/known_hosts").write_text(f"board.local {other}board.local {key}\n")
    HostKeys("board.local", 22, "board").check("ssh-ed25519", blob(key))


def test_revoked_key_is_refused_even_if_pinned(home: Path, tmp_path: Path, key: str) -> None:
    (home / ".ssh/known_hosts").write_text(f"board.local {key}\n@revoked * {key}\n")
    for pin in (None, fingerprint(tmp_path / "key")):
        with pytest.raises(AuthenticationFailed, match=r"revoked by .*known_hosts line 2"):
            HostKeys("board.local", 22, "board", pin).check("ssh-ed25519", blob(key))


def blob(key: str) -> bytes:
    import base64

    return base64.b64decode(key.split()[1])


def test_fingerprint_is_that_of_ssh_keygen(tmp_path: Path, key: str) -> None:
    shown = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], capture_output=True, text=True, check=True)
    assert shown.stdout.split()[1] == fingerprint(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600

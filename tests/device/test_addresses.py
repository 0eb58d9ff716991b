"""Host strings, ~/.ssh/config, and which device a host string opens."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.device import Address, open_device, parse_address
from edgekit.device.local import LocalDevice
from edgekit.device.ssh_config import read_login
from edgekit.errors import UnsupportedError, UsageError
from edgekit.project import DeviceSpec
from edgekit.target import load_target


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("raspberrypi.local", Address("raspberrypi.local")),
        ("pi@10.0.0.7", Address("10.0.0.7", "pi")),
        ("pi@10.0.0.7:2222", Address("10.0.0.7", "pi", 2222)),
        ("board:65535", Address("board", None, 65535)),
        ("pi@[fe80::1%eth0]:22", Address("fe80::1%eth0", "pi", 22)),
        ("[::1]", Address("::1")),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "pi@", "@board", "a b", "-oProxyCommand=x", "pi@-board", "-x@board", "board:0", "board:65536", "board:x",
     "a@b@c", "fe80::1", "pi@board:22:22", "board\n", "bo\x1b[2Jard", "pi:secret@board"],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="is not an address") as e:
        parse_address(text)
    assert "\x1b" not in e.value.message
    assert "secret" not in e.value.message


def test_local_is_this_machine() -> None:
    device = open_device(DeviceSpec("here", "rpi4", "local"), load_target("rpi4"))
    assert isinstance(device, LocalDevice)


def test_microcontrollers_come_later() -> None:
    with pytest.raises(UnsupportedError, match="qemu"):
        open_device(DeviceSpec("mcu", "mps2-an386", "qemu"), load_target("mps2-an386"))


def test_microcontroller_has_no_virtual_linux() -> None:
    with pytest.raises(UnsupportedError, match="has no virtual board"):
        open_device(DeviceSpec("mcu", "pico", "virtual"), load_target("pico"))


CONFIG = """
Include conf.d/*.conf
Host lab
    HostName 10.0.0.9
    User engineer
    Port 2200
    IdentityFile {key}
    IdentitiesOnly yes
Host far
    ProxyJump bastion
Host tunnel
    ProxyCommand nc %h %p
Host direct
    ProxyJump none
"""


@pytest.fixture
def ssh(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text("")
    (tmp_path / "id_ed25519").write_text("")
    (tmp_path / "config").write_text(CONFIG.format(key=tmp_path / "key"))
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/boards.conf").write_text("Host kitchen\n  HostName 10.0.0.8\nHost *\n")
    return tmp_path


def test_config_of_ssh(ssh: Path) -> None:
    login = read_login(Address("lab"), folder=ssh)
    assert (login.host, login.user, login.port) == ("10.0.0.9", "engineer", 2200)
    assert (login.identities, login.agent, login.label) == ((ssh / "key",), False, "engineer@lab:2200")


def test_address_and_identity_go_before_the_config(ssh: Path) -> None:
    login = read_login(Address("lab", "pi", 22), ssh / "id_ed25519", folder=ssh)
    assert (login.user, login.port, login.identities, login.agent) == ("pi", 22, (ssh / "id_ed25519",), False)


def test_usual_keys_and_the_agent_by_default(ssh: Path) -> None:
    login = read_login(Address("elsewhere", "pi"), folder=ssh)
    assert (login.host, login.port, login.identities, login.agent) == ("elsewhere", 22, (ssh / "id_ed25519",), True)


def test_included_config(ssh: Path) -> None:
    assert read_login(Address("kitchen"), folder=ssh).host == "10.0.0.8"


@pytest.mark.parametrize("host", ["far", "tunnel"])
def test_jump_hosts_are_refused(ssh: Path, host: str) -> None:
    with pytest.raises(UnsupportedError, match=rf"{host}: proxy\w+ of .* is not supported"):
        read_login(Address(host), folder=ssh)


def test_jump_host_none(ssh: Path) -> None:
    assert read_login(Address("direct"), folder=ssh).host == "direct"


@pytest.mark.parametrize(
    "text", ["Include config", "Match exec true\n User a", "Host lab\n Port many", "Host lab\n Port 70000"]
)
def test_config_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(UsageError):
        read_login(Address("lab"), folder=tmp_path)

"""What every device promises of `run`, on this machine directly and over a real SSH server."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgekit.device import Device, printable
from edgekit.device.local import LocalDevice
from edgekit.errors import ConnectionFailed

WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40)
NASTY = [
    "",
    "a b",
    "it's",
    'say "x"',
    "$(id)",
    "`id`",
    "a\nb\n",
    "-n",
    "*",
    "\\",
    "${HOME}",
    "!!",
    ";exit 9",
    "é\u202e",
]


@pytest.fixture(params=["local", "ssh"])
def any_device(request: pytest.FixtureRequest) -> Device:
    return LocalDevice() if request.param == "local" else request.getfixturevalue("device")


def echoed(device: Device, words: list[str]) -> list[str]:
    result = device.run('for word in "$@"; do printf "%s\\0" "$word"; done', *words)
    assert (result.returncode, result.stderr) == (0, b"")
    return result.stdout.decode().split("\0")[:-1]


def test_status_and_both_outputs(any_device: Device) -> None:
    result = any_device.run("echo out; echo err >&2; exit 3")
    assert (result.returncode, result.stdout, result.stderr) == (3, b"out\n", b"err\n")


def test_arguments_arrive_as_they_are(any_device: Device) -> None:
    assert echoed(any_device, NASTY) == NASTY


def test_any_words_arrive_as_they_are(any_device: Device) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(WORDS, max_size=5))
    def check(words: list[str]) -> None:
        assert echoed(any_device, words) == words

    check()


def test_script_is_not_expanded_on_the_way(any_device: Device) -> None:
    result = any_device.run("x='a  b'; printf '%s|%s' \"$x\" \"$1\"", "'\"$x\"'")
    assert result.stdout == b"a  b|'\"$x\"'"


def test_stdin_of_20_mb_arrives_whole(any_device: Device) -> None:
    chunk = os.urandom(1 << 20)
    result = any_device.run("sha256sum", stdin=(chunk for _ in range(20)))
    assert result.stdout.split()[0].decode() == hashlib.sha256(chunk * 20).hexdigest()


def test_echo_while_sending_does_not_deadlock(any_device: Device) -> None:
    chunk = b"x" * 65536
    result = any_device.run("tee /dev/stderr", stdin=(chunk for _ in range(64)), cap_bytes=1 << 23)
    assert (result.returncode, len(result.stdout), len(result.stderr)) == (0, 1 << 22, 1 << 22)


def test_early_close_keeps_the_reason(any_device: Device) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(2000):
            sent += 1
            yield b"x" * 65536

    result = any_device.run("head -c 10 >/dev/null; echo No space left on device >&2; exit 7", stdin=chunks())
    assert (result.returncode, result.stderr) == (7, b"No space left on device\n")
    assert sent < 2000


def test_no_stdin_is_end_of_file(any_device: Device) -> None:
    assert any_device.run("cat; echo done").stdout == b"done\n"


def test_empty_chunks_do_not_end_stdin(any_device: Device) -> None:
    assert any_device.run("cat", stdin=[b"a", b"", b"b"]).stdout == b"ab"


@pytest.mark.parametrize("redirection", ["", ">&2"])
def test_endless_output_is_cut(any_device: Device, redirection: str) -> None:
    started = time.monotonic()
    result = any_device.run(f"yes {redirection}", cap_bytes=100_000)
    assert result.returncode == 141
    assert max(len(result.stdout), len(result.stderr)) == 100_000
    assert time.monotonic() - started < 5


def test_device_is_of_use_after_a_cut(any_device: Device) -> None:
    any_device.run("yes", cap_bytes=1000)
    assert any_device.run("echo again").stdout == b"again\n"


def test_silence_beyond_the_deadline(any_device: Device) -> None:
    started = time.monotonic()
    with pytest.raises(ConnectionFailed, match=r"1 s"):
        any_device.run("sleep 60", deadline_s=1)
    assert time.monotonic() - started < 8


def test_script_past_its_deadline_ends_on_the_device(any_device: Device) -> None:
    marker = f"61.{os.getpid()}"  # an unusual argument, to find the process by
    with pytest.raises(ConnectionFailed):
        any_device.run(f"sleep {marker} & wait", deadline_s=1)
    end = time.monotonic() + 10
    while time.monotonic() < end and b"found" in LocalDevice().run('pgrep -f "^sleep $1" && echo found', marker).stdout:
        time.sleep(0.2)
    assert b"found" not in LocalDevice().run('pgrep -f "^sleep $1" && echo found', marker).stdout


def test_writer_that_escapes_the_limit_of_its_script(any_device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgekit.device.capture.MARGIN_S", 1)
    started = time.monotonic()
    with pytest.raises(ConnectionFailed, match=r"did not finish in 2 s"):
        any_device.run("setsid sh -c 'for i in $(seq 100); do echo x; sleep 0.2; done' & exit 0", deadline_s=2)
    assert 3 < time.monotonic() - started < 8


def test_failure_of_stdin_is_its_own(any_device: Device) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a"
        raise FileNotFoundError("model.onnx")

    with pytest.raises(FileNotFoundError, match=r"model\.onnx"):
        any_device.run("cat", stdin=chunks())


def test_death_by_signal_is_a_status_of_a_shell(any_device: Device) -> None:
    assert any_device.run("sh -c 'kill -SEGV $$'").returncode == 139


@given(st.binary(max_size=200))
def test_printable_has_nothing_that_steers_a_terminal(raw: bytes) -> None:
    text = printable(raw)
    assert all(c == "\n" or c.isprintable() or c.isspace() for c in text)
    assert "\x1b" not in text


def test_printable_drops_bidirectional_controls() -> None:
    assert printable("a\x1b[31mb\u202ec\x9b\x07d\nß".encode()) == "a [31mb c  d\nß"


def test_local_says_what_it_is() -> None:
    assert (LocalDevice().label, LocalDevice().emulated) == ("this machine", False)
    LocalDevice().close()

"""The TOML reader: what it refuses at once, what it collects, and that each complaint names the right line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import UsageError
from edgekit.strict_toml import CAP_BYTES, Document, load

NAME = re.compile(r"[a-z]+")


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "some.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(tmp_path: Path, content: str | bytes) -> Document:
    return load(write(tmp_path, content), what="some file")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xef\xbb\xbfa = 1\n", "starts with a byte order mark"),
        (b"a = 1\nb = '\xff'\n", ":2: some file is not UTF-8"),
        ("a = 1\n" + "#" * CAP_BYTES, "more than 1,000,000 bytes"),
        ("a = 1\na = 2\n", "not valid TOML"),
        ("a = 1\nb = = 2\n", "line 2"),
        ("[a]\n[a]\n", "not valid TOML"),
        ("a = " + "9" * 5000, "not valid TOML"),
        ("a = 2026-02-30", "not valid TOML"),
        ("a = [" * 2000, "some.toml: some file"),
        ("a = " + "[" * 20 + "]" * 20, "nested too deeply"),
        ("a = " + "{b = " * 20 + "1" + "}" * 20, "nested too deeply"),
        ("[a]\nb = nan\n", "a.b is nan; allowed: a finite number"),
        ("a = [1.0, -inf]\n", "a.1 is -inf"),
        ("a = '\x00'\n", "not valid TOML"),
    ],
)
def test_refused_at_once(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, content)
    assert message in caught.value.message
    assert "some.toml" in caught.value.message
    assert caught.value.hint


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.toml", Path("/dev/zero"), Path("a\0b")):
        with pytest.raises(UsageError) as caught:
            load(path, what="some file")
        assert "some file" in caught.value.message


def test_windows_line_ends_are_fine(tmp_path: Path) -> None:
    document = read(tmp_path, "a = 1\r\n\r\n[b]\r\nc = 2\r\n")
    assert document.where(("b", "c")).endswith(":4")


TEXT = """\
# comment = 1
title = "x"

[device.one]
host = "a"      # host = "b"
"quoted key" = 1
port.number = 22

[[list]]
inline = { a = 1, b = 2 }
"""


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("title",), 2),
        (("device", "one"), 4),
        (("device", "one", "host"), 5),
        (("device", "one", "quoted key"), 6),
        (("device", "one", "port", "number"), 7),
        (("device", "one", "absent"), 4),
        (("list", "inline", "b"), 10),
    ],
)
def test_line_of_a_key(tmp_path: Path, keys: tuple[str, ...], line: int) -> None:
    assert read(tmp_path, TEXT).where(keys).endswith(f"some.toml:{line}")


def test_a_key_that_is_nowhere_names_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, TEXT).where(("nothing",)).endswith("some.toml")


def test_values_are_checked_and_all_complaints_come_together(tmp_path: Path) -> None:
    text = "text = 1\ncount = 11\nrate = 'fast'\nflag = 'yes'\nday = '2026-01-01'\n"
    document = read(tmp_path, text + "names = ['a', 'a', 'z']\nsub = 3\ntypo = 1\n")
    root = document.root()
    assert root.text("text") is None
    assert root.integer("count", 1, 10) is None
    assert root.number("rate", 0, 1) is None
    assert root.boolean("flag") is None
    assert root.date("day") is None
    assert root.texts("names", allowed=("a", "b")) is None
    assert root.table("sub").values == {}
    assert root.text("needed", required=True) is None
    root.finish()
    with pytest.raises(UsageError) as caught:
        document.check()
    lines = caught.value.message.splitlines()
    assert [re.sub(r"^.*some\.toml", "", line).split(";")[0] for line in lines] == [
        ":1: text is 1",
        ":2: count is 11",
        ":3: rate is 'fast'",
        ":4: flag is 'yes'",
        ":5: day is '2026-01-01'",
        ":6: names holds 'z'",
        ":6: names names something twice",
        ":7: sub is 3",
        ": needed is missing",
        ":8: unknown key 'typo'",
    ]


def test_good_values_come_through(tmp_path: Path) -> None:
    document = read(
        tmp_path, "t = 'x'\ni = 3\nn = 2\nb = false\nd = 2026-11-23\nl = ['a']\n[s.one]\nk = 1\n[s.two]\nk = 2\n"
    )
    root = document.root()
    assert root.text("t", pattern=NAME) == "x"
    assert root.integer("i", 0, 3) == 3
    assert root.number("n", 0, 3) == 2.0
    assert root.boolean("b") is False
    day = root.date("d")
    assert day is not None and day.isoformat() == "2026-11-23"
    assert root.texts("l") == ("a",)
    assert {name: table.integer("k", 0, 9) for name, table in root.tables("s", NAME)} == {"one": 1, "two": 2}
    assert root.text("absent") is None and root.integer("absent", 0, 1) is None
    root.finish()
    document.check()


@pytest.mark.parametrize("value", ["true", "1.5", "'1'", "[]", "2026-01-01"])
def test_an_integer_is_nothing_else(tmp_path: Path, value: str) -> None:
    document = read(tmp_path, f"a = {value}\n")
    assert document.root().integer("a", 0, 9) is None
    with pytest.raises(UsageError, match="allowed: an integer from 0 to 9"):
        document.check()


@pytest.mark.parametrize("value", [r'"a\u001b[2J"', r'"a\nb"', f'"{"x" * 501}"', "'''a\nb'''"])
def test_texts_that_would_disturb_a_terminal_are_refused(tmp_path: Path, value: str) -> None:
    document = read(tmp_path, f"a = {value}\n")
    assert document.root().text("a") is None
    with pytest.raises(UsageError) as caught:
        document.check()
    assert "\x1b" not in caught.value.message and len(caught.value.message) < 400


@pytest.mark.parametrize("text", ['"\\u001b[2J" = 1\n', '"\\u001b[2J" = nan\n', '[t]\n"\\u001b[2J" = 1\n'])
def test_a_control_character_in_a_key_does_not_reach_the_terminal(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        document = read(tmp_path, text)
        outer = document.root().table("t")
        for key in outer.values:
            outer.table(key)
        document.root().finish()
        document.check()
    assert "\x1b" not in caught.value.message + caught.value.hint
    assert "x1b[2J" in caught.value.message


def test_near_names_are_suggested_once_each(tmp_path: Path) -> None:
    document = read(tmp_path, "hots = 1\nkind = 'lunix'\n")
    root = document.root()
    root.text("host")
    root.text("kind", allowed=("linux", "mcu"))
    root.finish()
    with pytest.raises(UsageError) as caught:
        document.check()
    assert 'did you mean "linux"?' in caught.value.hint and 'did you mean "host"?' in caught.value.hint


def test_extend_merges_tables_and_names_the_file_that_has_the_line(tmp_path: Path) -> None:
    base_path, over_path = tmp_path / "base.toml", tmp_path / "over.toml"
    base_path.write_text("a = 1\n[t]\nx = 1\ny = 1\n")
    over_path.write_text("[t]\ny = 2\n")
    merged = load(over_path, what="file").extend(load(base_path, what="file"))
    assert merged.data == {"a": 1, "t": {"x": 1, "y": 2}}
    assert merged.where(("t", "y")) == f"{over_path}:2"
    assert merged.where(("t", "x")) == f"{base_path}:3"


def test_overlay_lays_a_table_over_the_root(tmp_path: Path) -> None:
    document = read(tmp_path, "[t]\nx = 1\n[v.big.t]\nx = 2\n").overlay(("v", "big"))
    assert document.data["t"] == {"x": 2}
    assert document.where(("t", "x")).endswith(":4")


@settings(max_examples=200, deadline=None)
@given(raw=st.one_of(st.binary(max_size=60), st.text(alphabet="ab=[]{}\"'.#\n\\ 01-:", max_size=60).map(str.encode)))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(raw)
    try:
        document = load(path, what="any file")
    except UsageError as e:
        assert str(path) in e.message
        return
    document.root().finish()
    if document.data:
        with pytest.raises(UsageError, match="unknown key"):
            document.check()


@pytest.mark.parametrize("value", ["'a'", "[1]", "['a', 'b\\u001b']".replace("'", '"'), "{ a = 1 }"])
def test_texts_are_an_array_of_texts(tmp_path: Path, value: str) -> None:
    document = read(tmp_path, f"a = {value}\n")
    assert document.root().texts("a") is None
    with pytest.raises(UsageError, match="allowed: an array of texts of one line"):
        document.check()

"""Where an export may be written, what it leaves alone, and that it is there whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from exported import classifier, library_of

from edgekit.errors import UsageError
from edgekit.exports import export
from edgekit.exports.folder import NOTE

LIBRARY = library_of(classifier("Wake Word"))


def listed(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_note_lists_every_file(tmp_path):
    done = export(LIBRARY, "cmake", tmp_path / "a" / "lib")
    assert listed(done.out) == sorted(done.files)
    note = json.loads((done.out / NOTE).read_text())
    assert sorted([*note["files"], NOTE]) == sorted(done.files)
    assert note["arena_bytes"] == LIBRARY.arena_bytes
    assert note["inputs"][0] == {
        "name": "x", "function": "input", "shape": [1, 6, 5, 2], "dtype": "s8", "scale": 0.5, "zero_point": 3,
    }  # fmt: skip


@pytest.mark.parametrize("there", ["main.c", NOTE, "src/other.c"])
def test_a_folder_of_somebody_else_is_refused(tmp_path, there):
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text("{}")
    with pytest.raises(UsageError, match="no export of edgekit"):
        export(LIBRARY, "cmake", tmp_path, force=True)
    assert listed(tmp_path) == [there]


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "lib").write_text("")
    with pytest.raises(UsageError, match="no export of edgekit"):
        export(LIBRARY, "cmake", tmp_path / "lib")


def test_a_note_that_names_files_outside_is_refused(tmp_path):
    export(LIBRARY, "cmake", tmp_path / "lib")
    (tmp_path / "mine").write_text("keep")
    note = json.loads((tmp_path / "lib" / NOTE).read_text())
    note["files"]["../mine"] = "0" * 64
    (tmp_path / "lib" / NOTE).write_text(json.dumps(note))
    with pytest.raises(UsageError):
        export(LIBRARY, "cmake", tmp_path / "lib", force=True)
    assert (tmp_path / "mine").read_text() == "keep"


def test_another_export_to_the_same_folder_leaves_nothing_behind(tmp_path):
    export(LIBRARY, "cmake", tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    done = export(LIBRARY, "arduino", tmp_path)
    assert listed(tmp_path) == sorted([*done.files, "notes.txt"])


def test_changed_files_are_kept_unless_forced(tmp_path):
    export(LIBRARY, "arduino", tmp_path)
    mine = tmp_path / "library.properties"
    mine.write_text(mine.read_text().replace("maintainer=edgekit", "maintainer=Me <me@example.com>"))
    with pytest.raises(UsageError, match=r"library\.properties changed since"):
        export(LIBRARY, "arduino", tmp_path)
    assert "Me <me@example.com>" in mine.read_text()
    export(LIBRARY, "arduino", tmp_path, force=True)
    assert "maintainer=edgekit" in mine.read_text()


def test_a_deleted_file_comes_back(tmp_path):
    export(LIBRARY, "cmake", tmp_path)
    (tmp_path / "README.md").unlink()
    export(LIBRARY, "cmake", tmp_path)
    assert (tmp_path / "README.md").is_file()


def test_an_unknown_kind_writes_nothing(tmp_path):
    with pytest.raises(UsageError):
        export(LIBRARY, "mbed", tmp_path / "lib")
    assert not (tmp_path / "lib").exists()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write to"):
        export(LIBRARY, "cmake", tmp_path / "file" / "lib")


@pytest.mark.parametrize(
    "note", ["[" * 100_000, '{"schema": 1, "files": {"": "0"}}', '{"schema": 1, "files": {"a\\u0000b": "0"}}']
)
def test_notes_that_are_damaged_are_refused(tmp_path, note):
    export(LIBRARY, "cmake", tmp_path / "lib")
    (tmp_path / "lib" / NOTE).write_text(note)
    with pytest.raises(UsageError, match="no export of edgekit"):
        export(LIBRARY, "cmake", tmp_path / "lib", force=True)


def test_a_path_that_no_file_system_takes(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        export(LIBRARY, "cmake", tmp_path / ("x" * 300))


@pytest.mark.parametrize("version", ["1.0.0\n", "1.0", "१.0.0", "01.0.0", "99999999999.0.0", ""])
def test_versions(version):
    with pytest.raises(UsageError, match="version"):
        library_of(classifier("m"), version=version)


@pytest.mark.parametrize("name", ["stdint", "features", "pthread", "Wire", "edgekit"])
def test_names_of_headers_are_not_taken_again(name):
    """A name of C is another word in generated C; one of a system or of Arduino is refused."""
    try:
        assert library_of(classifier(name)).name != name.lower()
    except UsageError as e:
        assert "--name" in e.hint

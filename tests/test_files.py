"""Files that are written whole, and places that are no files."""

from __future__ import annotations

import os
import subprocess

import pytest

from edgekit.errors import UsageError
from edgekit.files import write_whole


def test_a_file_is_replaced(tmp_path):
    (tmp_path / "a").write_text("old")
    write_whole(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new" and [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_pipe_is_written_to_and_stays(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    running = subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE)
    write_whole(tmp_path / "pipe", "text")
    assert running.communicate()[0] == b"text" and (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("name", [".", "none/a", "x" * 300])
def test_where_nothing_can_be_written(tmp_path, name):
    with pytest.raises(UsageError, match="cannot write"):
        write_whole(tmp_path / name, "text")

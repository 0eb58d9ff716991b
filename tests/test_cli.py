"""The command line as a whole: help, unknown words, JSON errors, exit codes; no traceback ever."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.cli import COMMANDS, cli

ROOT = Path(__file__).resolve().parents[1]


def edgekit(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "edgekit", *arguments], capture_output=True, text=True, cwd=cwd)


def test_help_lists_every_command() -> None:
    done = edgekit("--help")
    assert done.returncode == 0
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does(name: str) -> None:
    import click

    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.help, f"{name} has no help"
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name not in ("json_file",):
            assert parameter.help or parameter.type.name == "choice", f"{name} {parameter.opts} has no help"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    assert any(f"edgekit {name}" in path.read_text(encoding="utf-8") for path in documents), f"no document shows {name}"


def test_an_unknown_command_suggests_the_near_one() -> None:
    done = edgekit("dploy")
    assert done.returncode == 2
    assert 'did you mean "deploy"?' in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_option_is_a_usage_error() -> None:
    done = edgekit("targets", "--nope")
    assert done.returncode == 2
    assert "--nope" in done.stderr


def test_an_error_is_json_too(tmp_path: Path) -> None:
    done = edgekit("convert", str(tmp_path / "missing.onnx"), "--json", "-")
    document = json.loads(done.stdout)
    assert done.returncode == document["error"]["code"] == 3
    assert "missing.onnx" in document["error"]["message"]
    assert document["error"]["hint"]
    assert document["schema"] == 1
    assert document["command"] == "convert"


def test_json_goes_to_a_file_whole_or_not_at_all(tmp_path: Path) -> None:
    done = edgekit("targets", "--json", str(tmp_path / "targets.json"))
    assert done.returncode == 0
    assert json.loads((tmp_path / "targets.json").read_text())["targets"]
    assert list(tmp_path.iterdir()) == [tmp_path / "targets.json"]
    done = edgekit("targets", "--json", str(tmp_path / "no" / "folder.json"))
    assert done.returncode == 2
    assert "folder.json" in done.stderr


def test_a_closed_pipe_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m edgekit targets | head -n 1", shell=True, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_shapes_are_checked() -> None:
    done = edgekit("convert", "model.onnx", "--shape", "x=1,zero")
    assert done.returncode == 2
    assert "--shape name=1,3,96,96" in done.stderr

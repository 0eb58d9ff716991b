"""The command line as a whole: help, unknown words, JSON errors, exit codes; no traceback ever."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
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


@pytest.mark.parametrize(
    "arguments",
    [
        ("convert", "x.onnx", "--bogus", "--json", "-"),
        ("convert", "--json", "-", "x.onnx", "--precision", "int7"),
        ("nosuch", "--json", "-"),
        ("device", "--json=-"),
    ],
)
def test_usage_errors_are_json_too(arguments: tuple[str, ...]) -> None:
    done = edgekit(*arguments)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == 2


@pytest.mark.parametrize("name", ["a b", "a\nb", "../x", "$(touch p)", "", "-rf"])
def test_odd_names_of_apps_are_refused_before_anything_else(name: str, tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    for command in (("deploy", "build", "--no-bench"), ("bench",)):
        done = edgekit(*command, "--target", "rpi4", "--host", "local", f"--app={name}", cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert "cannot be the name of an app" in done.stderr


def test_seconds_must_be_a_number() -> None:
    assert edgekit("bench", "--target", "rpi4", "--host", "local", "--seconds", "nan").returncode == 2


def test_a_misspelt_target_is_named_before_a_missing_device(tmp_path: Path) -> None:
    done = edgekit("deploy", "--target", "rpi44", cwd=tmp_path)
    assert done.returncode == 2
    assert 'did you mean "rpi4"?' in done.stderr


@pytest.mark.parametrize("delay_s", [0.0, 0.15, 0.3])
def test_an_interruption_is_130_with_json(delay_s: float, tmp_path: Path) -> None:
    fifo = tmp_path / "started"
    os.mkfifo(fifo)
    model = f"open({str(fifo)!r}, 'w').close()\nimport time\nwhile True: time.sleep(0.01)\n"
    (tmp_path / "model.py").write_text(model)
    pytest.importorskip("torch")
    command = [sys.executable, "-m", "edgekit", "convert", "model.py", "--json", "-"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    fifo.read_text()  # until the user's code runs
    time.sleep(delay_s)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(out)["error"]["code"] == 130
    assert "Traceback" not in err
    assert not (tmp_path / "build").exists()


def test_a_name_that_is_too_long_is_no_bug() -> None:
    assert edgekit("convert", "A" * 300 + ".onnx").returncode == 3

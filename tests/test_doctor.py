"""`edgekit doctor` on this machine, and on one where things are missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from edgekit import doctor


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgekit", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})


def test_json_has_the_fields_of_the_contract() -> None:
    done = run("--json", "-")
    assert done.returncode == 0, done.stderr
    tools = {tool["name"]: tool for tool in json.loads(done.stdout)["tools"]}
    assert len(tools) == len(doctor.TOOLS)
    for tool in tools.values():
        assert set(tool) == {"name", "found", "version", "needed_for", "fix"}
        assert tool["found"] == (tool["version"] is not None) == (tool["fix"] == "")
    assert tools["onnx"]["version"] == metadata.version("onnx")


def test_every_tool_has_a_use_and_a_remedy() -> None:
    assert all(tool.needed_for and tool.fix for tool in doctor.TOOLS)
    assert not [tool for tool in doctor.TOOLS if "pip install edgekit" in tool.fix.replace("edgekit-sdk", "")]


def test_programs_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path=None: name if name == sys.executable else None)
    missing = {finding.name: finding for finding in doctor.examine() if not finding.found}
    assert {"qemu-aarch64", "mmdebstrap", "unshare", "cc"} <= set(missing)
    assert "apt-get install" in missing["mmdebstrap"].fix
    assert doctor.healthy(doctor.examine())  # a real board needs none of them


def test_program_that_fails_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "mmdebstrap"
    program.write_text("#!/bin/sh\necho mmdebstrap 1.2.3\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert "mmdebstrap" in {finding.name for finding in doctor.examine() if not finding.found}


def test_core_that_is_missing_is_an_exit_code() -> None:
    done = run("--json", "-", EDGEKIT_CACHE="/proc/nowhere")  # nothing can be written there
    assert done.returncode == 7
    cache = next(tool for tool in json.loads(done.stdout)["tools"] if tool["name"] == "cache")
    assert (cache["found"], cache["fix"]) == (False, "free some space, or EDGEKIT_CACHE=DIR")


def test_table_names_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    done = run(HOME=str(tmp_path), SSH_AUTH_SOCK="", EDGEKIT_CACHE=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "missing  ssh keys" in done.stdout
    assert "ssh keys: only for a real board: ssh-keygen -t ed25519 && ssh-copy-id pi@BOARD" in done.stdout

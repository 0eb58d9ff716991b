"""edgekit.toml → Project, and which board a command means."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import UsageError
from edgekit.project import DeviceSpec, choose_device, load_project, read_project

WHOLE = """
[app]
name = "demo"
source = "net.py"
build = "out"
runtime = "litert"

[device.bench]
target = "rpi4"
host = "virtual"

[device.desk]
target = "rpi5"
host = "pi@10.0.0.7:2222"
"""


def write(folder: Path, text: str) -> Path:
    (folder / "edgekit.toml").write_text(text)
    return folder


def test_whole_file_found_from_below(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    project = load_project(write(tmp_path, WHOLE) / "a" / "b")
    assert project is not None
    assert (project.name, project.runtime, project.root) == ("demo", "litert", tmp_path.resolve())
    assert (project.source, project.build) == (tmp_path.resolve() / "net.py", tmp_path.resolve() / "out")
    assert project.devices[1] == DeviceSpec("desk", "rpi5", "pi@10.0.0.7:2222")


def test_defaults(tmp_path: Path) -> None:
    project = load_project(write(tmp_path, '[app]\nname = "demo"\n'))
    assert project is not None
    assert (project.source.name, project.build.name, project.runtime) == ("model.py", "build", "onnxruntime")
    assert project.devices == ()


def test_no_project(tmp_path: Path) -> None:
    assert load_project(tmp_path) is None


WRONG = {
    "unknown key": ('[app]\nname = "x"\nsorce = "m.py"\n', r'edgekit\.toml:3: unknown key .sorce.', '"source"'),
    "unknown section": ('[app]\nname = "x"\n[devices.a]\n', r"unknown key .devices.", '"device"'),
    "no name": ('[app]\nsource = "m.py"\n', r"app\.name is missing", "name"),
    "no app": ("", r"app\.name is missing", "name"),
    "type": ("[app]\nname = 3\n", r"edgekit\.toml:2: app\.name is 3", ""),
    "name": ('[app]\nname = "../x"\n', r"app\.name is '\.\./x'; allowed: 1 to 64 letters", ""),
    "name with a space": ('[app]\nname = "a b"\n', r"app\.name is 'a b'", ""),
    "runtime": ('[app]\nname = "x"\nruntime = "onnxrt"\n', r"app\.runtime is 'onnxrt'", "onnxruntime"),
    "device without host": ('[app]\nname = "x"\n[device.a]\ntarget = "rpi4"\n', r"device\.a\.host is missing", "host"),
    "key of a device": (
        '[app]\nname = "x"\n[device.a]\ntarget = "rpi4"\nhost = "h"\nuser = "pi"\n', "edgekit.toml:6: unknown key", "",
    ),
    "device name": ('[app]\nname = "x"\n[device."a b"]\ntarget = "rpi4"\nhost = "h"\n', "'a b' is no name", ""),
    "twice": ('[app]\nname = "x"\nname = "y"\n', "not valid TOML", ""),
}  # fmt: skip


@pytest.mark.parametrize("text,message,hint", WRONG.values(), ids=WRONG)
def test_wrong_files(tmp_path: Path, text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load_project(write(tmp_path, text))
    assert hint in caught.value.hint


def test_all_complaints_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"(?s)app\.name is 3.*unknown key 'sorce'"):
        load_project(write(tmp_path, '[app]\nname = 3\nsorce = "m.py"\n'))


CHOICES = {
    "by target": ({"target": "rpi4"}, DeviceSpec("bench", "rpi4", "virtual")),
    "by name": ({"device": "desk"}, DeviceSpec("desk", "rpi5", "pi@10.0.0.7:2222")),
    "host over all": ({"target": "rpi4", "host": "pi@x"}, DeviceSpec("pi@x", "rpi4", "pi@x")),
    "host for a device": ({"device": "desk", "host": "local"}, DeviceSpec("desk", "rpi5", "local")),
}


@pytest.mark.parametrize("asked,device", CHOICES.values(), ids=CHOICES)
def test_chosen_device(tmp_path: Path, asked: dict, device: DeviceSpec) -> None:
    assert choose_device(load_project(write(tmp_path, WHOLE)), **asked) == device


REFUSED = {
    "no device of the target": ({"target": "rpi3b-plus"}, "no device of target rpi3b-plus", "--host virtual"),
    "several": ({}, r"several devices.*bench \(virtual\), desk", "--device NAME"),
    "unknown name": ({"device": "dask"}, 'no device "dask"', 'did you mean "desk"'),
    "wrong target of a device": ({"device": "desk", "target": "rpi4"}, "is of target rpi5, not rpi4", "--target"),
    "host of which kind": ({"host": "pi@x"}, "which kind of board", "--target"),
}


@pytest.mark.parametrize("asked,message,hint", REFUSED.values(), ids=REFUSED)
def test_refused_choices(tmp_path: Path, asked: dict, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        choose_device(load_project(write(tmp_path, WHOLE)), **asked)
    assert hint in caught.value.hint and caught.value.code == 2


def test_without_a_project_both_remedies_are_named() -> None:
    with pytest.raises(UsageError) as caught:
        choose_device(None, target="rpi4")
    for remedy in ("[device.NAME]", "host =", "--host pi@ADDRESS", "--host virtual"):
        assert remedy in caught.value.hint
    assert choose_device(None, target="rpi4", host="virtual") == DeviceSpec("virtual", "rpi4", "virtual")


def test_the_examples_are_projects() -> None:
    examples = Path(__file__).resolve().parents[1] / "examples"
    files = list(examples.glob("*/edgekit.toml"))
    assert files
    for file in files:
        assert read_project(file).devices

"""edgekit.toml of the user's app → Project. Refuses unknown keys, with file and near name.

    [app]
    name = "fashion-mnist"     # letters, digits, '.', '_', '-'; also the folder on the device
    source = "model.py"        # what `edgekit convert` reads
    build = "build"            # where the artifacts lie
    runtime = "onnxruntime"    # what executes the model on the board

    [device.demo]
    target = "rpi4"            # the kind of board
    host = "virtual"           # or "pi@raspberrypi.local", "pi@10.0.0.7:2222", "local"
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import UsageError, did_you_mean

FILE_NAME = "edgekit.toml"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RUNTIMES = ("onnxruntime", "litert", "tflite-runtime")


@dataclass(frozen=True)
class DeviceSpec:
    """One board: its name in edgekit.toml, the target it is an instance of, and where it is."""

    name: str
    target: str
    host: str


@dataclass(frozen=True)
class Project:
    """The user's app. `root` is the folder of edgekit.toml; `source` and `build` are absolute."""

    root: Path
    name: str
    source: Path
    build: Path
    runtime: str
    devices: tuple[DeviceSpec, ...]

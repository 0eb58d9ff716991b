"""edgekit.toml of the user's app → Project. Refuses unknown keys and wrong values, with file, line and near name.

[app]
name = "fashion-mnist"     # letters, digits, '.', '_', '-'; also the folder on the device
source = "model.py"        # what `edgekit convert` reads
build = "build"            # where the artifacts lie
runtime = "onnxruntime"    # what executes the model on the board

[convert]                  # optional: how the source is converted; what the options of `edgekit convert` say
precision = "int8"         # or "float"
formats = ["onnx"]         # what is written: "onnx", "tflite", "c"
observer = "minmax"
calibration = "data.npz"   # or "random"; a model file gives its own
shape = ["x=1,3,96,96"]    # for dynamic dimensions
target = "stm32f411"       # C: the board that it is made for; default: any
keep_input = false         # C: true leaves the inputs as they were after an inference, and may need more memory

[device.demo]
target = "rpi4"            # the kind of board
host = "virtual"           # or "pi@raspberrypi.local", "pi@10.0.0.7:2222", "local"
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgekit import strict_toml
from edgekit.errors import UsageError, did_you_mean

FILE_NAME = "edgekit.toml"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
PRECISIONS = ("int8", "float")
FORMATS = ("onnx", "tflite", "c")
OBSERVERS = ("minmax", "percentile", "entropy", "mse")
RUNTIMES = ("onnxruntime", "litert", "tflite-runtime", "native")
_SIZE = re.compile(r"[1-9][0-9]{0,8}")
_NAME_MEANS = "1 to 64 letters, digits, '.', '_' and '-', the first a letter or digit"


@dataclass(frozen=True)
class DeviceSpec:
    """One board: its name in edgekit.toml, the target it is an instance of, and where it is."""

    name: str
    target: str
    host: str


@dataclass(frozen=True)
class ConvertOptions:
    """How a model is converted: [convert] of edgekit.toml, or what was recorded of the last conversion.

    calibration  "random", the absolute path of an .npz, or None: the model file gives it
    shapes       input name → fixed shape
    target       the board that C is made for, which chooses its kernels; None: any
    keep_input   C: an inference leaves its inputs as they are
    """

    precision: str = "int8"
    formats: tuple[str, ...] = ("onnx",)
    observer: str = "minmax"
    calibration: str | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    target: str | None = None
    keep_input: bool = False


@dataclass(frozen=True)
class Project:
    """The user's app. `root` is the folder of edgekit.toml; `source` and `build` are absolute.

    convert: None where edgekit.toml has no [convert]
    """

    root: Path
    name: str
    source: Path
    build: Path
    runtime: str
    devices: tuple[DeviceSpec, ...]
    convert: ConvertOptions | None = None


def load_project(start: Path) -> Project | None:
    """The project whose edgekit.toml is in `start` or the nearest folder above it; None where there is none.

    Raises UsageError that names every wrong line.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return read_project(folder / FILE_NAME)
    return None


def read_project(path: Path) -> Project:
    """The project of one edgekit.toml. Raises UsageError that names every wrong line."""
    document = strict_toml.load(path, what=FILE_NAME)
    root = document.root()
    app = root.table("app", required=True)
    name = app.text("name", required=True, pattern=NAME, meaning=_NAME_MEANS)
    source, build = app.text("source"), app.text("build")
    runtime = app.text("runtime", allowed=RUNTIMES)
    folder = path.resolve().parent
    convert = _convert(root.table("convert"), folder) if "convert" in root else None
    devices = [_device(name, table) for name, table in root.tables("device", NAME)]
    app.finish()
    root.finish()
    document.check()
    return Project(
        root=folder,
        name=name or "",
        source=folder / (source or "model.py"),
        build=folder / (build or "build"),
        runtime=runtime or RUNTIMES[0],
        devices=tuple(devices),
        convert=convert,
    )


def _convert(table: strict_toml.Table, folder: Path) -> ConvertOptions:
    precision = table.text("precision", allowed=PRECISIONS)
    formats = table.texts("formats", allowed=FORMATS)
    observer = table.text("observer", allowed=OBSERVERS)
    calibration = table.text("calibration")
    written = table.texts("shape") or ()
    target, keep_input = table.text("target"), table.boolean("keep_input")
    table.finish()
    if calibration and calibration != "random":
        calibration = str((folder / calibration).resolve())
    formats = tuple(name for name in FORMATS if name in formats) if formats else ("onnx",)
    return ConvertOptions(
        precision or "int8", formats, observer or "minmax", calibration, read_shapes(written), target, bool(keep_input)
    )


def read_formats(text: str) -> tuple[str, ...]:
    """`onnx,tflite` → ("onnx", "tflite"); UsageError names what is none."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in FORMATS]
    if wrong or not names:
        raise UsageError(f"--formats {text!r}: no format {', '.join(wrong)}", hint=f"allowed: {', '.join(FORMATS)}")
    return tuple(name for name in FORMATS if name in names)


def read_shapes(values: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """`name=1,3,96,96` → {"name": (1, 3, 96, 96)}; UsageError shows how it is written."""
    shapes = {}
    for value in values:
        name, _equals, dims = value.rpartition("=")
        sizes = [size.strip() for size in dims.split(",")]
        if not name or not all(_SIZE.fullmatch(size) for size in sizes):
            raise UsageError(f"--shape {value!r} is not a shape", hint="write it as --shape name=1,3,96,96")
        shapes[name] = tuple(int(size) for size in sizes)
    return shapes


def check_app_name(name: str) -> str:
    """`name`, where it may be an app's: it becomes a folder on the board. Raises UsageError."""
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of an app", hint=f"give another with --app: {_NAME_MEANS}")
    return name


def _device(name: str, table: strict_toml.Table) -> DeviceSpec:
    target, host = table.text("target", required=True), table.text("host", required=True)
    table.finish()
    return DeviceSpec(name, target or "", host or "")


def choose_device(
    project: Project | None, *, target: str | None = None, device: str | None = None, host: str | None = None
) -> DeviceSpec:
    """The one board that the command line and edgekit.toml mean: `host` over `device` over the only one of `target`.

    Nothing is ever guessed, and the virtual board is taken only where it is named. Raises UsageError.
    """
    known = project.devices if project else ()
    named = _named(known, device) if device is not None else None
    if host is not None:
        return _at_host(named, known, target, host)
    if named is not None:
        if target not in (None, named.target):
            raise UsageError(
                f'device "{named.name}" is of target {named.target}, not {target}', hint="leave --target out"
            )
        return named
    fitting = [d for d in known if target in (None, d.target)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(f"{d.name} ({d.host})" for d in fitting)
        raise UsageError(f"several devices {_of(target)}: {names}", hint="choose one with --device NAME")
    raise UsageError(f"no device {_of(target)} is known", hint=_remedies(target))


def _named(known: tuple[DeviceSpec, ...], name: str) -> DeviceSpec:
    for device in known:
        if device.name == name:
            return device
    hint = did_you_mean(name, [d.name for d in known]) if known else f"add [device.{name}] to {FILE_NAME}"
    raise UsageError(f'no device "{name}" in {FILE_NAME}', hint=hint)


def _at_host(named: DeviceSpec | None, known: tuple[DeviceSpec, ...], target: str | None, host: str) -> DeviceSpec:
    """A board that only the command line names; its target may come from the device it stands in for."""
    targets = {target} if target else {named.target} if named else {d.target for d in known}
    if len(targets) != 1:
        raise UsageError(f"--host {host}: which kind of board is it?", hint="add --target, such as --target rpi4")
    return DeviceSpec(named.name if named else host, targets.pop(), host)


def _of(target: str | None) -> str:
    return f"of target {target}" if target else "to deploy to"


def _remedies(target: str | None) -> str:
    kind = target or "rpi4"
    return (
        f'add [device.NAME] with target = "{kind}" and host = "pi@ADDRESS" to {FILE_NAME}, '
        "or name it: --host pi@ADDRESS, or --host virtual for an emulated board"
    )

"""convert, profile, deploy, benchmark and status: what the command line and `import edgekit` call.

Each is a straight line of calls whose types change (docs/design.md); `convert` has a room of its own, conversion.py.
"""

from __future__ import annotations

import getpass
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit import artifacts
from edgekit.conversion import Progress, convert, silent
from edgekit.errors import HealthError, UnsupportedError, UsageError
from edgekit.fresh_build import fresh_build
from edgekit.project import ConvertOptions, DeviceSpec, Project, check_app_name, choose_device, load_project
from edgekit.resources import cache_dir
from edgekit.target import Target, load_target

if TYPE_CHECKING:
    from edgekit.deployment import Benchmark, BenchOptions, Deployment, Plan, Status
    from edgekit.deployment.firmware import FirmwareRun
    from edgekit.device import Device
    from edgekit.profiling.fit import Profile
    from edgekit.program import Program
    from edgekit.runtimes.running import Run

__all__ = ["advice", "benchmark", "conversion_options", "convert", "deploy", "profile", "program", "run", "status"]


def conversion_options(source: Path | None, out: Path | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `convert`: what is given, over [convert] of edgekit.toml where the source is the project's own.

    Raises UsageError when neither names a source.
    """
    project = load_project(Path.cwd())
    if source is None and project is None:
        raise UsageError("what shall be converted?", hint="name a model file or an .onnx, or run where edgekit.toml is")
    own = project is not None and (source is None or source.resolve() == project.source.resolve())
    usual = asdict((project.convert if project and own else None) or ConvertOptions())
    build = project.build if project and own else Path("build")
    wanted = {name: value for name, value in given.items() if value not in (None, {}, ())}
    return usual | wanted | {"source": source or (project.source if project else None), "out": out or build}


def profile(
    model: str | Path,
    target: str | Target | Sequence[str | Target],
    *,
    runtime: str | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> tuple[Profile, ...]:
    """Judge a model on one or several kinds of board; one Profile for each.

    model: an .onnx file (float or QDQ) or a build folder; target: ids, files or Targets. Raises ModelError,
    UnsupportedError or UsageError. A model that does not fit is no error here: look at `verdict`.
    """
    from edgekit.graph import load
    from edgekit.graph.simplify import check_quantized, simplify
    from edgekit.profiling.fit import profile_model

    kinds = [target] if isinstance(target, (str, Target)) else target
    targets = [load_target(t) if isinstance(t, str) else t for t in kinds]
    path = _profiled_file(Path(model))
    content = load.load_onnx(path)
    graph = load.static_shapes(load.parse(content), shapes or {})
    graph = check_quantized(graph) if load.is_quantized(graph) else simplify(graph)
    return tuple(profile_model(graph, len(content), t, runtime) for t in targets)


def _profiled_file(model: Path) -> Path:
    """The ONNX file to profile. Raises UnsupportedError for what there is only as TFLite, ModelError for no build."""
    types = (
        {Path(d["file"]).suffix for d in artifacts.descriptions(model).values()} if model.is_dir() else {model.suffix}
    )
    if types == {".tflite"}:
        hint = "profile the .onnx file that it was made of, or convert with --formats onnx,tflite"
        raise UnsupportedError(f"{model}: profiling TFLite files is not there yet", hint=hint)
    return artifacts.model_file(model, ".onnx") if model.is_dir() else model


def program(model: str | Path) -> Program:
    """The lowered form of a build folder (its .tflite file if there is one), an .onnx or a .tflite file.

    Raises ModelError, or UnsupportedOpError naming every operator without a form there.
    """
    from edgekit import lowering
    from edgekit.tflite.model import read_file

    path = Path(model)
    if path.is_dir():
        tflite = path / artifacts.TFLITE_FILE
        path = tflite if tflite.is_file() else artifacts.model_file(path)
    if path.suffix == ".tflite":
        return lowering.from_tflite(read_file(path), path.stem)
    from edgekit.graph import load
    from edgekit.graph.simplify import check_quantized, simplify

    graph = load.static_shapes(load.parse(load.load_onnx(path)), {})
    graph = check_quantized(graph) if load.is_quantized(graph) else simplify(graph)
    return lowering.from_onnx(graph, path.stem)


def run(
    model: Path,
    inputs: Path,
    outputs: Path,
    *,
    runtime: str | None = None,
    target: str | None = None,
    limit_s: float = 600.0,
    progress: Progress = silent,
) -> Run:
    """Run a model file or build folder on the samples of `inputs` (.npz) and write `outputs`.

    runtime  a name in edgekit.runtimes.RUNTIMES, or "c" for the C sources of a build folder, built and run here
    target   with "c": the emulated microcontroller to run them on

    Raises UsageError, ModelError or UnsupportedError; `outputs` is then untouched.
    """
    from edgekit.runtimes import running

    if runtime == "c":
        from edgekit.c_run import run_c

        return run_c(model, inputs, outputs, target, limit_s, progress)
    if target is not None:
        raise UsageError(f"--target {target} goes with --runtime c", hint="or leave it out to run here")
    return running.run(model, inputs, outputs, runtime=runtime, limit_s=limit_s)


def advice(failed: Profile) -> str:
    """What would make a model fit that does not: int8 where it is float, the next larger boards of the same kind."""
    from edgekit.target import all_targets

    ways = []
    if any(tensor.dtype == "float" for tensor in failed.peak.tensors):
        ways.append("int8 needs about a quarter (edgekit convert)")
    larger = [t for t in all_targets() if t.kind == failed.kind and not t.emulated and _holds(t, failed)]
    if larger:
        names = [t.id for t in sorted(larger, key=lambda t: t.usable_ram_bytes)[:4]]
        ways.append(f"it may fit on {', '.join(names)}")
    return "; ".join(ways) or "make the model smaller: fewer channels, smaller inputs"


def _holds(target: Target, failed: Profile) -> bool:
    """Whether the memory that a model needs at most (at least, where nobody knows the most) is there on `target`."""
    ram = failed.ram_bytes.upper or failed.ram_bytes.lower
    flash = failed.flash_bytes.upper or failed.flash_bytes.lower
    storage = target.storage_bytes
    room = 1 - target.headroom
    fits_flash = target.kind == "linux" if storage is None else storage * room >= flash  # a board takes any SD card
    return target.usable_ram_bytes * room >= ram and fits_flash


def deploy(
    build: str | Path | None = None,
    *,
    target: str | None = None,
    device: str | None = None,
    host: str | None = None,
    app: str | None = None,
    runtime: str | None = None,
    bench: BenchOptions | None = None,
    dry_run: bool = False,
    host_key: str | None = None,
    identity: str | Path | None = None,
    root: str = "",
    progress: Progress = silent,
) -> Deployment | FirmwareRun:
    """Bring a build folder and the runtime for it to a board, check it there, make it current, and measure it.

    build     the build folder; default: that of edgekit.toml, converted first when what it was made of has changed, or
              when it lacks the file format that `runtime` runs
    target    kind of board; device: a name in edgekit.toml; host: "pi@ADDRESS", "local" or "virtual", over both
    app       folder on the board; default: from edgekit.toml, else the name of the model
    runtime   what runs the model there: onnxruntime, litert, tflite-runtime or native; default: from edgekit.toml, else
              the first of the target that runs a file of the build
    bench     what to measure afterwards; None: nothing
    dry_run   only look at the board and plan
    root      on the board, default ~/.edgekit

    For an emulated microcontroller the C of the build becomes firmware, which runs the golden samples under QEMU; only
    `build` and `target` (or `device`) mean something then, and the result is a FirmwareRun.

    Raises any class of edgekit.errors but UntrustedResult; the release that was current before is still current then.
    """
    from edgekit import deployment

    project = load_project(Path(build) if build is not None else Path.cwd())
    kind = _microcontroller(project, target, device, host)
    if kind is not None:
        _check_firmware_runtime(runtime, kind)
        return _deploy_firmware(project, build, kind, progress)
    spec, kind = _choose(project, target, device, host)
    _check_linux(kind)
    name = None if app is None else check_app_name(app)
    deployment.check_root(root)
    runtime = runtime or (project.runtime if project else "")
    folder = fresh_build(project, build, progress, _file_type(runtime))
    runtime = runtime or _usual_runtime(kind, folder)
    artifacts.description_of(folder, _file_type(runtime))
    name = name or (project.name if project else _app_name(folder))
    with _opened(spec, kind, host_key, identity, progress) as board:
        plan = _plan(board, spec, kind, name, folder, runtime, root, progress)
        python = deployment.python_of(plan.facts)
        if dry_run:
            return deployment.planned(plan, board, target=kind.id, python=python)
        done = deployment.apply(plan, board, _told(progress), target=kind.id, python=python)
        if bench is None:
            return done
        progress(f"measuring on {board.label}")
        measured = deployment.run_benchmark(board, name, target=kind.id, python=python, options=bench, root=root)
        return replace(done, benchmark=measured)


def benchmark(
    *,
    target: str | None = None,
    device: str | None = None,
    host: str | None = None,
    app: str | None = None,
    bench: BenchOptions | None = None,
    host_key: str | None = None,
    identity: str | Path | None = None,
    root: str = "",
    progress: Progress = silent,
) -> Benchmark | FirmwareRun:
    """Measure the release of an app that is current on a board; arguments as for `deploy`.

    An emulated microcontroller has nothing on it: there the project's own build is deployed again.
    """
    from edgekit import deployment

    project = load_project(Path.cwd())
    kind = _microcontroller(project, target, device, host)
    if kind is not None:
        return _deploy_firmware(project, None, kind, progress)
    spec, kind = _choose(project, target, device, host)
    app = None if app is None else check_app_name(app)
    deployment.check_root(root)
    with _opened(spec, kind, host_key, identity, progress) as board:
        facts = deployment.probe(board, root=root, write=False)
        name = app or (project.name if project else deployment.only_app(facts, board.label))
        python = deployment.python_of(facts)
        progress(f"measuring on {board.label}")
        options = bench or deployment.BenchOptions()
        return deployment.run_benchmark(board, name, target=kind.id, python=python, options=options, root=root)


def status(
    *,
    target: str | None = None,
    device: str | None = None,
    host: str | None = None,
    host_key: str | None = None,
    identity: str | Path | None = None,
    root: str = "",
    progress: Progress = silent,
) -> Status:
    """What edgekit has on a board, asked of the board alone; arguments as for `deploy`."""
    from edgekit import deployment

    spec, kind = _choose(load_project(Path.cwd()), target, device, host)
    deployment.check_root(root)
    with _opened(spec, kind, host_key, identity, progress) as board:
        return deployment.read_status(board, root=root)


def _choose(
    project: Project | None, target: str | None, device: str | None, host: str | None
) -> tuple[DeviceSpec, Target]:
    """The board and its kind; a misspelt target is said before a missing device."""
    if target is not None:
        load_target(target)
    spec = choose_device(project, target=target, device=device, host=host)
    return spec, load_target(spec.target)


def _microcontroller(
    project: Project | None, target: str | None, device: str | None, host: str | None
) -> Target | None:
    """The microcontroller that is meant; None where it is a Linux board. It has no host: QEMU stands for it."""
    if host is not None:
        return None
    kind = load_target(choose_device(project, device=device).target if target is None else target)
    return kind if kind.kind == "mcu" else None


def _check_firmware_runtime(runtime: str | None, kind: Target) -> None:
    if runtime not in (None, "c"):
        raise UsageError(f"--runtime {runtime}: {kind.id} runs generated C", hint="leave --runtime out, or say c")


def _deploy_firmware(
    project: Project | None, build: str | Path | None, kind: Target, progress: Progress
) -> FirmwareRun:
    """The C of a build on an emulated microcontroller. Raises HealthError where its outputs are wrong."""
    from edgekit.c_folder import ends_of, golden_samples, read_model
    from edgekit.deployment.firmware import check_emulated, deploy_firmware

    check_emulated(kind)
    folder = fresh_build(project, build, progress, ".c")
    inputs, outputs = ends_of(folder)
    samples, expected = golden_samples(folder)
    done = deploy_firmware(read_model(folder), inputs, outputs, samples, expected, kind, progress)
    if not done.equal:
        apart = done.golden["max_abs_error"]
        raise HealthError(f"the outputs on {kind.id} are off by up to {apart:g}", hint="report this model")
    return done


def _check_linux(kind: Target) -> None:
    if kind.kind != "linux":
        here = f"edgekit deploy --target {kind.id}, without --host, runs it under QEMU"
        export = "edgekit export makes a library for its firmware"
        raise UnsupportedError(f"{kind.id} is not a Linux board", hint=here if kind.emulated else export)


@contextmanager
def _opened(
    spec: DeviceSpec, kind: Target, host_key: str | None, identity: str | Path | None, progress: Progress
) -> Iterator[Device]:
    from edgekit.device import open_device

    _check_linux(kind)
    key = Path(identity) if identity is not None else None
    board = open_device(spec, kind, host_key=host_key, identity=key, progress=progress)
    try:
        yield board
    finally:
        board.close()


def _plan(
    board: Device,
    spec: DeviceSpec,
    kind: Target,
    app: str,
    build: Path,
    runtime: str,
    root: str,
    progress: Progress,
) -> Plan:
    """PROBE, the runtime that fits what it found, the bundle, the steps."""
    from edgekit import deployment
    from edgekit.bundle import make_bundle
    from edgekit.deployment import native
    from edgekit.deployment.wheels import RUNTIMES, Board, assemble

    progress(f"looking at {board.label}")
    facts = deployment.probe(board, root=root)
    arch = None if spec.host == "local" else kind.abi.arch  # this machine stands for any target
    options = deployment.Options(f"{getpass.getuser()} on {platform.node()}", root)
    if runtime == native.RUNTIME_NAME:
        deployment.check_board(facts, deployment.Needs(arch=arch))
        core = kind.clusters[0].core.id if arch and len(kind.clusters) == 1 else ""
        bundle, needs = native.native_bundle(app, build, facts, core, progress)
        return deployment.plan(bundle, facts, needs, options)
    python = deployment.board_python(facts)
    needs = deployment.Needs(arch=arch, libc=("glibc", None), python=python.version[:2])
    deployment.check_board(facts, needs)
    progress(f"preparing {runtime}")
    libraries = Board(
        python="{}.{}".format(*python.version),
        arch=facts.arch,
        libc="{}.{}".format(*(facts.libc[1] or (0, 0))),
        numpy=python.numpy,
    )
    tree = assemble(runtime, libraries, cache_dir(), progress)
    bundle = make_bundle(app, build, tree.path, RUNTIMES[tree.runtime].file_type)
    return deployment.plan(bundle, facts, needs, options)


def _file_type(runtime: str) -> str:
    """Ending of the model files that a runtime runs; "" where none is named. Raises UnsupportedError."""
    from edgekit.deployment.native import RUNTIME_NAME
    from edgekit.deployment.wheels import board_runtime

    if runtime == RUNTIME_NAME:
        return ".c"
    return board_runtime(runtime).file_type if runtime else ""


def _usual_runtime(kind: Target, build: Path) -> str:
    """The first runtime of the target that can be deployed and runs a file of the build. Raises UnsupportedError."""
    from edgekit.deployment.native import RUNTIME_NAME
    from edgekit.deployment.wheels import RUNTIMES

    types = {Path(document["file"]).suffix for document in artifacts.descriptions(build).values()}
    file_types = {name: runtime.file_type for name, runtime in RUNTIMES.items()} | {RUNTIME_NAME: ".c"}
    usable = [name for name in kind.runtimes if name in file_types]
    if not usable:
        raise UnsupportedError(
            f"{kind.id} runs models with {' or '.join(kind.runtimes)}, and deploying that is not there yet",
            hint=f"targets with {', '.join(file_types)} can be deployed to; see `edgekit targets`",
        )
    return next((name for name in usable if file_types[name] in types), usable[0])


def _told(progress: Progress) -> Callable[[int, int, str], None]:
    """Bytes as lines for people, one per step and tenth of the transfer."""
    said: set[str] = set()

    def tell(sent: int, total: int, step: str) -> None:
        size = f"{total / 1e6:.1f} MB" if total >= 1e6 else f"{total / 1e3:.1f} kB"
        share = f" {10 * (10 * sent // total)} % of {size}" if 0 < sent < total else ""
        line = f"{step}{share}"
        if line not in said:
            said.add(line)
            progress(line)

    return tell


def _app_name(build: Path) -> str:
    return check_app_name(str(artifacts.read_model_json(build).get("name")))

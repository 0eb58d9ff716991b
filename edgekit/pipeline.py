"""convert, profile, deploy, benchmark and status: what the command line and `import edgekit` call.

Each is a straight line of calls whose types change (docs/design.md); `convert` has a room of its own, conversion.py.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit import artifacts
from edgekit.conversion import Progress, convert, silent
from edgekit.errors import ModelError, UnsupportedError, UsageError
from edgekit.project import NAME, DeviceSpec, Project, choose_device, load_project
from edgekit.resources import cache_dir
from edgekit.target import Target, load_target

if TYPE_CHECKING:
    from edgekit.deployment import Benchmark, BenchOptions, Deployment, Plan, Status
    from edgekit.device import Device
    from edgekit.profiling.fit import Profile

__all__ = ["advice", "benchmark", "convert", "deploy", "profile", "status"]


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
    path = artifacts.model_file(Path(model)) if Path(model).is_dir() else Path(model)
    content = load.load_onnx(path)
    graph = load.static_shapes(load.parse(content), shapes or {})
    graph = check_quantized(graph) if load.is_quantized(graph) else simplify(graph)
    return tuple(profile_model(graph, len(content), t, runtime) for t in targets)


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
) -> Deployment:
    """Bring a build folder and the runtime for it to a board, check it there, make it current, and measure it.

    build     the build folder; default: that of edgekit.toml, converted first when its source is newer or it is missing
    target    kind of board; device: a name in edgekit.toml; host: "pi@ADDRESS", "local" or "virtual", over both
    app       folder on the board; default: from edgekit.toml, else the name of the model
    bench     what to measure afterwards; None: nothing
    dry_run   only look at the board and plan
    root      on the board, default ~/.edgekit

    Raises any class of edgekit.errors but UntrustedResult; the release that was current before is still current then.
    """
    from edgekit import deployment

    project = load_project(Path(build) if build is not None else Path.cwd())
    spec = choose_device(project, target=target, device=device, host=host)
    kind = load_target(spec.target)
    folder = _fresh_build(project, build, progress)
    name = app or (project.name if project else _app_name(folder))
    with _opened(spec, kind, host_key, identity, progress) as board:
        plan = _plan(board, spec, kind, name, folder, runtime or (project.runtime if project else ""), root, progress)
        python = deployment.board_python(plan.facts).executable
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
) -> Benchmark:
    """Measure the release of an app that is current on a board; arguments as for `deploy`."""
    from edgekit import deployment

    project = load_project(Path.cwd())
    spec = choose_device(project, target=target, device=device, host=host)
    kind = load_target(spec.target)
    with _opened(spec, kind, host_key, identity, progress) as board:
        facts = deployment.probe(board, root=root, write=False)
        name = app or (project.name if project else deployment.only_app(facts, board.label))
        python = deployment.board_python(facts).executable
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

    spec = choose_device(load_project(Path.cwd()), target=target, device=device, host=host)
    with _opened(spec, load_target(spec.target), host_key, identity, progress) as board:
        return deployment.read_status(board, root=root)


@contextmanager
def _opened(
    spec: DeviceSpec, kind: Target, host_key: str | None, identity: str | Path | None, progress: Progress
) -> Iterator[Device]:
    from edgekit.device import open_device

    if kind.kind != "linux":
        raise UnsupportedError(
            f"{kind.id} is not a Linux board", hint="deploying to microcontrollers is not possible yet"
        )
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
    from edgekit.deployment.wheels import assemble

    progress(f"looking at {board.label}")
    facts = deployment.probe(board, root=root)
    arch = None if spec.host == "local" else kind.abi.arch  # this machine stands for any target
    python = deployment.board_python(facts)
    needs = deployment.Needs(arch=arch, libc=("glibc", None), python=python.version[:2])
    deployment.check_board(facts, needs)
    progress(f"preparing {runtime or kind.runtimes[0]}")
    tree = assemble(
        runtime or kind.runtimes[0],
        python="{}.{}".format(*python.version),
        arch=facts.arch,
        libc_version="{}.{}".format(*(facts.libc[1] or (0, 0))),
        cache=cache_dir(),
        progress=progress,
    )
    bundle = make_bundle(app, build, tree.path)
    owner = f"{getpass.getuser()} on {platform.node()}"
    return deployment.plan(bundle, facts, needs, deployment.Options(owner, root))


def _told(progress: Progress) -> Callable[[int, int, str], None]:
    """Bytes as lines for people, one per step and tenth of the transfer."""
    said: set[str] = set()

    def tell(sent: int, total: int, step: str) -> None:
        share = f" {10 * (10 * sent // total)} % of {total / 1e6:.1f} MB" if total else ""
        line = f"{step}{share}"
        if line not in said:
            said.add(line)
            progress(line)

    return tell


def _fresh_build(project: Project | None, build: str | Path | None, progress: Progress) -> Path:
    """The build folder to deploy; the project's own is converted first when it is missing or older than its source."""
    folder = Path(build).resolve() if build is not None else project.build if project else None
    if folder is None:
        raise UsageError("what shall be deployed?", hint="name a build folder, or run where an edgekit.toml is")
    if project is None or folder != project.build.resolve() or not project.source.is_file():
        return folder
    recorded = _recorded_source(folder)
    if recorded == hashlib.sha256(project.source.read_bytes()).hexdigest():
        return folder
    progress(f"{project.source.name} {'has changed' if recorded else 'is not converted yet'}: converting it first")
    convert(project.source, out=folder, progress=progress)
    return folder


def _app_name(build: Path) -> str:
    name = str(artifacts.read_model_json(build).get("name"))
    if not NAME.fullmatch(name):
        raise UsageError(f"the model's name {name!r} cannot be the app's", hint="give one with --app NAME")
    return name


def _recorded_source(build: Path) -> str | None:
    """sha256 of the file that a build folder was converted from; None where there is no complete build folder."""
    try:
        artifacts.model_file(build)
        recorded = json.loads((build / artifacts.REPORT_FILE).read_text(encoding="utf-8"))["source"]["sha256"]
    except (ModelError, OSError, ValueError, KeyError, TypeError):
        return None
    return str(recorded)

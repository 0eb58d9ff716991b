"""convert, profile, deploy, benchmark and status: each a straight line of calls whose types change (docs/design.md)."""

from __future__ import annotations

import getpass
import hashlib
import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit import artifacts
from edgekit.artifacts import Accuracy, Conversion, Golden, Layer
from edgekit.errors import ModelError, UnsupportedError, UsageError
from edgekit.model import ModelSpec, from_module, load_source
from edgekit.project import NAME, DeviceSpec, Project, choose_device, load_project
from edgekit.resources import cache_dir
from edgekit.target import Target, load_target

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgekit.deployment import Benchmark, BenchOptions, Deployment, Plan, Status
    from edgekit.device import Device
    from edgekit.graph.calibration import CalibrationData

Progress = Callable[[str], None]
Calibration = Mapping[str, np.ndarray] | np.ndarray | str | None

PRECISIONS = ("int8", "float")
OBSERVERS = ("minmax", "percentile", "entropy", "mse")


def _silent(_: str) -> None:
    """The progress of somebody who does not want to see it."""


def convert(
    source: Any,
    example_inputs: tuple[Any, ...] | None = None,
    *,
    out: str | Path,
    calibration: Calibration = None,
    evaluate: Callable[..., float] | None = None,
    name: str | None = None,
    precision: str = "int8",
    observer: str = "minmax",
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    keep: str | Path | None = None,
    allow_pickle: bool = False,
    progress: Progress = _silent,
) -> Conversion:
    """Turn a trained model into a build folder: int8 QDQ ONNX, the float graph, golden data and a report.

    source          torch.nn.Module (with example_inputs), or a path: model file (.py), float .onnx, QDQ .onnx
    example_inputs  tensors for one call of the module; their shapes become the fixed shapes of the model
    calibration     arrays by input name, first axis = samples; one array where there is one input; the path of an .npz;
                    or "random" (then the accuracy is unknown)
    evaluate        called with `predict`, a function from arrays (first axis = samples) to outputs; returns one figure,
                    higher is better
    observer        how ranges are taken from calibration: minmax, percentile, entropy or mse
    shapes          input name → fixed shape, for models with dynamic dimensions
    keep            folder for the intermediate graphs of each stage

    Raises ModelError, UnsupportedError or UsageError; `out` is then untouched.
    """
    started = time.monotonic()
    _check_choice("precision", precision, PRECISIONS)
    _check_choice("observer", observer, OBSERVERS)
    spec = _spec(source, example_inputs, name, calibration, evaluate, allow_pickle)
    progress(f"reading {spec.name}")
    build = _float_stage(spec, shapes or {}, progress)
    build = _calibrate(build, precision, calibration)
    if precision == "int8":
        build = _quantize_stage(build, observer, progress)
    conversion, golden = _judge(build, Path(out), precision, observer, progress)
    conversion = replace(conversion, seconds=time.monotonic() - started)
    if keep is not None:
        _keep(build, Path(keep))
    artifacts.write_build(conversion, build.int8, build.float32, golden)
    return conversion


@dataclass(frozen=True)
class _Build:
    """What the stages of one conversion have made so far."""

    spec: ModelSpec
    graph: ir.Model
    float32: bytes | None
    export: Mapping[str, float | int | None]
    data: CalibrationData | None = None
    given_data: bool = False
    quantized: ir.Model | None = None
    int8: bytes | None = None
    layers: tuple[Layer, ...] = ()
    warnings: tuple[str, ...] = ()


def _check_choice(what: str, got: str, allowed: Sequence[str]) -> None:
    if got not in allowed:
        raise UsageError(f"{what} is {got!r}", hint="allowed: " + ", ".join(allowed))


def _spec(
    source: Any,
    example_inputs: tuple[Any, ...] | None,
    name: str | None,
    calibration: Calibration,
    evaluate: Callable[..., float] | None,
    allow_pickle: bool,
) -> ModelSpec:
    if isinstance(source, (str, Path)):
        spec = load_source(Path(source), allow_pickle=allow_pickle)
    elif example_inputs is None:
        raise UsageError("a module was given without example_inputs", hint="give the tensors of one call, in a tuple")
    else:
        spec = from_module(source, example_inputs, name=name or type(source).__name__.lower())
    return replace(
        spec,
        name=name or spec.name,
        calibration=spec.calibration if calibration is None else calibration,
        evaluate=evaluate or spec.evaluate,
    )


def _float_stage(spec: ModelSpec, shapes: Mapping[str, tuple[int, ...]], progress: Progress) -> _Build:
    """Source → simplified float graph (or a QDQ graph made elsewhere, as it is), with static shapes."""
    from edgekit.graph import load, save
    from edgekit.graph.simplify import simplify

    if spec.kind == "module":
        from edgekit.graph.export import export

        progress("exporting the float graph")
        exported = export(spec)
        graph = simplify(exported.model)
        export_facts: dict[str, float | int | None] = {"max_abs_error": exported.max_abs_error, "opset": exported.opset}
    else:
        assert spec.file is not None
        graph = load.static_shapes(load.parse(load.load_onnx(spec.file)), shapes)
        spec = replace(spec, kind="qdq-onnx" if load.is_quantized(graph) else "onnx")
        graph = graph if spec.kind == "qdq-onnx" else simplify(graph)
        export_facts = {"max_abs_error": None, "opset": graph.opset_imports.get("")}
    content = None if spec.kind == "qdq-onnx" else save.to_bytes(graph)
    return _Build(spec, graph, content, export_facts)


def _calibrate(build: _Build, precision: str, given: Calibration) -> _Build:
    """The samples that set the ranges and become the golden inputs; random ones where no ranges are needed."""
    from edgekit.graph import save
    from edgekit.graph.calibration import calibration_data, load_npz

    raw = build.spec.calibration
    if isinstance(raw, str) and raw != "random":
        raw = load_npz(Path(raw))
    needs_ranges = precision == "int8" and build.spec.kind != "qdq-onnx"
    inputs, _ = save.value_specs(build.graph)
    if raw is None and not needs_ranges:
        return replace(build, data=calibration_data("random", inputs))
    data = calibration_data(raw, inputs)
    return replace(build, data=data, given_data=True, warnings=build.warnings + data.warnings)


def _quantize_stage(build: _Build, observer: str, progress: Progress) -> _Build:
    """Float graph + samples → QDQ graph; a graph that is quantized already is only checked."""
    from edgekit.graph import save
    from edgekit.graph.calibration import observe
    from edgekit.graph.int8_spec import violations
    from edgekit.graph.quantization import quantize

    if build.spec.kind == "qdq-onnx":
        found = tuple(f"not TFLite int8: {violation}" for violation in violations(build.graph))
        return replace(build, quantized=build.graph, int8=save.to_bytes(build.graph), warnings=build.warnings + found)
    assert build.data is not None
    progress(f"calibrating with {build.data.samples} samples")
    ranges = observe(build.graph, build.data, observer)  # type: ignore[arg-type]  # checked against OBSERVERS
    progress("quantizing")
    quantized = quantize(build.graph, ranges)
    layers = tuple(Layer(p.name, p.op, p.quantized, p.reason, None, 0) for p in quantized.layers)
    return replace(build, quantized=quantized.model, int8=save.to_bytes(quantized.model), layers=layers)


def _judge(build: _Build, out: Path, precision: str, observer: str, progress: Progress) -> tuple[Conversion, Golden]:
    """Accuracy, error per layer, agreement of runs and golden data for what the earlier stages made."""
    from edgekit.graph import evaluation, save
    from edgekit.profiling.macs import count_macs

    assert build.data is not None
    deployed = build.int8 if precision == "int8" else build.float32
    if deployed is None:
        raise UsageError(f"{build.spec.name} is quantized already", hint="convert it without --precision float")
    progress("judging")
    inputs, outputs = save.value_specs(build.graph)
    conversion = Conversion(
        name=build.spec.name,
        out=out,
        source={"kind": build.spec.kind, "file": _text(build.spec.file), "sha256": build.spec.sha256},
        precision=precision,
        inputs=inputs,
        outputs=outputs,
        macs=count_macs(build.graph).total,
        parameters=_parameters(build.graph),
        bytes={"onnx": _length(build.int8), "float_onnx": _length(build.float32)},
        export=build.export,
        calibration=_calibration_facts(build, precision, observer),
        accuracy=_accuracy(build, precision),
        parity={"optimised_max_lsb": evaluation.parity(deployed, build.data) if precision == "int8" else None},
        layers=_measured_layers(build, precision),
        warnings=build.warnings,
    )
    return conversion, evaluation.golden(deployed, build.data)


def _accuracy(build: _Build, precision: str) -> Accuracy:
    from edgekit.graph.evaluation import Predictor

    evaluate = build.spec.evaluate
    if evaluate is None:
        return Accuracy(reason="no evaluate(predict) was given")
    if build.data is not None and build.data.kind == "random" and precision == "int8" and build.given_data:
        return Accuracy(reason="calibrated with random data")
    judges = {"float": build.float32, "int8": build.int8}
    predictors = {name: Predictor(content) for name, content in judges.items() if content is not None}
    figures = {name: float(evaluate(predictor.predict)) for name, predictor in predictors.items()}
    return Accuracy(figures.get("float"), figures.get("int8"), next(iter(predictors.values())).name)


def _measured_layers(build: _Build, precision: str) -> tuple[Layer, ...]:
    from edgekit.graph.evaluation import layer_sqnr

    if precision != "int8" or build.spec.kind == "qdq-onnx":
        return build.layers
    assert build.quantized is not None and build.data is not None
    sqnr = layer_sqnr(build.graph, build.quantized, build.data)
    sizes = _output_bytes(build.graph)
    return tuple(
        replace(
            layer, sqnr_db=sqnr.get(layer.name), output_bytes=sizes.get(layer.name, 0) // (4 if layer.quantized else 1)
        )
        for layer in build.layers
    )


def _output_bytes(graph: ir.Model) -> dict[str, int]:
    """Node name → bytes of its outputs in the float graph."""
    return {
        node.name or "": sum(int(np.prod(v.shape.numpy())) * 4 for v in node.outputs if v.shape is not None)
        for node in graph.graph
    }


def _calibration_facts(build: _Build, precision: str, observer: str) -> dict[str, str | int | None]:
    observed = precision == "int8" and build.spec.kind != "qdq-onnx"
    assert build.data is not None
    return {
        "kind": build.data.kind if build.given_data else "none",
        "samples": build.data.samples if build.given_data else 0,
        "observer": observer if observed else None,
    }


def _parameters(graph: ir.Model) -> int:
    return sum(int(np.prod(v.shape.numpy())) for v in graph.graph.initializers.values() if v.shape is not None)


def _keep(build: _Build, folder: Path) -> None:
    """The graph of each stage as a file: the debugger of a conversion."""
    from edgekit.graph import save

    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {"float.onnx": build.float32, "qdq.onnx": build.int8}.items():
        if content is not None:
            save.write_whole(folder / name, content)


def _length(content: bytes | None) -> int | None:
    return None if content is None else len(content)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


# --- deploy, benchmark, status


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
    progress: Progress = _silent,
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
    progress: Progress = _silent,
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
    progress: Progress = _silent,
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

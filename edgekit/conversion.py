"""A source → its build folder: every stage of `convert`, as a straight line of calls whose types change.

spec → float graph → samples → QDQ graph → program → .tflite, C → judged → files
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit import artifacts
from edgekit.artifacts import Accuracy, Conversion, Golden, Layer
from edgekit.errors import UsageError
from edgekit.files import write_whole
from edgekit.model import ModelSpec, file_sha256, from_module, load_source
from edgekit.project import FORMATS, OBSERVERS, PRECISIONS, ConvertOptions
from edgekit.target import Target, load_target

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgekit.agreement import Agreement
    from edgekit.c_build import CBuild
    from edgekit.graph.calibration import CalibrationData
    from edgekit.program import Program, Tensor

Progress = Callable[[str], None]
Calibration = Mapping[str, np.ndarray] | np.ndarray | str | None


NOISY_DB = 12.0  # below, the noise of int8 is over a quarter of the signal


def silent(_: str) -> None:
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
    formats: Sequence[str] = ("onnx",),
    observer: str = "minmax",
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    target: str | None = None,
    keep_input: bool = False,
    keep: str | Path | None = None,
    allow_pickle: bool = False,
    progress: Progress = silent,
) -> Conversion:
    """Turn a trained model into a build folder: int8 QDQ ONNX, TFLite, C, the float graph, golden data and a report.

    source          torch.nn.Module (with example_inputs), or a path: model file (.py), float or QDQ .onnx, float or
                    int8 .tflite
    example_inputs  tensors for one call of the module; their shapes become the fixed shapes of the model
    calibration     arrays by input name, first axis = samples; one array where there is one input; the path of an .npz;
                    or "random" (then the accuracy is unknown)
    evaluate        called with `predict`, a function from arrays (first axis = samples) to outputs; returns one figure,
                    higher is better
    formats         what to write: "onnx", "tflite", "c"
    observer        how ranges are taken from calibration: minmax, percentile, entropy or mse
    shapes          input name → fixed shape, for models with dynamic dimensions
    target          the board that C is made for: its memory is checked; None: any
    keep_input      C: an inference leaves its inputs as they are, for a larger arena
    keep            folder for the intermediate graphs of each stage

    Raises ModelError, UnsupportedError or UsageError; `out` is then untouched.
    """
    started = time.monotonic()
    _check_choice("precision", precision, PRECISIONS)
    _check_choice("observer", observer, OBSERVERS)
    formats = _formats(formats)
    board = None if target is None else load_target(target)
    spec = _spec(source, example_inputs, name, calibration, evaluate, allow_pickle)
    progress(f"reading {spec.name}")
    build = _float_stage(spec, shapes or {}, progress)
    if precision == "int8" and not build.came_quantized:
        build = _take_apart(build)
    _check_lowers(build, formats)
    build = _calibrate(build, precision)
    if precision == "int8":
        build = _quantize_stage(build, observer, progress)
    if {"tflite", "c"} & set(formats):
        build = _lower_stage(build, precision, progress)
    if "tflite" in formats:
        build = _tflite_stage(build, progress)
    if "c" not in formats and (target is not None or keep_input):
        build = replace(build, warnings=(*build.warnings, "target and keep_input are for C, which was not asked for"))
    if "c" in formats:
        build = _c_stage(build, board, keep_input, progress)
    conversion, golden = _judge(build, Path(out), precision, formats, observer, progress)
    options = ConvertOptions(
        precision,
        formats,
        observer,
        _named(calibration),
        dict(shapes or {}),
        None if board is None else board.id,
        keep_input,
    )
    conversion = replace(conversion, options=asdict(options), seconds=time.monotonic() - started)
    if keep is not None:
        _keep(build, Path(keep))
    files = {artifacts.INT8_FILE: build.int8 if "onnx" in formats else None}
    files |= {artifacts.FLOAT_FILE: build.float32, artifacts.TFLITE_FILE: build.tflite}
    c_files = None if build.c is None else build.c.files
    artifacts.write_build(conversion, files, _descriptions(build, conversion, golden), golden, c_files)
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
    came_quantized: bool = False
    taken_apart: ir.Model | None = None  # the float graph in operators that int8 has; what is calibrated and quantized
    quantized: ir.Model | None = None
    int8: bytes | None = None
    program: Program | None = None
    tflite: bytes | None = None
    agreement: Agreement | None = None
    answers: Mapping[str, np.ndarray] = field(default_factory=dict)  # of the program, for the first samples
    c: CBuild | None = None
    layers: tuple[Layer, ...] = ()
    warnings: tuple[str, ...] = ()


def _named(calibration: Calibration) -> str | None:
    """What can be recorded of where calibration data came from: "random" or a path."""
    if not isinstance(calibration, str):
        return None
    return calibration if calibration == "random" else str(Path(calibration).resolve())


def _source(spec: ModelSpec) -> dict[str, Any]:
    """The source and every file that it was made of, with their hashes: by these `deploy` sees what has changed."""
    folder = spec.file.resolve().parent if spec.file else None
    files = {} if folder is None else {str(f.relative_to(folder)): file_sha256(f) for f in spec.files}
    return {"kind": spec.kind, "file": _text(spec.file), "sha256": spec.sha256, "files": files}


def _check_choice(what: str, got: str, allowed: Sequence[str]) -> None:
    if got not in allowed:
        raise UsageError(f"{what} is {got!r}", hint="allowed: " + ", ".join(allowed))


def _formats(given: Sequence[str]) -> tuple[str, ...]:
    """The formats in the order of FORMATS, each once."""
    for name in given:
        _check_choice("format", name, FORMATS)
    if not given:
        raise UsageError("no format was asked for", hint=f"allowed: {', '.join(FORMATS)}")
    return tuple(name for name in FORMATS if name in given)


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
    from edgekit.graph.simplify import check_quantized, simplify

    if spec.kind == "module":
        from edgekit.graph.export import export

        progress("exporting the float graph")
        exported = export(spec)
        graph = simplify(exported.model)
        export_facts: dict[str, float | int | None] = {"max_abs_error": exported.max_abs_error, "opset": exported.opset}
    else:
        assert spec.file is not None
        graph = (
            _graph_of_tflite(spec.file, spec.name) if spec.kind == "tflite" else load.parse(load.load_onnx(spec.file))
        )
        graph = load.static_shapes(graph, shapes)
        came_quantized = load.is_quantized(graph)
        if spec.kind != "tflite":
            spec = replace(spec, kind="qdq-onnx" if came_quantized else "onnx")
        graph = check_quantized(graph) if came_quantized else simplify(graph)
        export_facts = {"max_abs_error": None, "opset": graph.opset_imports.get("")}
        if came_quantized:
            return _Build(spec, graph, None, export_facts, came_quantized=True)
    return _Build(spec, graph, save.to_bytes(graph), export_facts)


def _graph_of_tflite(path: Path, name: str) -> ir.Model:
    """A .tflite file made elsewhere as a graph: QDQ where it is quantized, float where it is float."""
    from edgekit.emitters.onnx import to_onnx
    from edgekit.lowering import from_tflite
    from edgekit.tflite.model import read_file

    return to_onnx(from_tflite(read_file(path), name))


def _take_apart(build: _Build) -> _Build:
    from edgekit.graph.decompose import for_int8

    return replace(build, taken_apart=for_int8(build.graph))


def _check_lowers(build: _Build, formats: Sequence[str]) -> None:
    """Raises UnsupportedOpError naming every operator that TFLite or C has not: before anything is calibrated."""
    from edgekit.emitters import emit_tflite
    from edgekit.emitters.c import check as check_c
    from edgekit.graph.quant_params import Range
    from edgekit.graph.quantization import quantize
    from edgekit.lowering import from_onnx

    if not {"tflite", "c"} & set(formats):
        return
    graph = build.graph
    if build.taken_apart is not None:
        graph = build.taken_apart
        values = [*graph.graph.inputs, *(v for node in graph.graph for v in node.outputs)]
        graph = quantize(graph, {v.name or "": Range(0.0, 1.0) for v in values}).model
    program = from_onnx(graph, build.spec.name)
    if "tflite" in formats:
        emit_tflite(program)
    if "c" in formats:
        check_c(program)


def _lower_stage(build: _Build, precision: str, progress: Progress) -> _Build:
    """QDQ graph → Program, and what it answers."""
    from edgekit.agreement import answers
    from edgekit.lowering import from_onnx

    assert build.data is not None
    progress("lowering to integers")
    graph = build.quantized if precision == "int8" else build.graph
    assert graph is not None
    program = from_onnx(graph, build.spec.name)
    return replace(build, program=program, answers=answers(program, _samples(build.data)))


def _samples(data: CalibrationData) -> Iterator[Mapping[str, np.ndarray]]:
    return (data.sample(i) for i in range(data.samples))


def _tflite_stage(build: _Build, progress: Progress) -> _Build:
    """Program → .tflite, checked against the interpreter."""
    from edgekit.agreement import compare
    from edgekit.emitters import emit_tflite

    assert build.data is not None and build.program is not None
    progress("writing TFLite")
    content = emit_tflite(build.program)
    return replace(build, tflite=content, agreement=compare(build.program, content, _samples(build.data)))


def _c_stage(build: _Build, board: Target | None, keep_input: bool, progress: Progress) -> _Build:
    """Program → C, checked against the interpreter where there is a compiler."""
    from edgekit.c_build import build_c

    assert build.data is not None and build.program is not None
    progress("writing C and planning its memory")
    made = build_c(build.program, _samples(build.data), board, keep_input=keep_input)
    return replace(build, c=made, warnings=build.warnings + made.warnings)


def _descriptions(build: _Build, conversion: Conversion, golden: Golden) -> dict[str, artifacts.Description]:
    """What a runtime must know of each file that a board can run; ONNX comes first where it is there."""
    found = {}
    if "onnx" in conversion.formats:
        file = artifacts.INT8_FILE if conversion.precision == "int8" else artifacts.FLOAT_FILE
        found[file] = artifacts.Description.of_onnx(conversion, golden)
    if build.program is not None:
        tolerance = _integer_tolerance(golden, build.answers)
        inputs = tuple(_file_value(build.program, t) for t in build.program.inputs)
        outputs = tuple(_file_value(build.program, t, tolerance[t.name]) for t in build.program.outputs)
        described = artifacts.Description(conversion.precision, inputs, outputs)
        if build.tflite is not None:
            found[artifacts.TFLITE_FILE] = described
        if build.c is not None:
            files = tuple(sorted(build.c.files.sources))
            found[artifacts.C_FILE] = replace(described, golden=artifacts.C_GOLDEN_FILE, files=files)
    return found


def _integer_tolerance(golden: Golden, answered: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The golden outputs are ONNX Runtime's; a program rounds in another way, by as much as was seen here."""
    apart = {
        name: float(np.abs(answers - golden.outputs[name][: len(answers)]).max(initial=0.0))
        for name, answers in answered.items()
    }
    return {name: golden.tolerance[name] + apart.get(name, 0.0) for name in golden.tolerance}


def _file_value(program: Program, tensor: Tensor, tolerance: float | None = None) -> artifacts.FileValue:
    quant = tensor.quant
    return artifacts.FileValue(
        tensor.name,
        tensor.shape,
        str(tensor.numpy_dtype),
        scale=None if quant is None else quant.scale,
        zero_point=None if quant is None else quant.zero_point,
        permutation=program.orders.get(tensor.name),
        tolerance=tolerance,
    )


def _calibrate(build: _Build, precision: str) -> _Build:
    """The samples that set the ranges and become the golden inputs; random ones where no ranges are needed."""
    from edgekit.graph import save
    from edgekit.graph.calibration import calibration_data
    from edgekit.npz import load_npz

    raw = build.spec.calibration
    if isinstance(raw, str) and raw != "random":
        raw = load_npz(Path(raw))
    needs_ranges = precision == "int8" and not build.came_quantized
    inputs, _ = save.value_specs(build.graph)
    if raw is None and not needs_ranges:
        return replace(build, data=calibration_data("random", inputs))  # only golden inputs: no warning
    data = calibration_data(raw, inputs)
    return replace(build, data=data, given_data=True, warnings=build.warnings + data.warnings)


def _quantize_stage(build: _Build, observer: str, progress: Progress) -> _Build:
    """Float graph + samples → QDQ graph; a graph that is quantized already is only checked."""
    from edgekit.graph import save
    from edgekit.graph.calibration import observe
    from edgekit.graph.int8_spec import violations
    from edgekit.graph.quantization import quantize

    if build.came_quantized:
        found = _violation_warnings([str(violation) for violation in violations(build.graph)])
        return replace(build, quantized=build.graph, int8=save.to_bytes(build.graph), warnings=build.warnings + found)
    assert build.data is not None and build.taken_apart is not None
    progress(f"calibrating with {build.data.samples} samples")
    ranges = observe(build.taken_apart, build.data, observer)  # type: ignore[arg-type]  # checked against OBSERVERS
    progress("quantizing")
    quantized = quantize(build.taken_apart, ranges)
    layers = tuple(Layer(p.name, p.op, p.quantized, p.reason, None, 0) for p in quantized.layers)
    return replace(build, quantized=quantized.model, int8=save.to_bytes(quantized.model), layers=layers)


def _judge(
    build: _Build, out: Path, precision: str, formats: tuple[str, ...], observer: str, progress: Progress
) -> tuple[Conversion, Golden]:
    """Accuracy, error per layer, agreement of runs and golden data for what the earlier stages made."""
    from edgekit.graph import evaluation, save
    from edgekit.profiling.macs import count_macs

    assert build.data is not None
    deployed = build.int8 if precision == "int8" else build.float32
    if deployed is None:
        raise UsageError(f"{build.spec.name} is quantized already", hint="convert it without --precision float")
    progress("judging")
    inputs, outputs = save.value_specs(build.graph)
    spread = evaluation.parity(deployed, build.data) if precision == "int8" else None
    layers = _measured_layers(build, precision)
    conversion = Conversion(
        name=build.spec.name,
        out=out,
        source=_source(build.spec),
        precision=precision,
        formats=formats,
        inputs=inputs,
        outputs=outputs,
        macs=count_macs(build.graph).total,
        parameters=_parameters(build.graph),
        bytes={
            "onnx": _length(build.int8) if "onnx" in formats else None,
            "float_onnx": _length(build.float32),
            "tflite": _length(build.tflite),
        },
        export=build.export,
        calibration=_calibration_facts(build, precision, observer),
        accuracy=_accuracy(build, precision),
        parity={"optimised_max_lsb": spread},
        tflite=_tflite_facts(build.agreement),
        c=None if build.c is None else build.c.document(),
        layers=layers,
        warnings=build.warnings + _parity_warnings(spread) + _layer_warnings(layers),
    )
    return conversion, evaluation.golden(deployed, build.data)


def _tflite_facts(agreement: Agreement | None) -> dict[str, Any] | None:
    """How far the runtimes that are here are from the interpreter on the .tflite file."""
    if agreement is None:
        return None
    return {"largest_lsb": dict(agreement.largest_lsb), "absent": dict(agreement.absent)}


def _violation_warnings(found: Sequence[str]) -> tuple[str, ...]:
    """Where a graph that came quantized is not TFLite's int8, in one line."""
    if not found:
        return ()
    more = f"; and {len(found) - 2} more" if len(found) > 2 else ""
    return (f"not TFLite int8 as it stands (a .tflite file is requantized there): {'; '.join(found[:2])}{more}",)


def _parity_warnings(spread_lsb: float | None) -> tuple[str, ...]:
    from edgekit.graph.evaluation import PARITY_TOLERANCE_LSB

    if spread_lsb is None or spread_lsb <= PARITY_TOLERANCE_LSB:
        return ()
    return (
        f"the runtime's graph optimisations change int8 outputs by {spread_lsb:.0f} LSB "
        f"({PARITY_TOLERANCE_LSB:.0f} is usual): compare the accuracy on the board",
    )


def _layer_warnings(layers: Sequence[Layer]) -> tuple[str, ...]:
    """What the int8 form of the layers says against using it."""
    if layers and not any(layer.quantized for layer in layers):
        reasons = {layer.reason for layer in layers if layer.reason}
        return (f"nothing was quantized: every layer stays float ({'; '.join(sorted(reasons)[:3])})",)
    noisy = [(layer.sqnr_db, layer.name) for layer in layers if layer.sqnr_db is not None and layer.sqnr_db < NOISY_DB]
    if not noisy:
        return ()
    worst = ", ".join(f"{name} {max(db, 0.0):.1f} dB" for db, name in sorted(noisy)[:3])
    more = f" and {len(noisy) - 3} more" if len(noisy) > 3 else ""
    return (
        f"{len(noisy)} layer{'s' if len(noisy) > 1 else ''} under {NOISY_DB:.0f} dB of signal to noise in int8 "
        f"({worst}{more}): the outputs may be useless; try another observer, more data, or --precision float",
    )


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
    accuracy = Accuracy(figures.get("float"), figures.get("int8"), list(predictors.values())[-1].name)
    return _with_tflite(accuracy, build, evaluate)


def _with_tflite(accuracy: Accuracy, build: _Build, evaluate: Callable[..., float]) -> Accuracy:
    """The same figure of the .tflite file, where LiteRT is installed."""
    if build.program is None or build.tflite is None or build.agreement is None or "litert" in build.agreement.absent:
        return accuracy
    from edgekit.agreement import predictor

    judge = predictor(build.program, build.tflite)
    return replace(accuracy, tflite=float(evaluate(judge.predict)), tflite_evaluated_with=judge.name)


def _measured_layers(build: _Build, precision: str) -> tuple[Layer, ...]:
    from edgekit.graph.evaluation import layer_sqnr

    if precision != "int8" or build.came_quantized:
        return build.layers
    assert build.quantized is not None and build.data is not None and build.taken_apart is not None
    sqnr = layer_sqnr(build.taken_apart, build.quantized, build.data)
    sizes = _output_bytes(build.taken_apart)
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
    observed = precision == "int8" and not build.came_quantized
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
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UsageError(f"--keep {folder}: {e.strerror}", hint="name a folder that can be made") from e
    program = None if build.program is None else build.program.text()
    memory = None if build.c is None else build.c.files.sources["memory.txt"]
    stages = {"float.onnx": build.float32, "qdq.onnx": build.int8, "program.txt": program, "memory.txt": memory}
    for name, content in stages.items():
        if content is not None:
            write_whole(folder / name, content)


def _length(content: bytes | None) -> int | None:
    return None if content is None else len(content)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)

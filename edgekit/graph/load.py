"""An .onnx file becomes a self-contained, checked onnx_ir.Model with static shapes.

The file may come from anybody: it is looked at in a limited child process first (edgekit.graph.untrusted), its size is
capped, external data is taken only from inside its own folder and never through links. Dynamic dimensions are refused
by name with the option that fixes them; control flow, sequences and custom operators are refused with their nodes.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import onnx_ir as ir
from onnx_ir.passes import common

from edgekit.errors import ModelError, UnsupportedError, UsageError, did_you_mean
from edgekit.graph import untrusted
from edgekit.graph.shapes import infer_shapes, sizes

CAP_BYTES = 512 << 20
CHILD_LIMIT_S = 120


def load_onnx(path: Path, *, cap_bytes: int = CAP_BYTES) -> bytes:
    """The file's bytes with external data embedded. Raises ModelError or UnsupportedError, all reasons at once."""
    try:
        size = path.stat().st_size
    except (OSError, ValueError) as e:  # ValueError: a NUL in the name
        reason = getattr(e, "strerror", None) or e
        raise ModelError(f"{path} cannot be read: {reason}", hint="name an .onnx file") from e
    if not path.is_file():
        raise ModelError(f"{path} is no file", hint="name an .onnx file")
    if size > cap_bytes:
        raise ModelError(f"{path} has {size} bytes; {cap_bytes} are allowed", hint="is this the right file?")
    if path.suffix == ".py":
        hint = f"convert it first: edgekit convert {path} --out build; then name the folder build"
        raise ModelError(f"{path} is a model file, not an .onnx file", hint=hint)
    digest = _look_in_child(path, cap_bytes)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise ModelError(f"{path} changed while it was read", hint="run it again when nothing writes to it")
    return _embedded(content, path.parent)


def parse(content: bytes) -> ir.Model:
    """Checked bytes → onnx_ir.Model at opset 18 or newer, local functions inlined. Raises as `load_onnx`."""
    proto = _at_known_opset(onnx.ModelProto.FromString(content))
    try:
        model: ir.Model = ir.from_proto(proto)
        common.TopologicalSortPass()(model)
        for value in model.graph.initializers.values():
            assert value.const_value is not None
            value.const_value.numpy()  # data in typed fields are counted here
            # what the file says elsewhere of a constant may contradict it
            value.shape, value.type = ir.Shape(value.const_value.numpy().shape), ir.TensorType(value.const_value.dtype)
    except Exception as e:  # a graph of a wrong form raises whatever stumbles over it first
        raise _broken(e) from e
    return model


def is_quantized(model: ir.Model) -> bool:
    """Whether the graph was quantized by somebody already (QDQ form)."""
    return any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph)


def static_shapes(model: ir.Model, shapes: Mapping[str, tuple[int, ...]]) -> ir.Model:
    """The graph with the shapes of its inputs fixed and all others inferred from them.

    Raises UnsupportedError naming every dynamic dimension that is left, UsageError (no such input), ModelError.
    """
    graph = model.graph
    inputs = {v.name or "": v for v in graph.inputs if v.name not in graph.initializers}
    if not inputs:
        raise ModelError("the model has no inputs: its answer is always the same", hint="export it with its inputs")
    for name in shapes:
        if name not in inputs:
            raise UsageError(f'--shape: the model has no input "{name}"', hint=did_you_mean(name, inputs))
    wrong = [p for name, value in inputs.items() if name in shapes for p in _fix(value, shapes[name])]
    if wrong:
        raise UsageError("; ".join(wrong), hint="--shape fixes the dynamic dimensions; the others stay as they are")
    problems = [p for value in inputs.values() for p in _dynamic(value)]
    if problems:
        options = " ".join(f"--shape {name}={_suggestion(v)}" for name, v in inputs.items() if not _static(v))
        raise UnsupportedError("; ".join(problems), hint=f"fix every size, for example: {options}")
    common.RemoveInitializersFromInputsPass()(model)
    for value in (v for node in graph for v in node.outputs):
        if shapes or sizes(value) is None:
            value.shape = None  # what the file says of it may hang on what was dynamic
    model = infer_shapes(model)
    try:  # not before: files without the shapes of their outputs, or with nodes out of order, are harmless
        onnx.checker.check_model(ir.to_proto(model))
    except Exception as e:
        raise _broken(e) from e
    return model


def _broken(error: Exception) -> ModelError:
    return ModelError(f"the graph is broken: {_line(error)}", hint="get the file again, or export it again")


def _look_in_child(path: Path, cap_bytes: int) -> str:
    """SHA-256 of the file that the child looked at; raises for what it found, or when it died."""
    command = [sys.executable, "-m", "edgekit.graph.untrusted", str(path.absolute()), str(cap_bytes)]
    # `-m` imports from the current folder first, and there a file named onnx.py may lie beside the model.
    own_folder = Path(untrusted.__file__).resolve().parents[2]
    try:
        done = subprocess.run(command, capture_output=True, timeout=CHILD_LIMIT_S, cwd=own_folder)
    except subprocess.TimeoutExpired as e:
        raise ModelError(f"{path} takes over {CHILD_LIMIT_S} s to read", hint="the file is broken or hostile") from e
    if done.returncode != 0:
        raise ModelError(f"{path} cannot be read: {_death(done)}", hint="the file is broken or hostile")
    answer = json.loads(done.stdout)
    refuse(path, answer["findings"])
    digest: str = answer["sha256"]
    return digest


def refuse(path: Path, findings: Sequence[Mapping[str, str]]) -> None:
    """Raise for what `untrusted.inspect` found in a file, if anything; broken goes before unsupported."""
    broken = [f["text"] for f in findings if f["kind"] == "broken"]
    if broken:
        raise ModelError(f"{path} {_joined(broken)}", hint="get the file again, or export it again")
    unsupported = [f["text"] for f in findings]
    if unsupported:
        raise UnsupportedError(f"{path} {_joined(unsupported)}", hint="change the model, or export it in another form")


def _death(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode < 0:
        return f"the reader was killed by {signal.Signals(-done.returncode).name}"
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else f"the reader ended with {done.returncode}"


def _joined(texts: list[str]) -> str:
    more = f"; and {len(texts) - 5} more" if len(texts) > 5 else ""
    return "; ".join(texts[:5]) + more


def _embedded(content: bytes, folder: Path) -> bytes:
    proto = onnx.ModelProto.FromString(content)
    outside = [t for t in untrusted.tensors(proto) if t.external_data or t.data_location == onnx.TensorProto.EXTERNAL]
    for tensor in outside:
        try:
            path, offset, length = untrusted.external_place(tensor, folder)
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                file.seek(offset)
                tensor.raw_data = file.read(length)
            if len(tensor.raw_data) != length:
                raise ValueError(f"its external data changed while {path.name} was read")
        except (ValueError, OSError) as e:
            raise ModelError(f'tensor "{tensor.name}": {e}', hint="keep the model's files as they were exported") from e
        del tensor.external_data[:]
        tensor.data_location = onnx.TensorProto.DEFAULT
    return proto.SerializeToString(deterministic=True) if outside else content


def _at_known_opset(proto: onnx.ModelProto) -> onnx.ModelProto:
    try:
        return untrusted.at_known_opset(proto)
    except Exception as e:  # the converter raises what its C++ raises
        opset, wanted = untrusted.standard_opset(proto), untrusted.OPSET
        raise UnsupportedError(
            f"opset {opset} cannot be brought to {wanted}: {_line(e)}", hint=f"export the model with opset {wanted}"
        ) from e


def _line(error: Exception) -> str:
    """The first line of an exception's text, or its type."""
    return next((line.strip()[:200] for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _fix(value: ir.Value, shape: tuple[int, ...]) -> list[str]:
    """Set the shape of an input; what does not fit, in words."""
    if not all(isinstance(d, int) and d > 0 for d in shape):
        return [f'--shape of "{value.name}" is {list(shape)}: whole numbers above 0 are allowed']
    if value.shape is not None and not _fits(value.shape, shape):
        return [f'input "{value.name}" has shape {_shown(value)}, --shape gives {list(shape)}']
    value.shape = ir.Shape(shape)
    return []


def _dynamic(value: ir.Value) -> list[str]:
    """Which dimensions of an input are not fixed, in words."""
    if _static(value):
        return []
    if value.shape is None:
        return [f'input "{value.name}" has no shape']
    dynamic = [f"{i} ({d.value or 'unnamed'})" for i, d in enumerate(value.shape) if not isinstance(d, int)]
    zero = [f"{i} (size {d})" for i, d in enumerate(value.shape) if isinstance(d, int) and d < 1]
    return [f'input "{value.name}" {_shown(value)} has dynamic dimension {", ".join(dynamic + zero)}']


def _fits(known: ir.Shape, given: tuple[int, ...]) -> bool:
    """Negative and zero sizes are how some exporters write "dynamic"."""
    return len(known) == len(given) and all(
        not isinstance(k, int) or k < 1 or k == g for k, g in zip(known, given, strict=True)
    )


def _static(value: ir.Value) -> bool:
    return value.shape is not None and all(isinstance(d, int) and d > 0 for d in value.shape)


def _shown(value: ir.Value) -> str:
    assert value.shape is not None
    return "[" + ", ".join(str(d) if isinstance(d, int) else str(d.value or "?") for d in value.shape) + "]"


def _suggestion(value: ir.Value) -> str:
    if value.shape is None:
        return "1,3,224,224"
    usual = ("1", "3", "224", "224") if len(value.shape) == 4 else ("1",) * len(value.shape)  # one picture
    return ",".join(str(d) if isinstance(d, int) and d > 0 else u for d, u in zip(value.shape, usual, strict=True))

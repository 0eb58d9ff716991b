"""An .onnx file becomes a self-contained, checked onnx_ir.Model with static shapes.

The file may come from anybody: it is looked at in a limited child process first (edgekit.graph.untrusted), its size is
capped, external data is taken only from inside its own folder and never through links. Dynamic dimensions are refused by
name with the option that fixes them; control flow, sequences and custom operators are refused with their nodes.
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import onnx
import onnx_ir as ir

from edgekit.errors import ModelError, UnsupportedError, UsageError, did_you_mean
from edgekit.graph import untrusted

CAP_BYTES = 512 << 20
CHILD_LIMIT_S = 120
OPSET = 20  # older graphs are brought here, so that rules need to know one form of each operator
OLDEST_KEPT_OPSET = 18


def load_onnx(path: Path, *, cap_bytes: int = CAP_BYTES) -> bytes:
    """The file's bytes with external data embedded. Raises ModelError or UnsupportedError, all reasons at once."""
    try:
        size = path.stat().st_size
    except OSError as e:
        raise ModelError(f"{path} cannot be read: {e.strerror}", hint="name an .onnx file") from e
    if not path.is_file():
        raise ModelError(f"{path} is no file", hint="name an .onnx file")
    if size > cap_bytes:
        raise ModelError(f"{path} has {size} bytes; {cap_bytes} are allowed", hint="is this the right file?")
    digest = _look_in_child(path, cap_bytes)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise ModelError(f"{path} changed while it was read", hint="run it again when nothing writes to it")
    return _embedded(content, path.parent)


def parse(content: bytes) -> ir.Model:
    """Checked bytes → onnx_ir.Model at opset 18 or newer, local functions inlined."""
    proto = onnx.ModelProto.FromString(content)
    if proto.functions:
        proto = onnx.inliner.inline_local_functions(proto)
    opset = next((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), 0)
    if opset < OLDEST_KEPT_OPSET:
        proto = _converted(proto, opset)
    model: ir.Model = ir.from_proto(proto)
    return model


def is_quantized(model: ir.Model) -> bool:
    """Whether the graph was quantized by somebody already (QDQ form)."""
    return any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph)


def static_shapes(model: ir.Model, shapes: Mapping[str, tuple[int, ...]]) -> ir.Model:
    """The graph with the shapes of its inputs fixed; UnsupportedError names every dynamic dimension that is left."""
    graph = model.graph
    inputs = {v.name or "": v for v in graph.inputs if v.name not in graph.initializers}
    for name in shapes:
        if name not in inputs:
            raise UsageError(f'--shape: the model has no input "{name}"', hint=did_you_mean(name, inputs))
    problems = []
    for name, value in inputs.items():
        problems += _fix(value, shapes.get(name))
    if problems:
        options = " ".join(f"--shape {name}={_suggestion(v)}" for name, v in inputs.items() if not _static(v))
        raise UnsupportedError("; ".join(problems), hint=f"fix every size, for example: {options}")
    if shapes:
        for value in graph.outputs:
            value.shape = None  # inferred anew from the fixed inputs
    return model


def _look_in_child(path: Path, cap_bytes: int) -> str:
    """SHA-256 of the file that the child looked at; raises for what it found, or when it died."""
    command = [sys.executable, "-m", "edgekit.graph.untrusted", str(path), str(cap_bytes)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=CHILD_LIMIT_S)
    except subprocess.TimeoutExpired as e:
        raise ModelError(f"{path} takes over {CHILD_LIMIT_S} s to read", hint="the file is broken or hostile") from e
    if done.returncode != 0:
        raise ModelError(f"{path} cannot be read: {_death(done)}", hint="the file is broken or hostile")
    answer = json.loads(done.stdout)
    broken = [f["text"] for f in answer["findings"] if f["kind"] == "broken"]
    if broken:
        raise ModelError(f"{path} {_joined(broken)}", hint="get the file again, or export it again")
    unsupported = [f["text"] for f in answer["findings"]]
    if unsupported:
        raise UnsupportedError(f"{path} {_joined(unsupported)}", hint="change the model, or export it in another form")
    digest: str = answer["sha256"]
    return digest


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
            with path.open("rb") as file:
                file.seek(offset)
                tensor.raw_data = file.read(length)
        except (ValueError, OSError) as e:
            raise ModelError(f'tensor "{tensor.name}": {e}', hint="keep the model's files as they were exported") from e
        del tensor.external_data[:]
        tensor.data_location = onnx.TensorProto.DEFAULT
    return proto.SerializeToString(deterministic=True) if outside else content


def _converted(proto: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    try:
        return onnx.version_converter.convert_version(proto, OPSET)
    except Exception as e:  # the converter raises what its C++ raises
        reason = str(e).strip().splitlines()[0][:200]
        raise UnsupportedError(
            f"opset {opset} cannot be brought to {OPSET}: {reason}", hint=f"export the model with opset {OPSET}"
        ) from e


def _fix(value: ir.Value, shape: tuple[int, ...] | None) -> list[str]:
    """Set the shape of an input; what stays dynamic or does not fit, in words."""
    if shape is not None:
        if value.shape is not None and not _fits(value.shape, shape):
            return [f'input "{value.name}" has shape {_shown(value)}, --shape gives {list(shape)}']
        value.shape = ir.Shape(shape)
    if _static(value):
        return []
    if value.shape is None:
        return [f'input "{value.name}" has no shape']
    dynamic = [f"{i} ({d.value or 'unnamed'})" for i, d in enumerate(value.shape) if not isinstance(d, int)]
    zero = [f"{i} (size {d})" for i, d in enumerate(value.shape) if isinstance(d, int) and d < 1]
    return [f'input "{value.name}" {_shown(value)} has dynamic dimension {", ".join(dynamic + zero)}']


def _fits(known: ir.Shape, given: tuple[int, ...]) -> bool:
    return len(known) == len(given) and all(not isinstance(k, int) or k == g for k, g in zip(known, given, strict=True))


def _static(value: ir.Value) -> bool:
    return value.shape is not None and all(isinstance(d, int) and d > 0 for d in value.shape)


def _shown(value: ir.Value) -> str:
    assert value.shape is not None
    return "[" + ", ".join(str(d) if isinstance(d, int) else str(d.value or "?") for d in value.shape) + "]"


def _suggestion(value: ir.Value) -> str:
    if value.shape is None:
        return "1,3,224,224"
    return ",".join(str(d) if isinstance(d, int) and d > 0 else "1" for d in value.shape)

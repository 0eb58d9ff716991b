"""Looks at an ONNX file that may be hostile, in a process of its own with limits, and reports what is wrong as JSON.

    python -m edgekit.graph.untrusted FILE CAP_BYTES

Nothing is allocated that the file only claims: sizes of tensors are added up from their dimensions first. A crash, a
hang or an endless allocation kills this process and not edgekit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import resource
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

CPU_LIMIT_S = 60
BASE_MEMORY_BYTES = 3 << 30
OWN_DOMAINS = ("", "ai.onnx")
# Control flow and sequences have no static plan of memory.
DYNAMIC_OPS = ("If", "Loop", "Scan", "SequenceMap", "Optional", "SequenceConstruct", "SequenceAt", "SplitToSequence")
OLDEST_OPSET, NEWEST_OPSET = 7, 25
NODE_LIMIT = 200_000
FINDINGS_LIMIT = 50  # of each kind; the answer of this process stays small
OLDEST_KEPT_OPSET, OPSET = 18, 20  # older graphs are brought to OPSET, so that rules know one form of each operator


def main() -> None:
    path, cap_bytes = Path(sys.argv[1]), int(sys.argv[2])
    limit_resources(cap_bytes)
    content = path.read_bytes()
    findings = inspect(content, path.parent, cap_bytes)
    print(json.dumps({"sha256": hashlib.sha256(content).hexdigest(), "findings": findings}))


def limit_resources(cap_bytes: int) -> None:
    """Address space and processor time of this process."""
    memory = BASE_MEMORY_BYTES + 6 * cap_bytes
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def inspect(content: bytes, folder: Path, cap_bytes: int) -> list[dict[str, str]]:
    """Everything that is wrong with a file, as {"kind": "broken" | "unsupported", "text": ...}."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError as e:
        return [_broken(f"is no ONNX file: {e}")]
    if not model.HasField("graph") or not model.graph.node:
        return [_broken("is no ONNX file: it holds no graph with nodes")]
    found = list(islice(_tensor_findings(model, folder, cap_bytes), FINDINGS_LIMIT))
    found += islice(_graph_findings(model), FINDINGS_LIMIT)
    if not found:
        _rehearse(model)
    return found


def standard_opset(model: Any) -> int:
    """The version of the standard operators; 0 where the model names none."""
    return next((o.version for o in model.opset_import if o.domain in OWN_DOMAINS), 0)


def at_known_opset(model: Any) -> Any:
    """The model with its local functions inlined, at opset 18 or newer. Raises what onnx's C++ raises."""
    import onnx.inliner
    import onnx.version_converter

    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    if standard_opset(model) < OLDEST_KEPT_OPSET:
        model = onnx.version_converter.convert_version(model, OPSET)
    return model


def _rehearse(model: Any) -> None:
    """What C++ will do with the model in edgekit's own process is done here first: if it crashes, it crashes here.

    What it raises is raised again over there, where it becomes a message.
    """
    import onnx.checker
    import onnx.shape_inference

    with contextlib.suppress(Exception):
        model = at_known_opset(model)
        onnx.shape_inference.infer_shapes(model, check_type=True, data_prop=True)
        onnx.checker.check_model(model)


def tensors(model: Any) -> Iterator[Any]:
    """All TensorProtos of a model: initializers, attributes of nodes, in subgraphs and functions too."""
    graphs = [model.graph]
    nodes = [n for f in model.functions for n in f.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.extend(graph.node)
        if nodes:
            for attribute in nodes.pop().attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors
                graphs.extend(attribute.graphs)
                if attribute.HasField("g"):
                    graphs.append(attribute.g)


def external_place(tensor: Any, folder: Path) -> tuple[Path, int, int]:
    """File, offset and length of a tensor stored outside; ValueError says what is wrong with the place."""
    entries = {e.key: e.value for e in tensor.external_data}
    location = entries.get("location", "")
    parts = location.split("/")
    if any(c in location for c in "\\:\0") or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"its external data lies at {location!r}: only names inside the model's folder are allowed")
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise ValueError(f"its external data {location!r} is behind a link")
    if not path.is_file():
        raise ValueError(f"its external data {location!r} is missing")
    offset, length = _number(entries, "offset", 0), _number(entries, "length", -1)
    size = path.stat().st_size
    length = size - offset if length == -1 else length
    if offset > size or length < 0 or offset + length > size:
        raise ValueError(f"its external data is bytes {offset} to {offset + length} of {location!r}, which has {size}")
    return path, offset, length


def _number(entries: dict[str, str], key: str, default: int) -> int:
    text = entries.get(key)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError(f"its external data has {key} {text[:40]!r}")
    return int(text)


def _broken(text: str) -> dict[str, str]:
    return {"kind": "broken", "text": text[:500]}


def _unsupported(text: str) -> dict[str, str]:
    return {"kind": "unsupported", "text": text[:500]}


def _tensor_findings(model: Any, folder: Path, cap_bytes: int) -> Iterator[dict[str, str]]:
    import onnx

    total = 0
    for tensor in tensors(model):
        name = f'tensor "{tensor.name[:80]}"'
        if any(d < 0 for d in tensor.dims):
            yield _broken(f"{name} has dimensions {list(tensor.dims)[:8]}")
            continue
        try:
            item_bytes = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        except (KeyError, ValueError, TypeError):
            yield _broken(f"{name} has the unknown type {tensor.data_type}")
            continue
        size = math.prod(tensor.dims) * item_bytes
        total += size
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            try:
                _, _, length = external_place(tensor, folder)
                if length < size and item_bytes > 1:
                    raise ValueError(f"its external data is {length} bytes, its shape says {size}")
            except (ValueError, OSError) as e:
                yield _broken(f"{name}: {e}")
        elif tensor.HasField("raw_data") and item_bytes > 1 and len(tensor.raw_data) != size:
            yield _broken(f"{name} holds {len(tensor.raw_data)} bytes, its shape says {size}")
    if total > cap_bytes:
        yield _broken(f"its tensors claim {total} bytes; {cap_bytes} are allowed")


def _graph_findings(model: Any) -> Iterator[dict[str, str]]:
    own = {(f.domain, f.name) for f in model.functions}
    nodes = [*model.graph.node, *(n for f in model.functions for n in f.node)]
    if len(nodes) > NODE_LIMIT:
        yield _broken(f"has {len(nodes)} nodes; {NODE_LIMIT} are allowed")
        return
    version = standard_opset(model)
    if not OLDEST_OPSET <= version <= NEWEST_OPSET:
        yield _unsupported(f"has opset {version}; {OLDEST_OPSET} to {NEWEST_OPSET} are read (export it again)")
    foreign = [n for n in nodes if n.domain not in OWN_DOMAINS and (n.domain, n.op_type) not in own]
    custom = sorted({f"{n.domain}.{n.op_type}" for n in foreign})
    if custom:
        yield _unsupported(f"uses operators outside the ONNX standard: {', '.join(custom[:10])}")
    dynamic = [f"{n.op_type} ({n.name or 'no name'})" for n in nodes if n.op_type in DYNAMIC_OPS]
    if dynamic:
        yield _unsupported(
            f"has control flow or sequences, which have no static memory plan: {', '.join(dynamic[:10])} "
            "(export the branch that the device needs)"
        )


if __name__ == "__main__":
    main()

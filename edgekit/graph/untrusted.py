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
DYNAMIC_OPS = (
    *("If", "Loop", "Scan", "Optional", "OptionalGetElement", "OptionalHasElement", "SequenceMap", "SequenceConstruct"),
    *("SequenceEmpty", "SequenceInsert", "SequenceErase", "SequenceAt", "SequenceLength", "SplitToSequence"),
    "ConcatFromSequence",
)
BITS = {"UINT4": 4, "INT4": 4, "FLOAT4E2M1": 4, "UINT2": 2, "INT2": 2}  # types whose numbers share bytes
NO_NUMBERS = ("STRING", "COMPLEX64", "COMPLEX128")
OLDEST_OPSET, NEWEST_OPSET = 7, 25
NODE_LIMIT, NAME_LIMIT = 200_000, 200
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
    except DecodeError as e:  # also where its parts take more memory than there is
        return [_broken(f"is no readable ONNX file: {e}")]
    if not model.HasField("graph") or not model.graph.node:
        return [_broken("is no ONNX file: it holds no graph with nodes")]
    found = list(islice(_tensor_findings(model, folder, cap_bytes), FINDINGS_LIMIT))
    found += islice(_value_findings(model), FINDINGS_LIMIT)
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
    if isinstance(location, bytes):
        raise ValueError(f"its external data lies at {location[:80]!r}, which is no text")
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
    length = size - offset if length < 0 else length
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
    return {"kind": "broken", "text": _plain(text)}


def _unsupported(text: str) -> dict[str, str]:
    return {"kind": "unsupported", "text": _plain(text)}


def _plain(text: str) -> str:
    """Names come from the file and end up in a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text[:500])


def _tensor_findings(model: Any, folder: Path, cap_bytes: int) -> Iterator[dict[str, str]]:
    total = 0
    for tensor in tensors(model):
        name = f'tensor "{tensor.name[:80]}"'
        if any(d < 0 for d in tensor.dims):
            yield _broken(f"{name} has dimensions {list(tensor.dims)[:8]}")
            continue
        size = _size_bytes(tensor)
        if size is None:
            yield _broken(f"{name} has the unknown type {tensor.data_type}")
            continue
        total += size
        try:
            _check_data(tensor, size, folder)
        except (ValueError, OSError) as e:
            yield _broken(f"{name}: {e}")
    if total > cap_bytes:
        yield _broken(f"its tensors claim {total} bytes; {cap_bytes} are allowed")


def _size_bytes(tensor: Any) -> int | None:
    """The bytes that type and dimensions claim; None for an unknown type."""
    import onnx

    try:
        item_bytes = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, ValueError, TypeError):
        return None
    bits = BITS.get(onnx.TensorProto.DataType.Name(tensor.data_type), 8 * item_bytes)
    return (math.prod(int(d) for d in tensor.dims) * int(bits) + 7) // 8


def _check_data(tensor: Any, size: int, folder: Path) -> None:
    """ValueError where a tensor's bytes are not as many as it claims, or lie at a wrong place."""
    import onnx

    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        _, _, length = external_place(tensor, folder)
        if length != size:
            raise ValueError(f"its external data is {length} bytes, its shape says {size}")
    elif tensor.HasField("raw_data") and len(tensor.raw_data) != size:
        raise ValueError(f"it holds {len(tensor.raw_data)} bytes, its shape says {size}")


def _value_findings(model: Any) -> Iterator[dict[str, str]]:
    """Inputs and outputs must be tensors of numbers under names that can be shown."""
    import onnx

    sparse = model.graph.sparse_initializer or any(
        a.HasField("sparse_tensor") or a.sparse_tensors for n in model.graph.node for a in n.attribute
    )
    if sparse:
        yield _unsupported("has sparse tensors, which no runtime on a device reads")
    unusable = {onnx.TensorProto.DataType.Value(name) for name in NO_NUMBERS}
    for value in (*model.graph.input, *model.graph.output):
        # protobuf gives bytes where a text is no UTF-8
        if isinstance(value.name, bytes) or not value.name.isprintable() or not 0 < len(value.name) <= NAME_LIMIT:
            yield _broken(f'has an input or output with the name "{value.name[:80]}"')
        kind = value.type.WhichOneof("value")
        if kind != "tensor_type" and kind is not None:
            yield _unsupported(f'"{value.name[:80]}" is no tensor ({kind.removesuffix("_type")})')
        elif value.type.tensor_type.elem_type in unusable:
            yield _unsupported(f'"{value.name[:80]}" holds texts or complex numbers')


def _graph_findings(model: Any) -> Iterator[dict[str, str]]:
    own = {(f.domain, f.name) for f in model.functions}
    nodes = [*model.graph.node, *(n for f in model.functions for n in f.node)]
    if len(nodes) > NODE_LIMIT:
        yield _broken(f"has {len(nodes)} nodes; {NODE_LIMIT} are allowed")
        return
    expanded = _expanded_nodes(model)
    if expanded is None:
        yield _broken("has a local function that calls itself")
    elif expanded > NODE_LIMIT:
        yield _broken(f"has over {NODE_LIMIT} nodes once its local functions are inlined")
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


def _expanded_nodes(model: Any) -> int | None:
    """Nodes after the local functions are inlined, counted up to NODE_LIMIT + 1; None where one calls itself."""
    bodies = {(f.domain, f.name): [(n.domain, n.op_type) for n in f.node] for f in model.functions}
    size: dict[tuple[str, str], int] = {}
    entered: set[tuple[str, str]] = set()
    stack = list(bodies)
    while stack:
        key = stack[-1]
        callees = [] if key in size else [k for k in set(bodies[key]) if k in bodies and k not in size]
        if not callees:
            stack.pop()
            size.setdefault(key, _counted(bodies[key], size))
        elif key in entered:
            return None
        else:
            entered.add(key)
            stack.extend(callees)
    return _counted([(n.domain, n.op_type) for n in model.graph.node], size)


def _counted(calls: list[tuple[str, str]], size: dict[tuple[str, str], int]) -> int:
    """An empty function counts as one node: its calls take time too."""
    return min(max(1, sum(size.get(call, 1) for call in calls)), NODE_LIMIT + 1)


if __name__ == "__main__":
    main()

"""onnx_ir.Model → bytes and files: the same graph gives the same bytes, and a file is written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import onnx_ir as ir

from edgekit.errors import UnsupportedError, UsageError
from edgekit.graph.shapes import sizes
from edgekit.model import ValueSpec


def to_bytes(model: ir.Model) -> bytes:
    """One self-contained ONNX file: weights inside."""
    content: bytes = ir.to_proto(model).SerializeToString(deterministic=True)
    return content


def write_whole(path: Path, content: bytes) -> None:
    """Write next to the name, sync, rename. Raises UsageError (no permission, no space)."""
    try:
        handle, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(part).chmod(0o644)
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as e:
        raise UsageError(f"cannot write {path}: {e.strerror}", hint="name a writable folder with space") from e


def value_specs(model: ir.Model) -> tuple[tuple[ValueSpec, ...], tuple[ValueSpec, ...]]:
    """Inputs and outputs of a graph; UnsupportedError where one of them has no static shape."""
    return tuple(_spec(v) for v in model.graph.inputs), tuple(_spec(v) for v in model.graph.outputs)


def _spec(value: ir.Value) -> ValueSpec:
    shape = sizes(value)
    if shape is None or value.dtype is None:
        raise UnsupportedError(f'"{value.name}" has no static shape', hint="make it fixed in the model")
    return ValueSpec(value.name or "", shape, str(value.dtype.numpy()))

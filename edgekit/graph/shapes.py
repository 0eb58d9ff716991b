"""What is known of a graph's values, in place: their types and shapes by ONNX's own inference, and that all are static.

Refused: a graph that contradicts itself, and shapes that depend on data.
"""

from __future__ import annotations

import onnx
import onnx_ir as ir

from edgekit.errors import ModelError, UnsupportedError

LARGE_BYTES = 8 << 10  # no shape hangs on a constant this large; inference gets only its type


def sizes(value: ir.Value) -> tuple[int, ...] | None:
    """The static shape of a value, or None."""
    if value.shape is None or not all(isinstance(d, int) for d in value.shape):
        return None
    return tuple(int(d) for d in value.shape.numpy())


def infer_shapes(model: ir.Model) -> ir.Model:
    """Types and shapes of all values, from those of the inputs. Raises ModelError when the graph contradicts itself."""
    try:
        proto = _skeleton(model)
        inferred = onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True, data_prop=True).graph
    except Exception as e:  # the C++ checker's own exceptions, and protobuf's
        reason = " ".join(str(e).split())[:300]
        raise ModelError(f"the graph contradicts itself: {reason}", hint="export the model again") from e
    known = {v.name: v.type for v in (*inferred.value_info, *inferred.output) if v.type.HasField("tensor_type")}
    for value in [*(v for node in model.graph for v in node.outputs), *model.graph.outputs]:
        if value.name in known:
            _learn(value, known[value.name].tensor_type)
    return model


def require_static(model: ir.Model) -> None:
    """Raises UnsupportedError naming values whose shape is not static."""
    open_values = [
        f'{v.name} (of node "{n.name or "no name"}", {n.op_type})'
        for n in model.graph
        for v in n.outputs
        if v.name and sizes(v) is None
    ]
    if open_values:
        more = f" and {len(open_values) - 5} more" if len(open_values) > 5 else ""
        raise UnsupportedError(
            f"shapes depend on data: {', '.join(open_values[:5])}{more}",
            hint="the memory of a device is planned before it runs: make these shapes fixed in the model",
        )


def _skeleton(model: ir.Model) -> onnx.ModelProto:
    """The graph without large constants and without what it claims of its inner values and outputs.

    Claims are often wrong: exporters write them for one batch size, and --shape fixes another.
    """
    proto = ir.to_proto(model)
    graph = proto.graph
    del graph.value_info[:]
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")
    kept, given = [], {v.name for v in graph.input}
    for tensor in graph.initializer:
        if tensor.ByteSize() <= LARGE_BYTES:
            kept.append(tensor)
        elif tensor.name not in given:
            graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return proto


def _learn(value: ir.Value, found: onnx.TypeProto.Tensor) -> None:
    """What was inferred wins; where nothing was, what the file says stays."""
    if found.elem_type:
        value.dtype = ir.DataType(found.elem_type)
    if found.HasField("shape"):
        dims = [d.dim_value if d.HasField("dim_value") else (d.dim_param or None) for d in found.shape.dim]
        if sizes(value) is None or not any(d is None or isinstance(d, str) for d in dims):
            value.shape = ir.Shape(dims)

"""What is known of a graph's values, in place: their types and shapes by ONNX's own inference, and that all are static.

Refused: a graph that contradicts itself, and shapes that depend on data.
"""

from __future__ import annotations

import math

import onnx
import onnx_ir as ir

from edgekit.errors import ModelError, UnsupportedError

VALUE_CAP_BYTES = 512 << 20  # of one value; no device holds as much, and this machine need not try
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
    _require_bounded(model)
    return model


def _require_bounded(model: ir.Model) -> None:
    """Raises ModelError naming values over VALUE_CAP_BYTES: nothing is run that would need so much memory."""
    computed = [
        (v, f'node "{n.name or "no name"}" ({n.op_type}) computes "{v.name}"') for n in model.graph for v in n.outputs
    ]
    given = [(v, f'input "{v.name}" is') for v in model.graph.inputs]
    large = [f"{what} of {size} bytes" for value, what in computed + given if (size := _bytes(value)) > VALUE_CAP_BYTES]
    if large:
        raise ModelError(
            f"{_listed(large)}: {VALUE_CAP_BYTES} are allowed for one value",
            hint="give smaller input sizes, or make the model smaller",
        )


def _bytes(value: ir.Value) -> int:
    known = sizes(value)
    return 0 if known is None else math.prod(known) * (value.dtype.bitwidth if value.dtype else 32) // 8


def require_static(model: ir.Model) -> None:
    """Raises UnsupportedError naming the values where the static shapes end; those computed from them are not named."""
    opset = model.opset_imports.get("", 0)
    open_values = {
        f'{v.name} (of node "{n.name or "no name"}", {n.op_type})': _has_inference(n, opset)
        for n in model.graph
        for v in n.outputs
        if v.name and sizes(v) is None and all(i is None or sizes(i) is not None for i in n.inputs)
    }
    unknown = [text for text, inferred in open_values.items() if not inferred]
    if unknown:
        raise UnsupportedError(
            f"onnx {onnx.__version__} does not infer the shapes of {_listed(unknown)}",
            hint="export the model with operators of an older opset, or with the shapes of all values in the file",
        )
    if open_values:
        raise UnsupportedError(
            f"shapes depend on data: {_listed(list(open_values))}",
            hint="the memory of a device is planned before it runs: make these shapes fixed in the model",
        )


def _has_inference(node: ir.Node, opset: int) -> bool:
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError:
        return False
    return bool(schema.has_type_and_shape_inference_function)


def _listed(texts: list[str]) -> str:
    return ", ".join(texts[:5]) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")


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

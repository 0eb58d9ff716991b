"""What the operands of a node are: constants (also behind DequantizeLinear), attributes, and the bias that an Add
brings to a MatMul. Reads float graphs and QDQ graphs alike.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgekit.graph.quant_params import Array

Slot = tuple[ir.Node, int]  # a node and the position of one of its inputs
CLAMPS = ("Relu", "Clip")
CLAMPS_IN_A_ROW = 8  # one or two are usual; a bound keeps long chains cheap


def constant(value: ir.Value | None) -> Array | None:
    """The numbers of an initializer or a Constant node, also behind DequantizeLinear (then the stored integers)."""
    while value is not None and value.const_value is None:
        producer = value.producer()
        if producer is None or producer.op_type != "DequantizeLinear":
            break
        value = producer.inputs[0]
    if value is None:
        return None
    if value.const_value is not None:
        return value.const_value.numpy()
    producer = value.producer()
    if producer is None:
        return None
    tensor = ir.convenience.get_const_tensor(value) if producer.op_type == "Constant" else None
    return None if tensor is None else tensor.numpy()


def real_constant(value: ir.Value | None) -> Array | None:
    """The numbers that a constant stands for: behind DequantizeLinear the real ones (one scale), not the integers."""
    numbers = constant(value)
    producer = None if value is None else value.producer()
    if numbers is None or producer is None or producer.op_type != "DequantizeLinear":
        return numbers
    scale, zero_point = (constant(v) for v in (*producer.inputs[1:3], None)[:2])
    if scale is None or scale.size != 1:
        return None
    shift = 0 if zero_point is None else zero_point.astype(np.int64)
    return np.asarray((numbers.astype(np.int64) - shift) * scale, np.float32)


def attribute(node: ir.Node, name: str, default: float | int | str) -> float | int | str:
    """A number or text attribute of a node, with ONNX's default where it is left out."""
    found = node.attributes.get(name)
    return default if found is None else found.value


def readers_of_result(value: ir.Value) -> tuple[ir.Node, ...]:
    """Who reads what a node computes: a clamp that alone reads the value is the node's own and is looked through."""
    readers = value.consumers()
    for _ in range(CLAMPS_IN_A_ROW):
        if len(readers) != 1 or readers[0].op_type not in CLAMPS or value.is_graph_output():
            break
        value = readers[0].outputs[0]
        readers = value.consumers()
    return () if value.is_graph_output() else tuple(readers)


def own_bias(node: ir.Node) -> Slot | None:
    """The bias of a convolution or a Gemm: its third input, where it has one."""
    return (node, 2) if len(node.inputs) > 2 and node.inputs[2] is not None else None


def added_bias(node: ir.Node) -> Slot | None:
    """The bias of a MatMul by a constant matrix: the constant of the Add that alone reads it, one number per output.

    In a float graph the constant is float32, in a QDQ graph int32 behind DequantizeLinear.
    """
    if node.op_type != "MatMul" or len(node.outputs[0].uses()) != 1 or node.outputs[0].is_graph_output():
        return None
    product, weights = node.outputs[0], constant(node.inputs[1])
    add = product.consumers()[0]
    if weights is None or weights.ndim != 2 or product.dtype is not ir.DataType.FLOAT or add.op_type != "Add":
        return None
    position = 1 if add.inputs[0] is product else 0
    offsets = constant(add.inputs[position])
    fits = offsets is not None and offsets.dtype in (np.float32, np.int32) and _per_output(offsets, product, weights)
    return (add, position) if fits else None


def _per_output(offsets: Array, product: ir.Value, weights: Array) -> bool:
    """Whether `offsets` are one number per output, or one for all, and change no shape."""
    flat = offsets.size == 1 or (offsets.shape[-1:] == weights.shape[1:] and offsets.size == weights.shape[1])
    return flat and product.shape is not None and offsets.ndim <= len(product.shape)

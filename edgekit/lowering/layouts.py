"""In which order of axes an input of the program is best: NHWC where an operator over space reads it."""

from __future__ import annotations

import onnx_ir as ir

from edgekit.graph.shapes import sizes
from edgekit.ops.elementwise import ONNX_FUNCTIONS
from edgekit.ops.reading import Order, channels_last, plain

SPATIAL = (
    *("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Resize"),
    *("DepthToSpace", "SpaceToDepth", "InstanceNormalization"),
)
# These do not care in which order the axes lie.
CARELESS = (
    *("QuantizeLinear", "DequantizeLinear", "Identity", "Add", "Sub", "Mul", "Div", "Min", "Max", "Relu", "Clip"),
    *("Sigmoid", "Tanh", "LeakyRelu", "HardSwish", "HardSigmoid", "Pad", "Concat", "Slice", "Pow", "PRelu"),
    *ONNX_FUNCTIONS,
)


def preferred_order(value: ir.Value) -> Order:
    """The order in which the first spatial operator behind a graph input wants it; else the value's own."""
    rank = len(sizes(value) or ())
    if rank not in (3, 4):
        return plain(rank)
    queue, seen = [(value, plain(rank))], {value}
    while queue:
        reached, axes = queue.pop(0)  # axes: axis of `reached` → axis of the input
        for node in reached.consumers():
            if node.op_type in SPATIAL and node.inputs[0] is reached:
                return tuple(axes[axis] for axis in channels_last(rank))
            result = node.outputs[0]
            if result in seen or len(sizes(result) or ()) != rank:
                continue
            if node.op_type == "Transpose" and "perm" in node.attributes:
                seen.add(result)
                queue.append((result, tuple(axes[axis] for axis in node.attributes["perm"].as_ints())))
            elif node.op_type in CARELESS:
                seen.add(result)
                queue.append((result, axes))
    return plain(rank)

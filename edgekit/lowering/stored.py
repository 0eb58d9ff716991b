"""How QuantizeLinear and DequantizeLinear store a value: its integer type and parameters, uint8 brought to int8.

Unsigned 8-bit integers become signed ones 128 lower, with zero points 128 lower: the same real numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.graph import quant_params as activations
from edgekit.graph.operands import attribute, constant
from edgekit.graph.quant_params import Range, activation_params
from edgekit.ops.reading import Refusal
from edgekit.program import QuantParams
from edgekit.program.tensor import DTYPE_OF, DTYPES, Array

SHIFT = 128


@dataclass(frozen=True)
class Stored:
    dtype: str
    quant: QuantParams


@dataclass(frozen=True)
class Numbers:
    """A constant: its integers (or floats) as stored, with their parameters, and the real values."""

    stored: Array
    quant: QuantParams | None
    real: Array


def params_of(node: ir.Node) -> Stored:
    """What a QuantizeLinear or DequantizeLinear says. Raises Refusal for types that no integer kernel has."""
    scales, zeros = constant(node.inputs[1]), _zero_points(node)
    if scales is None or zeros is None:
        raise Refusal("its scale or zero point is computed at run time")
    if int(attribute(node, "block_size", 0)):
        raise Refusal("it is quantized in blocks", "quantize per tensor or per channel")
    wide = zeros.astype(np.int64).reshape(-1)
    if zeros.dtype == np.uint8:
        dtype, wide = "s8", wide - SHIFT
    else:
        dtype = DTYPE_OF.get(np.dtype(zeros.dtype), "")
    if dtype not in ("s8", "s16", "s32"):
        raise Refusal(f"it is quantized to {zeros.dtype}", "quantize to int8")
    if dtype == "s16" and wide.any():
        raise Refusal("its int16 values have a zero point", "quantize int16 symmetrically")
    flat = tuple(float(np.float32(s)) for s in scales.reshape(-1))
    if not all(np.isfinite(s) and s > 0 for s in flat):
        raise Refusal(f"its scale is {min(flat)}", "scales are finite and above 0")
    axis = int(attribute(node, "axis", 1)) if len(flat) > 1 else None
    rank = len(node.inputs[0].shape or ()) if node.inputs[0] is not None else 0
    axis = axis % rank if axis is not None and rank else axis
    return Stored(dtype, QuantParams(flat, tuple(int(z) for z in np.broadcast_to(wide, (len(flat),))), axis))


def numbers_of(value: ir.Value) -> Numbers | None:
    """A constant value, None where it is none: an initializer, or one behind DequantizeLinear."""
    found = constant(value)
    if found is None:
        return None
    producer = value.producer()
    if producer is None or producer.op_type != "DequantizeLinear":
        return Numbers(found, None, found)
    stored = params_of(producer)
    shifted = (found.astype(np.int16) - SHIFT).astype(np.int8) if found.dtype == np.uint8 else found
    return Numbers(shifted, stored.quant, real_values(shifted, stored.quant))


def stored_constant(real: Array, quant: QuantParams | None) -> tuple[Array, QuantParams]:
    """float32 numbers as int8, with the parameters given or those that suit them best."""
    if quant is None:
        finite = np.nan_to_num(real)
        best = activation_params(Range(float(finite.min(initial=0.0)), float(finite.max(initial=0.0))))
        quant = QuantParams.of(best.scale, best.zero_point)
    return activations.QuantParams(quant.scale, quant.zero_point).quantize(real), quant


def real_values(stored: Array, quant: QuantParams) -> Array:
    """float32 (q - zero_point) * scale, along the axis where there are several."""
    scales, zeros = _along(quant, stored.ndim)
    real: Array = (stored.astype(np.float32) - zeros) * scales
    return real


def stored_values(real: Array, wanted: Stored) -> Array:
    """The integers nearest to real values (ties to even, as QuantizeLinear), saturated to the type."""
    scales, zeros = _along(wanted.quant, real.ndim)
    info = np.iinfo(DTYPES[wanted.dtype])
    steps = np.rint(real.astype(np.float32) / scales) + zeros
    stored: Array = np.clip(steps, info.min, info.max).astype(DTYPES[wanted.dtype])
    return stored


def _along(quant: QuantParams, rank: int) -> tuple[Array, Array]:
    """Scales and zero points in a shape that is broadcast along their axis."""
    shape = [-1 if i == quant.axis else 1 for i in range(rank)] if quant.axis is not None else [1] * rank
    return np.asarray(quant.scales, np.float32).reshape(shape), np.asarray(quant.zero_points, np.float32).reshape(shape)


def _zero_points(node: ir.Node) -> Array | None:
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        return constant(node.inputs[2])
    kinds = {ir.DataType.INT8: np.int8, ir.DataType.INT16: np.int16, ir.DataType.INT32: np.int32}
    source = node.inputs[0] if node.op_type == "DequantizeLinear" else node.outputs[0]
    kind = kinds.get(source.dtype, np.uint8) if source is not None and source.dtype is not None else np.uint8
    return np.zeros((), kind)

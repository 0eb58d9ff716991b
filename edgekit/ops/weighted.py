"""What every weighted sum (convolution, fully connected) shares: exact sums, the bias, and the step back to int8."""

from __future__ import annotations

import numpy as np

from edgekit.ops.reading import Refusal
from edgekit.program import Activation, Op, QuantParams, Tensor
from edgekit.program.fixed_point import Multiplier, scale, scale_per_channel
from edgekit.program.tensor import Array


def weighted_sum_factors(op: Op, channels: int) -> list[Multiplier]:
    """Input scale x weight scale / output scale for each output channel (GetQuantizedConvolutionMultiplier)."""
    weights = op.inputs[1].quant
    assert weights is not None
    scales = weights.scales if not weights.per_tensor else weights.scales * channels
    return [Multiplier.of(op.input.scale * s / op.output.scale) for s in scales]


def requantized(op: Op, sums: Array, bias: Array | None, activation: Activation, *, axis: int) -> Array:
    """Sums (float64 holding exact integers, channels last) → the output's own type. axis: the weight's channel axis."""
    if op.output.dtype == "f32":
        return activation.clamp((sums if bias is None else sums + bias).astype(np.float32))
    total = sums.astype(np.int64)
    if bias is not None:
        total = total + bias.astype(np.int64)
    quant = op.inputs[1].quant
    assert quant is not None and quant.axis in (None, axis), f"{op.name}: {quant}"
    total = total.astype(np.int32).astype(np.int64)
    factors = weighted_sum_factors(op, total.shape[-1])
    scaled = scale_per_channel(total, factors) if len(set(factors)) > 1 else scale(total, factors[0])
    low, high = activation.limits(op.output)
    made: Array = np.clip(scaled + op.output.zero_point, low, high).astype(op.output.numpy_dtype)
    return made


def along(quant: QuantParams | None, axis: int) -> QuantParams | None:
    """The same scales, lying along another axis after the weights were transposed."""
    if quant is None or quant.axis is None:
        return quant
    return QuantParams(quant.scales, quant.zero_points, axis)


def weighted_operands(x: Tensor, weights: Tensor, bias: Tensor | None, y: Tensor, *, axis: int) -> tuple[Tensor, ...]:
    """The operands of a weighted sum of a .tflite file, checked against each other. axis: channels of the weights."""
    if weights.data is None:
        raise Refusal("its weights are computed at run time", "no kernel for microcontrollers does that")
    for tensor in (weights, y):
        if x.dtype not in ("s8", "f32") or tensor.dtype != x.dtype:
            raise Refusal(f"{x.name} is {x.dtype} and {tensor.name} {tensor.dtype}, wanted int8 or float throughout")
    if x.dtype == "s8":
        _check_scales(x, weights, y, axis)
    if bias is None:
        return x, weights
    channels, wanted = weights.shape[axis], ("s32", "s64") if x.dtype == "s8" else ("f32",)
    if bias.data is None or bias.dtype not in wanted or bias.shape != (channels,):
        raise Refusal(f"its bias is {bias}, wanted a constant {wanted[0]}[{channels}]")
    return x, weights, bias


def _check_scales(x: Tensor, weights: Tensor, y: Tensor, axis: int) -> None:
    for tensor in (x, y):
        if tensor.quant is None or not tensor.quant.per_tensor:
            raise Refusal(f"{tensor.name} has no single scale", "quantize the model again")
    if weights.quant is None or weights.quant.axis not in (None, axis) or any(weights.quant.zero_points):
        raise Refusal("its weights have no scales for its outputs, or zero points", "quantize weights symmetrically")

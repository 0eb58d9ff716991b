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
    assert quant is not None and quant.axis in (None, axis), f"{op.name}: scales along axis {quant.axis}"
    total = total.astype(np.int32).astype(np.int64)
    factors = weighted_sum_factors(op, total.shape[-1])
    scaled = scale_per_channel(total, factors) if len(set(factors)) > 1 else scale(total, factors[0])
    low, high = activation.limits(op.output)
    return np.clip(scaled + op.output.zero_point, low, high).astype(op.output.numpy_dtype)


def along(quant: QuantParams | None, axis: int) -> QuantParams | None:
    """The same scales, lying along another axis after the weights were transposed."""
    if quant is None or quant.axis is None:
        return quant
    return QuantParams(quant.scales, quant.zero_points, axis)


def check_bias(bias: Tensor) -> None:
    if bias.data is None:
        raise Refusal("its bias is computed at run time")
    if bias.dtype not in ("s32", "s64", "f32"):
        raise Refusal(f"its bias is {bias.dtype}, wanted s32")

"""FullyConnected: the last axis of the input times a constant matrix (Gemm, MatMul with a constant, Linear).

Source of the arithmetic: TFLite's reference_integer_ops/fully_connected.h and TFLite Micro's fully_connected_common.cc.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.ops.convolution import centred
from edgekit.ops.reading import OnnxCall, Refusal, TfliteCall
from edgekit.ops.weighted import along, requantized, weighted_operands
from edgekit.program import Activation, Op, QuantParams, Tensor
from edgekit.program.tensor import Array


@dataclass(frozen=True, eq=False, kw_only=True)
class FullyConnected(Op):
    """inputs: x (..., K), weights (O, K), bias (O); output (..., O)."""

    activation: Activation = Activation.NONE

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        x, weights = inputs[0], inputs[1]
        bias = inputs[2] if len(inputs) > 2 else None
        left = centred(x, self.input).reshape(-1, weights.shape[1])
        sums = left @ weights.astype(left.dtype).T
        return (requantized(self, sums, bias, self.activation, axis=0).reshape(self.output.shape),)

    @property
    def macs(self) -> int:
        return self.output.size * self.inputs[1].shape[1]

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        weights = call.weights(1)
        if len(weights.shape) != 2:
            raise Refusal(f"its weights have shape {list(weights.shape)}, wanted a matrix")
        x, order = call.features(0)
        bias = call.bias(2, x, weights)
        assert weights.data is not None
        matrix = weights.data if call.attribute("transB", 0) else weights.data.T
        if order is not None:
            matrix = matrix[:, order]
        stored = call.stored(weights.name, np.ascontiguousarray(matrix), along(weights.quant, 0))
        operands = (x, stored) if bias is None else (x, stored, bias)
        call.add(cls(name=call.name, inputs=operands, outputs=(call.output(0),), activation=call.activation))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op | tuple[Op, ...]:
        x, weights, bias = call.input(0), call.input(1), call.optional(2)
        if int(call.option("weights_format", 0)) != 0:
            raise Refusal("its weights are stored in a shuffled format")
        if len(weights.shape) != 2 or x.size % max(weights.shape[1], 1) or weights.shape[1] == 0:
            raise Refusal(f"input {list(x.shape)} and weights {list(weights.shape)} do not fit")
        operands = weighted_operands(x, weights, bias, call.output, axis=0)
        if call.output.size != x.size // weights.shape[1] * weights.shape[0]:
            raise Refusal(f"its output has shape {list(call.output.shape)}")
        return cls(name=call.name, inputs=operands, outputs=(call.output,), activation=call.activation)


def bias_params(source: Tensor, weights: Tensor) -> QuantParams | None:
    """How the bias of a weighted sum is stored: in units of input scale x weight scale."""
    if source.quant is None or weights.quant is None:
        return None
    with np.errstate(over="ignore", under="ignore"):
        scales = tuple(float(np.float32(np.float32(source.scale) * np.float32(s))) for s in weights.quant.scales)
    if not all(0 < s < np.inf for s in scales):
        raise Refusal(f"the scale of its input times that of its weights is {min(scales)}", "quantize the model again")
    return QuantParams(scales, (0,) * len(scales), None if len(scales) == 1 else 0)

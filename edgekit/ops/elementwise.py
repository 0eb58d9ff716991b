"""Functions of float32 numbers, and the tables that TFLite fills with them for s8.

Source: TFLite's kernels/elementwise.cc, elu.cc, gelu.h and lookup tables, TFLite Micro's elementwise.cc. Refused: float
functions that TFLite has no operator for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgekit.ops.functions import ENTRIES, Lookup
from edgekit.ops.reading import OnnxCall, Refusal, TfliteCall, check_shape, check_stored
from edgekit.program import Op, Tensor
from edgekit.program.fixed_point import Multiplier, inverse_square_root, scale, scale_by
from edgekit.program.tensor import Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Elementwise(Op):
    """One of `FUNCTIONS` of float32 numbers."""

    function: str

    def run(self, *inputs: Array) -> tuple[Array, ...]:
        with np.errstate(all="ignore"):
            return (np.asarray(FUNCTIONS[self.function](inputs[0]), np.float32),)

    @classmethod
    def from_onnx(cls, call: OnnxCall) -> None:
        """A float node as the operator that TFLite has for it, an int8 one as a table."""
        function = _function_of(call)
        if call.integer and function == "elu":
            _append_elu(call)
        elif call.integer:
            Lookup.from_onnx(call)
        elif function is None:
            raise Refusal("TFLite has no float operator for it", "quantize the model: in int8 it is a table")
        else:
            x, y = call.through()
            call.add(cls(name=call.name, inputs=(x,), outputs=(y,), function=function))

    @classmethod
    def from_tflite(cls, call: TfliteCall) -> Op:
        """s8 becomes the table that TFLite itself fills for it."""
        function = call.builtin.lower()
        if function == "gelu" and call.option("approximate", False):
            function = "gelu_tanh"
        x, y = call.input(0), call.output
        check_stored(("s8", "f32") if function in TABLES else ("f32",), x, y)
        check_shape(y, x.shape)
        if y.dtype == "f32":
            return cls(name=call.name, inputs=(x,), outputs=(y,), function=function)
        return Lookup(name=call.name, inputs=(x,), outputs=(y,), function=function, table=TABLES[function](x, y))


def _erf(x: Array) -> Array:
    return np.array([math.erf(v) for v in x.reshape(-1)], np.float64).reshape(x.shape)


def _gelu(x: Array) -> Array:
    return np.asarray(0.5 * x * (1 + _erf(x * math.sqrt(0.5))))


def _gelu_tanh(x: Array) -> Array:
    return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))


# name → function; the name in capitals is TFLite's operator
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "cos": np.cos,
    "elu": lambda x: np.where(x < 0, np.expm1(x), x),
    "exp": np.exp,
    "floor": np.floor,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "log": np.log,
    "neg": np.negative,
    "round": np.rint,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sign": np.sign,
    "sin": np.sin,
    "sqrt": np.sqrt,
    "square": np.square,
}


TFLITE_FUNCTIONS = tuple(sorted({name.removesuffix("_tanh").upper() for name in FUNCTIONS}))
# ONNX's functions of one value that are a table in int8; those that TFLite has too are `FUNCTIONS` in float
ONNX_FUNCTIONS = (
    *("Abs", "Ceil", "Cos", "Elu", "Exp", "Floor", "Gelu", "Log", "Neg", "Round", "Sign", "Sin", "Sqrt"),
    *("Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Celu", "Cosh", "Erf", "HardSigmoid", "Mish", "Reciprocal"),
    *("Selu", "Shrink", "Sinh", "Softplus", "Softsign", "Swish", "Tan", "ThresholdedRelu"),
)


def _nearest(x: Array) -> Array:
    """Halves away from zero."""
    return np.asarray(np.trunc(x + np.copysign(np.float32(0.5), x)))


def filled(
    function: Callable[[Array], Array], rounded: Callable[[Array], Array] = _nearest
) -> Callable[[Tensor, Tensor], Array]:
    """How TFLite fills a table from a float function: float32 throughout (LUTPopulate)."""

    def table(x: Tensor, y: Tensor) -> Array:
        with np.errstate(all="ignore"):
            real = np.float32(x.scale) * (ENTRIES - x.zero_point).astype(np.float32)
            exact = function(real.astype(np.float64)).astype(np.float32)
            steps = rounded(exact * (np.float32(1) / np.float32(y.scale))) + y.zero_point
            return np.asarray(np.clip(np.nan_to_num(steps, nan=-128), -128, 127), np.int8)

    return table


def table_of_abs(x: Tensor, y: Tensor) -> Array:
    """|x| in integers, rescaled."""
    steps = np.abs(ENTRIES - x.zero_point)
    if x.scale != y.scale:
        steps = scale(steps, Multiplier.of(x.scale / y.scale))
    return np.asarray(np.clip(steps + y.zero_point, -128, 127), np.int8)


def table_of_rsqrt(x: Tensor, y: Tensor) -> Array:
    """1 / sqrt(x) in integers; the largest value at 0, and below, where TFLite's kernels fail."""
    bits = 20
    steps = ENTRIES - x.zero_point
    mantissa, shift = inverse_square_root(np.maximum(steps, 0))
    root = scale_by(np.ones_like(steps), mantissa, shift + bits)
    factor = Multiplier.of(1 / (math.sqrt(x.scale) * y.scale))
    made = scale_by(root, np.int64(factor.mantissa), np.int64(factor.shift - bits)) + y.zero_point
    return np.asarray(np.where(steps > 0, np.clip(made, -128, 127), 127), np.int8)


# functions that TFLite has in s8
TABLES: dict[str, Callable[[Tensor, Tensor], Array]] = {
    "abs": table_of_abs,
    "elu": filled(lambda x: np.where(x < 0, np.exp(x).astype(np.float32) - np.float32(1), x)),
    "exp": filled(np.exp),
    "gelu": filled(_gelu),
    "gelu_tanh": filled(_gelu_tanh),
    "log": filled(np.log),
    "rsqrt": table_of_rsqrt,
    "sqrt": filled(np.sqrt, np.trunc),
}


def _function_of(call: OnnxCall) -> str | None:
    """The function that a node computes, None where TFLite has no operator for it."""
    name = call.op_type.lower()
    if name == "elu" and call.attribute("alpha", 1.0) != 1.0:
        return None
    if name == "gelu" and call.attribute("approximate", "none") == "tanh":
        return "gelu_tanh"
    return name if name in FUNCTIONS else None


def _append_elu(call: OnnxCall) -> None:
    """The table that TFLite's ELU fills, within a step of what the node computes: the only operator that all have."""
    x, y = call.through()
    call.add(Lookup(name=call.name, inputs=(x,), outputs=(y,), function="elu", table=TABLES["elu"](x, y)))

"""The one table of rules that an int8 graph obeys: TFLite's int8 quantization specification in ONNX words.

It says for every operator which inputs are int8 activations, which is the weight (and along which axis its scales lie),
which the bias, and what the output's parameters must be. `quantization` builds graphs from it; `violations` checks with
the same table graphs that others quantized. An operator outside the table stays float, with a reason.

The rules common to all: activations int8, one scale per value, zero inside the range; weights int8 in [-127, 127] with
zero point 0; biases int32 with scale = input scale x weight scale and zero point 0. Every int8 value lies between one
QuantizeLinear and one DequantizeLinear, and every operator between DequantizeLinear and QuantizeLinear. Four forms hold
several nodes between them, or need a word:

    table group     DQ(x) ─► float nodes, scalar constants float32 ─► Q      one function of one value: see `tables`
    MatMul + bias   DQ(x) ─► MatMul(DQ(int8 weights)) ─► Add(DQ(int32 bias)) [─► Relu, Clip] ─► Q
                    no Q between MatMul and Add: one fully connected layer. Weights (inputs, outputs), scales along
                    axis 1 or one; bias (outputs,) or one number, along axis 0, in units of input scale x weight scale
    embedding       Gather(DQ(int8 table), integer indices) ─► Q             the table has the output's parameters
    ArgMax          DQ(x) ─► ArgMax ─► integers                              an index is not quantized

A recurrent layer comes unrolled (`recurrent`): per step MatMul, Add, Sigmoid, Tanh, Mul, all by the rules below. Steps
share their weights: one int8 initializer (and one int32 bias) behind one DequantizeLinear that all steps read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import onnx_ir as ir

from edgekit.graph import normalization, recurrent
from edgekit.graph.operands import CLAMPS, Slot, added_bias, own_bias, readers_of_result
from edgekit.graph.operands import attribute as attribute  # read by others together with the rules
from edgekit.graph.operands import constant as constant
from edgekit.graph.quant_params import WEIGHT_MAX, Array, QuantParams
from edgekit.graph.shapes import sizes
from edgekit.graph.tables import FUNCTIONS, table_groups


class Output(Enum):
    """What the parameters of an output must be, where they are not fixed numbers."""

    FREE = "any"
    SAME = "equal to those of every activation input"


ALL_INPUTS = None
UNIT = QuantParams(1 / 256, -128)  # 0..1 without its last step: what LOGISTIC and SOFTMAX must answer in


@dataclass(frozen=True)
class Rule:
    """What int8 wants of one operator.

    activations  positions of the int8 activation inputs; ALL_INPUTS for as many as there are
    weight       position of the int8 weight
    weight_axis  axis of the weight along which each channel has its own scale; None: one scale
    bias         where the int32 bias is: an input of this node, or of the Add behind it
    refusal      why this very node must stay float, or None
    stores       whether its output is int8; False inside a table group, and for MatMul before its bias
    """

    output: Output | QuantParams
    activations: tuple[int, ...] | None = (0,)
    weight: int | None = None
    weight_axis: Callable[[ir.Node], int | None] = lambda _: None
    bias: Callable[[ir.Node], Slot | None] = lambda _: None
    refusal: Callable[[ir.Node], str | None] = lambda _: None
    stores: bool = True

    def activation_inputs(self, node: ir.Node) -> Iterator[tuple[int, ir.Value]]:
        """(position, value) of the activation inputs that this node has."""
        positions = range(len(node.inputs)) if self.activations is ALL_INPUTS else self.activations
        for i in positions:
            value = node.inputs[i] if i < len(node.inputs) else None
            if value is not None:
                yield i, value

    def stored_outputs(self, node: ir.Node) -> list[ir.Value]:
        """The outputs that int8 stores: those of float32, where the rule stores any."""
        return [v for v in node.outputs if v.dtype is ir.DataType.FLOAT] if self.stores else []

    def weight_of(self, node: ir.Node) -> ir.Value | None:
        """The weight, where the operator has one."""
        return None if self.weight is None else node.inputs[self.weight]


def _constant_weight(node: ir.Node) -> str | None:
    return None if constant(node.inputs[1]) is not None else "its weights are computed at run time"


def _constant_bias(node: ir.Node) -> str | None:
    if len(node.inputs) > 2 and node.inputs[2] is not None and constant(node.inputs[2]) is None:
        return "its bias is computed at run time"
    return None


def _varying_input(node: ir.Node) -> str | None:
    return None if constant(node.inputs[0]) is None else "its input is a constant"


def _refuse_weighted(node: ir.Node) -> str | None:
    return _varying_input(node) or _constant_weight(node) or _constant_bias(node)


def _refuse_matmul(node: ir.Node) -> str | None:
    weights = constant(node.inputs[1])
    vector = "its weight is a vector, not a matrix" if weights is not None and weights.ndim < 2 else None
    return vector or (_varying_input(node) if weights is not None else None)


def _refuse_gemm(node: ir.Node) -> str | None:
    if attribute(node, "transA", 0):
        return "its first input is transposed (transA=1)"
    if attribute(node, "alpha", 1.0) != 1.0 or attribute(node, "beta", 1.0) != 1.0:
        return "alpha or beta is not 1"
    refusal = _refuse_weighted(node)
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if refusal is None and bias is not None and bias.size not in (1, *bias.shape[-1:]):
        return f"its bias has shape {list(bias.shape)}: wanted one number per output"
    return refusal


# mode → the ways of placing points (and, for "nearest", of rounding) that TFLite has
RESIZES = {
    "nearest": {("asymmetric", "floor"), ("half_pixel", "round_prefer_ceil"), ("half_pixel", "round_prefer_floor")},
    "linear": {("half_pixel", ""), ("pytorch_half_pixel", ""), ("align_corners", "")},
}


def _refuse_resize(node: ir.Node) -> str | None:
    mode = str(attribute(node, "mode", "nearest"))
    if mode not in RESIZES:
        return f'mode "{mode}" has no int8 form (nearest and linear have)'
    placing = str(attribute(node, "coordinate_transformation_mode", "half_pixel"))
    rounding = str(attribute(node, "nearest_mode", "round_prefer_floor")) if mode == "nearest" else ""
    if (placing, rounding) not in RESIZES[mode]:
        return f"it places its points by {' and '.join(w for w in (placing, rounding) if w)}, which TFLite has not"
    if attribute(node, "antialias", 0) or attribute(node, "exclude_outside", 0):
        return "its antialiasing has no int8 form"
    return _refuse_sizes(node, (placing, rounding))


def _refuse_sizes(node: ir.Node, way: tuple[str, str]) -> str | None:
    """TFLite resizes height and width, and rounds half pixels up: down is the same where sizes are multiples."""
    source, result = node.inputs[0], node.outputs[0]
    before, after = None if source is None else sizes(source), sizes(result)
    if before is None or after is None:
        return None
    if len(before) not in (3, 4) or before[:2] != after[:2]:
        return f"it resizes {list(before)} to {list(after)}: TFLite resizes height and width only"
    if way[1] == "round_prefer_floor" and any(b % a for a, b in zip(before, after, strict=True)):
        return "it rounds half pixels down, which TFLite has for whole factors only"
    return None


def _refuse_pad(node: ir.Node) -> str | None:
    fill = node.inputs[2] if len(node.inputs) > 2 else None
    return None if fill is None or constant(fill) is not None else "its padding value is computed at run time"


def _refuse_clip(node: ir.Node) -> str | None:
    bounds = [value for value in node.inputs[1:] if value is not None]
    return None if all(constant(b) is not None for b in bounds) else "its bounds are computed at run time"


def _refuse_division(_: ir.Node) -> str | None:
    return "TFLite has no int8 division (division by a constant is turned into a multiplication)"


def _refuse_power(node: ir.Node) -> str | None:
    exponent = constant(node.inputs[1])
    return None if exponent is not None and exponent.size == 1 else "its exponent is not one constant number"


def _gemm_axis(node: ir.Node) -> int:
    return 0 if attribute(node, "transB", 0) else 1


def _matmul_axis(node: ir.Node) -> int | None:
    weights = constant(node.inputs[1])
    return 1 if weights is not None and weights.ndim == 2 else None  # a stack of matrices is BATCH_MATMUL: one scale


def _transposed_axis(node: ir.Node) -> int | None:
    return 1 if attribute(node, "group", 1) == 1 else None  # channels of two groups lie on the same index of axis 1


_PASS_THROUGH = Rule(Output.SAME)
_JOIN = Rule(Output.SAME, ALL_INPUTS)
_ELEMENTWISE = Rule(Output.FREE)
_BINARY = Rule(Output.FREE, (0, 1))

RULES: dict[str, Rule] = {
    # weighted sums (CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, FULLY_CONNECTED): free output
    "Conv": Rule(Output.FREE, weight=1, weight_axis=lambda _: 0, bias=own_bias, refusal=_refuse_weighted),
    "ConvTranspose": Rule(Output.FREE, weight=1, weight_axis=_transposed_axis, bias=own_bias, refusal=_refuse_weighted),
    "Gemm": Rule(Output.FREE, weight=1, weight_axis=_gemm_axis, bias=own_bias, refusal=_refuse_gemm),
    # constant second input; else see rule_of
    "MatMul": Rule(Output.FREE, weight=1, weight_axis=_matmul_axis, bias=added_bias, refusal=_refuse_matmul),
    # arithmetic on two values, either of which may be a constant (ADD, SUB, MUL, PRELU)
    "Add": _BINARY,
    "Sub": _BINARY,
    "Mul": _BINARY,
    "PRelu": _BINARY,
    "Div": Rule(Output.FREE, (0, 1), refusal=_refuse_division),
    # means and sums rescale (MEAN, SUM); pooling and extrema do not (AVERAGE_POOL_2D, MAX_POOL_2D, REDUCE_MAX)
    "GlobalAveragePool": _ELEMENTWISE,
    "ReduceMean": _ELEMENTWISE,
    "ReduceSum": _ELEMENTWISE,
    "AveragePool": _PASS_THROUGH,
    "MaxPool": _PASS_THROUGH,
    "GlobalMaxPool": _PASS_THROUGH,
    "ReduceMax": _PASS_THROUGH,
    "ReduceMin": _PASS_THROUGH,
    # the answer is an index, not a quantized number (ARG_MAX, ARG_MIN)
    "ArgMax": _ELEMENTWISE,
    "ArgMin": _ELEMENTWISE,
    # functions of one value, each a table of 256 entries or better; together with their like they are table groups
    **dict.fromkeys(sorted(FUNCTIONS), _ELEMENTWISE),
    "Pow": Rule(Output.FREE, refusal=_refuse_power),
    # functions whose output range is known: TFLite fixes the parameters
    "Sigmoid": Rule(UNIT),
    "Softmax": Rule(UNIT),
    "LogSoftmax": Rule(QuantParams(16 / 256, 127)),
    "Tanh": Rule(QuantParams(1 / 128, 0)),
    "LpNormalization": Rule(QuantParams(1 / 128, 0)),
    # clamps that could not be folded into their producer; between two different quantizations runtimes drop them
    "Relu": _PASS_THROUGH,
    "Clip": Rule(Output.SAME, refusal=_refuse_clip),
    # data movement: the integers travel unchanged
    "Identity": _PASS_THROUGH,
    "Reshape": _PASS_THROUGH,
    "Flatten": _PASS_THROUGH,
    "Squeeze": _PASS_THROUGH,
    "Unsqueeze": _PASS_THROUGH,
    "Transpose": _PASS_THROUGH,
    "Slice": _PASS_THROUGH,
    "Split": _PASS_THROUGH,
    "Gather": _PASS_THROUGH,
    "Expand": _PASS_THROUGH,
    "Tile": _PASS_THROUGH,
    "DepthToSpace": _PASS_THROUGH,
    "SpaceToDepth": _PASS_THROUGH,
    "Pad": Rule(Output.SAME, refusal=_refuse_pad),
    "Resize": Rule(Output.SAME, refusal=_refuse_resize),
    # several values meet without being rescaled
    "Concat": _JOIN,
    "Min": _JOIN,
    "Max": _JOIN,
}

NOT_TAKEN_APART = "it is not taken apart: decompose.for_int8 does that before calibration"
FLOAT_REASONS: dict[str, Callable[[ir.Node], str | None]] = {
    **dict.fromkeys(recurrent.GATES, recurrent.refusal),
    **dict.fromkeys(normalization.FORMS, normalization.refusal),
    "If": lambda _: "control flow has no int8 form",
    "Loop": lambda _: "control flow has no int8 form",
}


def rules_of(model: ir.Model) -> Mapping[ir.Node, Rule | str]:
    """For each node the rule that it follows where it stands, or the reason why it stays float.

    Differs from `rule_of` in table groups, of which only the ends are stored, and where an Add brings a MatMul's bias.
    """
    found = {node: rule_of(node) for node in model.graph}
    for group in table_groups(model):
        for node in group.nodes:
            found[node] = Rule(Output.FREE, group.positions(node), stores=node is group.nodes[-1])
    for node, rule in list(found.items()):
        slot = rule.bias(node) if isinstance(rule, Rule) else None
        if isinstance(rule, Rule) and slot is not None and slot[0] is not node:
            found[node], found[slot[0]] = replace(rule, stores=False), Rule(Output.FREE, activations=())
    return found


def rule_of(node: ir.Node) -> Rule | str:
    """The rule that this node alone follows, or the reason why it stays float."""
    if node.domain not in ("", "ai.onnx"):
        return f'operator "{node.domain}::{node.op_type}" is not in the int8 table'
    rule = RULES.get(node.op_type)
    if rule is None and node.op_type in FLOAT_REASONS:
        return FLOAT_REASONS[node.op_type](node) or NOT_TAKEN_APART
    if rule is None:
        return f'operator "{node.op_type}" is not in the int8 table'
    if node.op_type == "MatMul" and constant(node.inputs[1]) is None:
        return _BINARY  # BATCH_MATMUL of two activations
    return rule.refusal(node) or rule


@dataclass(frozen=True)
class Violation:
    """One place where a QDQ graph breaks the table."""

    node: str
    rule: str
    got: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.node}: {self.rule}: got {self.got}, wanted {self.wanted}"


@dataclass(frozen=True)
class _Stored:
    """How a value is stored, read off its QuantizeLinear or DequantizeLinear."""

    dtype: str
    scales: Array
    zero_points: Array

    @property
    def per_tensor(self) -> bool:
        return self.scales.size == 1

    def __str__(self) -> str:
        if not self.per_tensor:
            return f"{self.scales.size} scales of {self.dtype}"
        return f"{self.dtype} ({self.scales.item():.8g}, {self.zero_points.item()})"

    def equals(self, other: _Stored) -> bool:
        return (
            self.dtype == other.dtype
            and np.array_equal(self.scales, other.scales)
            and np.array_equal(self.zero_points, other.zero_points)
        )


def violations(model: ir.Model) -> tuple[Violation, ...]:
    """Where a QDQ graph (ours or another quantizer's) breaks the table; empty when it is legal."""
    rules = rules_of(model).items()
    # a float layer between DequantizeLinear and QuantizeLinear is an island, which is legal
    return tuple(v for node, rule in rules if isinstance(rule, Rule) for v in _node_violations(node, rule))


def _node_violations(node: ir.Node, rule: Rule) -> Iterator[Violation]:
    if node.op_type in ("QuantizeLinear", "DequantizeLinear") or not _touches_int8(node) or _fused_clamp(node):
        return
    name = node.name or node.op_type
    inputs = [(i, _source(v)) for i, v in rule.activation_inputs(node)]
    outputs = [_sink(v) for v in node.outputs if v.dtype in (None, ir.DataType.FLOAT)] if rule.stores else []
    yield from _activation_violations(name, inputs, outputs)
    yield from _output_violations(name, rule, [s for _, s in inputs if s], [s for s in outputs if s])
    yield from _weight_violations(name, node, rule)
    yield from _bias_violations(name, node, rule)


def _touches_int8(node: ir.Node) -> bool:
    return any(_source(v) for v in node.inputs if v is not None) or any(_sink(v) for v in node.outputs)


def _fused_clamp(node: ir.Node) -> bool:
    """An activation between a computing node and its QuantizeLinear belongs to that node."""
    value = node.inputs[0] if node.op_type in CLAMPS else None
    return value is not None and _source(value) is None and value.producer() is not None and len(value.uses()) == 1


def _source(value: ir.Value | None) -> _Stored | None:
    producer = None if value is None else value.producer()
    return _stored(producer) if producer is not None and producer.op_type == "DequantizeLinear" else None


def _sink(value: ir.Value) -> _Stored | None:
    """Parameters of the QuantizeLinear that takes a node's output; a clamp between the two is the node's own."""
    quantizers = [c for c in readers_of_result(value) if c.op_type == "QuantizeLinear"]
    return _stored(quantizers[0]) if len(quantizers) == 1 else None


def _stored(node: ir.Node) -> _Stored | None:
    scales = constant(node.inputs[1])
    if scales is None:
        return None
    given = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    zero_points = np.zeros(scales.shape, np.uint8) if given is None else given
    return _Stored(str(zero_points.dtype), scales, zero_points)


def _activation_violations(
    name: str, inputs: list[tuple[int, _Stored | None]], outputs: list[_Stored | None]
) -> Iterator[Violation]:
    places = [(f"input {i}", s) for i, s in inputs] + [(f"output {i}", s) for i, s in enumerate(outputs)]
    for place, stored in places:
        if stored is None:
            yield Violation(name, f"{place} is quantized", "float", "int8")
        elif stored.dtype != "int8" or not stored.per_tensor:
            yield Violation(name, f"{place} is int8 with one scale", str(stored), "int8 with one scale")


def _output_violations(name: str, rule: Rule, inputs: list[_Stored], outputs: list[_Stored]) -> Iterator[Violation]:
    if isinstance(rule.output, QuantParams):
        wanted = _Stored("int8", np.float32(rule.output.scale), np.int8(rule.output.zero_point))
        for got in outputs:
            if not got.per_tensor or not wanted.equals(_Stored(got.dtype, got.scales.item(), got.zero_points.item())):
                yield Violation(name, "output parameters are fixed", str(got), str(wanted))
    elif rule.output is Output.SAME and outputs:
        for place, got in [*((f"input {i}", s) for i, s in enumerate(inputs)), *(("output", s) for s in outputs[1:])]:
            if not got.equals(outputs[0]):
                yield Violation(name, f"{place} has the parameters of the output", str(got), str(outputs[0]))


def _weight_violations(name: str, node: ir.Node, rule: Rule) -> Iterator[Violation]:
    value = rule.weight_of(node)
    if value is None:
        return
    stored, numbers = _source(value), constant(value)
    if stored is None or numbers is None:
        yield Violation(name, "weights are quantized", "float", "int8")
        return
    if stored.dtype != "int8":
        yield Violation(name, "weights are int8", stored.dtype, "int8")
    if np.any(stored.zero_points):
        yield Violation(name, "weights are symmetric", f"zero point {np.unique(stored.zero_points)}", "zero point 0")
    if numbers.size and numbers.astype(np.int32).min() < -WEIGHT_MAX:
        yield Violation(name, "weights lie in [-127, 127]", str(numbers.min()), ">= -127")
    producer = value.producer()
    axis = int(attribute(producer, "axis", 1)) % max(numbers.ndim, 1) if producer is not None else 1
    if not stored.per_tensor and axis != rule.weight_axis(node):
        yield Violation(name, "axis of the weight scales", str(axis), str(rule.weight_axis(node)))


def _bias_violations(name: str, node: ir.Node, rule: Rule) -> Iterator[Violation]:
    slot = rule.bias(node)
    if slot is None:
        return
    adding, position = slot
    bias, source = _source(adding.inputs[position]), _source(node.inputs[0])
    weights = _source(rule.weight_of(node))
    if bias is None:
        yield Violation(name, "bias is quantized", "float", "int32")
        return
    if bias.dtype != "int32" or np.any(bias.zero_points):
        yield Violation(name, "bias is int32 with zero point 0", str(bias), "int32, 0")
    if source is None or weights is None or not source.per_tensor:
        return  # already reported
    wanted = source.scales.item() * weights.scales.astype(np.float64)
    if not np.allclose(bias.scales, wanted, rtol=1e-5, atol=0.0):
        yield Violation(name, "bias scale = input scale x weight scale", f"{bias.scales}", f"{wanted}")

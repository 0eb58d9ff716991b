"""Functions of one int8 value: groups of elementwise nodes that a table of 256 entries replaces.

A group is a set of elementwise nodes between ONE value and ONE value, whose other operands are single constant numbers:
SiLU (x * Sigmoid(x)), Mish, 1 / sqrt(x + eps), GELU written out, Softplus alone. Int8 stores its ends only:

    DequantizeLinear ─► the float nodes of the group, their constants float32 ─► QuantizeLinear
    table[q + 128] = Q(f(DQ(q)))  for q in -128..127

with no QuantizeLinear inside, so that nothing is rounded on the way. Output parameters are free.

Groups are found in float graphs (before quantization) and in QDQ graphs, also in those of other quantizers, by the same
rules. No groups: an operator alone that TFLite has itself (Sigmoid, Tanh, HardSwish, Gelu ...), chains of additions,
multiplications and clamps (TFLite has them), anything with an operand of several numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir

from edgekit.graph.operands import CLAMPS, added_bias, constant, readers_of_result, real_constant
from edgekit.graph.quant_params import Array, QuantParams

# TFLite has an int8 operator for each of these
OWN_OPERATOR = frozenset({"Sigmoid", "Tanh", "HardSwish", "LeakyRelu", "Elu", "Gelu", "Exp", "Abs"})
FUNCTIONS = OWN_OPERATOR | {
    *("Sqrt", "Reciprocal", "Log", "Erf", "Pow", "Neg", "Sign", "Floor", "Ceil", "Round"),
    *("Softplus", "Softsign", "Mish", "HardSigmoid", "Selu", "Celu", "ThresholdedRelu", "Shrink", "Swish"),
    *("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh"),
}
COMPARISONS = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "Not", "And", "Or", "Xor")
# elementwise, and useful only together with others
ARITHMETIC = frozenset({*CLAMPS, *COMPARISONS, "Add", "Sub", "Mul", "Div", "Min", "Max", "PRelu", "Where", "Cast"})
LONGEST = 32  # nodes of one group; GELU written out has 8

ENTRIES = np.arange(-128, 128, dtype=np.int8)


@dataclass(frozen=True, eq=False)
class TableGroup:
    """nodes    in the order of the graph; the last one computes the result
    sources  the float value that the group is a function of; in a QDQ graph every DequantizeLinear of it that is read
    result   the float value that it computes
    """

    nodes: tuple[ir.Node, ...]
    sources: tuple[ir.Value, ...]
    result: ir.Value
    opset: int

    @property
    def name(self) -> str:
        """The name of the last node."""
        return self.nodes[-1].name or self.nodes[-1].op_type

    def positions(self, node: ir.Node) -> tuple[int, ...]:
        """Which inputs of a node of the group are the source."""
        return tuple(i for i, v in enumerate(node.inputs) if any(v is s for s in self.sources))

    def values(self, x: Array) -> Array:
        """The function at float32 numbers, shape (n,), computed by ONNX Runtime as the nodes say."""
        from edgekit.graph.sessions import judging_session, run

        session, _ = judging_session(self._model(len(x)).SerializeToString(), optimise=False)
        sample = {v.name or "": np.asarray(x, np.float32) for v in self.sources}
        return run(session, None, sample)[0]

    def table(self, source: QuantParams, result: QuantParams) -> npt.NDArray[np.int8]:
        """The 256 answers for q = -128..127; where the function has no value, that of 0."""
        answers = self.values(source.dequantize(ENTRIES))
        return result.quantize(np.where(np.isnan(answers), np.float32(0), answers))

    def _model(self, count: int) -> onnx.ModelProto:
        ends = [onnx.helper.make_tensor_value_info(v.name, onnx.TensorProto.FLOAT, [count]) for v in self.sources]
        result = onnx.helper.make_tensor_value_info(self.result.name, onnx.TensorProto.FLOAT, [count])
        numbers = [onnx.numpy_helper.from_array(a, name) for name, a in self._constants().items()]
        nodes = [ir.to_proto(node) for node in self.nodes]
        graph = onnx.helper.make_graph(nodes, "table", ends, [result], numbers)
        opsets = [onnx.helper.make_opsetid("", self.opset)]
        return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def _constants(self) -> dict[str, Array]:
        """The constant operands by name, as single numbers."""
        operands = {v.name or "": real_constant(v) for node in self.nodes for v in node.inputs if v is not None}
        return {name: a.reshape(()) for name, a in operands.items() if a is not None}


def table_groups(model: ir.Model) -> tuple[TableGroup, ...]:
    """The groups of a float graph with known shapes, or of a QDQ graph, in the order of the graph."""
    return _Search(model).groups()


class _Search:
    """Groups are grown backwards from their last node, as far as one source remains; the largest such group counts."""

    def __init__(self, model: ir.Model) -> None:
        self._order: dict[ir.Node, int] = {node: i for i, node in enumerate(model.graph)}
        self._quantized = any(node.op_type == "DequantizeLinear" for node in self._order)
        self._opset = model.opset_imports.get("", 0)
        self._taken: set[ir.Node] = set()

    def groups(self) -> tuple[TableGroup, ...]:
        found: list[TableGroup] = []
        for node in reversed(self._order):
            group = self._group(node) if self._may_end(node) else None
            if group is not None:
                self._taken.update(group.nodes)
                found.append(group)
        return tuple(reversed(found))

    def _may_end(self, node: ir.Node) -> bool:
        if node in self._taken or node.op_type in CLAMPS or not _elementwise(node):
            return False  # a clamp behind the group is folded into the group's result
        result = node.outputs[0]
        return result.dtype is ir.DataType.FLOAT and (not self._quantized or _is_quantized(result))

    def _group(self, end: ir.Node) -> TableGroup | None:
        members: dict[ir.Node, None] = {end: None}
        best: TableGroup | None = None
        while len(members) <= LONGEST:
            outside = _outside(members)
            if len({_identity(v) for v in outside}) == 1 and self._is_table(members, outside):
                nodes = tuple(sorted(members, key=self._order.__getitem__))
                best = TableGroup(nodes, tuple(outside), end.outputs[0], self._opset)
            producers = [p for v in outside if (p := v.producer()) is not None]
            latest = max(producers, key=self._order.__getitem__, default=None)
            if latest is None or not self._may_join(latest, members):
                break
            members[latest] = None
        return best

    def _may_join(self, node: ir.Node, members: Mapping[ir.Node, None]) -> bool:
        result = node.outputs[0]
        if node in self._taken or result.is_graph_output() or not _elementwise(node):
            return False
        return all(reader in members for reader in result.consumers())

    def _is_table(self, members: Iterable[ir.Node], sources: Iterable[ir.Value]) -> bool:
        """Whether int8 holds the source and no operators of TFLite would do as well."""
        if not all(v.dtype is ir.DataType.FLOAT and (not self._quantized or _is_dequantized(v)) for v in sources):
            return False
        entries = [n for n in members if any(v is s for v in n.inputs for s in sources)]
        folds = not self._quantized and len(entries) == 1 and entries[0].op_type in CLAMPS
        return _curved(tuple(members)) and not folds  # a clamp at the source is folded into what computes the source


def _elementwise(node: ir.Node) -> bool:
    """Whether every element of the output depends on one element of the inputs, and on single constant numbers."""
    if node.domain not in ("", "ai.onnx") or len(node.outputs) != 1 or node.op_type not in FUNCTIONS | ARITHMETIC:
        return False
    shape = node.outputs[0].shape
    varying = list(_varying(node))
    if shape is None or not varying or any(v.shape != shape for v in varying) or _is_bias(node, varying):
        return False
    numbers = (real_constant(v) for v in node.inputs if v is not None and constant(v) is not None)
    return all(a is not None and a.size == 1 for a in numbers)


def _is_bias(node: ir.Node, varying: Iterable[ir.Value]) -> bool:
    """Whether a node adds the bias of the MatMul before it."""
    producers = (v.producer() for v in varying) if node.op_type == "Add" else ()
    return any(p is not None and (slot := added_bias(p)) is not None and slot[0] is node for p in producers)


def _curved(members: tuple[ir.Node, ...]) -> bool:
    """Whether a table is better than the operators that TFLite has: not for one of those alone, nor for a chain of
    additions, multiplications and clamps."""
    if len(members) == 1:
        (node,) = members
        return node.op_type in FUNCTIONS - OWN_OPERATOR or _divides_by_source(node)
    return any(n.op_type in FUNCTIONS or len(list(_varying(n))) > 1 or _divides_by_source(n) for n in members)


def _divides_by_source(node: ir.Node) -> bool:
    return node.op_type == "Div" and constant(node.inputs[1]) is None


def _varying(node: ir.Node) -> Iterator[ir.Value]:
    """The inputs that are no constants."""
    return (v for v in node.inputs if v is not None and constant(v) is None)


def _outside(members: Mapping[ir.Node, None]) -> list[ir.Value]:
    """The values that the members read and do not compute, each once."""
    read = dict.fromkeys(v for node in members for v in _varying(node))
    return [v for v in read if v.producer() not in members]


def _identity(value: ir.Value) -> ir.Value | None:
    """What makes two values one: in a QDQ graph the integers behind DequantizeLinear."""
    producer = value.producer()
    return producer.inputs[0] if producer is not None and producer.op_type == "DequantizeLinear" else value


def _is_dequantized(value: ir.Value) -> bool:
    producer = value.producer()
    return producer is not None and producer.op_type == "DequantizeLinear"


def _is_quantized(value: ir.Value) -> bool:
    readers = readers_of_result(value)
    return bool(readers) and all(reader.op_type == "QuantizeLinear" for reader in readers)

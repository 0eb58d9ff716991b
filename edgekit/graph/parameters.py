"""The plan of a quantization, apart from carrying it out: which node is int8, which value has which parameters.

A float graph (named nodes, simplified) and a range per value become a `Plan`. Three decisions are made here:

1. A node is int8 when `int8_spec` has a rule for it; one that only moves data, when a neighbour computes in int8.
2. An activation (ReLU, Clip) that alone reads a computing node is folded: the value is stored with the activation's
   range, so that int8's saturation is the clamp. It stays a node where the clamp would not be exact.
3. Values that must have equal parameters form groups. Concat's inputs join its group where that costs nothing;
   elsewhere that input is requantized.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.errors import InternalError, ModelError
from edgekit.graph.grouping import Clamp, Group, Groups
from edgekit.graph.int8_spec import Output, Rule, rules_of
from edgekit.graph.operands import constant
from edgekit.graph.quant_params import Array, QuantParams, Range, activation_params

Slot = tuple[str, int]  # node name, input position

MOVES_ONLY = "it only moves data between float layers"


@dataclass(frozen=True)
class Plan:
    """values       how each int8 value is stored; a folded activation's output stands for its producer's
    requantized  inputs that need other parameters than the value they read has
    constants    float operands (not weights) that become int8 initializers
    folded       activation node → the node whose saturation replaces it
    rules        node → the rule that it follows, for the nodes that are int8
    reasons      node → why it stays float, for all others
    """

    values: Mapping[str, QuantParams]
    requantized: Mapping[Slot, QuantParams]
    constants: Mapping[Slot, QuantParams]
    folded: Mapping[str, str]
    rules: Mapping[str, Rule]
    reasons: Mapping[str, str]


def plan_parameters(model: ir.Model, ranges: Mapping[str, Range]) -> Plan:
    """Plan the int8 form of a float graph whose nodes are named. Raises ModelError on constants that are not finite."""
    rules, reasons = layer_rules(model)
    folded = _foldable(model, rules)
    while True:
        solver = _Solver(model, ranges, rules, folded)
        leaking = solver.leaking()
        if not leaking:
            return solver.plan(reasons)
        folded = {node: into for node, into in folded.items() if node not in leaking}


def finite(value: ir.Value) -> Array:
    """The numbers of a constant, all finite, or ModelError naming it."""
    numbers = constant(value)
    if numbers is None:
        raise InternalError(f'value "{value.name}" was planned as a constant and is none')
    bad = int(numbers.size - np.isfinite(numbers).sum())
    if bad:
        raise ModelError(
            f'initializer "{value.name}": {bad} of {numbers.size} numbers are NaN or infinite',
            hint="the model was broken before conversion (a training that diverged?): check its weights",
        )
    return numbers


def layer_rules(model: ir.Model) -> tuple[dict[str, Rule], dict[str, str]]:
    """Of a float graph whose nodes are named: node → its rule where it can be int8, node → why it stays float."""
    rules: dict[str, Rule] = {}
    reasons: dict[str, str] = {}
    for node, found in rules_of(model).items():
        if isinstance(found, str):
            reasons[_name(node)] = found
        elif other := _other_type(node, found):
            reasons[_name(node)] = other
        else:
            rules[_name(node)] = found
    for name in _idle_movers(model, rules):
        reasons[name] = MOVES_ONLY
        del rules[name]
    return rules, reasons


def _other_type(node: ir.Node, rule: Rule) -> str | None:
    for _, value in rule.activation_inputs(node):
        if value.dtype is not ir.DataType.FLOAT:
            return f"it works on {value.dtype.name.lower() if value.dtype else 'unknown'} values, not float32"
    return None


def _idle_movers(model: ir.Model, rules: Mapping[str, Rule]) -> set[str]:
    """Data-moving nodes that no chain of their like connects to a node which computes in int8."""
    busy: set[str] = set()  # values that a computing int8 node reads or writes
    movers: list[ir.Node] = []
    for node in model.graph:
        rule = rules.get(_name(node))
        if rule is not None and rule.output is Output.SAME:
            movers.append(node)
        elif rule is not None:
            busy.update(_ends(node, rule))
    idle = movers
    while True:
        still = [n for n in idle if busy.isdisjoint(_ends(n, rules[_name(n)]))]
        for node in set(idle) - set(still):
            busy.update(_ends(node, rules[_name(node)]))
        if len(still) == len(idle):
            return {_name(n) for n in idle}
        idle = still


def _ends(node: ir.Node, rule: Rule) -> list[str]:
    inputs = [v.name or "" for _, v in rule.activation_inputs(node) if constant(v) is None]
    return inputs + [v.name or "" for v in rule.stored_outputs(node)]


def _foldable(model: ir.Model, rules: Mapping[str, Rule]) -> dict[str, str]:
    """Activation nodes that a producer's saturation could replace → that producer."""
    folded: dict[str, str] = {}
    for node in model.graph:
        own = rules.get(_name(node))
        if own is None or own.output is not Output.SAME or node.op_type not in ("Relu", "Clip"):
            continue  # in a table group a clamp is an entry of the table
        value = node.inputs[0]
        producer = value.producer() if value is not None else None
        if value is None or producer is None or len(value.uses()) != 1 or value.is_graph_output():
            continue
        rule = rules.get(_name(producer))
        if _name(producer) in folded:
            folded[_name(node)] = folded[_name(producer)]
        elif rule is not None and rule.output is Output.FREE:
            folded[_name(node)] = _name(producer)
    return folded


def clamp_of(node: ir.Node) -> Clamp:
    """The bounds of a Relu or Clip node."""
    if node.op_type == "Relu":
        return Clamp(0.0, math.inf)
    bounds = [constant(v) for v in node.inputs[1:3]] + [None, None]
    low, high = (None if b is None else float(b.item()) for b in bounds[:2])
    return Clamp(-math.inf if low is None else low, math.inf if high is None else high)


class _Solver:
    """One attempt: groups and parameters under the assumption that the activations in `folded` are folded."""

    def __init__(
        self, model: ir.Model, ranges: Mapping[str, Range], rules: Mapping[str, Rule], folded: Mapping[str, str]
    ) -> None:
        self._nodes = [n for n in model.graph if _name(n) in rules]
        self._rules, self._folded, self._ranges = rules, folded, ranges
        self._inputs = {n: list(self._rules[_name(n)].activation_inputs(n)) for n in self._nodes}
        self._varying = {n: [(i, v) for i, v in inputs if constant(v) is None] for n, inputs in self._inputs.items()}
        self._stored_as = self._aliases()
        self._computing = self._computing_readers()
        self._groups = Groups(self._initial_groups())
        self._share()

    def leaking(self) -> set[str]:
        """Folded activations whose clamp the solved parameters do not do."""
        return {_name(n) for n in self._nodes if _name(n) in self._folded and not self._clamps(n)}

    def plan(self, reasons: Mapping[str, str]) -> Plan:
        names = {self._stored(v) for n in self._nodes for v in self._values(n)}
        return Plan(
            values={name: self._groups.of(name).params for name in sorted(names)},
            requantized=dict(self._requantized()),
            constants=dict(self._constants()),
            folded=self._folded,
            rules=self._rules,
            reasons=reasons,
        )

    def _clamps(self, node: ir.Node) -> bool:
        return clamp_of(node).holds(self._groups.of(self._stored(node.outputs[0])).params)

    def _aliases(self) -> dict[str, str]:
        """Input of a folded activation → its output, under whose name the value is stored."""
        folds = [n for n in self._nodes if _name(n) in self._folded]
        return {_value_name(n.inputs[0]): _value_name(n.outputs[0]) for n in folds}

    def _stored(self, value: ir.Value | None) -> str:
        name = _value_name(value)
        while name in self._stored_as:
            name = self._stored_as[name]
        return name

    def _values(self, node: ir.Node) -> Iterator[ir.Value]:
        yield from (v for _, v in self._varying[node])
        yield from self._rules[_name(node)].stored_outputs(node)

    def _initial_groups(self) -> dict[str, Group]:
        groups: dict[str, Group] = {}
        for node in self._nodes:
            for value in self._values(node):
                name = self._stored(value)
                groups.setdefault(name, Group(self._range(name)))
        for node in self._nodes:
            rule = self._rules[_name(node)]
            for value in rule.stored_outputs(node):
                name = self._stored(value)
                clamps = (*groups[name].clamps, clamp_of(node)) if _name(node) in self._folded else groups[name].clamps
                held = rule.output if isinstance(rule.output, QuantParams) else groups[name].fixed
                groups[name] = Group(groups[name].range, held, clamps)
        return groups

    def _range(self, name: str) -> Range:
        if name not in self._ranges:
            raise InternalError(f'no range was observed for value "{name}"')
        return self._ranges[name]

    def _share(self) -> None:
        sharing = [
            n for n in self._nodes if self._rules[_name(n)].output is Output.SAME and _name(n) not in self._folded
        ]
        for node in sharing:
            if len(self._varying[node]) == 1 and self._passes_through(node):
                for value in self._values(node):
                    self._groups.join(self._stored(node.outputs[0]), self._stored(value))
        for node in sharing:
            self._widen_by_constants(node)
        self._join_steps()
        for node in sharing:
            if len(self._varying[node]) > 1:
                self._join_inputs(node)

    def _passes_through(self, node: ir.Node) -> bool:
        """Whether the integers of the only input can be those of the output: not where padding or a constant brings
        values that the fixed parameters of the input cannot hold."""
        ((_, value),) = self._varying[node]
        fixed = self._groups.of(self._stored(value)).fixed
        return fixed is None or fixed.holds(self._range(self._stored(node.outputs[0])))

    def _operands(self, node: ir.Node) -> list[tuple[int, ir.Value]]:
        return [(i, v) for i, v in self._inputs[node] if constant(v) is not None]

    def _computing_readers(self) -> dict[str, set[ir.Node]]:
        """Value → the nodes that do more with it than pass it on: they compute, or join it with others."""
        found: dict[str, set[ir.Node]] = {}
        for node in self._nodes:
            if self._rules[_name(node)].output is not Output.SAME or len(self._varying[node]) > 1:
                for _, value in self._varying[node]:
                    found.setdefault(self._stored(value), set()).add(node)
        return found

    def _widen_by_constants(self, node: ir.Node) -> None:
        """Concat and Gather answer with their constants; Min and Max only where their output shows them."""
        if node.op_type not in ("Min", "Max"):
            self._groups.widen(self._stored(node.outputs[0]), (_extent(v) for _, v in self._operands(node)))

    def _join_steps(self) -> None:
        """The steps of a recurrent layer read one weight: with equal parameters of their inputs the bias is stored once
        too."""
        first: dict[ir.Value, str] = {}
        for node in self._nodes:
            rule, weight = self._rules[_name(node)], self._rules[_name(node)].weight_of(node)
            if node.op_type == "MatMul" and weight is not None and rule.bias(node) is not None:
                name = self._stored(node.inputs[0])
                self._groups.try_join(first.setdefault(weight, name), name, free=False)

    def _join_inputs(self, node: ir.Node) -> None:
        out = self._stored(node.outputs[0])
        for _, value in self._varying[node]:
            name = self._stored(value)
            if not self._groups.same(out, name):
                self._groups.try_join(out, name, free=self._only_feeds(name, node))

    def _only_feeds(self, name: str, join: ir.Node) -> bool:
        """Whether nothing computes with the group of this value, so that its resolution matters to `join` alone."""
        return all(self._computing.get(member, set()) <= {join} for member in self._groups.members(name))

    def _requantized(self) -> Iterator[tuple[Slot, QuantParams]]:
        for node in self._nodes:
            if self._rules[_name(node)].output is not Output.SAME or _name(node) in self._folded:
                continue
            out = self._groups.of(self._stored(node.outputs[0])).params
            for i, value in self._varying[node]:
                if self._groups.of(self._stored(value)).params != out:
                    yield (_name(node), i), out

    def _constants(self) -> Iterator[tuple[Slot, QuantParams]]:
        for node in self._nodes:
            shared = self._rules[_name(node)].output is Output.SAME
            for i, value in self._operands(node):
                extent = _extent(value)
                own = self._groups.of(self._stored(node.outputs[0])).params if shared else activation_params(extent)
                yield (_name(node), i), own


def _extent(value: ir.Value) -> Range:
    numbers = finite(value)
    return Range(float(numbers.min()), float(numbers.max())) if numbers.size else Range(0.0, 0.0)


def _name(node: ir.Node) -> str:
    assert node.name, "nodes are named before planning"
    return node.name


def _value_name(value: ir.Value | None) -> str:
    assert value is not None and value.name, "values of int8 nodes have names"
    return value.name

"""LSTM, GRU and RNN become what they compute step by step: MatMul, Add, Sigmoid, Tanh, Mul, so that int8 can hold them.

The projection of the inputs is one MatMul over all steps; the recurrent weights are constants that all steps share. The
gates behind a Sigmoid and those behind a Tanh are computed apart, each with a range of its own. Layers that start from
zeros do without the first step's recurrent part. A sequence of length 1 is the step of a streaming model.

Left as they are, with the reason: peepholes, clipping, coupled gates, activations other than ONNX's own (an RNN may
have Tanh, Relu or Sigmoid), sequence lengths given at run time, layout 1, weights that are computed, more than
MOST_STEPS steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.graph.operands import attribute, constant
from edgekit.graph.quant_params import Array
from edgekit.graph.rewriting import Place, Rewriter
from edgekit.graph.shapes import sizes

MOST_STEPS = 512
DIRECTIONS = ("forward", "reverse", "bidirectional")
# operator → its number of gates, and the activations that are allowed for one direction
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
ACTIVATIONS = {
    "LSTM": (("Sigmoid", "Tanh", "Tanh"),),
    "GRU": (("Sigmoid", "Tanh"),),
    "RNN": (("Tanh",), ("Relu",), ("Sigmoid",)),
}


def unroll(model: ir.Model) -> ir.Model:
    """Every recurrent layer that can be unrolled is. Needs known shapes."""
    rewriter = Rewriter(model)
    for node in list(model.graph):
        if node.op_type in GATES and refusal(node) is None:
            _unroll(rewriter.at(node))
    return model


def refusal(node: ir.Node) -> str | None:
    """Why a recurrent layer cannot be unrolled, or None."""
    return next(_refusals(node), None)


def _refusals(node: ir.Node) -> Iterator[str]:
    x = node.inputs[0]
    shape = None if x is None or x.dtype is not ir.DataType.FLOAT else sizes(x)
    if attribute(node, "layout", 0):
        yield "it is recurrent with the batch first (layout=1)"
    if node.attributes.get("clip") is not None:
        yield "it is recurrent and clips its gates"
    if attribute(node, "input_forget", 0):
        yield "it is recurrent and couples input and forget gate"
    if not _has_plain_activations(node):
        yield f"it is recurrent with unusual activations ({', '.join(_activations(node))})"
    if any(constant(v) is None for v in node.inputs[1:4] if v is not None):
        yield "it is recurrent and its weights are computed at run time"
    if shape is None:
        yield "it is recurrent and works on values of another type or of unknown shape"
    elif not _is_constant(node, 4, shape[0]):
        yield "it is recurrent and its sequence lengths are given at run time"
    elif shape[0] > MOST_STEPS:
        yield (
            f"it is recurrent and has {shape[0]} steps, {MOST_STEPS} are unrolled: give it shorter sequences, "
            "or one step with the state as input and output"
        )
    if not _is_constant(node, 7, 0.0):
        yield "it is recurrent with peepholes"


def _is_constant(node: ir.Node, position: int, wanted: float) -> bool:
    """Whether an optional input is left out, or is a constant of one number everywhere."""
    value = node.inputs[position] if position < len(node.inputs) else None
    numbers = constant(value)
    return value is None or (numbers is not None and bool(np.all(numbers == wanted)))


def _activations(node: ir.Node) -> list[str]:
    given = node.attributes.get("activations")
    return [] if given is None else list(given.as_strings())


def _has_plain_activations(node: ir.Node) -> bool:
    given, length = _activations(node), len(ACTIVATIONS[node.op_type][0])
    parts = {tuple(given[i : i + length]) for i in range(0, len(given), length)}
    return parts <= set(ACTIVATIONS[node.op_type])


@dataclass(frozen=True)
class _Weights:
    """One direction: inputs (inputs, gates x hidden), recurrent (hidden, gates x hidden), biases (gates x hidden)."""

    inputs: Array
    recurrent: Array
    input_bias: Array
    recurrent_bias: Array

    @property
    def hidden(self) -> int:
        return len(self.recurrent)

    def part(self, first: int, last: int) -> _Weights:
        """The gates first..last-1."""
        columns = slice(first * self.hidden, last * self.hidden)
        return _Weights(*(a[..., columns] for a in (self.inputs, self.recurrent, self.input_bias, self.recurrent_bias)))


@dataclass(frozen=True)
class _State:
    """What a step hands to the next, each (1, batch, hidden); None stands for zeros. `cell` is LSTM's."""

    hidden: ir.Value | None
    cell: ir.Value | None = None


class _Gates:
    """Gates that share one activation.

    projected  the input part of each step, (1, batch, gates x hidden), with the biases that belong to it
    """

    def __init__(
        self, place: Place, x: ir.Value, steps: int, weights: _Weights, name: str, *, state_bias: bool
    ) -> None:
        self.place, self.name = place, name
        bias = weights.input_bias if state_bias else weights.input_bias + weights.recurrent_bias
        product = place.op("MatMul", x, place.constant(weights.inputs, f"{name}.input_weight"), name=f"{name}.input")
        total = place.op("Add", product, place.constant(bias, f"{name}.bias"), name=f"{name}.input_bias")
        self.projected = _split(place, total, [1] * steps, 0, f"{name}.steps")
        self.weight = place.constant(weights.recurrent, f"{name}.recurrent_weight")
        self.state_bias = place.constant(weights.recurrent_bias, f"{name}.recurrent_bias") if state_bias else None

    def recurrent(self, hidden: ir.Value | None, step: str) -> ir.Value | None:
        """The state's part: hidden @ weights, and its own bias where it has one."""
        if hidden is None:
            return self.state_bias
        product = self.place.op("MatMul", hidden, self.weight, name=f"{step}.{self.name}.recurrent")
        if self.state_bias is None:
            return product
        return self.place.op("Add", product, self.state_bias, name=f"{step}.{self.name}.recurrent_bias")

    def total(self, t: int, recurrent: ir.Value | None, step: str) -> ir.Value:
        """What goes into the activation at step `t`."""
        if recurrent is None:
            return self.projected[t]
        return self.place.op("Add", self.projected[t], recurrent, name=f"{step}.{self.name}.total")


Step = Callable[[int, _State, str], _State]


def _lstm(place: Place, x: ir.Value, steps: int, weights: _Weights, prefix: str) -> Step:
    """ONNX's order of gates: input, output, forget, cell."""
    gates = _Gates(place, x, steps, weights.part(0, 3), f"{prefix}gates", state_bias=False)
    candidate = _Gates(place, x, steps, weights.part(3, 4), f"{prefix}cell", state_bias=False)

    def step(t: int, before: _State, name: str) -> _State:
        opened = place.op("Sigmoid", gates.total(t, gates.recurrent(before.hidden, name), name), name=f"{name}.open")
        i, o, f = _split(place, opened, [weights.hidden] * 3, 2, f"{name}.split")
        new = place.op("Tanh", candidate.total(t, candidate.recurrent(before.hidden, name), name), name=f"{name}.new")
        cell = place.op("Mul", i, new, name=f"{name}.write")
        if before.cell is not None:
            kept = place.op("Mul", f, before.cell, name=f"{name}.keep")
            cell = place.op("Add", kept, cell, name=f"{name}.cell")
        hidden = place.op("Mul", o, place.op("Tanh", cell, name=f"{name}.read"), name=f"{name}.hidden")
        return _State(hidden, cell)

    return step


def _gru(place: Place, x: ir.Value, steps: int, weights: _Weights, prefix: str) -> Step:
    """ONNX's order of gates: update, reset, hidden."""
    after = bool(attribute(place.node, "linear_before_reset", 0))
    gates = _Gates(place, x, steps, weights.part(0, 2), f"{prefix}gates", state_bias=False)
    candidate = _Gates(place, x, steps, weights.part(2, 3), f"{prefix}new", state_bias=after)
    one = place.number(1.0, f"{prefix}one")

    def step(t: int, before: _State, name: str) -> _State:
        opened = place.op("Sigmoid", gates.total(t, gates.recurrent(before.hidden, name), name), name=f"{name}.open")
        update, reset = _split(place, opened, [weights.hidden] * 2, 2, f"{name}.split")
        recurrent = _reset(place, candidate, before.hidden, reset, name, after=after)
        new = place.op("Tanh", candidate.total(t, recurrent, name), name=f"{name}.new")
        rest = place.op("Sub", one, update, name=f"{name}.rest")
        hidden = place.op("Mul", rest, new, name=f"{name}.write")
        if before.hidden is not None:
            kept = place.op("Mul", update, before.hidden, name=f"{name}.keep")
            hidden = place.op("Add", kept, hidden, name=f"{name}.hidden")
        return _State(hidden)

    return step


def _reset(
    place: Place, gates: _Gates, hidden: ir.Value | None, reset: ir.Value, name: str, *, after: bool
) -> ir.Value | None:
    """The state's part of a GRU's candidate: the reset gate is applied after the product, or before it."""
    if after:
        return place.op("Mul", reset, gates.recurrent(hidden, name), name=f"{name}.reset")
    if hidden is None:
        return None
    return gates.recurrent(place.op("Mul", reset, hidden, name=f"{name}.reset"), name)


def _rnn(place: Place, x: ir.Value, steps: int, weights: _Weights, prefix: str) -> Step:
    gates = _Gates(place, x, steps, weights, f"{prefix}gates", state_bias=False)
    activation = (_activations(place.node) or ["Tanh"])[-1 if prefix.startswith("back") else 0]

    def step(t: int, before: _State, name: str) -> _State:
        total = gates.total(t, gates.recurrent(before.hidden, name), name)
        return _State(place.op(activation, total, name=f"{name}.hidden"))

    return step


CELLS: Mapping[str, Callable[[Place, ir.Value, int, _Weights, str], Step]] = {"LSTM": _lstm, "GRU": _gru, "RNN": _rnn}


def _unroll(place: Place) -> None:
    node = place.node
    both = attribute(node, "direction", "forward") == "bidirectional"
    backwards = (False, True) if both else (attribute(node, "direction", "forward") == "reverse",)
    runs = [_run(place, d, backward) for d, backward in enumerate(backwards)]
    ends = [hidden[0 if backward else -1] for (hidden, _), backward in zip(runs, backwards, strict=True)]
    cells = [cell for _, cell in runs if cell is not None]
    results: tuple[Callable[[], ir.Value], ...] = (
        lambda: _sequence(place, [hidden for hidden, _ in runs]),
        lambda: _joined(place, ends, 0, "last_hidden"),
        lambda: _joined(place, cells, 0, "last_cell"),
    )
    wanted = [bool(value.uses()) or value.is_graph_output() for value in node.outputs]
    place.replace(*(make() if want else None for make, want in zip(results, wanted, strict=False)))


def _run(place: Place, d: int, backward: bool) -> tuple[list[ir.Value], ir.Value | None]:
    """One direction: the hidden state after each step, in the order of the sequence, and the last cell state."""
    x = place.node.inputs[0]
    assert x is not None
    steps = (sizes(x) or (0,))[0]
    prefix = "back." if d else ""
    step = CELLS[place.node.op_type](place, x, steps, _weights(place.node, d), prefix)
    state = _State(_initial(place, 5, d, prefix + "hidden"), _initial(place, 6, d, prefix + "cell"))
    hidden: dict[int, ir.Value] = {}
    for t in reversed(range(steps)) if backward else range(steps):
        state = step(t, state, f"{prefix}step{t}")
        assert state.hidden is not None
        hidden[t] = state.hidden
    return [hidden[t] for t in range(steps)], state.cell


def _weights(node: ir.Node, d: int) -> _Weights:
    """The weights of direction `d`, transposed as MatMul wants them."""
    inputs, recurrent = (constant(v) for v in node.inputs[1:3])
    assert inputs is not None and recurrent is not None
    bias = constant(node.inputs[3]) if len(node.inputs) > 3 else None
    width = recurrent.shape[1]
    biases = np.zeros(2 * width, np.float32) if bias is None else bias[d]
    return _Weights(inputs[d].T, recurrent[d].T, biases[:width], biases[width:])


def _initial(place: Place, position: int, d: int, name: str) -> ir.Value | None:
    """The initial state of direction `d`, (1, batch, hidden); None where it is zeros."""
    value = place.node.inputs[position] if position < len(place.node.inputs) else None
    numbers = constant(value)
    if value is None or (numbers is not None and not numbers.any()):
        return None
    if numbers is not None:
        return place.constant(numbers[d : d + 1], f"initial_{name}")
    if sizes(value) is not None and (sizes(value) or (1,))[0] == 1:
        return value
    ends = [place.integers([n], f"initial_{name}_{what}") for n, what in ((d, "from"), (d + 1, "to"), (0, "axis"))]
    return place.op("Slice", value, *ends, name=f"initial_{name}")


def _sequence(place: Place, runs: Sequence[Sequence[ir.Value]]) -> ir.Value:
    """ONNX's first output, (steps, directions, batch, hidden)."""
    axis = place.integers([1], "direction_axis")
    parts = []
    for d, hidden in enumerate(runs):
        name = "back." if d else ""
        joined = _joined(place, hidden, 0, f"{name}sequence")
        parts.append(place.op("Unsqueeze", joined, axis, name=f"{name}direction"))
    return _joined(place, parts, 1, "directions")


def _joined(place: Place, values: Sequence[ir.Value], axis: int, name: str) -> ir.Value:
    return values[0] if len(values) == 1 else place.op("Concat", *values, axis=axis, name=name)


def _split(place: Place, value: ir.Value, parts: Sequence[int], axis: int, name: str) -> Sequence[ir.Value]:
    if len(parts) == 1:
        return [value]
    return place.ops("Split", value, place.integers(parts, f"{name}.sizes"), name=name, outputs=len(parts), axis=axis)

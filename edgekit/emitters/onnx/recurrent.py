"""Rows of operators that remember. Their states are inputs and outputs of the graph; what is between is float.

ONNX has no int8 form of these: an LSTM is one float node, in which hidden states are not rounded from step to step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgekit.emitters.onnx.writer import Writer
from edgekit.ops.recurrent import Lstm, Svdf
from edgekit.program import Op, Tensor

GATES = (0, 3, 1, 2)  # ONNX's order (input, output, forget, cell) of TFLite's (input, forget, cell, output)


def svdf(op: Svdf, writer: Writer) -> None:
    x, feature, time, bias, state = op.inputs
    (filters, memory), batch = time.shape, x.shape[0]
    newest = writer.between(f"{op.name}_newest", (batch, filters), state)
    product = writer.node("MatMul", writer.value(x), writer.value(feature, (1, 0)), name=f"{op.name}_features")
    writer.answer(newest, product)
    history = writer.reshape(writer.value(newest), (batch, filters, 1), f"{op.name}_last")
    if memory > 1:
        kept = writer.reshape(writer.value(state), (batch, filters, memory), f"{op.name}_history")
        words = (writer.numbers([n]) for n in (1, memory, 2))
        kept = writer.node("Slice", kept, *words, name=f"{op.name}_kept")
        history = writer.node("Concat", kept, history, name=f"{op.name}_next", axis=2)
    writer.answer(op.outputs[1], writer.reshape(history, state.shape, f"{op.name}_state"))
    weighted = writer.node("Mul", history, writer.value(time), name=f"{op.name}_weighted")
    units = writer.reshape(weighted, (batch, filters // op.rank, op.rank * memory), f"{op.name}_units")
    sums = writer.node("ReduceSum", units, writer.numbers([2]), name=f"{op.name}_sum", keepdims=0)
    y = writer.node("Add", sums, writer.value(bias), name=op.name)
    writer.answer(op.output, y, activation=op.activation)


def lstm(op: Lstm, writer: Writer) -> None:
    steps_first = (0, 1, 2) if op.time_major else (1, 0, 2)
    units, batch = op.inputs[9].size, op.input.shape[1 if op.time_major else 0]
    x = writer.value(op.input, steps_first)
    weights = _gates(writer, op.inputs[1:5], (1, 4 * units, op.input.shape[2]), f"{op.name}_weights")
    recurrent = _gates(writer, op.inputs[5:9], (1, 4 * units, units), f"{op.name}_recurrent")
    biases = writer.node("Concat", *_values(writer, op.inputs[9:13]), name=f"{op.name}_biases", axis=0)
    none = writer.constant(np.zeros(4 * units, np.float32), f"{op.name}_no_bias")
    bias = writer.node("Concat", biases, none, name=f"{op.name}_both_biases", axis=0)
    bias = writer.reshape(bias, (1, 8 * units), f"{op.name}_bias")
    states = (writer.reshape(writer.value(t), (1, batch, units), f"{t.name}_3d") for t in (op.hidden, op.cell))
    y, hidden, cell = writer.split(
        "LSTM", x, weights, recurrent, bias, None, *states, name=op.name, count=3, hidden_size=units
    )  # fmt: skip
    sequence = writer.node("Squeeze", y, writer.numbers([1]), name=f"{op.name}_squeeze")
    writer.answer(op.output, sequence, steps_first)
    for tensor, value in zip(op.outputs[1:], (hidden, cell), strict=True):
        writer.answer(tensor, writer.reshape(value, tensor.shape, f"{tensor.name}_2d"))


def refusal(op: Op) -> str | None:
    """Why an operator that remembers has no form in ONNX."""
    return "ONNX's LSTM does not bound its cell state" if isinstance(op, Lstm) and op.cell_clip > 0 else None


def _values(writer: Writer, tensors: Sequence[Tensor]) -> list[ir.Value]:
    return [writer.value(tensors[k]) for k in GATES]


def _gates(writer: Writer, tensors: Sequence[Tensor], shape: tuple[int, ...], name: str) -> ir.Value:
    """The weights of the four gates above each other."""
    return writer.reshape(writer.node("Concat", *_values(writer, tensors), name=f"{name}_2d", axis=0), shape, name)

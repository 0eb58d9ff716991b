"""Rows of operators that remember: their states are variable tensors, which TFLite keeps from call to call."""

from __future__ import annotations

from edgekit.emitters.tflite.writer import ACTIVATIONS, Writer
from edgekit.ops.recurrent import TANH, Lstm, Svdf
from edgekit.program import Activation, Program, State
from edgekit.tflite.flatbuffer import Table

ABSENT = (None,)


def svdf(op: Svdf, writer: Writer) -> None:
    is_float = op.output.dtype == "f32"
    activation = op.activation if is_float else Activation.RELU  # integer kernels want that word, and do nothing
    options = Table("SVDFOptions", rank=op.rank, fused_activation_function=ACTIVATIONS[activation])
    writer.operator("SVDF", op.inputs, op.outputs[:1], options, version=1 if is_float else 3)


def lstm(op: Lstm, writer: Writer) -> None:
    x, weights, biases, states = op.inputs[0], op.inputs[1:9], op.inputs[9:13], op.inputs[13:]
    options = Table(
        "UnidirectionalSequenceLSTMOptions",
        fused_activation_function=TANH,
        cell_clip=op.cell_clip,
        time_major=op.time_major,
    )
    inputs = (x, *weights, *ABSENT * 3, *biases, *ABSENT * 2, *states, *ABSENT * 4)
    # without numbers: LiteRT reads the scale of the last, that of the hidden state; TFLite Micro wants them empty
    inner = tuple(writer.between(f"{op.name}_inner{k}", (0,), "s8", op.hidden.quant) for k in range(5))
    version = 1 if op.output.dtype == "f32" else 3
    inner = () if op.output.dtype == "f32" else inner
    writer.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, op.outputs[:1], options, inner=inner, version=version)


def unkept_states(program: Program) -> list[str]:
    """States that no variable tensor can hold: made by an operator that does not remember, or read by another one."""
    return [f'state "{s.before.name}": TFLite keeps it in no operator' for s in program.states if not _kept(s, program)]


def _kept(state: State, program: Program) -> bool:
    readers = [op for op in program.ops if state.before in op.inputs or state.after in op.inputs]
    makers = [op for op in program.ops if state.after in op.outputs]
    remembers = len(makers) == 1 and isinstance(makers[0], (Svdf, Lstm)) and readers == makers
    return remembers and state.before not in program.outputs and state.after not in program.outputs

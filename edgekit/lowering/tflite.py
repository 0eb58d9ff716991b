"""A .tflite file made by anybody → Program: int8 (per tensor or per channel), int4 weights, float32 and float16.

float16 constants become float32, operations on constants are carried out here, integer weights of float layers
(dynamic-range files) are dequantized. Refused, all operators at once: resource variables, control flow, custom
operators, sparse weights, activations of 16 bits or old uint8 quantization where the operator has no form for them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgekit.errors import ModelError, UnsupportedError, UnsupportedOpError
from edgekit.lowering.renaming import with_outputs
from edgekit.lowering.stored import real_values
from edgekit.lowering.tidy import tidy
from edgekit.ops import TFLITE, TYPES_OF
from edgekit.ops.reading import Refusal, TfliteCall, check_shape
from edgekit.program import DTYPES, Op, Program, QuantParams, State, Tensor
from edgekit.program.tensor import Array
from edgekit.tflite.model import TfliteModel, TfliteOperator, TfliteSubgraph, TfliteTensor, load
from edgekit.tflite.schema import TensorType

TYPES = {
    TensorType.INT8: "s8",
    TensorType.UINT8: "u8",
    TensorType.INT16: "s16",
    TensorType.INT32: "s32",
    TensorType.INT64: "s64",
    TensorType.FLOAT32: "f32",
    TensorType.FLOAT16: "f32",
    TensorType.BOOL: "b8",
    TensorType.INT4: "s8",
}
FOLD_LIMIT = 1 << 26  # elements of a constant that is worked out here

_CONTROL_FLOW = "control flow has no static plan of memory"
_RESOURCE = "resource variables (streaming state outside the graph) have no form here"
_SPLIT_UP = "export the branch that the device needs"
_STATE = "export the model with its state as inputs and outputs"
REASONS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("IF", "WHILE", "CALL", "CALL_ONCE"), (_CONTROL_FLOW, _SPLIT_UP)),
    **dict.fromkeys(("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"), (_RESOURCE, _STATE)),
    **dict.fromkeys(
        ("HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE", "HASHTABLE_LOOKUP"),
        ("tables of texts have no form here", "look words up in the app"),
    ),
    "DENSIFY": ("its weights are sparse", "export the model with dense weights"),
}


def from_tflite(content: bytes, name: str) -> Program:
    """Read a file. Raises ModelError (broken), UnsupportedOpError naming every operator without a form here."""
    model = load(content)
    return tidy(_Reading(model, _main(model)).program(name))


def _main(model: TfliteModel) -> TfliteSubgraph:
    main = model.subgraphs[0]
    if not main.inputs or not main.outputs:
        raise UnsupportedError("the .tflite file has no inputs or no outputs", hint="export it again")
    return main


@dataclass
class _Reading:
    model: TfliteModel
    graph: TfliteSubgraph
    tensors: dict[int, Tensor] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    refusals: list[tuple[TfliteOperator, Refusal]] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)  # tensors behind an operator that was refused
    made: set[int] = field(default_factory=set)  # inputs, and what operators make

    def program(self, name: str) -> Program:
        problems = [text for i in self.graph.inputs if (text := self._untyped(self.graph.tensors[i]))]
        if problems:
            raise UnsupportedError("; ".join(problems), hint="export the model with float32 or int8 inputs")
        self.made = {*self.graph.inputs, *(i for operator in self.graph.operators for i in operator.outputs)}
        inputs = tuple(self.tensor(i) for i in self.graph.inputs)
        for operator in self.graph.operators:
            self._operator(operator)
        if self.refusals:
            raise _refused(self.refusals, _dynamic(self.graph))
        kept = [t.name for i in self.graph.outputs if (t := self.graph.tensors[i]).is_variable and i not in self.made]
        if kept:
            raise UnsupportedError(f"outputs are variables that nothing computes: {', '.join(kept)}", hint=_STATE)
        outputs = tuple(self.tensor(i) for i in self.graph.outputs)
        names = [_free(self.graph.tensors[i].name, set(), f"output_{k}") for k, i in enumerate(self.graph.outputs)]
        try:
            whole = Program(name, inputs, outputs, tuple(self.ops), tuple(self.states))
        except ValueError as e:  # an operator that reads a variable which another one makes, and the like
            raise ModelError(f"the TFLite file contradicts itself: {e}", hint="convert the model again") from e
        return with_outputs(whole, _distinct(names, {t.name for t in inputs}))

    def _operator(self, operator: TfliteOperator) -> None:
        try:
            if self.lost.intersection(operator.inputs):
                _check_known(operator)  # behind an operator that was refused: all that can be said
                self.lost.update(operator.outputs)
            else:
                self._append(operator, self._call(operator))
        except Refusal as e:
            self.refusals.append((operator, e))
            self.lost.update(operator.outputs)

    def _append(self, operator: TfliteOperator, call: TfliteCall) -> None:
        if _is_half(call):
            self.tensors[operator.outputs[0]] = call.input(0)
            return
        made = TFLITE[operator.builtin](call)
        ops = made if isinstance(made, tuple) else (made,)
        known: dict[Tensor, Tensor] = {}  # what was worked out here
        for op in ops:
            op = replace(op, inputs=tuple(known.get(t, t) for t in op.inputs))
            folded = self._folded(op)
            if folded is None:
                self.ops.append(op)
            else:
                known |= {t: replace(t, data=data) for t, data in zip(op.outputs, folded, strict=True)}
        for i, tensor in zip(operator.outputs, call.outputs, strict=True):
            self.tensors[i] = known.get(tensor, tensor)
        self._remember(operator, call, ops)

    def _remember(self, operator: TfliteOperator, call: TfliteCall, ops: Sequence[Op]) -> None:
        """Variable inputs, in order, carry over into what the operator makes beyond its outputs, in order."""
        variables = [t for t, v in zip(call.inputs, call.variables, strict=True) if v and t is not None]
        after = [t for op in ops for t in op.outputs if t not in call.outputs and t.name.endswith("_next")]
        if len(variables) != len(after):
            raise Refusal("it keeps a state in a variable tensor", _STATE)
        for before, made in zip(variables, after, strict=True):
            zero = before.zero_point if before.quant is not None else 0
            self.states.append(State(before, made, np.full(before.shape, zero, before.numpy_dtype)))

    def _folded(self, op: Op) -> tuple[Array, ...] | None:
        """The results of an operation on constants alone."""
        if not all(t.constant for t in op.inputs) or sum(t.size for t in op.outputs) > FOLD_LIMIT or not op.inputs:
            return None
        return op.run(*(t.data for t in op.inputs if t.data is not None))

    def _call(self, operator: TfliteOperator) -> TfliteCall:
        _check_known(operator)
        for i in (*operator.inputs, *operator.outputs):
            if i >= 0 and (text := self._untyped(self.graph.tensors[i])):
                raise Refusal(text)
        inputs = tuple(None if i < 0 else self.tensor(i) for i in operator.inputs)
        outputs = tuple(self.tensor(i) for i in operator.outputs)
        variables = tuple(i >= 0 and self.graph.tensors[i].is_variable for i in operator.inputs)
        name = outputs[0].name if outputs else operator.builtin
        inputs = _float_weights(inputs, outputs)
        _check_types(operator.builtin, inputs, outputs)
        return TfliteCall(name, operator.builtin, operator.options, inputs, outputs, variables, self.names)

    def _untyped(self, tensor: TfliteTensor) -> str | None:
        """Why a tensor has no form in a program."""
        if tensor.sparse:
            return f'"{tensor.name}" is sparse'
        if tensor.type not in TYPES:
            return f'"{tensor.name}" is of type {tensor.type.name}'
        if tensor.other_quantization:
            return f'"{tensor.name}" is quantized in another way than by scale and zero point'
        if tensor.type is TensorType.INT4 and tensor.data is None:
            return f'"{tensor.name}" is an activation of 4 bits'
        if tensor.data is None and tensor.quantization is not None and len(tensor.quantization.scales) > 1:
            return f'"{tensor.name}" is an activation with {len(tensor.quantization.scales)} scales'
        return None

    def tensor(self, index: int) -> Tensor:
        if index not in self.tensors:
            self.tensors[index] = self._read(self.graph.tensors[index])
        return self.tensors[index]

    def _read(self, tensor: TfliteTensor) -> Tensor:
        dtype = TYPES[tensor.type]
        quant = _params(tensor) if dtype in ("s8", "u8", "s16", "s32") else None
        empty = tensor.data is None and tensor.size == 0 and tensor.index not in self.made
        data = _numbers(tensor) if (tensor.data is not None or empty) and not tensor.is_variable else None
        name = _free(tensor.name, self.names, f"tensor_{tensor.index}")
        self.names.add(name)
        made = Tensor(name, tensor.shape, dtype, quant, data)
        return _signed(made) if made.dtype == "u8" and data is not None else made


def _check_known(operator: TfliteOperator) -> None:
    if operator.custom is not None:
        raise Refusal(f'custom operator "{operator.custom}"', "export the model with TFLite's own operators")
    if operator.builtin in REASONS:
        raise Refusal(*REASONS[operator.builtin])
    if operator.builtin not in TFLITE:
        raise Refusal("it has no form here", "replace it in the model by operators of docs/operators.md")


def _is_half(call: TfliteCall) -> bool:
    """Whether an operator only widens float16 numbers, which are float32 here already."""
    if call.builtin != "DEQUANTIZE" or not call.input(0).dtype == call.output.dtype == "f32":
        return False
    check_shape(call.output, call.input(0).shape)
    return True


def _check_types(builtin: str, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
    allowed = TYPES_OF.get(builtin, ("s8", "f32", "s32", "s64", "b8"))
    for tensor in (*inputs, *outputs):
        if tensor is not None and tensor.dtype not in allowed and not tensor.constant:
            raise Refusal(
                f'"{tensor.name}" is {DTYPES[tensor.dtype]}, allowed are {", ".join(str(DTYPES[t]) for t in allowed)}',
                "quantize the model to int8 activations",
            )


def _float_weights(inputs: tuple[Tensor | None, ...], outputs: tuple[Tensor, ...]) -> tuple[Tensor | None, ...]:
    """Integer weights beside float activations (dynamic-range files) as the float numbers that they stand for."""
    if not inputs or inputs[0] is None or inputs[0].dtype != "f32" or not outputs or outputs[0].dtype != "f32":
        return inputs
    return tuple(
        replace(t, dtype="f32", quant=None, data=real_values(t.data, t.quant))
        if t is not None and t.data is not None and t.quant is not None and t.dtype in ("s8", "u8", "s16")
        else t
        for t in inputs
    )


def _signed(tensor: Tensor) -> Tensor:
    """A constant of unsigned bytes as signed ones 128 lower."""
    assert tensor.data is not None
    data = (tensor.data.astype(np.int16) - 128).astype(np.int8)
    quant = tensor.quant
    if quant is None:
        return tensor
    shifted = QuantParams(quant.scales, tuple(z - 128 for z in quant.zero_points), quant.axis)
    return replace(tensor, dtype="s8", quant=shifted, data=data)


def _params(tensor: TfliteTensor) -> QuantParams | None:
    found = tensor.quantization
    if found is None:
        return None
    axis = found.axis if len(found.scales) > 1 else None
    return QuantParams(tuple(float(s) for s in found.scales), tuple(int(z) for z in found.zero_points), axis)


def _numbers(tensor: TfliteTensor) -> Array:
    raw = np.frombuffer(b"" if tensor.data is None else tensor.data, np.uint8)
    if tensor.type is TensorType.INT4:
        return _unpacked(raw, math.prod(tensor.shape)).reshape(tensor.shape)
    stored = np.float16 if tensor.type is TensorType.FLOAT16 else DTYPES[TYPES[tensor.type]]
    numbers = raw.copy().view(np.dtype(stored).newbyteorder("<")).reshape(tensor.shape)
    return np.asarray(numbers, DTYPES[TYPES[tensor.type]])


def _unpacked(raw: Array, count: int) -> Array:
    """Two signed 4-bit numbers a byte, the lower half first."""
    halves = np.stack([raw & 15, raw >> 4], axis=-1).reshape(-1)[:count].astype(np.int8)
    return np.where(halves > 7, halves - 16, halves).astype(np.int8)


def _free(name: str, taken: set[str], otherwise: str) -> str:
    base = name or otherwise
    made, i = base, 1
    while made in taken:
        made, i = f"{base}_{i}", i + 1
    return made


def _distinct(names: Sequence[str], taken: set[str]) -> list[str]:
    made: list[str] = []
    for k, name in enumerate(names):
        made.append(_free(name, taken | set(made), f"output_{k}"))
    return made


def _dynamic(graph: TfliteSubgraph) -> list[str]:
    """Inputs of which the file leaves more than the first size open, in words: they are read as it stores them."""
    return [
        f'input "{t.name}" {list(t.shape_signature)} was read as {list(t.shape)}: export it with fixed sizes'
        for t in (graph.tensors[i] for i in graph.inputs)
        if t.shape_signature is not None and -1 in t.shape_signature[1:]
    ]


def _refused(refusals: Sequence[tuple[TfliteOperator, Refusal]], dynamic: Sequence[str] = ()) -> UnsupportedOpError:
    nodes = [f"operator {o.index} ({o.builtin}): {e.reason}" for o, e in refusals]
    hints = list(dict.fromkeys([*dynamic, *(e.hint for _, e in refusals if e.hint)]))
    return UnsupportedOpError(nodes, hint="; ".join(hints[:5]))

"""What an operator is given to read itself from: one node of an ONNX graph, or one operator of a .tflite file.

An operator that cannot take a node over raises `Refusal`; lowering collects them all and names every node at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from edgekit.program import Activation, Op, QuantParams, Tensor
from edgekit.program.tensor import Array

Order = tuple[int, ...]  # tensor axis → value axis: shape of the tensor = [shape of the value][order]


class Refusal(Exception):  # it is caught where all of them are collected
    """Why this node cannot become an operation, and what to do about it."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint


def channels_last(rank: int) -> Order:
    """NCHW → NHWC, for any number of spatial axes."""
    return (0, *range(2, rank), 1)


def plain(rank: int) -> Order:
    """The order of the value itself."""
    return tuple(range(rank))


def axis_of(axis: int, rank: int) -> int:
    """A possibly negative axis as one of 0 to rank - 1."""
    if not -rank <= axis < rank:
        raise Refusal(f"its axis {axis} is outside of {rank} axes")
    return axis % rank


def axes_of(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes in rising order, each once."""
    return tuple(sorted({axis_of(axis, rank) for axis in axes}))


def without(order: Order, axes: Sequence[int]) -> Order:
    """The order of a value that lost `axes`."""
    kept = [axis for axis in order if axis not in axes]
    return tuple(sorted(kept).index(axis) for axis in kept)


class OnnxCall(Protocol):
    """One ONNX node. `integer`: its activations are stored as integers (it stands between Q and DQ), else it is float.

    Values are held in tensors whose axes may be ordered differently (NHWC); an operator asks for the order that it
    needs, and says in which order it answers. Transposes appear only where orders differ.
    """

    name: str
    op_type: str
    integer: bool
    activation: Activation  # fused after this node

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute, or ONNX's default for it."""

    def has(self, i: int) -> bool:
        """Whether input `i` is there."""

    def count(self) -> int:
        """Number of inputs."""

    def outputs(self) -> int:
        """Number of outputs."""

    def used(self) -> list[int]:
        """Positions of the outputs that somebody reads."""

    def output_count(self) -> int:
        """Number of outputs, those that nobody reads included."""

    def shape(self, i: int) -> tuple[int, ...]:
        """Shape of input value `i`."""

    def output_shape(self, k: int = 0) -> tuple[int, ...]:
        """Shape of output value `k`."""

    def constant(self, i: int) -> Array | None:
        """The numbers of a constant input (axes, sizes; the stored integers where it is quantized), else None."""

    def numbers(self, i: int) -> list[int] | None:
        """A constant input as a list of integers; None where it is left out. Refuses one computed at run time."""

    def real(self, i: int) -> Array | None:
        """The real values of a constant input (dequantized), else None."""

    def order(self, i: int) -> Order:
        """The order in which input `i` is at hand without a transpose."""

    def input(self, i: int, order: Order | None = None, *, quant: QuantParams | None = None) -> Tensor:
        """Input `i` as a tensor of that order (None: the value's own), requantized to `quant` where it differs."""

    def aligned(self, *positions: int, quant: QuantParams | None = None) -> tuple[tuple[Tensor, ...], Order]:
        """Inputs that are broadcast against each other, all of one rank and order, and that order."""

    def features(self, i: int) -> tuple[Tensor, Array | None]:
        """Input `i`, whose last axis will be contracted, and how that axis is permuted (indices; None: not at all)."""

    def weights(self, i: int) -> Tensor:
        """A constant input as it is stored, in ONNX's layout: s8 with its scales, or f32. Refuses other inputs."""

    def bias(self, i: int, source: Tensor, weights: Tensor) -> Tensor | None:
        """The constant bias of a weighted sum: s32 in units of source scale x weight scale, or f32."""

    def output_quant(self, k: int = 0) -> QuantParams | None:
        """How output `k` is stored in the end; None for float."""

    def output(
        self, k: int = 0, order: Order | None = None, *, quant: QuantParams | None = None, dtype: str | None = None
    ) -> Tensor:
        """A new tensor for output `k` in that order. `quant`: parameters that the operator dictates; where the graph
        stores others, a requantization follows."""

    def between(
        self, name: str, shape: Sequence[int], like: Tensor | None = None, *, quant: QuantParams | None = None
    ) -> Tensor:
        """A new tensor inside this node, stored as `like` is (or with `quant`)."""

    def stored(self, name: str, data: Array, quant: QuantParams | None = None) -> Tensor:
        """A new constant."""

    def through(self, *, quant: QuantParams | None = None) -> tuple[Tensor, Tensor]:
        """Input 0 as it is at hand, and a new tensor for the output, held alike: for functions of single elements."""

    def table(self) -> Array:
        """The int8 answers of a node of one int8 input, for -128..127, as its float32 function gives them."""

    def add(self, op: Op) -> None:
        """Append an operation."""


@dataclass(frozen=True)
class TfliteCall:
    """One operator of a .tflite file. inputs: None where left out. options: its builtin options, by schema name."""

    name: str
    builtin: str
    options: Any
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    variables: tuple[bool, ...] = ()
    taken: set[str] = field(default_factory=set)  # names of tensors

    def input(self, i: int) -> Tensor:
        """Input `i`, which must be there."""
        found = self.inputs[i] if i < len(self.inputs) else None
        if found is None:
            raise Refusal(f"its input {i} is missing")
        return found

    def optional(self, i: int) -> Tensor | None:
        return self.inputs[i] if i < len(self.inputs) else None

    def between(self, name: str, shape: Sequence[int], like: Tensor) -> Tensor:
        """A new tensor inside this operator, stored as `like` is."""
        made, i = f"{self.name}_{name}", 1
        while made in self.taken:
            made, i = f"{self.name}_{name}_{i}", i + 1
        self.taken.add(made)
        return Tensor(made, tuple(shape), like.dtype, like.quant)

    @property
    def output(self) -> Tensor:
        if len(self.outputs) != 1:
            raise Refusal(f"it has {len(self.outputs)} outputs, wanted 1")
        return self.outputs[0]

    def constant(self, i: int) -> Array:
        """The numbers of input `i`; refuses one computed at run time."""
        data = self.input(i).data
        if data is None:
            raise Refusal(f"its input {i} ({self.input(i).name}) is computed at run time, wanted a constant")
        return data

    def numbers(self, i: int) -> list[int]:
        """A constant input as a list of integers."""
        data = self.constant(i)
        if data.dtype.kind not in "iu":
            raise Refusal(f"its input {i} ({self.input(i).name}) holds {data.dtype}, wanted integers")
        return [int(n) for n in data.reshape(-1)]

    def option(self, name: str, default: Any) -> Any:
        """An option; its default where the file has none, or those of another operator."""
        return default if self.options is None else getattr(self.options, name, default)

    @property
    def activation(self) -> Activation:
        """The fused activation."""
        code = int(self.option("fused_activation_function", 0))
        known = {0: Activation.NONE, 1: Activation.RELU, 2: Activation.RELU_N1_TO_1, 3: Activation.RELU6}
        if code not in known:
            raise Refusal(f"fused activation {code} has no integer form")
        return known[code]


def check_one_scale(*tensors: Tensor) -> None:
    """Refuses tensors that do not store numbers in one way: operators that only move numbers need one."""
    first = tensors[0]
    for tensor in tensors[1:]:
        if tensor.dtype != first.dtype:
            raise Refusal(f"{tensor.name} is {tensor.dtype} and {first.name} {first.dtype}")
        if tensor.quant != first.quant:
            raise Refusal(f"{tensor.name} and {first.name} have different scales", "quantize the model again")


def check_shape(tensor: Tensor, wanted: Sequence[int]) -> None:
    """Refuses an output of another shape than its operator makes."""
    if tensor.shape != tuple(wanted):
        raise Refusal(f"its output has shape {list(tensor.shape)}, wanted {list(wanted)}")


def check_stored(types: Sequence[str], *tensors: Tensor) -> None:
    """Refuses tensors of another type than the first or than `types`, and s8 or s16 without one scale of their own."""
    for tensor in tensors:
        if tensor.dtype != tensors[0].dtype or tensor.dtype not in types:
            raise Refusal(f"{tensor.name} is {tensor.dtype}, allowed is one of {', '.join(types)} for all operands")
        check_scale(tensor)


def check_scale(tensor: Tensor) -> None:
    """Refuses s8 or s16 without a scale, with several, or with a zero point that its type cannot hold."""
    if tensor.dtype not in ("s8", "s16"):
        return
    if tensor.quant is None or not tensor.quant.per_tensor:
        raise Refusal(f"{tensor.name} has no scale of its own", "quantize activations with one scale each")
    low, high = tensor.limits
    if not low <= tensor.zero_point <= high or (tensor.dtype == "s16" and tensor.zero_point):
        raise Refusal(f"{tensor.name} has zero point {tensor.zero_point}")

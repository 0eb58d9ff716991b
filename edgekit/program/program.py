"""A whole model as a list of operations, checked when it is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgekit.program.op import Op
from edgekit.program.tensor import Array, Tensor


@dataclass(frozen=True, eq=False)
class State:
    """What a streaming model remembers: `before` is read in a call; `after`, made in it, is `before` of the next."""

    before: Tensor
    after: Tensor
    initial: Array


@dataclass(frozen=True, eq=False)
class Program:
    """Operations in an order in which they can run.

    inputs, outputs  in the order of the model's interface
    states           pairs of tensors that carry over from one call to the next
    orders           where an input or output has its axes in another order than in the model that it was lowered from
                     (NHWC for NCHW): its name → axes by which the model's array is transposed into the tensor
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    states: tuple[State, ...] = ()
    orders: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        made = {*self.inputs, *(s.before for s in self.states)}
        for op in self.ops:
            missing = [t.name for t in op.inputs if not t.constant and t not in made]
            if missing:
                raise ValueError(f'op "{op.name}" ({op.kind}) reads {missing} before it is made')
            again = [t.name for t in op.outputs if t in made or t.constant]
            if again:
                raise ValueError(f'op "{op.name}" ({op.kind}) makes {again} a second time')
            made.update(op.outputs)
        ends = (*self.outputs, *(s.after for s in self.states))
        missing = [t.name for t in ends if t not in made and not t.constant]
        if missing:
            raise ValueError(f"outputs {missing} are made by no op")
        names = [t.name for t in self.tensors()]
        twice = sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise ValueError(f"two tensors of one name: {twice[:5]}")

    def tensors(self) -> Iterator[Tensor]:
        """Every tensor once: inputs, states, then in the order of the ops; constants where they are first read."""
        seen: dict[Tensor, None] = dict.fromkeys((*self.inputs, *(s.before for s in self.states)))
        for op in self.ops:
            seen.update(dict.fromkeys((*op.inputs, *op.outputs)))
        seen.update(dict.fromkeys(self.outputs))
        return iter(seen)

    @property
    def macs(self) -> int:
        return sum(op.macs for op in self.ops)

    def document(self) -> dict[str, Any]:
        """What `edgekit show` tells of it (docs/json.md)."""
        counted = Counter(op.kind for op in self.ops)
        return {
            "name": self.name,
            "inputs": [_document(t) for t in self.inputs],
            "outputs": [_document(t) for t in self.outputs],
            "states": [_document(s.before) for s in self.states],
            "operations": dict(counted.most_common()),
            "macs": self.macs,
            "constant_bytes": sum(t.bytes for t in self.tensors() if t.constant),
        }

    def text(self) -> str:
        """The program as readable lines, one per operation."""
        lines = [f"program {self.name}  {len(self.ops)} ops  {self.macs:,} MACs"]
        lines += [f"  input   {_described(t)}" for t in self.inputs]
        lines += [f"  state   {_described(s.before)} <- {s.after.name}" for s in self.states]
        lines += [f"  output  {_described(t)}" for t in self.outputs]
        for i, op in enumerate(self.ops):
            lines.append(f"{i:4d}  {op.kind}  {op.name}" + (f"  {text}" if (text := op.details()) else ""))
            lines += [f"        {'const' if t.constant else 'in   '} {_described(t)}" for t in op.inputs]
            lines += [f"        out   {_described(t)}" for t in op.outputs]
        return "\n".join(lines) + "\n"


def _document(tensor: Tensor) -> dict[str, Any]:
    quant = tensor.quant if tensor.quant is not None and tensor.quant.per_tensor else None
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": str(tensor.numpy_dtype),
        "scale": None if quant is None else quant.scale,
        "zero_point": None if quant is None else quant.zero_point,
    }


def _described(tensor: Tensor) -> str:
    return f"{tensor}  {tensor.quant}" if tensor.quant is not None else str(tensor)

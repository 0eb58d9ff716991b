"""A whole model as a list of operations, checked when it is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from edgekit.program.op import Op
from edgekit.program.tensor import Array, Tensor


@dataclass(frozen=True, eq=False)
class State:
    """What a streaming model remembers: `before` is read in a call, `after` is made in it and is `before` of the next."""

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
        made = {t for t in (*self.inputs, *(s.before for s in self.states))}
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


def _described(tensor: Tensor) -> str:
    return f"{tensor}  {tensor.quant}" if tensor.quant is not None else str(tensor)

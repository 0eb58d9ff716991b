"""Which values of a graph share one set of int8 parameters: a union-find whose groups know range and constraints.

Values that an operator passes on unchanged (Reshape, MaxPool ...) are joined for good; the inputs of Concat, Min and
Max are joined where that costs nothing, else they are to be requantized.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgekit.graph.quant_params import QuantParams, Range, activation_params


@dataclass(frozen=True)
class Clamp:
    """The bounds of an activation (ReLU: 0..inf) that was folded into the value's parameters."""

    low: float
    high: float

    def holds(self, params: QuantParams) -> bool:
        """Whether saturation at the ends of int8 does the clamp's whole job, to half a step."""
        slack = 0.51 * params.scale  # half a step, and the rounding of the scale itself
        return params.low >= self.low - slack and params.high <= self.high + slack


@dataclass(frozen=True)
class Group:
    """Values with equal parameters. `range` is None before anybody contributed one; `fixed` overrules it."""

    range: Range | None = None
    fixed: QuantParams | None = None
    clamps: tuple[Clamp, ...] = ()

    @property
    def params(self) -> QuantParams:
        if self.fixed is not None:
            return self.fixed
        return activation_params(self.range or Range(0.0, 0.0))

    @property
    def sound(self) -> bool:
        """Whether the parameters still do the job of every clamp folded into the group."""
        return all(clamp.holds(self.params) for clamp in self.clamps)

    def joined(self, other: Group) -> Group:
        ranges = [r for r in (self.range, other.range) if r is not None]
        union = ranges[0].union(ranges[-1]) if ranges else None
        return Group(union, self.fixed or other.fixed, self.clamps + other.clamps)


class Groups:
    """Union-find over value names."""

    def __init__(self, groups: Mapping[str, Group]) -> None:
        self._parent = {name: name for name in groups}
        self._group = dict(groups)
        self._members = {name: [name] for name in groups}

    def root(self, name: str) -> str:
        while self._parent[name] != name:
            self._parent[name] = self._parent[self._parent[name]]
            name = self._parent[name]
        return name

    def of(self, name: str) -> Group:
        return self._group[self.root(name)]

    def members(self, name: str) -> list[str]:
        """All values of the group."""
        return self._members[self.root(name)]

    def same(self, a: str, b: str) -> bool:
        return self.root(a) == self.root(b)

    def join(self, a: str, b: str) -> None:
        """The two groups become one, whatever their parameters."""
        root, other = self.root(a), self.root(b)
        if root != other:
            self._group[root] = self._group[root].joined(self._group.pop(other))
            self._members[root] += self._members.pop(other)
            self._parent[other] = root

    def widen(self, name: str, values: Iterable[Range]) -> None:
        """The group must also hold these ranges (of constant operands)."""
        root = self.root(name)
        for given in values:
            self._group[root] = self._group[root].joined(Group(given))

    def try_join(self, a: str, b: str, *, free: bool) -> bool:
        """Join unless fixed parameters differ, a clamp would leak or (not `free`) a value would lose over one bit."""
        mine, yours = self.of(a), self.of(b)
        if self.same(a, b):
            return True
        if (mine.fixed or yours.fixed) and mine.params != yours.params:
            return False
        union = mine.joined(yours)
        coarser = union.params.scale > 2 * min(mine.params.scale, yours.params.scale)
        if not union.sound or (coarser and not free):
            return False
        self.join(a, b)
        return True

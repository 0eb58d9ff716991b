"""A graph with static shapes whose operands fit each other also where ONNX's own inference does not look.

Refused, as one ModelError with all nodes: biases, scales and statistics of another size than their operator wants,
weights of recurrent layers that contradict each other, attributes that are no numbers or no texts, values without a
single number, outputs under one name. Behind this border the sizes of operands are trusted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator

import onnx_ir as ir

from edgekit.errors import ModelError
from edgekit.graph.operands import attribute, constant
from edgekit.graph.shapes import sizes

SHOWN = 5
Shape = tuple[int, ...]


def require_consistent(model: ir.Model) -> ir.Model:
    """The same graph. Raises ModelError naming every node whose operands contradict each other."""
    names = Counter(v.name for v in model.graph.outputs)
    problems = [f'{count} outputs are called "{name}"' for name, count in names.items() if count > 1]
    for node in model.graph:
        check = CHECKS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        found = list(_attribute_problems(node)) or list(check(node) if check else ())
        problems += [f'node "{node.name or "no name"}" ({node.op_type}): {text}' for text in found]
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise ModelError(
            f"the graph contradicts itself: {'; '.join(problems[:SHOWN])}{more}", hint="export the model again"
        )
    return model


def require_filled(model: ir.Model) -> None:
    """Raises ModelError naming values that hold no numbers: no operator of a device computes nothing."""
    nodes = [(n, v) for n in model.graph for v in n.outputs if 0 in (sizes(v) or ())]
    texts = [f'"{v.name}" {list(sizes(v) or ())} (of node "{n.name or "no name"}", {n.op_type})' for n, v in nodes]
    if texts:
        more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
        raise ModelError(f"values hold no numbers: {', '.join(texts[:SHOWN])}{more}", hint="give larger input sizes")


def _attribute_problems(node: ir.Node) -> Iterator[str]:
    for name, found in node.attributes.items():
        values = found.value if isinstance(found.value, (list, tuple)) else [found.value]
        if found.value is None:
            yield f"its {name} has no value"
        if any(isinstance(v, bytes) or (isinstance(v, str) and not v.isprintable()) for v in values):
            yield f"its {name} is no text"
        if any(isinstance(v, float) and not math.isfinite(v) for v in values):
            yield f"its {name} is not finite"


def _shape(node: ir.Node, i: int) -> Shape | None:
    value = node.inputs[i] if i < len(node.inputs) else None
    return None if value is None else sizes(value)


def _wrong(node: ir.Node, i: int, *wanted: Shape) -> Iterator[str]:
    """Input `i`, where it is there, must have one of the wanted shapes."""
    got = _shape(node, i)
    if got is not None and got not in wanted:
        yield f"its input {i} has shape {list(got)}, wanted {' or '.join(str(list(w)) for w in wanted)}"


def _broadcast(node: ir.Node, i: int, target: Shape | None) -> Iterator[str]:
    """Input `i` must be broadcast to `target`, and not the other way round."""
    got = _shape(node, i)
    if got is None or target is None:
        return
    fits = len(got) <= len(target) and all(g in (1, t) for g, t in zip(got[::-1], target[::-1], strict=False))
    if not fits:
        yield f"its input {i} has shape {list(got)}, wanted what can be broadcast to {list(target)}"


def _convolution(node: ir.Node) -> Iterator[str]:
    """x (N, C, *space), weights (out, C / group, *kernel), bias (out,)."""
    x, w, group = _shape(node, 0), _shape(node, 1), int(attribute(node, "group", 1))
    if x is None or w is None:
        return
    yield from _kernel(node, x, w, group)
    if len(x) > 1 and (w[1:2] != (x[1] // max(group, 1),) or x[1] % max(group, 1) or w[0] % max(group, 1)):
        yield f"its weights {list(w)} do not fit {x[1]} channels in {group} groups"
    yield from _wrong(node, 2, (w[0],))


def _transposed_convolution(node: ir.Node) -> Iterator[str]:
    """x (N, C, *space), weights (C, out / group, *kernel), bias (out,)."""
    x, w, group = _shape(node, 0), _shape(node, 1), int(attribute(node, "group", 1))
    if x is None or w is None:
        return
    yield from _kernel(node, x, w, group)
    if len(x) > 1 and len(w) > 1:
        if w[0] != x[1] or x[1] % max(group, 1):
            yield f"its weights {list(w)} do not fit {x[1]} channels in {group} groups"
        yield from _wrong(node, 2, (w[1] * group,))


def _kernel(node: ir.Node, x: Shape, w: Shape, group: int) -> Iterator[str]:
    """What both kinds of convolution want."""
    if len(x) != len(w) or len(x) < 3 or group < 1 or 0 in w:
        yield f"its weights {list(w)} do not fit an input {list(x)} in {group} groups"
    named = node.attributes.get("kernel_shape")
    if named is not None and tuple(named.as_ints()) != w[2:]:
        yield f"its kernel_shape is {list(named.as_ints())}, its weights have {list(w[2:])}"
    space = len(x) - 2
    for name, count in {"strides": space, "dilations": space, "pads": 2 * space}.items():
        found = node.attributes.get(name)
        if found is not None and len(found.as_ints()) != count:
            yield f"its {name} are {list(found.as_ints())}, wanted {count} numbers"


def _gemm(node: ir.Node) -> Iterator[str]:
    yield from _broadcast(node, 2, sizes(node.outputs[0]))


def _recurrent(gates: int) -> Callable[[ir.Node], Iterator[str]]:
    """x (steps, batch, in), W (directions, gates * hidden, in), R (directions, gates * hidden, hidden),
    B (directions, 2 * gates * hidden), lengths (batch,), states (directions, batch, hidden)."""

    def check(node: ir.Node) -> Iterator[str]:
        x, w, r = (_shape(node, i) for i in range(3))
        if x is None or w is None or r is None:
            return
        if len(x) != 3 or len(r) != 3:
            yield f"its input {list(x)} and recurrent weights {list(r)} have other than 3 axes"
            return
        directions, hidden = (2 if attribute(node, "direction", "forward") == "bidirectional" else 1), r[2]
        batch = x[0] if attribute(node, "layout", 0) else x[1]
        rows = gates * hidden
        state = (batch, directions, hidden) if attribute(node, "layout", 0) else (directions, batch, hidden)
        if int(attribute(node, "hidden_size", hidden)) != hidden:
            yield f"its hidden_size is {attribute(node, 'hidden_size', hidden)}, its weights have {hidden}"
        wanted = [(directions, rows, x[2]), (directions, rows, hidden), (directions, 2 * rows), (batch,), state]
        for i, shape in enumerate((*wanted, state, (directions, 3 * hidden)), 1):
            yield from _wrong(node, i, shape)

    return check


def _statistics(node: ir.Node) -> Iterator[str]:
    """Normalizations: one number per channel in each further input (before opset 21 also one per group)."""
    x = _shape(node, 0)
    if x is not None:
        channels = x[1] if len(x) > 1 else 1
        groups = int(attribute(node, "num_groups", channels))
        for i in range(1, len(node.inputs)):
            yield from _wrong(node, i, *dict.fromkeys([(channels,), (groups,)]))


def _layer_normalization(node: ir.Node) -> Iterator[str]:
    x = _shape(node, 0)
    if x is None:
        return
    axis = int(attribute(node, "axis", -1))
    if not -len(x) <= axis < len(x):
        yield f"its axis {axis} is outside of {len(x)} axes"
        return
    for i in (1, 2):
        yield from _broadcast(node, i, x[axis % len(x) :])


def _slope(node: ir.Node) -> Iterator[str]:
    yield from _broadcast(node, 1, _shape(node, 0))


def _quantizing(node: ir.Node) -> Iterator[str]:
    """One scale, or one for each slice along `axis`; as many zero points."""
    x, scale, zero = (_shape(node, i) for i in range(3))
    if x is None or scale is None:
        return
    if zero is not None and zero != scale and not math.prod(zero) == math.prod(scale) == 1:  # () or (1,): one number
        yield f"its scale has shape {list(scale)}, its zero point {list(zero)}"
    if math.prod(scale) == 1 and len(scale) < 2:
        return
    axis = int(attribute(node, "axis", 1))
    if not -len(x) <= axis < len(x):
        yield f"its axis {axis} is outside of {len(x)} axes"
    elif not int(attribute(node, "block_size", 0)):
        yield from _wrong(node, 1, (x[axis],))


def _as_many(node: ir.Node) -> Iterator[str]:
    x, y = _shape(node, 0), sizes(node.outputs[0])
    if x is not None and y is not None and math.prod(x) != math.prod(y):
        yield f"it makes {list(y)} of {list(x)}"


def _order(node: ir.Node) -> Iterator[str]:
    x, perm = _shape(node, 0), node.attributes.get("perm")
    if x is not None and perm is not None and sorted(perm.as_ints()) != list(range(len(x))):
        yield f"its perm {list(perm.as_ints())} is no order of {len(x)} axes"


def _bounds(node: ir.Node) -> Iterator[str]:
    """One number each."""
    for i in (1, 2):
        yield from _wrong(node, i, (), (1,))


def _cut(node: ir.Node) -> Iterator[str]:
    """Starts, ends, axes and steps: rows of one length."""
    known = [shape for i in range(1, 5) if (shape := _shape(node, i)) is not None]
    if known and (any(len(shape) != 1 for shape in known) or len(set(known)) > 1):
        shapes = [list(shape) for shape in known]
        yield f"its starts, ends, axes and steps have shapes {shapes}: wanted rows of one length"


def _picked(node: ir.Node) -> Iterator[str]:
    x, numbers = _shape(node, 0), constant(node.inputs[1])
    axis = int(attribute(node, "axis", 0))
    if x is not None and not -len(x) <= axis < len(x):
        yield f"its axis {axis} is outside of {len(x)} axes"
    elif x is None or numbers is None or not numbers.size:
        return
    elif not -x[axis] <= int(numbers.min()) <= int(numbers.max()) < x[axis]:
        yield f"its indices {int(numbers.min())} to {int(numbers.max())} lie outside of {x[axis]} elements"


CHECKS: dict[str, Callable[[ir.Node], Iterator[str]]] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Gemm": _gemm,
    "LSTM": _recurrent(4),
    "GRU": _recurrent(3),
    "RNN": _recurrent(1),
    "BatchNormalization": _statistics,
    "InstanceNormalization": _statistics,
    "GroupNormalization": _statistics,
    "LayerNormalization": _layer_normalization,
    "PRelu": _slope,
    "Clip": _bounds,
    "Slice": _cut,
    "Gather": _picked,
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _as_many),
    "Transpose": _order,
    "QuantizeLinear": _quantizing,
    "DequantizeLinear": _quantizing,
}

"""Nodes get the name of the module that they come from, where the exporter says it; inner values that of their node.

Inputs, outputs and initializers keep their names. Names are unique and printable: they end up in reports and terminals.
"""

from __future__ import annotations

import ast

import onnx_ir as ir

LONGEST_NAME = 120


class Names:
    """Hands out each name once: `conv`, then `conv_2`, `conv_3` and so on."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = set(taken)
        self._count: dict[str, int] = {}

    def new(self, wanted: str) -> str:
        """`wanted`, or the next free name that begins with it."""
        name, k = wanted, self._count.get(wanted, 1)
        while name in self._taken:
            k += 1
            name = f"{wanted}_{k}"
        self._count[wanted] = k
        self._taken.add(name)
        return name


def name_plainly(model: ir.Model) -> ir.Model:
    """`features.3.conv` rather than `node_Conv_101`. Reads the metadata that torch's exporter leaves."""
    border = {*model.graph.inputs, *model.graph.outputs, *model.graph.initializers.values()}
    nodes, values = Names(set()), Names({v.name for v in border if v.name})
    for node in model.graph:
        node.name = nodes.new(_printable(_plain_name(node)) or node.op_type.lower())
        for i, value in enumerate(node.outputs):
            if value.name and value not in border:  # no name: an optional output that is not asked for
                value.name = values.new(node.name if i == 0 else f"{node.name}.{i}")
    return model


def _plain_name(node: ir.Node) -> str:
    weight = node.inputs[1] if len(node.inputs) > 1 else None
    if weight is not None and weight.const_value is not None and (weight.name or "").endswith(".weight"):
        return (weight.name or "").removesuffix(".weight")
    scopes = _listed(node, "pkg.torch.onnx.name_scopes")
    classes = _listed(node, "pkg.torch.onnx.class_hierarchy")
    if len(scopes) >= 2 and len(classes) >= 2:
        leaf = classes[-2].startswith("torch.nn.modules.") and ".container." not in classes[-2]
        path = scopes[-2]
        return path if leaf and path else ".".join(p for p in (path, node.op_type.lower()) if p)
    return node.name or ""


def _listed(node: ir.Node, key: str) -> list[str]:
    """A list of texts that the exporter wrote into the metadata as Python's own notation."""
    text = node.metadata_props.get(key, "[]")
    try:
        found = ast.literal_eval(text) if len(text) < 10_000 else []
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return found if isinstance(found, list) and all(isinstance(x, str) for x in found) else []


def _printable(name: str) -> str:
    return "".join(c for c in name[:LONGEST_NAME] if c.isprintable()).strip()

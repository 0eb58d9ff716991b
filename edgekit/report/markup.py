"""Texts → HTML that is escaped by construction: `element` escapes attributes, and children that are no Markup."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from edgekit.finite import finite

_VOID = frozenset({"meta", "br"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(tag: str, *children: str, **attributes: str | float | None) -> Markup:
    """`element("p", "a < b", class_="note")`.

    In names of attributes a trailing "_" is dropped and "_" written "-"; an attribute that is None is left out.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_figure(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    start = f"<{tag}{written}>"
    return Markup(start if tag in _VOID else f"{start}{join(children)}</{tag}>")


def join(parts: Iterable[str]) -> Markup:
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def embedded_json(documents: Mapping[str, Any], identifier: str) -> Markup:
    """A data block for machines; no text in it can end the block, for "<" is written as an escape of JSON."""
    text = json.dumps(finite(documents), allow_nan=False, separators=(",", ":"))
    safe = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return element("script", Markup(safe), type="application/json", id=identifier)


def _figure(value: str | float) -> str:
    """Coordinates with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)

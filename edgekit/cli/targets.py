"""`edgekit targets`: the kinds of boards that are described, or one of them with the source of every fact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.output import emit, json_option

if TYPE_CHECKING:
    from rich.console import Console

    from edgekit.target import Target

WIDE = 150  # columns of the terminal from which the list has room for board and OS


@click.command()
@click.argument("ref", metavar="[ID|FILE.toml]", required=False)
@json_option
def targets(ref: str | None) -> None:
    """List the targets (kinds of boards), or show one with the source of every fact.

    ID is a target, an alias or a memory variant (rpi4, rpi4-4gb); FILE.toml describes a board of your own
    (docs/targets.md). What nobody knows is shown as unknown.
    """
    from edgekit.target import all_targets, load_target

    if ref is None:
        shipped = all_targets()
        emit({"targets": [target.document() for target in shipped]}, lambda console: _list(shipped, console))
    else:
        target = load_target(ref)
        document = {"targets": [{**target.document(), "facts": target.evidence()}]}
        emit(document, lambda console: _detail(target, console))


def _list(shipped: tuple[Target, ...], console: Console) -> None:
    from rich.table import Table

    headings = ["id", "board", "cpu", "usable RAM", "storage", "OS", "runtime", "unknown"]
    if console.width < WIDE:
        headings = [heading for heading in headings if heading not in ("board", "OS")]
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        right = heading in ("usable RAM", "storage", "unknown")
        table.add_column(heading, justify="right" if right else "left", no_wrap=heading not in ("board", "cpu"))
    for target in shipped:
        row = _row(target)
        table.add_row(*_safe(*(row[heading] for heading in headings)))
    console.print(table)
    console.print("≤: what the system keeps is unknown. ?: unknown. unknown: number of fields that nobody knows.")
    console.print("An id with memory variants stands for the smallest memory sold.")
    console.print("`edgekit targets ID` shows one target with the source of every fact.")


def _row(target: Target) -> dict[str, str]:
    return {
        "id": target.id,
        "board": target.name,
        "cpu": target.cpu,
        "usable RAM": _ram(target),
        "storage": _size(target.storage_bytes),
        "OS": "emulated" if target.emulated else target.os_image or ("?" if target.kind == "linux" else "–"),
        "runtime": target.runtimes[0],
        "unknown": str(len(target.unknown)),
    }


def _safe(*texts: str) -> tuple[str, ...]:
    """Texts of a file, shown as they are: no console markup is read from them."""
    from rich.markup import escape

    return tuple(escape(text) for text in texts)


def _ram(target: Target) -> str:
    return ("≤ " if "usable_ram_bytes" in target.unknown else "") + _size(target.usable_ram_bytes)


def _size(count: int | None) -> str:
    if count is None:
        return "?"
    for unit, scale in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if count >= scale:
            return f"{count / scale:.4g} {unit}"
    return f"{count / 1024:.4g} KiB"


def _detail(target: Target, console: Console) -> None:
    """What matters of a target, then its facts under the source that states them."""
    _pairs(_summary(target), 10, console, label_style="bold")
    groups = _by_source(target)
    width = max((len(field) for facts in groups.values() for field, _ in facts), default=0)
    for source, facts in groups.items():
        console.print()
        console.print(_safe(source)[0], style="dim")
        _pairs(facts, width, console, indent=2)


def _by_source(target: Target) -> dict[str, list[tuple[str, str]]]:
    """`basis date: source` → its (field, value). Fields of which nothing is known, not even why, are in the summary."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for fact in target.evidence():
        if fact["value"] is not None or fact["source"]:
            groups.setdefault(_source(fact), []).append((fact["field"], _value(fact["value"])))
    return groups


def _source(fact: Mapping[str, Any]) -> str:
    head = " ".join(word for word in (fact["basis"], fact["date"]) if word)
    return f"{head}: {fact['source']}" if fact["source"] else head


def _pairs(
    pairs: list[tuple[str, str]], width: int, console: Console, *, indent: int = 0, label_style: str = ""
) -> None:
    """Labels in a column of `width`, and beside each its text, folded between words."""
    from rich.padding import Padding
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style=label_style, no_wrap=True, min_width=width)
    table.add_column(overflow="fold")
    for label, text in pairs:
        table.add_row(*_safe(label, text))
    console.print(Padding(table, (0, 0, 0, indent)))


def _summary(target: Target) -> list[tuple[str, str]]:
    lines = [
        ("target", ", ".join((target.id, *target.aliases))),
        ("board", f"{target.name} ({target.vendor})"),
        ("cpu", target.cpu),
        ("RAM", f"{_size(target.ram_bytes)}, usable {_ram(target)}"),
        ("storage", _size(target.storage_bytes)),
        ("runtimes", f"{', '.join(target.runtimes)} (the first is the default)"),
        ("headroom", f"{target.headroom:.0%} of the usable RAM is kept free in a fit verdict"),
    ]
    if target.variants:
        lines.append(("variants", f"{', '.join(target.variants)}; {target.id} stands for the smallest"))
    if target.emulated:
        lines.append(("emulated", "by QEMU: shows correctness and instruction counts, not speed"))
    return [*lines, ("unknown", ", ".join(target.unknown) or "nothing")]


def _value(value: object) -> str:
    if value is None:
        return "?"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)

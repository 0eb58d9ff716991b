"""JSON documents (docs/json.md) → tables on a terminal, good to read from 80 columns on. Names of layers, apps and devices
come from outside: they are printed as plain text, without control characters and never as markup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from edgekit.report import facts as say
from edgekit.report.documents import Document, part, rows, texts
from edgekit.report.facts import BAD, GOOD, PLAIN, WARN, Fact
from edgekit.report.words import clean, count, decibel, duration, number, plural, shape, size

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_STYLES = {GOOD: "green", WARN: "yellow", BAD: "bold red", PLAIN: ""}
MAX_ISLANDS = 8
MAX_STEPS = 30


def conversion_table(document: Document, console: Console) -> None:
    """What `edgekit convert` made: accuracy, size, the worst layers, what stayed float, warnings."""
    files = [str(file) for file in part(document, "artifacts").values() if file]
    _facts(f"{clean(document.get('name'))} → {_out(document)}", say.conversion_facts(document), console)
    _worst(document, console)
    _islands(document, console)
    _warnings(texts(document, "warnings"), console)
    _note(f"wrote {', '.join(clean(file) for file in files)} in {duration(document.get('seconds'))}", console)


def profile_table(document: Document, console: Console) -> None:
    """Whether a model fits its targets, what it needs there, and its heaviest layers."""
    for target in rows(document, "targets"):
        _facts(
            f"{clean(document.get('model'))} on {clean(target.get('target'))} (estimated)",
            say.target_facts(target),
            console,
        )
        _heaviest(target, console)


def deployment_table(document: Document, console: Console) -> None:
    """What `edgekit deploy` did or, with --dry-run, would do; then the benchmark."""
    _facts(f"{clean(document.get('app'))} → {say.device_name(document)}", say.deployment_facts(document), console)
    steps = rows(document, "steps")
    table = _columns("step", "what", "time>")
    for step in steps[:MAX_STEPS]:
        took = number(step.get("seconds"))
        _row(
            table, console, clean(step.get("name"), 24), clean(step.get("what")), "" if took is None else duration(took)
        )
    _print_rows(table, console, left_out=len(steps) - MAX_STEPS)
    if document.get("use"):
        _note("use it on the board:", console)
        console.print(_text(clean(document["use"], 1000), "cyan", console), soft_wrap=True)
    if part(document, "benchmark"):
        console.print()
        benchmark_table(part(document, "benchmark"), console)


def benchmark_table(document: Document, console: Console) -> None:
    """What was measured on a board, whether it can be trusted, and whether the outputs are right."""
    found = [_meaningless(fact) if document.get("emulated") else fact for fact in say.timing_facts(document)]
    timings = {fact.label: fact for fact in found}
    shown = [timings.get(fact.label, fact) for fact in say.benchmark_facts(document)]
    _facts(f"{clean(document.get('app'))} measured on {say.device_name(document)}", shown, console)


def _meaningless(fact: Fact) -> Fact:
    return Fact(fact.label, f"({fact.value})", "meaningless: emulated", WARN)


def status_table(document: Document, console: Console) -> None:
    """What edgekit has on a board."""
    table = _columns("app", "release", "", "model", "size>", title=f"{say.device_name(document)}")
    for app in rows(document, "apps"):
        for release in rows(app, "releases"):
            marks = ", ".join(role for role in ("current", "previous", "trial") if app.get(role) == release.get("id"))
            words = (clean(app.get("app"), 40), clean(release.get("id"))[:12], marks, clean(release.get("model"), 40))
            _row(table, console, *words, size(release.get("bytes")))
    if table.row_count:
        console.print(table)
    else:
        _note(f"{say.device_name(document)}: nothing deployed", console)
    _note(f"{size(document.get('store_bytes'))} in use, {size(document.get('free_bytes'))} free", console)


def summary_table(documents: Mapping[str, Document], console: Console) -> None:
    """The whole way of a model in one table. Keys: convert, profile, deploy, redeploy, bench, status; any may be missing."""
    name = clean(documents.get("convert", {}).get("name") or "")
    _facts(f"summary of {name}" if name else "summary", say.summary_facts(documents), console)


def _out(document: Document) -> str:
    return clean(document.get("out") or "build", 60)


def _worst(document: Document, console: Console) -> None:
    worst = say.worst_layers(document)
    table = _columns("layers with most noise", "op", "SQNR>")
    for layer in worst:
        mood = say.layer_mood(number(layer.get("sqnr_db")))
        style = _STYLES[mood] if mood != GOOD else ""
        words = (clean(layer.get("name"), 60), clean(layer.get("op"), 24), decibel(layer.get("sqnr_db")))
        _row(table, console, *words, style=style)
    _print_rows(table, console)


def _islands(document: Document, console: Console) -> None:
    islands = say.float_islands(document)
    table = _columns("stays float", "op", "why")
    for layer in islands[:MAX_ISLANDS]:
        words = (clean(layer.get("name"), 60), clean(layer.get("op"), 24), clean(layer.get("reason") or ""))
        _row(table, console, *words)
    _print_rows(table, console, left_out=len(islands) - MAX_ISLANDS)


def _heaviest(target: Document, console: Console, limit: int = 5) -> None:
    layers = sorted(rows(target, "layers"), key=lambda layer: number(layer.get("macs")) or 0.0, reverse=True)
    table = _columns("heaviest layers", "op", "MACs>", "weights>", "output", "live>")
    for layer in layers[:limit]:
        words = (clean(layer.get("name"), 60), clean(layer.get("op"), 24), count(layer.get("macs")))
        rest = (size(layer.get("weights_bytes")), shape(layer.get("output_shape")), size(layer.get("live_bytes")))
        _row(table, console, *words, *rest)
    _print_rows(table, console)


def _warnings(warnings: Sequence[str], console: Console) -> None:
    for warning in warnings:
        console.print(_text(f"warning: {clean(warning, 500)}", "yellow", console))


def _facts(title: str, facts: Iterable[Fact], console: Console) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=_text(title, "bold", console), title_justify="left", box=box.ROUNDED, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for fact in facts:
        value = Text("\n" if fact.detail else "").join(
            [_text(fact.value, _STYLES[fact.mood], console)]
            + ([_text(fact.detail, "dim", console)] if fact.detail else [])
        )
        table.add_row(_text(fact.label, "", console), value)
    console.print(table)


def _columns(*names: str, title: str = "") -> Table:
    """A table without a frame; a name that ends with ">" is a column of figures."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title or None, title_justify="left", title_style="bold")
    for name in names:
        figures = name.endswith(">")
        table.add_column(
            name.removesuffix(">"), justify="right" if figures else "left", no_wrap=figures, overflow="fold"
        )
    return table


def _row(table: Table, console: Console, *words: str, style: str = "") -> None:
    table.add_row(*(_text(word, style, console) for word in words))


def _print_rows(table: Table, console: Console, *, left_out: int = 0) -> None:
    if table.row_count:
        console.print(table)
    if left_out > 0:
        _note(f"… and {plural(left_out, 'more')}", console)


def _note(text: str, console: Console) -> None:
    console.print(_text(text, "dim", console))


def _text(text: str, style: str, console: Console):  # type: ignore[no-untyped-def]
    """Plain text in a style; what the terminal's encoding cannot show becomes "?"."""
    from rich.text import Text

    encoding = console.encoding or "utf-8"
    return Text(text.encode(encoding, "replace").decode(encoding), style=style)

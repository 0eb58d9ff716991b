"""JSON documents (docs/json.md) → tables on a terminal, good to read from 80 columns on.

Names of layers, apps and devices come from outside: they are printed as plain text, without control characters and
never as markup. What a table says of a document is decided in facts.py, which the HTML report prints too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from edgekit.report import facts as say
from edgekit.report.documents import Document, part, rows, texts
from edgekit.report.fact import BAD, GOOD, PLAIN, WARN, Fact
from edgekit.report.firmware import PARTS, count_rows, firmware_facts, is_firmware
from edgekit.report.words import clean, clean_lines, count, decibel, duration, number, shape, size

_STYLES = {GOOD: "green", WARN: "yellow", BAD: "bold red", PLAIN: ""}
WORST_LAYERS = 5
MAX_LAYERS = 8
MAX_STEPS = 30


def conversion_table(document: Document, console: Console) -> None:
    """What `edgekit convert` made: accuracy, size, the worst layers, what stayed float and why, warnings."""
    _title(clean(document.get("name")), clean(document.get("precision")), console)
    _facts(say.conversion_facts(document), console)
    _worst(document, console)
    _islands(document, console)
    for warning in texts(document, "warnings"):
        _line(f"warning: {clean(warning, 500)}", "yellow", console)
    files = ", ".join(clean(file) for file in part(document, "artifacts").values() if file)
    _line(f"wrote {files} to {clean(document.get('out'))} in {duration(document.get('seconds'))}", "dim", console)


def program_table(document: Document, console: Console) -> None:
    """What a program takes and gives, and its operations: counted, or all of them as text."""
    _title(clean(document.get("name")), f"{count(document.get('macs'))} MACs", console)
    if document.get("text"):
        console.print(clean_lines(document["text"]), markup=False, soft_wrap=True)
        return
    table = _columns("", "name", "type", "shape", "stored as")
    for role in ("input", "output", "state"):
        for value in rows(document, f"{role}s"):
            scale = number(value.get("scale"))
            stored = "–" if scale is None else f"scale {scale:.6g}, zero {clean(value.get('zero_point'))}"
            words = clean(value.get("name"), 60), clean(value.get("dtype")), shape(value.get("shape")), stored
            _row(table, console, role, *words)
    _print_rows(table, console, left_out=0)
    counted = ", ".join(f"{clean(kind)} {n}" for kind, n in part(document, "operations").items())
    _line(f"operations: {counted}", "", console)
    _line(f"constants: {size(document.get('constant_bytes'))}", "", console)


def profile_table(document: Document, console: Console, *, all_layers: bool = False) -> None:
    """Whether a model fits each target and what it needs there; then its layers, by default the heaviest."""
    for target in rows(document, "targets"):
        _title(f"{clean(document.get('model'))} on {clean(target.get('target'))}", "estimated, not measured", console)
        _facts(say.target_facts(target), console)
    for target in rows(document, "targets")[:1]:  # the others run the same layers
        _profiled_layers(target, console, all_layers)


def deployment_table(document: Document, console: Console) -> None:
    """What `edgekit deploy` did or, with --dry-run, would do; then the benchmark if there is one."""
    _title(f"{clean(document.get('app'))} → {say.device_name(document)}", clean(document.get("target")), console)
    steps = rows(document, "steps")
    table = _columns("step", ">time", "what")
    for step in steps[:MAX_STEPS]:
        took = "–" if number(step.get("seconds")) is None else duration(step["seconds"])
        _row(table, console, clean(step.get("name"), 24), took, clean(step.get("what")))
    _print_rows(table, console, left_out=len(steps) - MAX_STEPS)
    _facts(say.deployment_facts(document), console)
    if document.get("use"):
        _line("use it there:", "dim", console)
        console.print(_text(f"  {clean(document['use'], 2000)}", "cyan", console), soft_wrap=True)  # one line, to copy
    if part(document, "benchmark"):
        console.print()
        benchmark_table(part(document, "benchmark"), console)


def benchmark_table(document: Document, console: Console) -> None:
    """What was measured on a board, whether it can be trusted, and whether the outputs are right."""
    _title(f"{clean(document.get('app'))} on {say.device_name(document)}", "measured", console)
    if not is_firmware(document):
        _facts(say.benchmark_facts(document), console)
        return
    _facts(firmware_facts(document), console)
    for key in PARTS:
        table = _columns(f"{key} with most instructions", ">instructions", ">share")
        for name, _, instructions, share in count_rows(document, key):
            _row(table, console, name, instructions, share)
        _print_rows(table, console, left_out=len(rows(document, key)) - table.row_count)


def status_table(document: Document, console: Console) -> None:
    """What edgekit has on a board."""
    _title(say.device_name(document), "", console)
    table = _columns("app", "release", "", "model", ">size")
    for app in rows(document, "apps"):
        for release in rows(app, "releases"):
            roles = ", ".join(role for role in ("current", "previous", "trial") if app.get(role) == release.get("id"))
            words = clean(app.get("app"), 40), clean(release.get("id"))[:12], roles, clean(release.get("model"), 40)
            _row(table, console, *words, size(release.get("bytes")))
    if not table.row_count:
        _line("nothing is deployed here yet: `edgekit deploy` brings a model", "", console)
    _print_rows(table, console)
    _line(f"{size(document.get('store_bytes'))} in use, {size(document.get('free_bytes'))} free", "dim", console)


def summary_table(documents: Mapping[str, Document], console: Console) -> None:
    """The way of a model in one table. Keys: convert, profile, deploy, redeploy, bench, status; any may be missing."""
    name = clean(documents.get("convert", {}).get("name") or "")
    title = _text(f"{name}: summary" if name else "summary", "bold", console)
    table = Table(title=title, title_justify="left", box=box.ROUNDED, show_header=False)
    console.print(_fill(table, say.summary_facts(documents), console))


def report_table(document: Document, console: Console) -> None:
    """What `edgekit report` wrote, and how to get what it does not show."""
    _title(clean(document.get("file"), 1000), ", ".join(map(clean, texts(document, "documents"))), console)
    table = _columns("missing", "make it with")
    for missing in rows(document, "missing"):
        _row(table, console, clean(missing.get("document"), 40), clean(missing.get("make"), 1000))
    _print_rows(table, console)


def _worst(document: Document, console: Console) -> None:
    table = _columns("layers with most noise", "op", ">SQNR")
    for layer in say.worst_layers(document)[:WORST_LAYERS]:
        mood = say.layer_mood(number(layer.get("sqnr_db")))
        words = clean(layer.get("name"), 60), clean(layer.get("op"), 24), decibel(layer.get("sqnr_db"))
        _row(table, console, *words, style="" if mood == GOOD else _STYLES[mood])
    _print_rows(table, console)


def _islands(document: Document, console: Console) -> None:
    islands = say.float_islands(document)
    table = _columns("stays float", "op", "why")
    for layer in islands[:MAX_LAYERS]:
        why = clean(layer.get("reason") or "no reason given")
        _row(table, console, clean(layer.get("name"), 60), clean(layer.get("op"), 24), why)
    _print_rows(table, console, left_out=len(islands) - MAX_LAYERS)


def _profiled_layers(target: Document, console: Console, all_layers: bool) -> None:
    layers = rows(target, "layers")
    shown = layers if all_layers else say.heaviest_layers(target, MAX_LAYERS)
    peak = max((number(layer.get("live_bytes")) or 0.0 for layer in layers), default=0.0)
    table = _columns("layer" if len(shown) == len(layers) else "heaviest layers", "op", ">MACs", ">weights", ">live")
    table.add_column("output", overflow="fold")
    for layer in shown:
        words = clean(layer.get("name"), 60), clean(layer.get("op"), 24), count(layer.get("macs"))
        sizes = size(layer.get("weights_bytes")), size(layer.get("live_bytes")), shape(layer.get("output_shape"))
        _row(table, console, *words, *sizes, style="yellow" if peak and layer.get("live_bytes") == peak else "")
    _print_rows(table, console, left_out=len(layers) - len(shown))


def _title(name: str, remark: str, console: Console) -> None:
    console.print(_text(name, "bold", console) + _text(f"  {remark}", "dim", console))


def _facts(facts: Iterable[Fact], console: Console) -> None:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    console.print(_indented(_fill(table, facts, console)))


def _fill(table: Table, facts: Iterable[Fact], console: Console) -> Table:
    """One row a fact: its label, its value in the colour of its mood and, quieter, its detail."""
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for fact in facts:
        detail = f"  {fact.detail}" if fact.detail else ""
        value = _text(fact.value, _STYLES[fact.mood], console) + _text(detail, "dim", console)
        table.add_row(_text(fact.label, "", console), value)
    return table


def _columns(*headings: str) -> Table:
    """A table without a frame; a heading that begins with ">" is of figures, at the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        right = heading.startswith(">")
        table.add_column(heading.lstrip(">"), justify="right" if right else "left", no_wrap=right, overflow="fold")
    return table


def _row(table: Table, console: Console, *words: str, style: str = "") -> None:
    table.add_row(*(_text(word, style, console) for word in words))


def _print_rows(table: Table, console: Console, *, left_out: int = 0) -> None:
    if table.row_count:
        console.print(Padding(table, (1, 0, 0, 2)))
    if left_out > 0:
        _line(f"{left_out} more in the JSON document (--json)", "dim", console)


def _line(text: str, style: str, console: Console) -> None:
    console.print(_indented(_text(text, style, console)))


def _indented(what: Table | Text) -> Padding:
    return Padding(what, (0, 0, 0, 2))


def _text(text: str, style: str, console: Console) -> Text:
    """Plain text in a style; what the terminal's encoding cannot show becomes "?"."""
    encoding = console.encoding or "utf-8"
    return Text(text.encode(encoding, "replace").decode(encoding), style=style)

"""JSON documents → the sections of the HTML report, each a heading with facts, bars, a chart or a table. A document
that does not hold what a section is about gives an empty one, which the page leaves out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from edgekit.report import facts as say
from edgekit.report.conditions import condition_rows
from edgekit.report.documents import Document, part, rows, texts
from edgekit.report.fact import BAD, PLAIN, WARN, Fact
from edgekit.report.firmware import PARTS, count_rows, firmware_facts, is_firmware
from edgekit.report.markup import Markup, element
from edgekit.report.plots import Column, Level, bar, column_chart
from edgekit.report.words import clean, count, decibel, duration, number, plural, score, shape, size, times

MAX_ROWS = 60
BEST_DB = 50.0  # a full bar: beyond it int8 noise cannot be told from float
NOTHING = Markup("")

# heading → classes of the column in page.css: name, op, plot (half: of two), figure (right), wide (not on phones)
Columns = Sequence[tuple[str, str]]


def conversion(document: Document) -> Markup:
    accuracy, sizes = part(document, "accuracy"), part(document, "bytes")
    plots = [
        _versus("Accuracy", accuracy, ("float", "int8", "tflite"), score, full=1.0),
        _versus("Size of the file", sizes, ("float_onnx", "onnx", "tflite"), lambda value, _: size(value)),
    ]
    parts = [element("div", *plots, class_="pair"), _facts(say.conversion_facts(document))]
    warnings = [element("li", clean(warning, 500)) for warning in texts(document, "warnings")]
    if warnings:
        parts += [element("h3", "Warnings"), element("ul", *warnings)]
    title = "Float against int8" if document.get("precision") == "int8" else "The model, in float"
    return _section(title, *parts)


def _versus(
    title: str, figures: Document, keys: tuple[str, str, str], words: Callable[[Any, Any], str], full: float = 0.0
) -> Markup:
    """Bars of the float, the int8 and the TFLite figure to one scale, at least `full`. words: of a value and of the one
    that it is compared with."""
    values = dict(zip(("float", "int8", "TFLite"), (number(figures.get(key)) for key in keys), strict=True))
    shown = {n: words(value, values["int8" if n == "float" else "float"]) for n, value in values.items()}
    known = {name: value for name, value in values.items() if value is not None}
    if not known:
        return NOTHING
    full = max(*known.values(), full) or 1.0
    lines = [
        (name, bar(value / full, f"{name}: {shown[name]}", "faint" if name == "float" else PLAIN), shown[name])
        for name, value in known.items()
    ]
    return element("div", element("h3", title), _table((("", "name"), ("", "plot"), ("", "figure")), lines))


def noise(document: Document) -> Markup:
    """A bar for each layer's SQNR in the order of execution; of many layers the worst."""
    islands = say.float_islands(document)
    judged = [layer for layer in say.worst_layers(document) if layer not in islands]
    if not judged and not islands:
        return NOTHING
    chosen = {id(layer) for layer in (*judged[:MAX_ROWS], *islands[:MAX_ROWS])}
    shown = [layer for layer in rows(document, "layers") if id(layer) in chosen]
    note = (
        "Signal to quantization noise at the output of each layer, errors of earlier layers included. 30 dB and more "
        f"is usual; orange below {say.WEAK_DB:.0f} dB, red below {say.BAD_DB:.0f} dB."
    )
    table = _table(_NOISE_COLUMNS, [_noise_row(layer) for layer in shown])
    return _section(
        "Quantization noise, layer by layer",
        element("p", note, class_="quiet"),
        table,
        _left_out(len(judged) + len(islands) - len(shown)),
    )


_NOISE_COLUMNS = (("layer", "name"), ("op", "op wide"), ("", "plot"), ("SQNR", "figure"))


def _noise_row(layer: Document) -> tuple[str, ...]:
    name, op, sqnr_db = clean(layer.get("name"), 80), clean(layer.get("op"), 30), number(layer.get("sqnr_db"))
    if not layer.get("quantized"):
        why = element("span", f"float: {clean(layer.get('reason') or 'no reason given')}", class_="value warn")
        return name, op, why, decibel(sqnr_db)
    mood = say.layer_mood(sqnr_db)
    words = decibel(sqnr_db)
    figure = element("strong", words, class_=f"value {mood}") if mood in (WARN, BAD) else Markup(words)
    return name, op, bar((sqnr_db or 0) / BEST_DB, f"{name}: {words}", mood), figure


def memory(target: Document) -> Markup:
    """The target's facts, and the activations that are alive while each layer runs."""
    layers, peak = rows(target, "layers"), part(target, "peak")
    parts = [_facts(say.target_facts(target))]
    live = [number(layer.get("live_bytes")) or 0.0 for layer in layers]
    if any(live):
        highest, available = max(live), number(target.get("ram_available_bytes"))
        columns = [
            Column(value, f"{clean(layer.get('name'))}: {size(value)}", value == highest)
            for layer, value in zip(layers, live, strict=True)
        ]
        level = None if available is None else Level(available, f"available {size(available)}")
        title = f"Activations alive during each layer, at most {size(highest)}"
        chart = column_chart(columns, title, axis="layers in the order they run", top_label=size(highest), level=level)
        parts.append(element("figure", chart, element("figcaption", _peak_words(peak, highest, available))))
    return _section(f"Fits on {clean(target.get('target'))}? Memory (estimated)", *parts)


def _peak_words(peak: Document, highest: float, available: float | None) -> str:
    held = ", ".join(f"{clean(t.get('name'), 60)} ({size(t.get('bytes'))})" for t in rows(peak, "tensors")[:4])
    words = f"Activations alive while each layer runs. Orange: the peak, {size(highest)}"
    words += f" at {clean(peak['node'], 80)}" if peak.get("node") else ""
    words += f", holding {held}." if held else "."
    if available is not None:
        words += f" The board has {size(available)} for the whole process, {times(available / highest)} the peak."
    return words


_WORK_COLUMNS = (
    ("layer", "name"),
    ("op", "op wide"),
    ("", "plot half"),
    ("MACs", "figure"),
    ("", "plot half wide"),
    ("weights", "figure"),
    ("output", "figure wide"),
)


def work(target: Document) -> Markup:
    """MACs and weights of the heaviest layers, in the order they run."""
    layers = say.heaviest_layers(target, MAX_ROWS)
    most = {key: max((number(x.get(key)) or 0.0 for x in layers), default=0.0) for key in ("macs", "weights_bytes")}
    if not any(most.values()):
        return NOTHING
    lines = []
    for layer in layers:
        cells: list[str] = [clean(layer.get("name"), 80), clean(layer.get("op"), 30)]
        for key, words in (("macs", count), ("weights_bytes", size)):
            value = number(layer.get(key)) or 0.0
            cells += [bar(value / (most[key] or 1.0), f"{key}: {words(value)}"), words(value) if value else "–"]
        lines.append((*cells, shape(layer.get("output_shape"))))
    title = f"Work and weights on {clean(target.get('target'))}"
    return _section(title, _table(_WORK_COLUMNS, lines), _left_out(len(rows(target, "layers")) - len(layers)))


def deployment(title: str, document: Document) -> Markup:
    steps = rows(document, "steps")
    longest = max((number(step.get("seconds")) or 0.0 for step in steps), default=0.0) or 1.0
    lines = []
    for step in steps[:MAX_ROWS]:
        took, name = number(step.get("seconds")), clean(step.get("name"), 40)
        words = "planned" if took is None else duration(took)
        plot = bar((took or 0.0) / longest, f"{name}: {words}")
        lines.append((name, plot, words, clean(step.get("what"))))
    parts = [_facts(say.deployment_facts(document))]
    if lines:
        parts.append(_table((("step", "op"), ("", "plot half"), ("time", "figure"), ("what", "wide")), lines))
    if document.get("use") and title == "Deployed":
        parts += [element("h3", "Use it on the board"), element("pre", element("code", clean(document["use"], 2000)))]
    return _section(f"{title} to {say.device_name(document)}", *parts)


def benchmark(document: Document) -> Markup:
    if is_firmware(document):
        return _firmware(document)
    parts = [_facts(say.benchmark_facts(document))]
    values = [number(window.get("p50_s")) or 0.0 for window in rows(document, "windows")]
    if any(values) and len(values) > 1:
        emulated = bool(document.get("emulated"))
        remark = "; meaningless: emulated" if emulated else ""
        columns = [Column(value, f"window {place}: p50 {duration(value)}") for place, value in enumerate(values, 1)]
        highest = duration(max(values))
        title = f"Median latency of each of {plural(len(values), 'window')}, at most {highest}{remark}"
        chart = column_chart(columns, title, axis=f"windows in time{remark}", top_label=highest, muted=emulated)
        caption = f"Median latency (p50) in each window of the run{remark or ': level columns mean a steady board'}."
        parts.append(element("figure", chart, element("figcaption", caption)))
    return _section(f"Measured on {say.device_name(document)}", *parts)


def _firmware(document: Document) -> Markup:
    tables = [_counts(document, key, heading) for key, heading in PARTS.items() if rows(document, key)]
    return _section(f"Measured on {say.device_name(document)}", _facts(firmware_facts(document)), *tables)


def _counts(document: Document, key: str, heading: str) -> Markup:
    """Instructions of operators or functions, those with most of them."""
    columns = ((heading, "name"), ("", "plot"), ("instructions", "figure"), ("share", "figure"))
    lines = [
        (name, bar(share, f"{name}: {percent}"), instructions, percent)
        for name, share, instructions, percent in count_rows(document, key)
    ]
    return _table(columns, lines)


def conditions(document: Document) -> Markup:
    known, unknown = condition_rows(part(document, "conditions"))
    if not known and not unknown:
        return NOTHING
    moments = (("before", "figure"), ("during", "figure"), ("after", "figure"))
    table = _table((("", "name"), *moments), known) if known else NOTHING
    words = f"Not readable on this board: {', '.join(unknown)}." if unknown else ""
    return _section("Conditions of the measurement", table, element("p", words, class_="quiet"))


def status(document: Document) -> Markup:
    lines = []
    for app in rows(document, "apps"):
        for release in rows(app, "releases"):
            identifier = clean(release.get("id"))[:12]
            roles = ", ".join(role for role in ("current", "previous", "trial") if app.get(role) == release.get("id"))
            lines.append((clean(app.get("app"), 60), identifier, roles, size(release.get("bytes"))))
    words = f"{size(document.get('store_bytes'))} in use, {size(document.get('free_bytes'))} free"
    table = _table((("app", "name"), ("release", "mono"), ("", ""), ("size", "figure")), lines)
    return _section(f"On {say.device_name(document)}", table, element("p", words, class_="quiet"))


def _section(title: str, *parts: str) -> Markup:
    return element("section", element("h2", title), *parts)


def _facts(facts: Iterable[Fact]) -> Markup:
    lines: list[Markup] = []
    for fact in facts:
        detail = element("span", fact.detail, class_="detail") if fact.detail else NOTHING
        value = element("span", fact.value, class_=f"value {fact.mood}")
        lines += [element("dt", fact.label), element("dd", value, detail)]
    return element("dl", *lines)


def _table(columns: Columns, lines: Iterable[Sequence[str]]) -> Markup:
    """A table with a heading where a column has one; `lines` hold a cell for each column."""
    parts = []
    if any(heading for heading, _ in columns):
        cells = [element("th", heading, class_=classes, scope="col") for heading, classes in columns]
        parts.append(element("thead", element("tr", *cells)))
    parts.append(element("tbody", *(_line(columns, line) for line in lines)))
    return element("div", element("table", *parts), class_="scroll")


def _line(columns: Columns, cells: Sequence[str]) -> Markup:
    return element("tr", *(element("td", cell, class_=c) for cell, (_, c) in zip(cells, columns, strict=True)))


def _left_out(amount: int) -> Markup:
    words = f"{plural(amount, 'layer')} not shown; all are in the embedded JSON." if amount > 0 else ""
    return element("p", words, class_="quiet") if words else NOTHING

"""The JSON documents of docs/json.md → tables on a terminal (rich), for 80 columns and more.

Every function takes a document and a console and prints; none of them computes a figure that the document does not hold.
Names of models, layers and boards are shown as they are: no console markup is read from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from edgekit.report.units import bounds, count, decibels, duration, plain, score, shape, size

Document = Mapping[str, Any]

EMULATED = "emulated: correctness, not speed"
BAD_SQNR_DB = 20.0  # below it the noise has a tenth of the signal's amplitude: worth a look
SHOWN_LAYERS = 8
VERDICT_STYLES = {"FITS": "bold green", "UNSURE": "bold yellow", "DOES NOT FIT": "bold red"}


def conversion_table(document: Document, console: Console) -> None:
    """The `convert` document: sizes, accuracy, the layers that lost most, warnings."""
    _title(console, document["name"], f"{document['precision']} from {document['source']['file'] or 'a module'}")
    console.print(_padded(_before_and_after(document)))
    _facts(console, _conversion_facts(document))
    _worst_layers(document["layers"], console)
    _notes(console, "warning", document["warnings"])


def profile_table(document: Document, console: Console, *, all_layers: bool = False) -> None:
    """The `profile` document: a verdict with its reasons for each target, then the layers."""
    for target in document["targets"]:
        console.print(Text.assemble((plain(target["target"]), "bold"), "  ", _verdict(target["verdict"])))
        for reason in target["reasons"]:
            console.print(_padded(Text(plain(reason))))
        _facts(console, _profile_facts(target))
        _notes(console, "unknown", target["unknown"])
        console.print()
    if document["targets"]:
        _profiled_layers(document["targets"], console, all_layers)


def deployment_table(document: Document, console: Console) -> None:
    """The `deploy` document: steps, what was sent, the line to use the model; then the benchmark if there is one."""
    _title(console, f"{document['app']} → {document['device']}", document["target"])
    steps = _table("step", ">time", "what")
    for step in document["steps"]:
        done = "–" if step["seconds"] is None else duration(step["seconds"])
        steps.add_row(Text(plain(step["name"]), "bold"), done, Text(plain(step["what"])))
    console.print(_padded(steps))
    _facts(console, _deployment_facts(document))
    if document["benchmark"] is not None:
        console.print()
        benchmark_table(document["benchmark"], console)


def benchmark_table(document: Document, console: Console) -> None:
    """The `bench` document: how far it may be trusted, outputs, latency, memory, conditions."""
    _title(console, f"{document['app']} on {document['device']}", _runtime(document))
    console.print(_padded(_trust(document)))
    for reason in [] if document["emulated"] else document["reasons"]:
        console.print(_padded(Text(f"· {plain(reason)}")))
    _facts(console, [("outputs", _golden(document["golden"]))])
    console.print(_padded(_latencies(document)))
    _facts(console, _benchmark_facts(document))


def status_table(document: Document, console: Console) -> None:
    """The `status` document: apps and releases on a board."""
    _title(console, document["device"], EMULATED if document["emulated"] else "")
    releases = _table("app", "release", "model", ">size", "")
    for app in document["apps"]:
        for release in app["releases"]:
            states = [word for word in ("current", "trial", "previous") if app[word] == release["id"]]
            name, model = Text(plain(app["app"]), "bold"), Text(plain(release["model"] or "–"))
            state = Text(", ".join(states), "green" if "current" in states else "")
            releases.add_row(name, release["id"][:12], model, size(release["bytes"]), state)
    if not document["apps"]:
        console.print(_padded(Text("nothing is deployed here yet; `edgekit deploy` brings a model")))
    else:
        console.print(_padded(releases))
    _facts(console, [("store", f"{size(document['store_bytes'])} of files"), ("free", size(document["free_bytes"]))])


def summary_table(documents: Mapping[str, Document], console: Console) -> None:
    """The main job in one table; keys are convert, profile, deploy, redeploy, bench, each of them optional."""
    makers = {
        "convert": _conversion_summary,
        "profile": _profile_summary,
        "deploy": _deployment_summary,
        "redeploy": _redeployment_summary,
        "bench": _benchmark_summary,
    }
    table = Table(
        title="Summary", title_style="bold", title_justify="left", box=None, show_header=False, pad_edge=False
    )
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for key, maker in makers.items():
        if documents.get(key) is not None:
            for label, text in maker(documents[key]):
                table.add_row(label, text if isinstance(text, Text) else Text(text))
    console.print(table)


# ---- what a document says, as (label, text)


def _before_and_after(document: Document) -> Table:
    """float beside int8; one column where the model stays float."""
    sizes, accuracy = document["bytes"], document["accuracy"]
    if document["precision"] == "float":
        table = _table("", ">float")
        table.add_row("file", size(sizes["float_onnx"]))
        table.add_row("accuracy", score(accuracy["float"]))
        return table
    table = _table("", ">float", ">int8", "")
    smaller = f"{sizes['float_onnx'] / sizes['onnx']:.1f} times smaller" if sizes["onnx"] else ""
    table.add_row("file", size(sizes["float_onnx"]), size(sizes["onnx"]), smaller)
    table.add_row("accuracy", score(accuracy["float"]), Text(score(accuracy["int8"]), "bold"), _loss(accuracy))
    return table


def _loss(accuracy: Document) -> Text:
    """int8 against float, in points where both are shares."""
    before, after = accuracy["float"], accuracy["int8"]
    if before is None or after is None:
        return Text(plain(accuracy["reason"] or ""))
    shares = 0 <= before <= 1 and 0 <= after <= 1
    text = f"{100 * (after - before):+.2f} points" if shares else f"{after - before:+.4g}"
    return Text(text, "yellow" if shares and after < before - 0.005 else "green")


def _conversion_facts(document: Document) -> list[tuple[str, str]]:
    export, calibration = document["export"], document["calibration"]
    facts = [
        ("inputs", _values(document["inputs"])),
        ("outputs", _values(document["outputs"])),
        ("work", f"{count(document['macs'])} MACs, {count(document['parameters'])} parameters"),
    ]
    if export["max_abs_error"] is not None:
        facts.append(("export", f"differs from PyTorch by at most {export['max_abs_error']:.2g}"))
    if calibration["kind"] != "none":
        facts.append(
            ("calibration", f"{calibration['samples']} samples ({calibration['kind']}), {calibration['observer']}")
        )
    if document["accuracy"]["evaluated_with"]:
        facts.append(("judged by", plain(document["accuracy"]["evaluated_with"])))
    return [*facts, ("written to", plain(document["out"]))]


def _values(values: Sequence[Document]) -> str:
    return ", ".join(f"{plain(v['name'])} {shape(v['shape'])} {plain(v['dtype'])}" for v in values)


def _profile_facts(target: Document) -> list[tuple[str, str]]:
    peak = target["peak"]
    tensors = ", ".join(f"{plain(t['name'])} {size(t['bytes'])}" for t in peak["tensors"][:4])
    more = len(peak["tensors"]) - 4
    return [
        ("runtime", plain(target["runtime"])),
        ("RAM", f"{bounds(target['ram_bytes'])} of {size(target['ram_available_bytes'])}"),
        ("storage", f"{bounds(target['flash_bytes'])} of {size(target['flash_available_bytes'])}"),
        ("activations", bounds(target["arena_bytes"])),
        ("peak", f"{size(peak['bytes'])} at {plain(peak['node'])}: {tensors}{f', {more} more' if more > 0 else ''}"),
        ("weights", size(target["weights_bytes"])),
        ("work", f"{count(target['macs'])} MACs"),
        ("latency", duration(target["latency_s"])),
    ]


def _deployment_facts(document: Document) -> list[tuple[str, str]]:
    files = f"{document['blobs_sent']} of {document['blobs_total']} files"
    sent = f"{files}, {size(document['bytes_sent'])} of {size(document['bytes_total'])}"
    state = "current" if document["activated"] else "planned only (dry run): nothing was sent or changed"
    return [
        ("release", f"{document['release'][:12]}, {state}; {size(document['release_bytes'])} unpacked"),
        ("sent" if document["activated"] else "would send", sent),
        ("took", duration(document["seconds"])),
        ("use", plain(document["use"])),
    ]


def _runtime(document: Document) -> str:
    return f"{document['runtime'].get('name')} {document['runtime'].get('version')}"


def _trust(document: Document) -> Text:
    if document["emulated"]:
        return Text(f"{EMULATED}; the times below mean nothing for a real board", "bold yellow")
    if document["trusted"]:
        return Text("trusted: nothing disturbed the measurement", "green")
    return Text("measured, but not to be trusted:", "bold red")


def _golden(golden: Document) -> str:
    if not golden["checked"]:
        return "not checked"
    return f"equal to the golden ones (largest difference {_figure(golden['max_abs_error'])}, {_allowed(golden)})"


def _allowed(golden: Document) -> str:
    """The tolerance is one figure, or one for each output."""
    tolerance = golden["tolerance"]
    values = list(tolerance.values()) if isinstance(tolerance, Mapping) else [tolerance]
    return "allowed " + ", ".join(map(_figure, values))


def _figure(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, (int, float)) else plain(value)


def _latencies(document: Document) -> Table:
    style = "dim" if document["emulated"] else ""
    figures = [("median", "median_of_windows_s"), ("p50", "p50_s"), ("p90", "p90_s"), ("p99", "p99_s")]
    figures += [("min", "min_s"), ("max", "max_s")]
    shown = [(label, document[key]) for label, key in figures if document[key] is not None]
    table = _table(*(f">{label}" for label, _ in shown))
    table.add_row(*(Text(duration(value), style) for _, value in shown))
    return table


def _benchmark_facts(document: Document) -> list[tuple[str, str]]:
    warmup = document["warmup"]
    steady = "steady" if warmup.get("steady") else "not steady"
    runs = f"{document['runs']} in {len(document['windows'])} windows, {document['outliers']} outliers"
    facts = [
        ("load, first", f"{duration(document['load_s'])}, {duration(document['first_s'])}"),
        ("warm-up", f"{warmup.get('runs')} runs, {steady}"),
        ("runs", runs + (" (p99 needs 1000 runs)" if document["p99_s"] is None else "")),
        ("peak memory", size(document["peak_rss_bytes"])),
        ("throttled", {True: "yes", False: "no"}.get(document["throttled"], "unknown")),
        ("board", ", ".join(plain(document["board"][k]) for k in ("model", "cpu") if document["board"].get(k))),
    ]
    return [(label, text) for label, text in facts if text]


# ---- the summary


def _conversion_summary(document: Document) -> Iterable[tuple[str, str | Text]]:
    sizes, accuracy = document["bytes"], document["accuracy"]
    yield (
        "model",
        f"{plain(document['name'])}, {count(document['macs'])} MACs, {count(document['parameters'])} parameters",
    )
    if sizes["onnx"] is None:
        yield "file", f"{size(sizes['float_onnx'])} (float)"
        yield "accuracy", score(accuracy["float"])
        return
    yield "file", f"float {size(sizes['float_onnx'])} → int8 {size(sizes['onnx'])}"
    text = Text(f"float {score(accuracy['float'])} → int8 {score(accuracy['int8'])} (").append_text(_loss(accuracy))
    yield "accuracy", text.append(")")


def _profile_summary(document: Document) -> Iterable[tuple[str, str | Text]]:
    for target in document["targets"]:
        need, room = bounds(target["ram_bytes"]), size(target["ram_available_bytes"])
        yield (
            f"fits {plain(target['target'])}?",
            _verdict(target["verdict"]).append(f"  RAM {need} of {room}", "default"),
        )


def _deployment_summary(document: Document) -> Iterable[tuple[str, str | Text]]:
    yield "deployed to", f"{plain(document['device'])}{' (emulated)' if document['emulated'] else ''}"
    yield "release", document["release"]
    yield "first deploy", _sent(document)


def _redeployment_summary(document: Document) -> Iterable[tuple[str, str | Text]]:
    yield "second deploy", _sent(document)


def _sent(document: Document) -> str:
    files = f"{document['blobs_sent']} of {document['blobs_total']} files"
    return f"{files}, {size(document['bytes_sent'])} sent in {duration(document['seconds'])}"


def _benchmark_summary(document: Document) -> Iterable[tuple[str, str | Text]]:
    yield "outputs there", _golden(document["golden"])
    p50 = f"p50 {duration(document['p50_s'])}, peak memory {size(document['peak_rss_bytes'])}"
    if document["emulated"]:
        yield "benchmark", Text.assemble((f"{p50}  ", "dim"), (EMULATED, "yellow"))
    elif document["trusted"]:
        yield "benchmark", p50
    else:
        yield "benchmark", Text.assemble(f"{p50}  ", (f"not trusted: {plain('; '.join(document['reasons']))}", "red"))


# ---- layers


def _worst_layers(layers: Sequence[Document], console: Console) -> None:
    """Layers with the lowest signal-to-noise ratio, and those that stayed float."""
    noisy = sorted((x for x in layers if x["sqnr_db"] is not None and not _folded(x)), key=lambda x: x["sqnr_db"])
    left = [x for x in layers if not x["quantized"]]
    if not noisy:
        return
    table = _table("layers with most noise", "op", ">SQNR", ">output")
    for layer in noisy[:SHOWN_LAYERS]:
        bad = "bold red" if layer["sqnr_db"] < BAD_SQNR_DB else ""
        row = Text(plain(layer["name"])), plain(layer["op"]), Text(decibels(layer["sqnr_db"]), bad)
        table.add_row(*row, size(layer["output_bytes"]))
    console.print(_padded(table))
    _more(console, len(noisy) - SHOWN_LAYERS)
    _notes(
        console, "float", [f"{x['name']} ({x['op']}): {x['reason'] or 'not quantized'}" for x in left[:SHOWN_LAYERS]]
    )
    _more(console, len(left) - SHOWN_LAYERS)


def _folded(layer: Document) -> bool:
    return layer["quantized"] and layer["reason"] is not None


def _profiled_layers(targets: Sequence[Document], console: Console, all_layers: bool) -> None:
    """Layers are the same on every target but for the border types; the first one's are shown."""
    layers = targets[0]["layers"]
    shown = layers if all_layers else _heaviest(layers)
    heading = "layer" if all_layers or len(shown) == len(layers) else "heaviest layers"
    table = _table(heading, "op", ">MACs", ">weights", ">output", ">live")
    peak = max((x["live_bytes"] for x in layers), default=0)
    for layer in shown:
        live = Text(size(layer["live_bytes"]), "bold yellow" if layer["live_bytes"] == peak else "")
        table.add_row(
            Text(plain(layer["name"])),
            plain(layer["op"]),
            count(layer["macs"]) if layer["macs"] else "–",
            size(layer["weights_bytes"]) if layer["weights_bytes"] else "–",
            f"{shape(layer['output_shape'])}",
            live,
        )
    console.print(table)
    if len(shown) < len(layers):
        console.print(Text(f"{len(layers) - len(shown)} more: --all-layers", "dim"))


def _heaviest(layers: Sequence[Document]) -> list[Document]:
    """The layers with most work, weights or live memory, in the order of execution."""
    chosen: set[int] = set()
    for key in ("live_bytes", "macs", "weights_bytes"):
        ranked = sorted(range(len(layers)), key=lambda i: (-layers[i][key], i))
        chosen |= set(ranked[: SHOWN_LAYERS // 2])
    return [layers[i] for i in sorted(chosen)]


# ---- forms


def _table(*headings: str) -> Table:
    """Columns by heading; one that begins with `>` is of figures, at the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        right = heading.startswith(">")
        table.add_column(
            heading.lstrip(">"), justify="right" if right else "left", no_wrap=right, overflow="fold", vertical="top"
        )
    return table


def _facts(console: Console, facts: Sequence[tuple[str, str]]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True, min_width=11)
    table.add_column(overflow="fold")
    for label, text in facts:
        table.add_row(label, Text(text))
    console.print(_padded(table))


def _title(console: Console, name: str, remark: str) -> None:
    console.print(Text.assemble((plain(name), "bold"), "  ", (plain(remark), "dim")))


def _notes(console: Console, word: str, notes: Sequence[str]) -> None:
    if notes:
        _facts(console, [(word if i == 0 else "", plain(note)) for i, note in enumerate(notes)])


def _more(console: Console, hidden: int) -> None:
    if hidden > 0:
        console.print(_padded(Text(f"{hidden} more in the JSON document (--json -)", "dim")))


def _verdict(verdict: str) -> Text:
    return Text.assemble((verdict, VERDICT_STYLES.get(verdict, "bold")))


def _padded(what: Table | Text) -> Padding:
    return Padding(what, (0, 0, 0, 2))

"""JSON documents → facts: what is worth saying about them, in words. The tables of the command line and the tiles of
the HTML report say the same because both print these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edgekit.report.documents import Document, part, rows, texts
from edgekit.report.fact import BAD, EMULATED, GOOD, PLAIN, WARN, Fact
from edgekit.report.firmware import FIGURES, firmware_summary, is_firmware
from edgekit.report.words import (
    UNKNOWN,
    clean,
    count,
    duration,
    is_share,
    number,
    plural,
    score,
    shape,
    size,
    small,
    times,
    whole,
)

WEAK_DB, BAD_DB = 20.0, 10.0  # below: noise is a tenth, a third of the signal's amplitude
THIS_MACHINE = "this machine"  # how a document names the device of --host local
SMALL_MODEL_BYTES = 20 << 10  # below: what int8 adds to a graph may weigh more than what it saves
# what a judge is called in a document → in words
_JUDGE_WORDS = {"CPU, x64quantprecision=1": "exact int8 on this CPU"}
_MOODS = {"FITS": GOOD, "UNSURE": WARN, "DOES NOT FIT": BAD}


def conversion_facts(document: Document) -> list[Fact]:
    export, calibration = part(document, "export"), part(document, "calibration")
    source = part(document, "source")
    file = clean(source.get("file") or "a module in memory")
    facts = [
        Fact("source", file, f"opset {whole(export.get('opset'))}; {_signature(document)}"),
        accuracy_fact(document),
        bytes_fact(document),
        Fact("work", f"{count(document.get('macs'))} MACs", f"{count(document.get('parameters'))} parameters"),
    ]
    if number(export.get("max_abs_error")) is not None:
        facts.append(
            Fact("export", f"within {small(export['max_abs_error'])} of PyTorch", "largest absolute difference")
        )
    if document.get("precision") == "int8":
        facts += [_calibration_fact(calibration), _parity_fact(document), _layers_fact(document)]
    if part(document, "tflite"):
        facts += [_tflite_accuracy_fact(document), _tflite_fact(document)]
    if part(document, "c"):
        facts.append(_c_fact(document))
    return [fact for fact in facts if fact.value]


def _c_fact(document: Document) -> Fact:
    """What the C needs, and whether it was run."""
    made = part(document, "c")
    least = "" if made.get("arena_exact") else ", perhaps not the least"
    checked = made.get("checked_with")
    how = f"equal to the interpreter when compiled with {clean(checked)}" if checked else "no C compiler to check it"
    text = f"arena {size(made.get('arena_bytes'))}{least}, constants {size(made.get('constant_bytes'))}"
    return Fact("C", text, how, GOOD if checked else WARN)


def _signature(document: Document) -> str:
    """`image 1×1×28×28 float32 → linear 1×10 float32`, at most two values a side."""
    sides = []
    for name in ("inputs", "outputs"):
        values = rows(document, name)
        shown = ", ".join(f"{clean(v.get('name'), 30)} {shape(v.get('shape'))}" for v in values[:2])
        sides.append(shown + (f" and {len(values) - 2} more" if len(values) > 2 else ""))
    return " → ".join(sides)


def accuracy_fact(document: Document) -> Fact:
    accuracy = part(document, "accuracy")
    float32, int8 = number(accuracy.get("float")), number(accuracy.get("int8"))
    if float32 is None and int8 is None:
        return Fact("accuracy", UNKNOWN, clean(accuracy.get("reason") or ""), WARN)
    judge = f"judged by {_judge(accuracy)}"
    if float32 is None or int8 is None:
        which, value = ("float", float32) if int8 is None else ("int8", int8)
        return Fact("accuracy", f"{which} {score(value)}", judge)
    lost = float32 - int8
    mood = GOOD if lost <= 0.01 * abs(float32) else WARN if lost <= 0.05 * abs(float32) else BAD
    return Fact(
        "accuracy",
        f"float {score(float32, int8)} → int8 {score(int8, float32)}",
        f"{_change(float32, int8)}; {judge}",
        mood,
    )


def _tflite_accuracy_fact(document: Document) -> Fact:
    accuracy = part(document, "accuracy")
    figure, float32 = number(accuracy.get("tflite")), number(accuracy.get("float"))
    if figure is None:
        return Fact("TFLite accuracy", "")
    change = f"{_change(float32, figure)}; " if float32 is not None else ""
    return Fact("TFLite accuracy", score(figure), f"{change}judged by {clean(accuracy.get('tflite_evaluated_with'))}")


def _tflite_fact(document: Document) -> Fact:
    """How far each runtime that is here is from the integer interpreter on the .tflite file."""
    tflite = part(document, "tflite")
    lsb = {clean(name): number(value) for name, value in part(tflite, "largest_lsb").items()}
    shown = [f"{name} {value:.3g} LSB" for name, value in lsb.items() if value is not None]
    absent = ", ".join(clean(name) for name in part(tflite, "absent"))
    value = f"TFLite {size(part(document, 'bytes').get('tflite'))}"
    apart = f"from the interpreter: {', '.join(shown)}" if shown else "checked by the interpreter alone"
    return Fact("TFLite", value.removeprefix("TFLite "), apart + (f"; not here: {absent}" if absent else ""))


def _judge(accuracy: Document) -> str:
    name = clean(accuracy.get("evaluated_with") or UNKNOWN)
    for jargon, words in _JUDGE_WORDS.items():
        name = name.replace(jargon, words)
    return name


def _change(float32: float, int8: float) -> str:
    if is_share(float32) and is_share(int8):
        return f"{(int8 - float32) * 100:+.2f} points".replace("-", "−")
    return f"{int8 - float32:+.3g}".replace("-", "−")


def bytes_fact(document: Document) -> Fact:
    sizes = part(document, "bytes")
    int8, float32 = number(sizes.get("onnx") or sizes.get("tflite")), number(sizes.get("float_onnx"))
    if int8 is None or document.get("precision") == "float":
        return Fact("size", f"float {size(float32)}")
    if not float32 or float32 < 0:
        return Fact("size", f"int8 {size(int8)}")
    return Fact("size", f"float {size(float32)} → int8 {size(int8)}", _shrinking(float32, int8))


def _shrinking(float32: float, int8: float) -> str:
    if int8 <= float32:
        return f"{times(float32 / max(int8, 1))} smaller"
    why = " (small models: Q/DQ nodes weigh more than the weights)" if float32 < SMALL_MODEL_BYTES else ""
    return f"{times(int8 / float32)} larger{why}"


def _calibration_fact(calibration: Document) -> Fact:
    kind, samples = calibration.get("kind"), number(calibration.get("samples")) or 0
    if kind == "none":
        return Fact("calibration", "none", "the model came quantized")
    value = f"{plural(int(samples), 'sample')}, {clean(calibration.get('observer'))}"
    if kind == "random":
        return Fact("calibration", value, "random data: ranges, and so the accuracy, mean nothing", WARN)
    return Fact("calibration", value)


def _parity_fact(document: Document) -> Fact:
    lsb = number(part(document, "parity").get("optimised_max_lsb"))
    if lsb is None:
        return Fact("outputs", "")
    with_and_without = "with and without the runtime's optimisations"
    if lsb == 0:
        return Fact("outputs", f"same {with_and_without}", mood=GOOD)
    words = f"differ by {lsb:.3g} LSB (steps of int8)"
    return Fact("outputs", words, with_and_without, GOOD if lsb <= 4 else WARN)


def _layers_fact(document: Document) -> Fact:
    layers = rows(document, "layers")
    if not layers:
        return Fact("layers", "")
    int8 = sum(1 for layer in layers if layer.get("quantized"))
    mood = GOOD if int8 == len(layers) else WARN
    return Fact("layers", f"{int8} of {len(layers)} in int8", mood=mood)


def worst_layers(document: Document) -> list[Document]:
    """The layers whose SQNR is known, lowest first. A layer folded into another is left out."""
    judged = [
        layer
        for layer in rows(document, "layers")
        if number(layer.get("sqnr_db")) is not None and not (layer.get("quantized") and layer.get("reason"))
    ]
    return sorted(judged, key=lambda layer: float(layer["sqnr_db"]))


def float_islands(document: Document) -> list[Document]:
    """The layers of an int8 model that stayed float."""
    if document.get("precision") != "int8":
        return []
    return [layer for layer in rows(document, "layers") if not layer.get("quantized")]


def heaviest_layers(target: Document, limit: int) -> list[Document]:
    """The layers with most memory, work or weights, at most `limit`, in the order of execution."""
    layers = rows(target, "layers")
    rankings = [_ranking(layers, figure) for figure in ("live_bytes", "macs", "weights_bytes")]
    chosen = dict.fromkeys(index for place in zip(*rankings, strict=True) for index in place)
    return [layers[index] for index in sorted(list(chosen)[:limit])]


def _ranking(layers: list[Document], figure: str) -> list[int]:
    """Indices of `layers`, the largest `figure` first."""
    return sorted(range(len(layers)), key=lambda index: -(number(layers[index].get(figure)) or 0.0))


def layer_mood(sqnr_db: float | None) -> str:
    if sqnr_db is None:
        return PLAIN
    return BAD if sqnr_db < BAD_DB else WARN if sqnr_db < WEAK_DB else GOOD


def target_facts(target: Document) -> list[Fact]:
    """One entry of a profile document's `targets`."""
    peak = part(target, "peak")
    facts = [
        replace(verdict_fact(target), label="verdict"),
        Fact("memory", _need(target, "ram_bytes", "ram_available_bytes"), "the whole process"),
        Fact("of it activations", _bounds(target, "arena_bytes"), _peak(peak)),
        Fact("storage", _need(target, "flash_bytes", "flash_available_bytes"), f"with {clean(target.get('runtime'))}"),
        Fact("weights", size(target.get("weights_bytes"))),
        Fact("work", f"{count(target.get('macs'))} MACs"),
        Fact("latency", _estimate(target), "estimated, not measured" if number(target.get("latency_s")) else ""),
    ]
    unknown = texts(target, "unknown")
    if unknown:
        facts.append(Fact("not known", clean("; ".join(unknown), 500), mood=WARN))
    return facts


def verdict_fact(target: Document) -> Fact:
    verdict = clean(target.get("verdict"))
    mood = _MOODS.get(verdict, PLAIN)
    reasons = "" if mood == GOOD else "; ".join(clean(reason) for reason in texts(target, "reasons"))
    return Fact(clean(target.get("target")), verdict, reasons, mood)


def _estimate(target: Document) -> str:
    latency_s = number(target.get("latency_s"))
    if latency_s is None:
        return UNKNOWN if target.get("kind") == "mcu" else "measure it: edgekit bench"  # bench runs on Linux only
    return duration(latency_s)


def _bounds(document: Document, name: str) -> str:
    bounds = part(document, name)
    lower, upper = size(bounds.get("lower")), size(bounds.get("upper"))
    if upper == UNKNOWN:
        return f"at least {lower}" if lower != UNKNOWN else UNKNOWN
    return lower if lower == upper else f"{lower} to {upper}"


def _need(target: Document, need: str, available: str) -> str:
    return f"needs {_bounds(target, need)} of {size(target.get(available))}"


def _peak(peak: Document) -> str:
    return f"peak {size(peak.get('bytes'))} at {clean(peak.get('node'), 60)}" if peak.get("node") else ""


def device_name(document: Document) -> str:
    """The device, and that it is emulated if so."""
    name = clean(document.get("device") or UNKNOWN)
    return f"{name} (emulated)" if document.get("emulated") else name


def local_facts(document: Document) -> list[Fact]:
    """That a deploy or a benchmark with --host local says nothing about its target; nothing for any other device."""
    target = clean(document.get("target"), 60)
    if document.get("device") != THIS_MACHINE or target in ("local", THIS_MACHINE):
        return []
    warning = f"{THIS_MACHINE}, no {target} was emulated"
    return [Fact("device", warning, f"the figures are {THIS_MACHINE}'s, not those of {target}", WARN)]


def deployment_facts(document: Document) -> list[Fact]:
    previous = document.get("previous")
    done = "active" if document.get("activated") else "planned only: nothing was sent"
    facts = [
        *local_facts(document),
        Fact("release", _id(document.get("release")), done, GOOD if document.get("activated") else WARN),
        Fact("before it", _id(previous) if previous else "nothing"),
        sent_fact(document),
        Fact("on the board", size(document.get("release_bytes")), "unpacked"),
    ]
    if document.get("activated"):
        facts.append(Fact("took", duration(document.get("seconds"))))
    return facts


def sent_fact(document: Document) -> Fact:
    sent, total = number(document.get("blobs_sent")), number(document.get("blobs_total"))
    value = f"{whole(sent)} of {whole(total)} files, {size(document.get('bytes_sent'))}"
    label, measure, tense = _SENT if document.get("activated") else _WOULD_SEND
    rest = f", the rest {tense} there already" if sent is not None and total is not None and sent < total else ""
    return Fact(label, value, measure + rest)


_SENT = "sent", "as transferred", "was"
_WOULD_SEND = "would send", "before compression", "is"


def _id(release: object) -> str:
    return clean(release, 64)[:12]


def golden_fact(document: Document) -> Fact:
    """Whether the board computed what this machine computed."""
    golden = part(document, "golden")
    error, tolerance = number(golden.get("max_abs_error")), number(golden.get("tolerance"))
    if not golden.get("checked") or error is None:
        return Fact("outputs", "not checked", "no golden data in the release", WARN)
    bound = f"largest difference {small(error)}, {_allowed(tolerance)}"
    if tolerance is None:
        return Fact("outputs", "finite", f"{bound}: the model has no tolerance", WARN)
    if error <= tolerance:
        return Fact("outputs", "equal to this machine's", bound, GOOD)
    return Fact("outputs", "WRONG on the board", bound, BAD)


def _allowed(tolerance: float | None) -> str:
    if tolerance is None:
        return f"allowed {UNKNOWN}"
    return f"allowed {small(tolerance)} (a few steps of int8, or rounding of float)"


def benchmark_facts(document: Document) -> list[Fact]:
    runtime, board = part(document, "runtime"), part(document, "board")
    threads = number(board.get("threads"))
    with_threads = f"{clean(runtime.get('name'))} {clean(runtime.get('version'))}"
    return [
        *local_facts(document),
        trust_fact(document),
        golden_fact(document),
        *timing_facts(document),
        _resident(document),
        Fact("release", _id(document.get("release"))),
        Fact("runtime", with_threads, plural(int(threads), "thread") if threads else ""),
        Fact("board", clean(board.get("model") or board.get("cpu") or UNKNOWN), clean(board.get("kernel") or "")),
    ]


def trust_fact(document: Document) -> Fact:
    reasons = [clean(reason) for reason in texts(document, "reasons")]
    if is_firmware(document):
        return FIGURES
    if document.get("emulated"):
        return Fact("figures", EMULATED, "times of an emulated board mean nothing for a real one", WARN)
    if document.get("trusted"):
        return Fact("figures", "trusted", mood=GOOD)
    return Fact("figures", "NOT trusted", "; ".join(reasons), WARN)


def timing_facts(document: Document) -> list[Fact]:
    """Latencies and load time; of an emulated board in brackets, for they mean nothing."""
    names = {"min": "min_s", "p90": "p90_s", "p99": "p99_s", "p99.9": "p999_s", "max": "max_s"}
    spread = [
        f"{name} {duration(document[key])}" for name, key in names.items() if number(document.get(key)) is not None
    ]
    facts = [
        Fact("latency p50", duration(document.get("p50_s")), ", ".join(spread)),
        Fact("over the run", duration(document.get("median_of_windows_s")), f"{_windows(document)}; {_runs(document)}"),
        Fact("load", duration(document.get("load_s")), f"first run {duration(document.get('first_s'))}"),
    ]
    return [_meaningless(fact) for fact in facts] if document.get("emulated") else facts


def _resident(document: Document) -> Fact:
    fact = Fact("memory", size(document.get("peak_rss_bytes")), "highest resident size of the process")
    return replace(fact, detail=f"{fact.detail}, the emulator's own included") if document.get("emulated") else fact


def _meaningless(fact: Fact) -> Fact:
    return replace(fact, value=f"({fact.value})", detail=f"meaningless: emulated; {fact.detail}", mood=WARN)


def _windows(document: Document) -> str:
    parts = len(rows(document, "windows"))
    return f"typical of its {plural(parts, 'part')}" if parts > 1 else "typical of its parts"


def _runs(document: Document) -> str:
    runs, outliers = number(document.get("runs")) or 0, number(document.get("outliers")) or 0
    steady = "" if part(document, "warmup").get("steady") else ", never steady"
    return f"{plural(int(runs), 'run')}{steady}, {int(outliers)} longer than three medians"


def summary_facts(documents: Mapping[str, Document]) -> list[Fact]:
    """What matters of a whole project. Keys: convert, profile, deploy, redeploy, bench, status; any may be missing."""
    facts: list[Fact] = []
    if convert := documents.get("convert"):
        facts += [accuracy_fact(convert), bytes_fact(convert)]
    facts += [_fits(target) for target in rows(documents.get("profile", {}), "targets")]
    first, second = documents.get("deploy"), documents.get("redeploy")
    if first:
        facts += [Fact("release", _id(first.get("release")), f"on {device_name(first)}"), _effort("deployed", first)]
    if second:
        facts.append(_effort("deployed again", second, first))
    measured = benchmark_of(documents)
    facts += (local_facts(first) if first else []) or local_facts(measured)
    if is_firmware(measured):
        facts += firmware_summary(measured)
    elif measured:
        facts += [golden_fact(measured), _speed(measured)]
    if status := documents.get("status"):
        facts.append(_stored(status))
    return facts


def benchmark_of(documents: Mapping[str, Document]) -> Document:
    """The benchmark: of `edgekit bench`, else the one that the deploy ended with, else empty."""
    return documents.get("bench") or part(documents.get("deploy", {}), "benchmark")


def _fits(target: Document) -> Fact:
    verdict = verdict_fact(target)
    need = f"needs {_bounds(target, 'ram_bytes')} of {size(target.get('ram_available_bytes'))} memory"
    detail = "; ".join(text for text in (need, verdict.detail) if text)
    return Fact(f"on {verdict.label}", verdict.value, detail, verdict.mood)


def _effort(label: str, document: Document, first: Document | None = None) -> Fact:
    if not document.get("activated"):
        return Fact(label, "planned only", f"would send {sent_fact(document).value}", WARN)
    sent = f"{whole(document.get('blobs_sent'))} files, {size(document.get('bytes_sent'))}"
    value = f"{sent} in {duration(document.get('seconds'))}"
    took, before = number(document.get("seconds")), number(first.get("seconds")) if first else None
    ratio = f"{times(before / took)} faster than the first time" if took and before else ""
    return Fact(label, value, ratio)


def _speed(document: Document) -> Fact:
    trust, reasons = trust_fact(document), texts(document, "reasons")
    if document.get("emulated"):
        return Fact("speed", "not measured", trust.value, trust.mood)
    more = f", and {plural(len(reasons) - 1, 'more reason')}" if len(reasons) > 1 else ""
    why = f": {clean(reasons[0])}{more}" if reasons and trust.mood == WARN else ""
    return Fact("speed", f"p50 {duration(document.get('p50_s'))}", f"{trust.value}{why}", trust.mood)


def _stored(status: Document) -> Fact:
    apps = rows(status, "apps")
    releases = sum(len(rows(app, "releases")) for app in apps)
    value = f"{plural(len(apps), 'app')}, {plural(releases, 'release')} in {size(status.get('store_bytes'))}"
    return Fact("on the board", value, f"{size(status.get('free_bytes'))} free")

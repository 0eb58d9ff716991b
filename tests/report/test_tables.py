"""Tables on a terminal: what they say, how wide they are, and that names from outside stay plain text."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from report_documents import ANYTHING, places, replaced
from rich.cells import cell_len
from rich.console import Console

from edgekit.device.local import LocalDevice
from edgekit.report import tables

TABLES: dict[str, Callable[..., None]] = {
    "convert": tables.conversion_table,
    "profile": tables.profile_table,
    "deploy": tables.deployment_table,
    "redeploy": tables.deployment_table,
    "bench": tables.benchmark_table,
    "status": tables.status_table,
}
HOSTILE = "[bold red]x[/bold red]\x1b[31m\x07\u202e</script>\nsecond [link=http://example.com]line"


def render(table: Callable[..., None], document: Any, width: int = 80, **options: Any) -> str:
    file = io.StringIO()
    table(document, Console(width=width, file=file, highlight=False), **options)
    return file.getvalue()


def flat(text: str) -> str:
    """Without the folds of narrow columns."""
    return re.sub(r"[\s│]+", " ", text)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", TABLES)
def test_tables_fit_the_terminal(documents: dict[str, Any], name: str, width: int) -> None:
    use = documents[name].pop("use", None)  # a line to copy is never folded
    text = render(TABLES[name], documents[name], width)
    assert text.strip() and all(cell_len(line) <= width for line in text.splitlines())
    if use:
        documents[name]["use"] = f"{use}{' and more' * 30}"
        assert documents[name]["use"] in render(TABLES[name], documents[name], width)


def test_conversion_names_accuracy_size_the_worst_layers_and_floats(documents: dict[str, Any]) -> None:
    document = documents["convert"]
    document["layers"] = [
        {"name": f"layer{n}", "op": "Conv", "quantized": True, "reason": None, "sqnr_db": db, "output_bytes": 8}
        for n, db in enumerate([40.0, 5.5, 30.0, 15.0, 31.0, 32.0, 33.0])
    ]
    folded = {"name": "folded", "op": "Relu", "quantized": True, "reason": 'folded into "layer1"', "sqnr_db": 5.5}
    island = {"name": "lstm", "op": "LSTM", "quantized": False, "reason": "no int8 kernel", "sqnr_db": None}
    document["layers"] += [folded, island]
    document["warnings"] = ["calibrated with few samples"]
    text = render(tables.conversion_table, document)
    assert "float 88.60 % → int8 88.56 %" in text and "−0.04 points" in text and "onnxruntime" in text
    assert re.search(r"float [\d.]+ (B|KiB) → int8 [\d.]+ (B|KiB)", text)
    worst = re.findall(r"(layer\d+|folded) +(?:Conv|Relu) +([\d.]+) dB", text)
    assert worst == [("layer1", "5.5"), ("layer3", "15.0"), ("layer2", "30.0"), ("layer4", "31.0"), ("layer5", "32.0")]
    assert re.search(r"lstm +LSTM +no int8 kernel", text) and "8 of 9 in int8" in text
    assert "warning: calibrated with few samples" in text


def test_an_unknown_accuracy_says_why(documents: dict[str, Any]) -> None:
    reason = "no evaluate(predict) was given"
    documents["convert"]["accuracy"] = {"float": None, "int8": None, "evaluated_with": None, "reason": reason}
    assert f"unknown {reason}" in flat(render(tables.conversion_table, documents["convert"]))


def test_profile_gives_verdict_bounds_and_peak(documents: dict[str, Any]) -> None:
    target = documents["profile"]["targets"][0]
    text = flat(render(tables.profile_table, documents["profile"]))
    assert "verdict FITS" in text and "MiB of" in text and f"at {target['peak']['node']}" in text
    target |= {"verdict": "DOES NOT FIT", "reasons": ["RAM: needs too much"]}
    assert "DOES NOT FIT RAM: needs too much" in flat(render(tables.profile_table, documents["profile"]))


def test_profile_shows_all_layers_only_when_asked(documents: dict[str, Any]) -> None:
    target = documents["profile"]["targets"][0]
    figures = ("macs", "weights_bytes", "live_bytes")
    target["layers"] = [target["layers"][0] | dict.fromkeys(figures, i) | {"name": f"n{i}."} for i in range(20)]
    shown = render(tables.profile_table, documents["profile"])
    assert "n19." in shown and "n3." not in shown and "12 more" in shown
    every = render(tables.profile_table, documents["profile"], all_layers=True)
    assert all(f"n{i}." in every for i in range(20)) and "more in" not in every


def test_deploy_says_what_went_over_the_wire_or_that_nothing_did(documents: dict[str, Any]) -> None:
    text = flat(render(tables.deployment_table, documents["deploy"]))
    assert "196 of 196 files, 24.5 MiB" in text and "COMMIT 680 ms send 192 small files" in text and "a" * 12 in text
    assert "there already" not in text
    documents["deploy"] |= {"blobs_sent": 3}
    assert "3 of 196 files, 24.5 MiB as transferred, the rest was there already" in flat(
        render(tables.deployment_table, documents["deploy"])
    )
    documents["deploy"] |= {"activated": False, "benchmark": documents["bench"]}
    planned = flat(render(tables.deployment_table, documents["deploy"]))
    assert "planned only: nothing was sent" in planned and "latency p50" in planned
    assert "would send 3 of 196 files, 24.5 MiB before compression, the rest is there already" in planned
    assert "planned only would send 3 of 196 files" in flat(render(tables.summary_table, documents))


@pytest.mark.parametrize(
    ("float32", "int8", "words"),
    [
        (208_000, 72_500, "2.87× smaller"),
        (10_000, 58_000, "5.80× larger (small models: Q/DQ nodes weigh more than the weights)"),
        (100_000, 104_000, "1.04× larger"),
    ],
)
def test_a_size_is_compared_in_the_direction_it_went(
    documents: dict[str, Any], float32: int, int8: int, words: str
) -> None:
    documents["convert"]["bytes"] = {"float_onnx": float32, "onnx": int8}
    text = flat(render(tables.conversion_table, documents["convert"], 160))
    assert words in text and ("small models" in text) == ("small models" in words)


@pytest.mark.parametrize(
    ("float32", "int8", "words"),
    [
        (-1.146e-16, 0.5, "float 0 → int8 0.5 "),
        (-0.0123456, -0.02, "float -0.01235 → int8 -0.02 "),
        (12.34567, 12.4, "float 12.35 → int8 12.4 "),
        (0.5, 1.0, "float 50.00 % → int8 100.00 % +50.00 points"),
    ],
)
def test_only_a_share_is_a_percentage(documents: dict[str, Any], float32: float, int8: float, words: str) -> None:
    documents["convert"]["accuracy"] |= {"float": float32, "int8": int8}
    text = flat(render(tables.conversion_table, documents["convert"], 160))
    assert words in text and ("%" in text) == ("%" in words)


def test_the_conversion_has_no_jargon(documents: dict[str, Any]) -> None:
    convert = documents["convert"]
    convert["accuracy"]["evaluated_with"] = "onnxruntime 1.32.0, CPU, x64quantprecision=1"
    convert["parity"] = {"optimised_max_lsb": 0.0}
    text = flat(render(tables.conversion_table, convert, 160))
    assert "judged by onnxruntime 1.32.0, exact int8 on this CPU" in text and "x64" not in text
    assert "outputs same with and without the runtime's optimisations" in text and "LSB" not in text
    convert["parity"] = {"optimised_max_lsb": 2.0}
    text = flat(render(tables.conversion_table, convert, 160))
    assert "outputs differ by 2 LSB (steps of int8) with and without the runtime's optimisations" in text


def test_latency_of_a_microcontroller_is_not_sent_to_bench(documents: dict[str, Any]) -> None:
    target = documents["profile"]["targets"][0]
    assert "latency measure it: edgekit bench" in flat(render(tables.profile_table, documents["profile"]))
    target["kind"] = "mcu"
    assert "latency unknown" in flat(render(tables.profile_table, documents["profile"]))


LOCAL = "device this machine, no rpi4 was emulated"


@pytest.mark.parametrize("name", ["deploy", "bench", "summary"])
def test_this_machine_is_never_taken_for_the_target(documents: dict[str, Any], name: str) -> None:
    def shown() -> str:
        table = tables.summary_table if name == "summary" else TABLES[name]
        return flat(render(table, documents if name == "summary" else documents[name], 120))

    assert "no rpi4" not in shown()
    for document in ("deploy", "redeploy", "bench"):
        documents[document]["device"] = LocalDevice.label
    assert shown().count(LOCAL) == 1
    for document in ("deploy", "redeploy", "bench"):
        documents[document]["target"] = "local"
    assert "was emulated" not in shown()


def test_a_trusted_benchmark(documents: dict[str, Any]) -> None:
    text = flat(render(tables.benchmark_table, documents["bench"]))
    assert "figures trusted" in text and "latency p50 3.21 ms" in text and "p99 4.10 ms" in text
    assert "equal to this machine's largest difference 0.02, allowed 0.39" in text
    assert "meaningless" not in text


def test_an_emulated_benchmark_never_looks_like_a_speed(documents: dict[str, Any]) -> None:
    documents["bench"] |= {"emulated": True, "trusted": False, "reasons": ["emulated: correctness, not speed"]}
    text = flat(render(tables.benchmark_table, documents["bench"]))
    assert "emulated: correctness, not speed" in text and "(3.21 ms) meaningless: emulated" in text
    assert re.findall(r"(?<!\()3\.21 ms", text) == []
    assert "memory 59.1 MiB highest resident size of the process, the emulator's own included" in text
    summary = flat(render(tables.summary_table, documents))
    assert "speed not measured emulated: correctness, not speed" in summary and "3.21 ms" not in summary


def test_an_untrusted_benchmark_gives_every_reason(documents: dict[str, Any]) -> None:
    documents["bench"] |= {"trusted": False, "reasons": ["throttled: under-voltage", "busy before the run"]}
    text = flat(render(tables.benchmark_table, documents["bench"]))
    assert "NOT trusted throttled: under-voltage; busy before the run" in text
    assert "NOT trusted: throttled: under-voltage, and 1 more reason" in flat(render(tables.summary_table, documents))


@pytest.mark.parametrize(
    ("golden", "words"),
    [
        ({"checked": True, "max_abs_error": 0.5, "tolerance": 0.39}, "WRONG on the board"),
        ({"checked": True, "max_abs_error": 0.5, "tolerance": None}, "the model has no tolerance"),
        ({"checked": False, "max_abs_error": None, "tolerance": None}, "not checked"),
    ],
)
def test_outputs_that_are_not_equal_are_not_called_equal(
    documents: dict[str, Any], golden: dict[str, Any], words: str
) -> None:
    documents["bench"]["golden"] = golden
    text = flat(render(tables.benchmark_table, documents["bench"]))
    assert words in text and "equal to" not in text


def test_status_marks_what_runs(documents: dict[str, Any]) -> None:
    text = flat(render(tables.status_table, documents["status"]))
    assert f"small {'a' * 12} current small 78.0 MiB" in text and "4.00 GiB free" in text
    documents["status"]["apps"] = []
    assert "nothing is deployed here yet" in render(tables.status_table, documents["status"])


def test_the_summary_tells_the_whole_way(documents: dict[str, Any]) -> None:
    text = flat(render(tables.summary_table, documents))
    for words in (
        "float 88.60 % → int8 88.56 %",
        "on rpi4 FITS needs",
        "196 files, 24.5 MiB in 5.00 s",
        "0 files, 0 B in 500 ms 10.0× faster than the first time",
        "equal to this machine's largest difference 0.02, allowed 0.39",
        "p50 3.21 ms trusted",
        f"release {'a' * 12}",
    ):
        assert words in text, words


def test_the_summary_of_some_documents_or_none(documents: dict[str, Any]) -> None:
    for name in documents:
        assert render(tables.summary_table, {name: documents[name]})
    assert render(tables.summary_table, {})
    documents["deploy"]["benchmark"] = documents.pop("bench")
    assert "p50 3.21 ms" in render(tables.summary_table, documents)


@pytest.mark.parametrize("name", TABLES)
def test_names_from_outside_stay_plain_text(documents: dict[str, Any], name: str) -> None:
    text = render(TABLES[name], hostile(documents[name], str), 160)
    assert "[bold red]x[/bold red]" in flat(text)
    for types in ((str,), (str, int, float), (int, float)):
        text = render(TABLES[name], hostile(documents[name], *types), 160)
        text += render(tables.summary_table, hostile(documents, *types), 160)
        assert not set(text) & {"\x1b", "\x07", "\u202e", "\r"}


@pytest.mark.parametrize("name", TABLES)
def test_documents_with_anything_in_them_are_printed(documents: dict[str, Any], name: str) -> None:
    for wrong in ANYTHING:
        for place in places(documents[name]):
            document = replaced(documents[name], place, wrong)
            render(TABLES[name], document)
            render(tables.summary_table, {name: document})
    render(TABLES[name], {})


def test_a_terminal_that_knows_only_ascii(documents: dict[str, Any]) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    tables.summary_table(documents, Console(width=80, file=file))
    file.flush()
    assert b"float 88.60 % ? int8 88.56 %" in file.buffer.getvalue()  # type: ignore[attr-defined]


def hostile(value: Any, *types: type) -> Any:
    """`value` with HOSTILE in place of everything of these types."""
    if isinstance(value, list):
        return [hostile(item, *types) for item in value]
    if isinstance(value, dict):
        return {key: hostile(item, *types) for key, item in value.items()}
    return HOSTILE if isinstance(value, types) and not isinstance(value, bool) else value

"""The benchmark of a microcontroller (docs/json.md) → facts and its functions, for tables.py and sections.py."""

from __future__ import annotations

from collections.abc import Iterator

from edgekit.report.documents import Document, part, rows
from edgekit.report.fact import BAD, EMULATED, GOOD, WARN, Fact
from edgekit.report.words import UNKNOWN, clean, number, plural, size, small

MAX_ROWS = 12
# what is counted apart: key of the document → what one is called
PARTS = {"operators": "operator", "functions": "function"}
FIGURES = Fact("figures", EMULATED, "sizes and instructions are exact; an emulator has no times", WARN)


def is_firmware(document: Document) -> bool:
    """Whether a bench document is of a microcontroller: it counts instructions, and has no times."""
    return "instructions" in document


def firmware_facts(document: Document) -> list[Fact]:
    runtime = part(document, "runtime")
    return [FIGURES, *firmware_summary(document), Fact("built with", clean(runtime.get("version")))]


def firmware_summary(document: Document) -> list[Fact]:
    """What was found out."""
    memories = part(document, "memories")
    reserved, variables = size(document.get("stack_reserved_bytes")), size(document.get("variables_bytes"))
    parts = f"arena {size(document.get('arena_bytes'))} in {clean(memories.get('arena'))}"
    return [
        _outputs(document),
        Fact(
            "flash", size(document.get("flash_bytes")), f"code, weights and startup, in {clean(memories.get('code'))}"
        ),
        Fact("RAM", size(document.get("ram_bytes")), f"{parts}, {reserved} kept for the stack, variables {variables}"),
        Fact("stack", size(document.get("stack_bytes")), "used by an inference"),
        _instructions(document),
    ]


def count_rows(document: Document, key: str) -> Iterator[tuple[str, float, str, str]]:
    """The operators or functions with most instructions: name, share of all, instructions, share in words."""
    found = rows(document, key)
    total = sum(_count(row) for row in found) or 1.0
    for row in sorted(found, key=_count, reverse=True)[:MAX_ROWS]:
        op = f" ({clean(row['op'], 30)})" if row.get("op") else ""
        share = _count(row) / total
        yield clean(row.get("name"), 60) + op, share, f"{_count(row):,.0f}", f"{share:.1%}"


def _count(row: Document) -> float:
    return number(row.get("instructions")) or 0.0


def _outputs(document: Document) -> Fact:
    golden, samples = part(document, "golden"), number(document.get("samples"))
    if not golden.get("checked"):
        return Fact("outputs", "not checked", "no samples", WARN)
    of = f"of {plural(int(samples or 0), 'sample')}"
    if golden.get("equal"):
        rounding = "" if not golden.get("max_abs_error") else f", within rounding ({small(golden['max_abs_error'])})"
        return Fact("outputs", f"equal to this machine's{rounding}", of, GOOD)
    return Fact("outputs", "WRONG on the emulated core", f"{of}, by up to {small(golden.get('max_abs_error'))}", BAD)


def _instructions(document: Document) -> Fact:
    counted = part(document, "instructions")
    least, most = number(counted.get("min")), number(counted.get("max"))
    if not least or not most:
        return Fact("instructions", UNKNOWN, "too many for the counter", WARN)
    value = f"{most:,.0f}" if least == most else f"{least:,.0f} to {most:,.0f}"
    how = "exact" if counted.get("exact") else "in steps of some 40, by a timer: a C compiler makes it exact"
    return Fact("instructions", value, f"of one inference, {how}; not cycles")

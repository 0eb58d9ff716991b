"""JSON documents → one HTML file that explains a model on its board: no script, no font, no file beside it, readable on
a phone, in the dark and on paper. A section whose document is missing is left out; the documents are embedded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgekit.report import facts as say
from edgekit.report import sections as show
from edgekit.report.documents import Document, part, rows
from edgekit.report.fact import BAD, WARN, Fact
from edgekit.report.markup import Markup, element, embedded_json
from edgekit.report.words import clean

# nothing is loaded and nothing runs, whatever the documents hold
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html_report(documents: Mapping[str, Document]) -> str:
    """The report as a whole HTML file. Keys: convert, profile, deploy, redeploy, bench, status; any may be missing."""
    name = clean(documents.get("convert", {}).get("name") or "model")
    body = [
        element("main", _header(name, documents), *_banners(documents), _tiles(documents), *_sections(documents)),
        embedded_json(documents, "edgekit-documents"),
    ]
    return page(f"{name}: edgekit report", *body)


def page(title: str, *body: Markup, style: str = "") -> str:
    """A whole HTML file in the style of the report; style: what its CSS needs besides."""
    css = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    head = [
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", title),
        element("style", Markup(css + style)),
    ]
    return "<!doctype html>\n" + element("html", element("head", *head), element("body", *body), lang="en") + "\n"


def _sections(documents: Mapping[str, Document]) -> list[Markup]:
    found: list[Markup] = []
    if convert := documents.get("convert"):
        found += [show.conversion(convert), show.noise(convert)]
    for target in rows(documents.get("profile", {}), "targets"):
        found += [show.memory(target), show.work(target)]
    for key, title in (("deploy", "Deployed"), ("redeploy", "Deployed again")):
        if document := documents.get(key):
            found.append(show.deployment(title, document))
    if measured := say.benchmark_of(documents):
        found += [show.benchmark(measured), show.conditions(measured)]
    if status := documents.get("status"):
        found.append(show.status(status))
    return [section for section in found if section] + [_footer(documents)]


def _header(name: str, documents: Mapping[str, Document]) -> Markup:
    convert = documents.get("convert", {})
    source = clean(part(convert, "source").get("file") or "a module in memory")
    words = [f"{clean(convert.get('precision'))} from {source}"] if convert else []
    words += [f"on {say.device_name(documents[key])}" for key in ("deploy",) if documents.get(key)]
    return element("header", element("h1", name), element("p", " · ".join(words), class_="quiet"))


def _footer(documents: Mapping[str, Document]) -> Markup:
    versions = sorted({clean(d["edgekit"], 40) for d in documents.values() if d.get("edgekit")})
    words = f"Made by edgekit {', '.join(versions)} from {', '.join(documents)}"
    return element("footer", f"{words}. The JSON documents are embedded in this file.")


def _banners(documents: Mapping[str, Document]) -> list[Markup]:
    """What nobody may overlook: wrong outputs, a model that does not fit, figures that mean nothing."""
    found: list[tuple[str, Fact]] = []
    measured = say.benchmark_of(documents)
    if measured:
        found += [("Device", fact) for fact in say.local_facts(measured)]
        found += [("Outputs", say.golden_fact(measured)), ("Benchmark", say.trust_fact(measured))]
    for target in rows(documents.get("profile", {}), "targets"):
        found.append((clean(target.get("target")), say.verdict_fact(target)))
    return [_banner(what, fact) for what, fact in found if fact.mood in (WARN, BAD)]


def _banner(what: str, fact: Fact) -> Markup:
    heading = element("strong", f"{what} – {fact.value}")
    return element("div", heading, fact.detail, class_=f"banner {fact.mood}", role="note")


def _tiles(documents: Mapping[str, Document]) -> Markup:
    return element("div", *(_tile(fact) for fact in say.summary_facts(documents)), class_="tiles")


def _tile(fact: Fact) -> Markup:
    lines = [
        element("div", fact.label, class_="label"),
        element("div", fact.value, class_=f"value {fact.mood}"),
        element("div", fact.detail, class_="detail"),
    ]
    return element("div", *lines, class_=f"tile {fact.mood}")

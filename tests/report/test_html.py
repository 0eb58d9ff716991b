"""The HTML report in a real browser: what stands in it, that nothing of a document runs, and that it fits a phone."""

from __future__ import annotations

import html
import io
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from report_documents import ANYTHING, places, replaced
from rich.console import Console

import edgekit
from edgekit.report import plots
from edgekit.report.html import html_report
from edgekit.report.plots import Column, Level, bar, column_chart
from edgekit.report.tables import conversion_table

Documents = dict[str, dict[str, Any]]
RUNS = "top.ran = true"  # every piece of hostile text tries this
HOSTILE = f"""</script><script>{RUNS}</script><img src=x onerror="{RUNS}"><svg onload='{RUNS}'>"'<!--"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        assert not os.environ.get("CI"), "chromium is missing"
        pytest.skip("needs chromium: apt-get install chromium")
    return found


WATCH = """
<body style="margin:0"><script>
  onload = () => {
    const found = [...document.querySelectorAll('iframe')].map(frame => {
      const page = frame.contentDocument, root = page.documentElement;
      const block = page.getElementById('edgekit-documents');
      return {
        shown: frame.clientWidth, scroll: root.scrollWidth,
        scripts: [...page.scripts].map(script => script.type), images: page.images.length,
        headings: [...page.querySelectorAll('h1, h2')].map(heading => heading.textContent),
        text: page.querySelector('main') ? page.querySelector('main').innerText : '',
        untitled: [...page.querySelectorAll('svg')].filter(svg => !svg.querySelector('title')?.textContent).length,
        bad: page.querySelectorAll('rect.bad').length, warn: page.querySelectorAll('rect.warn').length,
        good: page.querySelectorAll('rect.good').length, marked: page.querySelectorAll('rect.marked').length,
        embedded: block && block.textContent,
      };
    });
    const pre = document.createElement('pre');
    pre.id = 'found';
    pre.textContent = JSON.stringify({ran: window.ran === true, pages: found});
    document.body.append(pre);
  };
</script>
"""


def open_pages(browser: str, tmp_path: Path, *pages: str, width: int = 1200) -> dict[str, Any]:
    """Each page in a frame of `width` pixels; what the frames' parent sees of them."""
    frames = "".join(f'<iframe width="{width}" height="900" srcdoc="{html.escape(page)}"></iframe>' for page in pages)
    (tmp_path / "watch.html").write_text("<!doctype html>" + WATCH + frames, encoding="utf-8")
    dom = chromium(browser, tmp_path, "--dump-dom")
    match = re.search(r'<pre id="found">(.*?)</pre>', dom, re.S)
    assert match, dom[-2000:]
    return json.loads(html.unescape(match.group(1)))  # type: ignore[no-any-return]


def chromium(browser: str, folder: Path, *arguments: str) -> str:
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --hide-scrollbars --window-size=1300,1000"
    command = [browser, *flags.split(), f"--user-data-dir={folder / 'profile'}", *arguments]
    done = subprocess.run([*command, (folder / "watch.html").as_uri()], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_section_is_there_and_says_its_figures(documents: Documents, browser: str, tmp_path: Path) -> None:
    layers = documents["convert"]["layers"]
    layers[0] |= {"name": "noisy", "sqnr_db": 5.0, "reason": None}
    layers[-1] |= {"name": "weak", "sqnr_db": 15.0, "reason": None}
    (page,) = open_pages(browser, tmp_path, html_report(documents))["pages"]
    assert page["headings"] == [
        "small",
        "Float against int8",
        "Quantization noise, layer by layer",
        "Fits on rpi4? Memory (estimated)",
        "Work and weights on rpi4",
        "Deployed to pi@kitchen",
        "Deployed again to pi@kitchen",
        "Measured on pi@kitchen",
        "Conditions of the measurement",
        "On pi@kitchen",
    ]
    text = re.sub(r"\s+", " ", page["text"])
    for words in (
        "88.60 %",
        "noisy",
        "5.0 dB",
        "FITS",
        "196 files, 24.5 MiB in 5.00 s",
        "10.0× faster than the first time",
        "p50 3.21 ms",
        "48.3 °C",
        "55.5 °C",
        "Not readable on this board: swap in use",
        "equal to this machine's",
    ):
        assert words in text, words
    assert page["bad"] == 1 and page["warn"] == 1 and page["good"] >= 1
    assert page["untitled"] == 0 and page["marked"] >= 1
    assert json.loads(page["embedded"]) == documents


@pytest.mark.parametrize("width", [400, 1200])
def test_the_page_fits_its_window(documents: Documents, browser: str, tmp_path: Path, width: int) -> None:
    long = json.loads(json.dumps(documents))
    for layer in (*long["convert"]["layers"], *long["profile"]["targets"][0]["layers"]):
        layer["name"] = "encoder_stage_" * 8
    too_wide = "<!doctype html><main><div style='width:3000px'>wide</div></main>"
    pages = [html_report(documents), html_report(long), html_report({}), too_wide]
    *reports, control = open_pages(browser, tmp_path, *pages, width=width)["pages"]
    assert control["scroll"] > width, "the measurement would not see a page that is too wide"
    assert [page["scroll"] for page in reports] == [width] * 3


def test_nothing_of_a_document_runs(documents: Documents, browser: str, tmp_path: Path) -> None:
    """Also where the policy of the page does not hold: escaping alone must be enough."""
    page = html_report(hostile(documents))
    without_policy = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    assert without_policy != page
    seen = open_pages(browser, tmp_path, page, without_policy)
    assert not seen["ran"]
    for report in seen["pages"]:
        assert report["scripts"] == ["application/json"] and report["images"] == 0
        assert f"<script>{RUNS}</script>" in report["text"], "the hostile name is shown as it is"
        assert json.loads(report["embedded"]) == hostile(documents)


def test_what_runs_would_be_seen(documents: Documents, browser: str, tmp_path: Path) -> None:
    broken = html_report(documents).replace("</main>", f"{HOSTILE}</main>")
    allowed = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", broken)
    assert not open_pages(browser, tmp_path, broken)["ran"], "the policy stops what escaping lets through"
    assert open_pages(browser, tmp_path, allowed)["ran"]


def test_an_emulated_run_has_a_banner_and_no_speed(documents: Documents, browser: str, tmp_path: Path) -> None:
    documents["bench"] |= {"emulated": True, "trusted": False, "reasons": ["emulated: correctness, not speed"]}
    page = html_report(documents)
    assert '<div class="banner warn" role="note"><strong>Benchmark – emulated: correctness, not speed</strong>' in page
    (seen,) = open_pages(browser, tmp_path, page)["pages"]
    assert "(3.21 ms)" in seen["text"] and not re.search(r"(?<!\()3\.21 ms", seen["text"])


@pytest.mark.parametrize(
    ("change", "banner"),
    [
        ({"trusted": False, "reasons": ["throttled: under-voltage"]}, "Benchmark – NOT trusted</strong>throttled"),
        ({"golden": {"checked": True, "max_abs_error": 2.0, "tolerance": 0.4}}, "Outputs – WRONG on the board"),
    ],
)
def test_what_went_wrong_has_a_banner(documents: Documents, change: dict[str, Any], banner: str) -> None:
    assert 'class="banner' not in html_report(documents)
    documents["bench"] |= change
    assert banner in html_report(documents)


def test_figures_of_this_machine_have_a_banner(documents: Documents) -> None:
    documents["bench"]["device"] = "this machine"
    assert '<div class="banner warn" role="note"><strong>Device – this machine, no rpi4 was' in html_report(documents)


def test_a_model_that_does_not_fit_has_a_banner_and_a_line(documents: Documents) -> None:
    target = documents["profile"]["targets"][0]
    assert 'class="level"' not in html_report(documents), "what is available lies far above the columns"
    highest = max(layer["live_bytes"] for layer in target["layers"])
    target |= {"verdict": "DOES NOT FIT", "reasons": ["RAM: too little"], "ram_available_bytes": highest // 2}
    page = html_report(documents)
    assert '<div class="banner bad" role="note"><strong>rpi4 – DOES NOT FIT</strong>RAM: too little' in page
    assert 'class="level"' in page


class _Outside(HTMLParser):
    """Collects what a page would load from elsewhere, and what would run."""

    found: list[str]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        loads = {"src", "href", "srcset", "data", "action", "poster"} & given.keys()
        runs = [name for name in given if name.startswith("on")]
        if loads or runs or tag in ("link", "img", "iframe", "object", "base"):
            self.found.append(self.get_starttag_text() or tag)


def test_the_file_stands_alone(documents: Documents) -> None:
    page = html_report(documents)
    parser = _Outside()
    parser.found = []
    parser.feed(page)
    assert parser.found == [] and "@import" not in page and "url(" not in page
    assert len(page) < 100_000


def test_documents_with_anything_in_them_are_shown(documents: Documents) -> None:
    for name, document in documents.items():
        assert html_report({name: document})
        for place in places(document):
            for wrong in ANYTHING:
                assert "</html>" in html_report({name: replaced(document, place, wrong)})


def test_a_float_model_is_not_compared_with_int8(build: Path, tmp_path: Path) -> None:
    source = build.parent / "small.onnx"
    document = edgekit.convert(source, precision="float", out=tmp_path / "build").document()
    visible = html_report({"convert": document}).split("<script")[0]
    assert "The model, in float" in visible and "int8" not in visible.split("</style>")[1]
    table = io.StringIO()
    conversion_table(document, Console(width=80, file=table))
    assert "size" in table.getvalue() and "int8" not in table.getvalue()


def test_many_layers_make_a_page_of_bounded_length(documents: Documents) -> None:
    layer, target = documents["convert"]["layers"][0], documents["profile"]["targets"][0]
    noisy = layer | {"reason": None, "quantized": True, "sqnr_db": 30.0}
    documents["convert"]["layers"] = [noisy | {"name": f"n{i}."} for i in range(3000)]
    documents["convert"]["layers"][1234] |= {"sqnr_db": 3.0}
    target["layers"] = [target["layers"][0] | {"name": f"n{i}.", "live_bytes": i} for i in range(3000)]
    visible = html_report(documents).split("<script")[0]
    assert len(visible) < 150_000 and "2940 layers not shown" in visible
    assert "n1234.: 3.0 dB" in visible and "n2999.: 2.93 KiB" in visible


def test_a_chart_keeps_its_peak_and_stays_in_its_frame() -> None:
    columns = [Column(value=i % 7, title=f"c{i}") for i in range(1000)]
    columns[777] = Column(50.0, "the peak", marked=True)
    svg = column_chart(columns, "title", axis="time", top_label="50", level=Level(60.0, "limit"))
    assert svg.count('class="column') <= 240 and svg.count("marked") == 1 and "the peak" in svg and "limit" in svg
    for x, y, width, height in re.findall(r'x="([-\d.]+)" y="([-\d.]+)" width="([-\d.]+)" height="([-\d.]+)"', svg):
        assert float(x) >= 0 and float(x) + float(width) <= plots.WIDTH + 0.02
        assert float(y) >= 0 and float(y) + float(height) <= plots.HEIGHT
    assert column_chart([], "nothing", axis="", top_label="0") and 'width="100"' in bar(7.0, "too much")


def hostile(value: Any) -> Any:
    """`value` with HOSTILE in every text but those that choose what is shown."""
    if isinstance(value, str):
        return value if value in ("int8", "FITS") else f"{HOSTILE} {value}"
    if isinstance(value, list):
        return [hostile(item) for item in value]
    return {key: hostile(item) for key, item in value.items()} if isinstance(value, dict) else value

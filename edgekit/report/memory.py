"""A memory plan over time → one HTML page: which bytes of the arena each buffer holds while which steps run, and how
many bytes are in use. No script, no font, no file beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.planner.timeline import Moment, Place, Timeline
from edgekit.report.html import page
from edgekit.report.markup import Markup, element, join
from edgekit.report.words import clean, plural

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 1000.0, 76.0, 6.0, 26.0, 22.0
MAP_HEIGHT, USE_HEIGHT = 420.0, 130.0
HUES = (212, 160, 28, 280, 340, 190, 90, 50)
LETTER_WIDTH, LETTER_HEIGHT = 6.0, 12.0  # of a label
STYLE = """
.map { display: block; width: 100%; height: auto; }
.map text { fill: var(--quiet); font-size: 10px; }
.map .label { fill: var(--ink); text-anchor: middle; pointer-events: none; }
.map .end { text-anchor: end; }
.map .middle { text-anchor: middle; }
.map .peak { fill: var(--mark); fill-opacity: 0.12; stroke: var(--mark); stroke-dasharray: 4 3; pointer-events: none; }
.map .peak-words { fill: var(--mark); font-weight: 650; }
.buffer { stroke: var(--ink); stroke-width: 0.6; fill-opacity: 0.5; }
.buffer:hover { fill-opacity: 0.85; stroke-width: 1.6; }
.use { fill: none; stroke: var(--main); stroke-width: 2; }
.under { fill: var(--main); opacity: 0.14; }
.map .spot { fill: transparent; }
@media (max-width: 560px) { .map { min-width: 720px; } }
"""


def memory_page(timeline: Timeline, title: str) -> str:
    """The plan as a whole HTML file; title: the model's name."""
    name = clean(title)
    words = f"Memory plan: {plural(len(timeline.moments), 'step')}, {plural(len(timeline.places), 'buffer')}"
    parts = [
        element("header", element("h1", name), element("p", words, class_="quiet")),
        element("div", *_tiles(timeline), class_="tiles"),
        element("section", element("h2", "Where each buffer lies"), _figure(_map(timeline), _MAP_WORDS)),
        element("section", element("h2", "Bytes in use"), _figure(_use(timeline), _USE_WORDS)),
        element("section", element("h2", "Buffers"), _table(timeline)),
        element("footer", "Made by edgekit. Addresses are bytes from the start of the arena."),
    ]
    return page(f"{name}: memory plan", element("main", *parts), style=STYLE)


_MAP_WORDS = (
    "Steps from left to right, addresses from bottom to top, one rectangle for each buffer from the step that writes "
    "it to the one that reads it last. Where two rectangles lie over each other, a step writes its output over an "
    "input that it reads for the last time. Orange: the step that uses the most bytes. Point at anything to learn more."
)
_USE_WORDS = (
    "Bytes of the arena that hold something needed while each step runs; bytes that two buffers share count once."
)


def _figure(drawing: Markup, words: str) -> Markup:
    return element("figure", element("div", drawing, class_="scroll"), element("figcaption", words))


def _tiles(timeline: Timeline) -> list[Markup]:
    peak = timeline.peak
    proof = "no plan is smaller" if timeline.exact else f"no plan is below {timeline.lower_bytes:,}"
    tiles = [_tile("arena", f"{timeline.arena_bytes:,} bytes", proof)]
    apart = sum(place.bytes for place in timeline.places)
    if timeline.arena_bytes:
        tiles.append(_tile("all buffers beside each other", f"{apart:,} bytes", _share(timeline.arena_bytes, apart)))
    if peak is not None:
        moment = timeline.moments[peak]
        tiles.append(_tile("most in use", f"{moment.live_bytes:,} bytes", f"step {peak}, {clean(moment.step, 60)}"))
    return tiles


def _share(arena_bytes: int, apart: int) -> str:
    return f"the plan needs {100 * arena_bytes / apart:.1f} % of them"


def _tile(label: str, value: str, detail: str) -> Markup:
    lines = [("label", label), ("value", value), ("detail", detail)]
    return element("div", *(element("div", text, class_=class_) for class_, text in lines), class_="tile")


@dataclass(frozen=True)
class _Scale:
    """Positions, from -1 (before all steps) to their number (after), and bytes → coordinates of a drawing."""

    steps: int
    bytes: int
    height: float

    @property
    def column(self) -> float:
        return (WIDTH - LEFT - RIGHT) / (self.steps + 2)

    def x(self, position: int) -> float:
        return LEFT + (position + 1) * self.column

    def y(self, amount: int) -> float:
        return TOP + (self.height - TOP - BOTTOM) * (1 - amount / max(self.bytes, 1))


def _map(timeline: Timeline) -> Markup:
    scale = _Scale(len(timeline.moments), timeline.arena_bytes, MAP_HEIGHT)
    shown = [(number, place) for number, place in enumerate(timeline.places) if place.bytes]
    marks = [_grid(timeline, scale), *(_box(number, place, scale) for number, place in shown)]
    marks += [_peak(timeline, scale), *(_label(number, place, scale) for number, place in shown)]
    return _drawing(f"Where {plural(len(timeline.places), 'buffer')} lie in the arena", marks, MAP_HEIGHT)


def _drawing(title: str, marks: Sequence[Markup], height: float) -> Markup:
    box = f"0 0 {WIDTH:.0f} {height:.0f}"
    return element("svg", element("title", title), *marks, class_="map", viewBox=box, role="img")


def _grid(timeline: Timeline, scale: _Scale) -> Markup:
    """Lines at four parts of the arena with their addresses, and the steps below."""
    lines = []
    for amount in sorted({scale.bytes * part // 4 for part in range(5)}):
        y = scale.y(amount)
        lines.append(element("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y))
        lines.append(element("text", f"{amount:,}", class_="end", x=LEFT - 6, y=y + 4))
    shown = range(0, scale.steps, max(1, -(-scale.steps // 24)))
    for position in shown:
        middle = scale.x(position) + scale.column / 2
        name = element("title", clean(timeline.moments[position].step, 80))
        lines.append(element("text", name, str(position), class_="middle", x=middle, y=scale.height - 8))
    return join(lines)


def _peak(timeline: Timeline, scale: _Scale) -> Markup:
    if timeline.peak is None:
        return Markup("")
    x, moment = scale.x(timeline.peak), timeline.moments[timeline.peak]
    height = scale.height - TOP - BOTTOM
    band = element("rect", class_="peak", x=x, y=TOP, width=scale.column, height=height)
    words = f"peak: {moment.live_bytes:,} bytes in {clean(moment.step, 40)}"
    right = x > WIDTH / 2
    at = x + scale.column if right else x
    return join([band, element("text", words, class_="peak-words end" if right else "peak-words", x=at, y=TOP - 9)])


def _corners(place: Place, scale: _Scale) -> tuple[float, float, float, float]:
    """Left, top, width and height of a buffer's rectangle."""
    x, y = scale.x(place.first), scale.y(place.end)
    return x, y, scale.x(place.last + 1) - x, scale.y(place.offset) - y


def _box(number: int, place: Place, scale: _Scale) -> Markup:
    x, y, width, height = _corners(place, scale)
    fill = f"hsl({HUES[number % len(HUES)]} 65% 55%)"
    title = element("title", f"#{number} {_words(place, scale.steps)}")
    return element("rect", title, class_="buffer", x=x, y=y, width=width, height=height, fill=fill)


def _label(number: int, place: Place, scale: _Scale) -> Markup:
    """The name, or where there is no room for it the number, or nothing."""
    x, y, width, height = _corners(place, scale)
    for text in (clean(place.name, 60), f"#{number}"):
        if height >= LETTER_HEIGHT and width >= len(text) * LETTER_WIDTH:
            return element("text", text, class_="label", x=x + width / 2, y=y + height / 2 + 3.5)
    return Markup("")


def _words(place: Place, steps: int) -> str:
    since, until = _when(place, steps)
    over = f"; written over {', '.join(clean(name, 60) for name in place.over)}" if place.over else ""
    return f"{clean(place.name)}: {place.bytes:,} bytes at {place.offset:,}, from {since} to {until}{over}"


def _when(place: Place, steps: int) -> tuple[str, str]:
    since = "the start" if place.first < 0 else f"step {place.first}"
    return since, "the end" if place.last >= steps else "the start" if place.last < 0 else f"step {place.last}"


def _use(timeline: Timeline) -> Markup:
    scale = _Scale(len(timeline.moments), timeline.arena_bytes, USE_HEIGHT)
    corners = [
        f"{scale.x(i + side):.2f},{scale.y(moment.live_bytes):.2f}"
        for i, moment in enumerate(timeline.moments)
        for side in (0, 1)
    ]
    marks = [_grid(timeline, scale), _peak(timeline, scale)]
    if corners:
        ends = [f"{scale.x(0):.2f},{scale.y(0):.2f}", f"{scale.x(scale.steps):.2f},{scale.y(0):.2f}"]
        marks.append(element("polygon", class_="under", points=" ".join([ends[0], *corners, ends[1]])))
        marks.append(element("polyline", class_="use", points=" ".join(corners)))
    marks += [_spot(i, moment, scale) for i, moment in enumerate(timeline.moments)]
    return _drawing("Bytes of the arena in use in each step", marks, USE_HEIGHT)


def _spot(position: int, moment: Moment, scale: _Scale) -> Markup:
    """What a pointer anywhere over a step learns."""
    way = ", from the last output to the first" if moment.backward else ""
    words = f"step {position}, {clean(moment.step, 80)}: {moment.live_bytes:,} bytes in use{way}"
    height = scale.height - TOP - BOTTOM
    box = {"x": scale.x(position), "y": TOP, "width": scale.column, "height": height}
    return element("rect", element("title", words), class_="spot", **box)


def _table(timeline: Timeline) -> Markup:
    headings = ("", "buffer", "offset", "bytes", "from", "to", "lies over")
    classes = ("op", "name", "figure", "figure", "op", "op", "")
    head = element("tr", *(element("th", h, class_=c, scope="col") for h, c in zip(headings, classes, strict=True)))
    lines = []
    for number, place in enumerate(timeline.places):
        over = ", ".join(clean(name, 60) for name in place.over)
        name, when = clean(place.name, 80), _when(place, len(timeline.moments))
        cells = (f"#{number}", name, f"{place.offset:,}", f"{place.bytes:,}", *when, over)
        lines.append(element("tr", *(element("td", t, class_=c) for t, c in zip(cells, classes, strict=True))))
    return element("div", element("table", element("thead", head), element("tbody", *lines)), class_="scroll")

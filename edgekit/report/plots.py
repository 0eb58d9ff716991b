"""Figures → inline SVG: scales with the page (viewBox), coloured by the page's CSS, with a title for every mark.
Nothing else is needed to see them: no script, no font, no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.report.fact import PLAIN
from edgekit.report.markup import Markup, element, join

WIDTH, HEIGHT = 520.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 72.0, 4.0, 24.0, 24.0
MAX_COLUMNS = 240
LEVEL_IN_SIGHT = 1.5  # a level up to so many times the highest column is drawn; beyond it would flatten the columns


@dataclass(frozen=True)
class Column:
    """One value of a chart; `title` is what a pointer or a screen reader learns about it."""

    value: float
    title: str
    marked: bool = False


@dataclass(frozen=True)
class Level:
    """A horizontal line across a chart, such as what is available."""

    value: float
    label: str


def bar(share: float, title: str, mood: str = PLAIN) -> Markup:
    """A horizontal bar filled from the left; share from 0 to 1."""
    filled = 100 * min(max(share, 0.0), 1.0)
    parts = [
        element("title", title),
        element("rect", class_="track", width="100", height="8"),
        element("rect", class_=f"fill {mood}", width=filled, height="8"),
    ]
    return element("svg", *parts, class_="bar", viewBox="0 0 100 8", preserveAspectRatio="none", role="img")


def column_chart(
    columns: Sequence[Column], title: str, *, axis: str, top_label: str, level: Level | None = None, muted: bool = False
) -> Markup:
    """Columns from zero, side by side in their order; `top_label` is the height of the highest; muted: in grey."""
    shown = _pooled(columns)
    highest = max([0.0, *(column.value for column in shown)]) or 1.0
    drawn = level is not None and level.value <= LEVEL_IN_SIGHT * highest
    scale = Scale(max(highest, level.value) if level is not None and drawn else highest, len(shown))
    parts = [element("title", title), _grid(scale, highest, top_label), *_columns(shown, scale)]
    if level is not None and drawn:
        parts.append(_level(scale, level))
    parts.append(element("text", axis, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 6, class_="middle"))
    classes = "chart muted" if muted else "chart"
    return element("svg", *parts, class_=classes, viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}", role="img")


@dataclass(frozen=True)
class Scale:
    """Values and places of a chart → coordinates."""

    highest: float
    columns: int

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * max(value / self.highest, 0.0)

    @property
    def step(self) -> float:
        return (WIDTH - LEFT - RIGHT) / max(self.columns, 1)

    def x(self, index: int) -> float:
        return LEFT + index * self.step


def _pooled(columns: Sequence[Column]) -> list[Column]:
    """At most MAX_COLUMNS; where there are more, neighbours share a column and the highest of them is shown."""
    per_column = -(-len(columns) // MAX_COLUMNS) or 1
    groups = (columns[start : start + per_column] for start in range(0, len(columns), per_column))
    return [max(group, key=lambda column: (column.value, column.marked)) for group in groups]


def _columns(columns: Sequence[Column], scale: Scale) -> list[Markup]:
    width = max(scale.step * 0.86, scale.step - 3)
    return [
        element(
            "rect",
            element("title", column.title),
            class_="column marked" if column.marked else "column",
            x=scale.x(index) + (scale.step - width) / 2,
            y=scale.y(column.value),
            width=width,
            height=HEIGHT - BOTTOM - scale.y(column.value),
        )
        for index, column in enumerate(columns)
    ]


def _grid(scale: Scale, highest: float, label: str) -> Markup:
    """The ground line and the line of the highest column, each with its value at the left."""
    lines = []
    for value, text in ((0.0, "0"), (highest, label)):
        y = scale.y(value)
        lines.append(element("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y))
        lines.append(element("text", text, class_="end", x=LEFT - 6, y=y + 4))
    return join(lines)


def _level(scale: Scale, level: Level) -> Markup:
    y = scale.y(level.value)
    line = element("line", class_="level", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y)
    return join([line, element("text", level.label, class_="end", x=WIDTH - RIGHT, y=y - 5)])

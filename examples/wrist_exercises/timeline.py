"""A session and what was recognised in it → a table for the terminal, and one HTML file with a picture (SVG inside)."""

from __future__ import annotations

from html import escape
from itertools import pairwise

import numpy as np
from dataset import EXERCISES, RATE_HZ
from rich.console import Console
from rich.table import Table
from rich.text import Text
from stream import NONE, Session

COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee9944", "#999999")
DARK = (0, 2, 5)  # of COLORS: white text on them
SHADES = (1.0, 0.65, 0.4)  # of the three axes
ROW_S, WIDTH, LEFT = 130, 1200, 90  # seconds in one row of the picture; pixels
SIGNAL, BAND, GAP = 70, 18, 5
ROW = SIGNAL + 2 * (BAND + GAP) + 34


def table(given: Session, exercises: np.ndarray, console: Console) -> None:
    """One line for each exercise that was done: a block is half a second, in the colour of what was recognised."""
    made = Table("from", "exercise", "right", "after", "recognised, two blocks a second", box=None, pad_edge=False)
    for start, end in zip(given.starts, (*given.starts[1:], len(given.samples)), strict=True):
        inside = (given.hops > start) & (given.hops <= end)
        if inside.any():
            made.add_row(*_line(given, start, exercises[inside], given.hops[inside]))
    console.print(made)
    console.print(Text("  ").join(Text(f"█ {name}", COLORS[i]) for i, name in enumerate(EXERCISES)))


def _line(given: Session, start: int, said: np.ndarray, hops: np.ndarray) -> tuple[str | Text, ...]:
    truth = int(given.exercises[start])
    right = said == truth
    after = f"{(hops[right.argmax()] - start) / RATE_HZ:.1f} s" if right.any() else "never"
    blocks = Text.assemble(*(("█", COLORS[exercise]) for exercise in said))
    name = Text(EXERCISES[truth], COLORS[truth])
    return f"{start / RATE_HZ:5.0f} s", name, f"{right.mean():4.0%}", after, blocks


def page(given: Session, exercises: np.ndarray, facts: dict[str, str]) -> str:
    """A self-contained HTML file: the signal, what the person did and what was recognised, and some figures."""
    rows = int(np.ceil(given.seconds / ROW_S))
    pictures = "".join(_row(given, exercises, index) for index in range(rows))
    legend = "".join(f'<span><i style="background:{COLORS[i]}"></i>{escape(name)}</span>' for i, name in _legend())
    figures = "".join(f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in facts.items())
    svg = f'<svg viewBox="0 0 {WIDTH} {rows * ROW}" role="img" aria-label="signal and bands">{pictures}</svg>'
    return f"{_HEAD}<p class=legend>{legend}</p><div class=picture>{svg}</div><table>{figures}</table></body></html>\n"


def _legend() -> list[tuple[int, str]]:
    return [*enumerate(EXERCISES), (NONE, "not yet known")]


def _row(given: Session, exercises: np.ndarray, index: int) -> str:
    begin, end = index * ROW_S * RATE_HZ, min((index + 1) * ROW_S * RATE_HZ, len(given.samples))
    said = np.full(len(given.samples), NONE)
    for hop, exercise in zip(given.hops, exercises, strict=True):
        said[hop - 1 :] = exercise
    top = SIGNAL + GAP
    parts = [_signal(given.samples[begin:end]), _band(given.exercises[begin:end], top, "done")]
    parts += [_band(said[begin:end], top + BAND + GAP, "recognised"), _axis(begin, end)]
    return f'<g transform="translate(0 {index * ROW})">{"".join(parts)}</g>'


def _x(samples: float) -> float:
    return LEFT + samples / RATE_HZ * (WIDTH - LEFT) / ROW_S


def _signal(samples: np.ndarray) -> str:
    """Acceleration of the three axes, -2 to 2 g; every second sample."""
    parts = []
    for axis, name in enumerate("xyz"):
        parts.append(f'<text x="0" y="{18 + 16 * axis}" fill="currentColor" opacity="{SHADES[axis]}">a{name}, g</text>')
        parts.append(_line_of(samples[::2, axis] / 4096, SHADES[axis]))
    return "".join(parts)


def _line_of(values: np.ndarray, shade: float) -> str:
    y = SIGNAL / 2 - np.clip(values, -2, 2) * SIGNAL / 4
    points = " ".join(f"{_x(2 * i):.1f},{at:.1f}" for i, at in enumerate(y))
    return f'<polyline points="{points}" fill="none" stroke="currentColor" opacity="{shade}" stroke-width=".8"/>'


def _band(exercises: np.ndarray, y: int, title: str) -> str:
    edges = [0, *(np.flatnonzero(np.diff(exercises)) + 1), len(exercises)]
    boxes = "".join(_box(a, b, int(exercises[a]), y) for a, b in pairwise(edges))
    return f'<text x="0" y="{y + 13}" fill="currentColor">{title}</text>{boxes}'


def _box(begin: int, end: int, exercise: int, y: int) -> str:
    name, width = dict(_legend())[exercise], _x(end) - _x(begin)
    box = f'<rect x="{_x(begin):.1f}" y="{y}" width="{width:.1f}" height="{BAND}" fill="{COLORS[exercise]}">'
    ink = "#fff" if exercise in DARK else "#000"
    inside = f'<text x="{_x(begin) + 4:.1f}" y="{y + 13}" fill="{ink}">{name}</text>' if width > 8 * len(name) else ""
    return f"{box}<title>{name}, {(end - begin) / RATE_HZ:.1f} s</title></rect>{inside}"


def _axis(begin: int, end: int) -> str:
    y = SIGNAL + 2 * (BAND + GAP) + 18
    seconds = range(-(-begin // (10 * RATE_HZ)) * 10, end // RATE_HZ + 1, 10)
    marks = (f'<text x="{_x(s * RATE_HZ - begin):.1f}" y="{y}" fill="currentColor">{s} s</text>' for s in seconds)
    return "".join(marks)


_HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Exercises recognised at the wrist</title><style>
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1240px; margin: 2em auto; padding: 0 1em }
.picture { overflow-x: auto } svg { width: 100%; min-width: 760px; height: auto }
svg text { font: 12px system-ui, sans-serif }
.legend span { margin-right: 1.2em; white-space: nowrap }
.legend i { display: inline-block; width: .9em; height: .9em; margin-right: .4em; border-radius: 2px }
th { text-align: left; font-weight: normal; padding-right: 2em; opacity: .75 }
</style></head><body><h1>Exercises recognised at the wrist</h1>
<p>A person whom the network has never seen, one session with a watch; recognised every half second by the firmware on
an emulated Cortex-M4. Below the signal: what the person did, and what was recognised.</p>
"""

"""The page of a memory plan: whole, harmless whatever names hold, and drawn inside its frame."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from edgekit.planner.timeline import Moment, Place, Timeline
from edgekit.report.memory import LEFT, MAP_HEIGHT, RIGHT, WIDTH, memory_page


def drawn(*names: str) -> Timeline:
    """A chain of buffers, each of 100 bytes and alive in two steps."""
    places = [Place(name, 100 * (i % 2), 100, i - 1, i, ()) for i, name in enumerate(names)]
    steps = [
        Moment(f"step of {name}", i == 1, tuple(places[i : i + 2]), 200 if i else 150)
        for i, name in enumerate(names[:-1])
    ]
    return Timeline(tuple(steps), tuple(places), 200, 200)


class Tags(HTMLParser):
    """Elements that are open and never closed, and all that were opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def of(self, class_: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.seen if class_ in (attributes.get("class") or "").split()]


def test_every_buffer_is_a_rectangle_inside_the_frame():
    page = Tags(memory_page(drawn("a", "b", "c", "d"), "net"))
    assert page.open == []
    boxes = [{key: float(box[key] or "nan") for key in ("x", "y", "width", "height")} for box in page.of("buffer")]
    assert len(boxes) == 4
    for box in boxes:
        assert box["x"] >= LEFT and box["x"] + box["width"] <= WIDTH - RIGHT + 0.01
        assert box["y"] >= 0 and box["y"] + box["height"] <= MAP_HEIGHT
    assert boxes[1]["x"] - boxes[0]["x"] == pytest.approx(boxes[0]["width"] / 2, abs=0.02)


def test_the_peak_and_every_step_are_named():
    text = memory_page(drawn("a", "b", "c", "d"), "net")
    assert text.count("peak: 200 bytes in step of b") == 2
    assert "step 1, step of b: 200 bytes in use, from the last output to the first" in text
    assert "a: 100 bytes at 0, from the start to step 0" in text
    assert "no plan is smaller" in text


def test_names_of_strangers_are_text():
    text = memory_page(drawn("<script>alert(1)</script>", '"><img src=x>', "\x1b[31m", "d"), "<b>net</b>\n")
    tags = {tag for tag, _ in Tags(text).seen}
    assert not tags & {"script", "img", "b"}
    assert "\x1b" not in text
    policies = [attributes.get("content") for tag, attributes in Tags(text).seen if tag == "meta"]
    assert "default-src 'none'; style-src 'unsafe-inline'" in policies


def test_nothing_is_loaded():
    assert not re.search(r"(https?:|src=|url\()", memory_page(drawn("a", "b"), "net"))


@pytest.mark.parametrize(
    "timeline", [Timeline((), (), 0, 0), drawn("alone"), drawn(*"abcdefgh" * 60)], ids=["none", "one", "many"]
)
def test_plans_of_any_length_are_drawn(timeline):
    page = Tags(memory_page(timeline, "net"))
    assert page.open == [] and len(page.of("buffer")) == len(timeline.places)

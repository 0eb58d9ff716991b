"""Which files a piece of code opens for reading, by Python's audit events: what a model file is made of."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LIMIT = 1000  # a data set of single pictures is not followed any further
_watched: list[tuple[Path, set[Path]]] = []


@contextmanager
def opened_below(folder: Path) -> Iterator[set[Path]]:
    """The files below `folder` that are opened for reading while the block runs; hidden folders and caches left out."""
    if not _watched:
        _install()
    found: set[Path] = set()
    watch = (folder.resolve(), found)
    _watched.append(watch)
    try:
        yield found
    finally:
        _watched.remove(watch)


def _install() -> None:
    if not getattr(sys, "_edgekit_opened", False):  # a hook cannot be taken out again: one for the whole process
        sys.addaudithook(_heard)
        sys._edgekit_opened = True  # type: ignore[attr-defined]


def _heard(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" or not _watched or not isinstance(arguments[0], str):
        return
    mode = arguments[1]
    if isinstance(mode, str) and set(mode) & set("wax+"):
        return
    try:
        path = Path(arguments[0]).absolute()
    except OSError:  # the working folder is gone; an error here would forbid the user's code to open the file
        return
    for folder, found in list(_watched):
        if folder in path.parents and len(found) < _LIMIT and not _hidden(path.relative_to(folder)):
            found.add(path)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part in ("__pycache__", "site-packages") for part in path.parts)

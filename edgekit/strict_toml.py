"""A TOML file → checked values, with every complaint naming file, line and what is allowed.

The schema is the calls: a reader asks a `Table` for each key it knows, by type and range; `finish()` then reports the
keys nobody asked for. Complaints are collected, and `Document.check()` raises all of them as one UsageError. Refused at
once: files over 1 MB, a byte order mark, text that is not UTF-8, syntax errors, duplicate keys, deep nesting, NaN and
infinity.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, NoReturn

from edgekit.errors import UsageError, did_you_mean

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CAP_BYTES = 1_000_000
CAP_DEPTH = 8
CAP_TEXT = 500  # characters of one string
Keys = tuple[str, ...]

_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_KEY = re.compile(rf"^\s*(?P<keys>(?:{_PART.pattern})(?:\s*\.\s*(?:{_PART.pattern}))*)\s*=")
_HEADER = re.compile(r"^\s*\[\[?(?P<keys>[^\[\]#]+)\]\]?\s*(#.*)?$")


def load(path: Path, *, what: str) -> Document:
    """Read `path`; `what` is how messages call it, for example "target file". UsageError when it cannot be read."""
    text = _read(path, what)
    try:
        data = tomllib.loads(text)
    except RecursionError as e:
        raise UsageError(f"{path}: {what} is nested too deeply", hint=f"allowed: {CAP_DEPTH} levels") from e
    except ValueError as e:  # syntax, duplicate keys, impossible dates and numbers
        raise UsageError(f"{path}: {what} is not valid TOML: {e}", hint="correct that line (https://toml.io)") from e
    _check_values(path, data, ())
    return Document(path, what, data, _key_lines(text))


@dataclass
class Document:
    """One parsed file. `base` is the file that it extends, asked for lines that this one does not have."""

    path: Path
    what: str
    data: Mapping[str, Any]
    lines: Mapping[Keys, int]
    base: Document | None = None
    offenders: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    asked: set[Keys] = field(default_factory=set)  # every key of the schema that was looked for

    def where(self, keys: Keys) -> str:
        """`file:line` of a key, or of the nearest table around it."""
        line = self.lines.get(keys)
        if line is None and self.base is not None and keys in self.base.lines:
            return self.base.where(keys)
        for end in range(len(keys), 0, -1):
            if keys[:end] in self.lines:
                return f"{self.path}:{self.lines[keys[:end]]}"
        return str(self.path)

    def root(self) -> Table:
        return Table(self, (), self.data)

    def extend(self, base: Document) -> Document:
        """This file over `base`: tables are merged, other values replaced."""
        return Document(self.path, self.what, _merged(base.data, self.data), self.lines, base)

    def overlay(self, keys: Keys) -> Document:
        """This document with the table below `keys` laid over its root."""
        below: Any = self.data
        for key in keys:
            below = below[key]
        lines = {k[len(keys) :]: n for k, n in self.lines.items() if k[: len(keys)] == keys and k != keys}
        return Document(self.path, self.what, _merged(self.data, below), {**self.lines, **lines}, self.base)

    def offend(self, keys: Keys, complaint: str, hint: str = "") -> None:
        """Remember a complaint; `check` raises it."""
        self.offenders.append(f"{self.where(keys)}: {_printable(complaint)}")
        if hint:
            self.hints.append(hint)

    def check(self) -> None:
        """Raise every complaint so far as one UsageError."""
        if self.offenders:
            raise UsageError("\n".join(self.offenders), hint="; ".join(dict.fromkeys(self.hints)))


@dataclass(frozen=True)
class Table:
    """One table of a document. A getter returns None for an absent (or wrong, then complained about) key."""

    document: Document
    keys: Keys
    values: Mapping[str, Any]

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def offend(self, key: str, complaint: str, hint: str = "") -> None:
        """Complain about one key of this table."""
        self.document.offend((*self.keys, key), complaint, hint)

    def _get(self, key: str, required: bool = False) -> Any:
        self.document.asked.add((*self.keys, key))
        if key not in self.values and required:
            self.document.offend(self.keys, f"{self._name(key)} is missing", f"add {key} = ...")
        return self.values.get(key)

    def _name(self, key: str) -> str:
        return ".".join((*self.keys, key))

    def _wrong(self, key: str, value: object, allowed: str) -> None:
        self.offend(key, f"{self._name(key)} is {_shown(value)}; allowed: {allowed}")

    def text(
        self,
        key: str,
        *,
        required: bool = False,
        allowed: Collection[str] = (),
        pattern: re.Pattern[str] | None = None,
        meaning: str = "a text of one line",
    ) -> str | None:
        """A string of one line: one of `allowed`, or all of it matching `pattern` (which `meaning` explains)."""
        value = self._get(key, required)
        if value is None or (key not in self.values):
            return None
        if not isinstance(value, str) or not _plain(value) or (pattern and not pattern.fullmatch(value)):
            self._wrong(key, value, meaning if not allowed else ", ".join(sorted(allowed)))
            return None
        if allowed and value not in allowed:
            complaint = f"{self._name(key)} is {_shown(value)}; allowed: {', '.join(sorted(allowed))}"
            self.offend(key, complaint, did_you_mean(value, allowed))
            return None
        return value

    def texts(
        self, key: str, *, required: bool = False, allowed: Collection[str] = (), pattern: re.Pattern[str] | None = None
    ) -> tuple[str, ...] | None:
        """An array of different strings, each as `text` takes it."""
        values = self._get(key, required)
        if values is None:
            return None
        if not isinstance(values, list) or not all(isinstance(v, str) and _plain(v) for v in values):
            self._wrong(key, values, "an array of texts of one line")
            return None
        bad = [v for v in values if (allowed and v not in allowed) or (pattern and not pattern.fullmatch(v))]
        for value in bad:
            rule = ", ".join(sorted(allowed)) if allowed else f"what matches {pattern.pattern if pattern else ''}"
            hint = did_you_mean(value, allowed) if allowed else ""
            self.offend(key, f"{self._name(key)} holds {_shown(value)}; allowed: {rule}", hint)
        if len(set(values)) < len(values):
            self.offend(key, f"{self._name(key)} names something twice")
        return None if bad else tuple(values)

    def integer(self, key: str, low: int, high: int, *, required: bool = False) -> int | None:
        """An integer from `low` to `high`."""
        value = self._get(key, required)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self._wrong(key, value, f"an integer from {low:,} to {high:,}")
            return None
        return value

    def number(self, key: str, low: float, high: float, *, required: bool = False) -> float | None:
        """An integer or a float from `low` to `high`."""
        value = self._get(key, required)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            self._wrong(key, value, f"a number from {low:g} to {high:g}")
            return None
        return float(value)

    def boolean(self, key: str) -> bool | None:
        value = self._get(key)
        if value is not None and not isinstance(value, bool):
            self._wrong(key, value, "true or false")
            return None
        return value

    def date(self, key: str, *, required: bool = False) -> date | None:
        """A TOML date, written without quotes."""
        value = self._get(key, required)
        if value is not None and (not isinstance(value, date) or isinstance(value, datetime)):
            self._wrong(key, value, "a date such as 2026-11-23, without quotes")
            return None
        return value

    def table(self, key: str, *, required: bool = False) -> Table:
        """The table below `key`; an empty one where it is absent."""
        value = self._get(key, required)
        if value is not None and not isinstance(value, dict):
            self._wrong(key, value, f"a table: [{self._name(key)}]")
            value = None
        return Table(self.document, (*self.keys, key), value or {})

    def tables(self, key: str, pattern: re.Pattern[str], *, required: bool = False) -> Iterator[tuple[str, Table]]:
        """The tables below `key` by name: [key.name]."""
        outer = self.table(key, required=required)
        for name in outer.values:
            if pattern.fullmatch(name):
                yield name, outer.table(name)
            else:
                outer.offend(name, f"{_shown(name)} is no name; allowed: {pattern.pattern}")

    def finish(self) -> None:
        """Complain about every key that nobody asked for."""
        known = {keys[-1] for keys in self.document.asked if keys[:-1] == self.keys}
        for key in self.values:
            if key not in known:
                self.offend(key, f"unknown key {_shown(key)}", did_you_mean(key, known) if known else "")


def _read(path: Path, what: str) -> str:
    try:
        if not path.is_file():
            raise UsageError(f"{path}: no such {what}", hint="name a .toml file that exists")
        with path.open("rb") as file:
            raw = file.read(CAP_BYTES + 1)
    except (OSError, ValueError) as e:
        raise UsageError(f"{path}: {what} cannot be read: {e}", hint="check its name and permissions") from e
    if len(raw) > CAP_BYTES:
        _refuse(path, what, f"has more than {CAP_BYTES:,} bytes", "a description is a few kilobytes: is it this file?")
    if raw.startswith(b"\xef\xbb\xbf"):
        _refuse(path, what, "starts with a byte order mark", "save it as UTF-8 without BOM")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as e:
        line = raw.count(b"\n", 0, e.start) + 1
        raise UsageError(f"{path}:{line}: {what} is not UTF-8", hint="save it as UTF-8") from e


def _refuse(path: Path, what: str, why: str, hint: str) -> NoReturn:
    raise UsageError(f"{path}: {what} {why}", hint=hint)


def _check_values(path: Path, value: object, keys: Keys) -> None:
    """No NaN, no infinity, no depth; the size cap bounds the number of values."""
    name = _printable(".".join(keys))
    if len(keys) > CAP_DEPTH:
        raise UsageError(f"{path}: {name} is nested too deeply", hint=f"allowed: {CAP_DEPTH} levels")
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{path}: {name} is {value}; allowed: a finite number", hint="leave an unknown value out")
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        _check_values(path, inner, (*keys, str(key)))


def _key_lines(text: str) -> dict[Keys, int]:
    """The line of each table and key as far as a scan of the lines can tell; messages need no more than that."""
    lines: dict[Keys, int] = {}
    table: Keys = ()
    for number, line in enumerate(text.splitlines(), start=1):
        header, key = _HEADER.match(line), _KEY.match(line)
        if header:
            table = _parts(header["keys"])
            lines.setdefault(table, number)
        elif key:
            lines.setdefault((*table, *_parts(key["keys"])), number)
    return lines


def _parts(keys: str) -> Keys:
    return tuple(part.strip("\"'") for part in _PART.findall(keys))


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _plain(value: str) -> bool:
    """Short, and without control characters: it will be printed on a terminal."""
    return len(value) <= CAP_TEXT and value.isprintable()


def _printable(text: str) -> str:
    """Names come from the file too: what a terminal would obey is escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, bool) else str(value).lower()
    return text if len(text) <= 80 else text[:77] + "..."

"""Everything that edgekit refuses, as one tree split by who must act.

    EdgekitError                 exit code
    ├── UsageError               2    command line, edgekit.toml or target file is wrong
    ├── ModelError               3    the input model or its data is wrong
    ├── UnsupportedError         4    the model does not fit, or the target cannot run it
    │   └── UnsupportedOpError   4    operators of the model have no form in the runtime that was asked for
    ├── ConnectionFailed         5    the device is unreachable, or the link was lost
    ├── AuthenticationFailed     6    login or host key refused
    ├── DeviceError              7    the device is not suitable (architecture, libc, space, permission)
    ├── IntegrityError           8    a hash or signature does not match
    ├── BusyError                9    somebody else holds the device's lock
    ├── HealthError              10   activated, failed its health check, rolled back
    ├── FleetError               11   part of a fleet failed
    ├── UntrustedResult          12   measured, but the conditions do not allow to trust it
    ├── InternalError            70   a bug of edgekit
    └── Interrupted              130  Ctrl-C

A message says what is wrong, what was got and what is allowed; the hint says what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

SHOWN = 20  # offenders in a message; all of them are in the JSON document


class EdgekitError(Exception):
    """Base of all errors that edgekit raises on purpose. `hint` is the next thing to do."""

    code = 70

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message, self.hint = _printable(message), _printable(hint)
        super().__init__(self.message)

    def document(self) -> dict[str, object]:
        """The error as the `error` object of docs/json.md."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class UsageError(EdgekitError):
    code = 2


class ModelError(EdgekitError):
    code = 3


class UnsupportedError(EdgekitError):
    code = 4


class UnsupportedOpError(UnsupportedError):
    """Names every offending node with its reason: `nodes` holds one line for each."""

    def __init__(self, nodes: Sequence[str], *, hint: str = "") -> None:
        shown = "; ".join(nodes[:SHOWN]) + (f"; and {len(nodes) - SHOWN} more" if len(nodes) > SHOWN else "")
        super().__init__(f"{len(nodes)} operators cannot be converted: {shown}", hint=hint)
        self.nodes = tuple(_printable(node) for node in nodes)

    def document(self) -> dict[str, object]:
        return super().document() | {"nodes": list(self.nodes)}


class ConnectionFailed(EdgekitError):
    code = 5


class AuthenticationFailed(EdgekitError):
    code = 6


class DeviceError(EdgekitError):
    code = 7


class IntegrityError(EdgekitError):
    code = 8


class BusyError(EdgekitError):
    code = 9


class HealthError(EdgekitError):
    code = 10


class FleetError(EdgekitError):
    code = 11


class UntrustedResult(EdgekitError):
    code = 12


class InternalError(EdgekitError):
    code = 70


class Interrupted(EdgekitError):
    code = 130


def _printable(text: str) -> str:
    """Names come from files of strangers and end up in a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def did_you_mean(got: str, allowed: Iterable[str]) -> str:
    """`did you mean "rpi4"?` for a near miss, else the allowed names; always usable as (part of) a hint."""
    names = sorted(allowed)
    near = difflib.get_close_matches(got, names, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    return "allowed: " + ", ".join(names)

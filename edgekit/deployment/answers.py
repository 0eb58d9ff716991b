"""What a device answers → text that may be shown and lines that may be parsed. Nothing of it is trusted: it is capped,
decoded with replacement, and stripped of control characters before anybody prints it."""

from __future__ import annotations

import json
import re
import secrets
import unicodedata

from edgekit.device import Device, Result
from edgekit.errors import (
    BusyError,
    ConnectionFailed,
    DeviceError,
    EdgekitError,
    HealthError,
    IntegrityError,
    UnsupportedError,
)

SHOWN_CHARACTERS = 1000
_SAYS = "edgekit: "  # what `die` in common.sh puts before its reason

# exit codes of `die` in the scripts (100 + the exit code of edgekit)
_ERRORS: dict[int, type[EdgekitError]] = {
    104: UnsupportedError,
    105: ConnectionFailed,
    107: DeviceError,
    108: IntegrityError,
    109: BusyError,
    110: HealthError,
}


def new_nonce() -> str:
    """A word that a device cannot have printed before it was asked."""
    return secrets.token_hex(8)


def shown(raw: bytes, limit: int = SHOWN_CHARACTERS) -> str:
    """`raw` as one line that cannot steer a terminal: control, format and unassigned characters are dropped."""
    text = raw[-4 * limit :].decode("utf-8", errors="replace")
    clean = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    return re.sub(" +", " ", clean).strip()[-limit:]


def between_markers(raw: bytes, nonce: str, device: Device) -> str:
    """The text between the begin and end marker of `nonce`; noise of a login shell before it is ignored."""
    text = raw.decode("utf-8", errors="replace")
    _, begin, rest = text.partition(f"__EK_BEGIN__{nonce}\n")
    body, end, _ = rest.partition(f"__EK_END__{nonce}\n")
    if not begin or not end:
        what = shown(raw, 200) or "nothing"
        raise DeviceError(
            f"{device.label} does not answer like a POSIX shell; it said: {what}",
            hint="a login shell with a forced command, or a restricted one, cannot be deployed to",
        )
    return body


def failure(result: Result, device: Device, doing: str) -> EdgekitError:
    """The error for a script that failed: its own reason if it gave one, else the end of what it printed."""
    text = shown(result.stderr)
    before, _, reason = text.rpartition(_SAYS)
    error = _ERRORS.get(result.returncode, DeviceError)
    if error is BusyError:
        hint = "wait until it is done and try again; a lock whose owner died frees itself"
        return BusyError(f"{device.label} is busy: {reason} is deploying to it", hint=hint)
    if "No space left on device" in text or "Disk quota exceeded" in text:
        return _full(device, doing, text)
    detail = reason or text or f"exit code {result.returncode}"
    if reason and before:
        detail = f"{reason} ({before.strip()[-300:]})"
    return error(f"{doing} on {device.label} failed: {detail}", hint=_HINTS.get(error) or _hint(reason))


def _full(device: Device, doing: str, text: str) -> DeviceError:
    why = "No space left on device" if "No space" in text else "Disk quota exceeded"
    return DeviceError(
        f"{doing} on {device.label} failed: {why}; what ran there before still runs",
        hint="free some space on the device and deploy again",
    )


_HINTS: dict[type[EdgekitError], str] = {
    ConnectionFailed: "deploy again: what arrived is kept and not sent a second time",
    IntegrityError: "deploy again; if it happens every time, check the storage of the device",
}

# part of a reason that `die` gives → what to do
_HINT_OF_REASON = {
    " is in the way: ": "move it away on the device, then deploy again",
    " newer edgekit ": "update edgekit on this machine",
    " is deployed here": "run edgekit deploy first",
    "cannot ": "see on the device who owns that folder and whether the login may write there",
}


def _hint(reason: str) -> str:
    return next((hint for part, hint in _HINT_OF_REASON.items() if part in reason), "")


def died(status: int, result: Result, what: str) -> EdgekitError:
    """Why the runtime on the board could not run the model, from the exit status of the shell and what it wrote."""
    if status in _SIGNALS:
        return UnsupportedError(f"{what} {_SIGNALS[status]}")
    kind = _RUNTIME_ERRORS.get(status, DeviceError)
    return kind(f"{what} failed: {_reason(result) or f'exit code {status}'}")


def _reason(result: Result) -> str:
    """The message of the runtime's own document, else the end of what it printed."""
    found = re.search(rb'"message": ("(?:[^"\\]|\\.)*")', result.stdout[-65536:])
    if found:
        try:
            return shown(json.loads(found[1]).encode("utf-8", "replace"))
        except ValueError:
            pass
    return shown(result.stderr).rpartition("edgekit: ")[0] or shown(result.stderr)


# exit codes of `python3 -m edgekit_runtime`
_RUNTIME_ERRORS: dict[int, type[EdgekitError]] = {3: HealthError, 4: UnsupportedError, 5: UnsupportedError}

# exit status of a shell = 128 + signal
_SIGNALS = {
    132: "was stopped by SIGILL: wrong CPU feature set, the runtime uses instructions that this CPU does not have",
    139: "crashed (SIGSEGV)",
    135: "crashed (SIGBUS)",
    134: "aborted (SIGABRT)",
    137: "was killed: the device has too little memory for the model and its runtime",
    124: "did not finish in time",
}

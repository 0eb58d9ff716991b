"""A released model on a device → Benchmark: the runtime measures there, and its report is parsed here. A report that is
not complete, not finite or not of this schema is refused; a run that was cut short gives an error and no number."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

from edgekit.deployment.answers import between_markers, died, failure, new_nonce, shown
from edgekit.deployment.scripts import script
from edgekit.device import Device, Result
from edgekit.errors import ConnectionFailed, DeviceError, UnsupportedError, UntrustedResult

REPORT_CAP_BYTES = 4 << 20
MAX_DEPTH = 8
SETTLING_S = 300.0  # cooling down (120 s), loading twice, warm-up (10 s), with a margin for slow boards
DEADLINE_S = 900.0

_KILLED, _TIMED_OUT = 137, 124


@dataclass(frozen=True)
class BenchOptions:
    """seconds: of timed runs, None for what `rigor` says ("normal" or "mlperf"); threads: None for all big cores."""

    seconds: float | None = None
    rigor: str = "normal"
    threads: int | None = None

    def arguments(self) -> tuple[str, ...]:
        """The arguments of `edgekit_runtime bench`."""
        pairs = {"--seconds": self.seconds, "--rigor": self.rigor, "--threads": self.threads}
        return tuple(word for name, value in pairs.items() if value is not None for word in (name, str(value)))


@dataclass(frozen=True)
class Benchmark:
    """Measured on a device; `document()` is the `bench` document of docs/json.md, which explains the fields."""

    app: str
    target: str
    device: str
    release: str
    runtime: Mapping[str, Any]
    emulated: bool
    trusted: bool
    reasons: tuple[str, ...]
    interrupted: bool
    load_s: float
    first_s: float
    p50_s: float
    p90_s: float
    p99_s: float | None
    p999_s: float | None
    median_of_windows_s: float
    min_s: float
    max_s: float
    mad_s: float
    outliers: int
    runs: int
    windows: tuple[Mapping[str, Any], ...]
    warmup: Mapping[str, Any]
    peak_rss_bytes: int | None
    output_sha256: str
    golden: Mapping[str, Any]
    conditions: Mapping[str, Any]
    throttled: bool | None
    board: Mapping[str, Any]
    model_sha256: str

    def document(self) -> dict[str, Any]:
        return asdict(self)


# fields of the runtime's report: name → (types that JSON may give, whether null is allowed)
_FIELDS: dict[str, tuple[tuple[type, ...], bool]] = {
    "runtime": ((dict,), False),
    "emulated": ((bool,), False),
    "trusted": ((bool,), False),
    "reasons": ((list,), False),
    "interrupted": ((bool,), False),
    **dict.fromkeys(
        ("load_s", "first_s", "p50_s", "p90_s", "median_of_windows_s", "min_s", "max_s", "mad_s"), ((int, float), False)
    ),
    "p99_s": ((int, float), True),
    "p999_s": ((int, float), True),
    "outliers": ((int,), False),
    "runs": ((int,), False),
    "windows": ((list,), False),
    "warmup": ((dict,), False),
    "peak_rss_bytes": ((int,), True),
    "output_sha256": ((str,), False),
    "golden": ((dict,), False),
    "conditions": ((dict,), False),
    "throttled": ((bool,), True),
    "board": ((dict,), False),
    "model_sha256": ((str,), False),
}


def run_benchmark(
    device: Device, app: str, *, target: str, python: str, options: BenchOptions, root: str = ""
) -> Benchmark:
    """Measure the current release of `app` on `device`.

    Raises UnsupportedError when the model cannot run there (memory, CPU), HealthError when its outputs are wrong,
    ConnectionFailed when the board rebooted, UntrustedResult when the measurement did not end.
    """
    nonce = new_nonce()
    arguments = options.arguments() + (("--emulated",) if device.emulated else ())
    limit_s = SETTLING_S + 4 * (options.seconds or 60.0)
    result = device.run(
        script("bench"),
        root,
        nonce,
        app,
        python,
        f"{limit_s:.0f}",
        *arguments,
        deadline_s=max(DEADLINE_S, limit_s + 60.0),
        cap_bytes=REPORT_CAP_BYTES + (1 << 16),
    )
    if result.returncode != 0:
        raise failure(result, device, "the benchmark")
    head, _, report = between_markers(result.stdout, nonce, device).partition("__EK_JSON__\n")
    facts = dict(line.split("=", 1) for line in head.splitlines() if "=" in line)
    _check_end(facts, result, device)
    values = parse_report(report.strip(), device.label)
    if not re.fullmatch(r"[0-9a-f]{64}", facts.get("release", "")):
        raise DeviceError(f"{device.label} does not say which release it measured")
    return Benchmark(app=app, target=target, device=device.label, release=facts["release"], **values)


def _check_end(facts: Mapping[str, str], result: Result, device: Device) -> None:
    """Refuse a run that did not reach its end, for the reason it ended."""
    status = int(facts["status"]) if facts.get("status", "").isdecimal() else -1
    if facts.get("boot_before") != facts.get("boot_after"):
        raise ConnectionFailed(f"{device.label} rebooted during the benchmark: interrupted, nothing was measured")
    if status == _KILLED:
        room = facts.get("room_kib", "")
        amount = f"more than {int(room) // 1024} MB" if room.isdecimal() else "more memory than the device has"
        raise UnsupportedError(
            f"the benchmark on {device.label} was killed, it needs {amount}",
            hint="take a smaller model, or stop other programs on the device",
        )
    if status == _TIMED_OUT:
        raise UntrustedResult(f"the benchmark on {device.label} did not finish in time", hint="measure fewer --seconds")
    if status != 0:
        raise died(status, result, f"the benchmark on {device.label}")


def parse_report(text: str, label: str) -> dict[str, Any]:
    """The fields of a Benchmark that the runtime reports. Raises DeviceError naming every field that is wrong."""
    try:
        document = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as e:
        raise DeviceError(f"the benchmark report of {label} is not JSON: {shown(str(e).encode(), 200)}") from e
    if not isinstance(document, dict):
        raise DeviceError(f"the benchmark report of {label} is no JSON object")
    problems = [why for name in _FIELDS if (why := _problem(document, name))]
    problems += _deep(document)
    if problems:
        raise DeviceError(f"the benchmark report of {label} is wrong: " + "; ".join(problems[:5]))
    values = {name: _clean(document[name]) for name in _FIELDS}
    return values | {"reasons": tuple(map(str, values["reasons"])), "windows": tuple(values["windows"])}


def _problem(document: Mapping[str, Any], name: str) -> str | None:
    types, nullable = _FIELDS[name]
    if name not in document:
        return f"{name} is missing"
    value = document[name]
    if value is None:
        return None if nullable else f"{name} is null"
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        return f"{name} is a {type(value).__name__}"
    if isinstance(value, (int, float)) and not 0 <= value < 2**63:
        return f"{name} is {value!r}"
    return None


def _deep(document: Any, depth: int = 0) -> list[str]:
    if depth > MAX_DEPTH:
        return [f"nested deeper than {MAX_DEPTH}"]
    children = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return next((found for child in children if (found := _deep(child, depth + 1))), [])


def _clean(value: Any) -> Any:
    """Strings of the device without control characters, at any depth; numbers that overflow to infinity become null."""
    if isinstance(value, str):
        return shown(value.encode("utf-8", "replace"), 500)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [_clean(v) for v in value]
    if isinstance(value, dict):
        return {str(_clean(k)): _clean(v) for k, v in value.items()}
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a name is given twice")
    return dict(pairs)

"""A Plan and a Device → Deployment: carries the steps out one after the other. Whatever goes wrong, the release that
ran before is still current, and the error says so."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from edgekit.deployment.answers import died, failure
from edgekit.deployment.benchmark import Benchmark
from edgekit.deployment.native import PROGRAM
from edgekit.deployment.plan import Plan, Step
from edgekit.deployment.scripts import script
from edgekit.deployment.stream import gzip_if_worthwhile, payload_bytes
from edgekit.device import Device, Result
from edgekit.errors import EdgekitError, IntegrityError

SLOWEST_LINK_BYTES_PER_S = 50_000
ATTEMPTS = 3
PATIENCE_S = 180.0  # for what a device does on its own: unpack, hash, self test

# (bytes of files sent so far, bytes of files in all, name of the step)
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Done:
    """A step as it went; `seconds` is None when it was only planned."""

    name: str
    what: str
    seconds: float | None


@dataclass(frozen=True)
class Deployment:
    """The result of a deploy; `document()` is the `deploy` document of docs/json.md."""

    app: str
    target: str
    device: str
    emulated: bool
    release: str
    previous: str | None
    activated: bool
    steps: tuple[Done, ...]
    blobs_total: int
    blobs_sent: int
    bytes_total: int
    bytes_sent: int
    release_bytes: int
    seconds: float
    use: str
    benchmark: Benchmark | None = None

    def document(self) -> dict[str, Any]:
        return asdict(self)


def apply(plan: Plan, device: Device, progress: Progress, *, target: str, python: str) -> Deployment:
    """Carry out `plan` on `device`. What is damaged there, or arrives damaged, is sent again (ATTEMPTS in all): one
    attempt may find only a damaged manifest, and the next the files that it names.

    Raises ConnectionFailed, DeviceError, IntegrityError, BusyError, UnsupportedError or HealthError.
    """
    run = _Run(plan, device, progress)
    for left in reversed(range(ATTEMPTS)):
        try:
            run.all_steps()
            break
        except EdgekitError as e:
            if not (isinstance(e, _Damaged) and left):
                raise _with_state(e, plan) from e
            run = _Run(run.plan.without(e.blobs), device, progress, before=run)
    return replace(
        planned(plan, device, target=target, python=python),
        activated=True,
        steps=tuple(run.done),
        blobs_sent=len(run.sent),
        bytes_sent=run.bytes_sent,
        seconds=time.monotonic() - run.started,
    )


def planned(plan: Plan, device: Device, *, target: str, python: str) -> Deployment:
    """What `apply` would do, with nothing done: the result of --dry-run; bytes_sent: before compression."""
    state = plan.facts.app(plan.bundle.app)
    return Deployment(
        app=plan.bundle.app,
        target=target,
        device=device.label,
        emulated=device.emulated,
        release=plan.bundle.id,
        previous=state.current if state.current != plan.bundle.id else state.previous,
        activated=False,
        steps=tuple(Done(step.name, step.what, None) for step in plan.steps),
        blobs_total=len(plan.bundle.blobs),
        blobs_sent=len(_arriving(plan)),
        bytes_total=plan.size_bytes,
        bytes_sent=plan.size_bytes,
        release_bytes=plan.bundle.size_bytes,
        seconds=0.0,
        use=_use(plan, python),
    )


def _arriving(plan: Plan) -> set[str]:
    """The blobs that the steps of `plan` bring."""
    return {sha for step in plan.steps if step.payload is not None for sha in step.payload.shas}


def _use(plan: Plan, python: str) -> str:
    """How an app there uses the release: through Python, or as a program where it is one and there is no Python."""
    program = f"runtime/{PROGRAM}"
    if plan.facts.python is None and any(file.path == program for file in plan.bundle.files):
        return f"{release_folder(plan.bundle.app, plan.options.root)}/{program} run INPUTS.raw OUTPUTS.raw"
    return usage_line(plan.bundle.app, python, plan.options.root)


def release_folder(app: str, root: str = "") -> str:
    """The folder of the current release, for a shell on the board."""
    store = shlex.quote(root) if root else '"$HOME/.edgekit"'
    return f"{store}/apps/{app}/current"


def usage_line(app: str, python: str = "python3", root: str = "") -> str:
    """The line with which an app on the board, in a shell there, imports the model and runs it on its first example."""
    release = release_folder(app, root)
    code = "import sys; from edgekit_runtime import Model; m = Model(sys.argv[1]); print(m(m.example()))"
    return f"PYTHONPATH={release}/runtime {shlex.quote(python)} -c '{code}' {release}"


class _Damaged(IntegrityError):
    """Files on the device that do not have their hash; they have been deleted there."""

    def __init__(self, error: EdgekitError, blobs: tuple[str, ...]) -> None:
        super().__init__(error.message, hint=error.hint)
        self.blobs = blobs


class _Run:
    """The steps of one plan on one device, and what was sent."""

    def __init__(self, plan: Plan, device: Device, progress: Progress, before: _Run | None = None) -> None:
        self.plan, self.device, self.progress = plan, device, progress
        self.started: float = before.started if before else time.monotonic()
        self.done: list[Done] = list(before.done) if before else []
        self.sent: set[str] = set(before.sent) if before else set()
        self.bytes_sent: int = before.bytes_sent if before else 0
        self._read = 0

    def all_steps(self) -> None:
        missing = {file.sha256 for file in self.plan.missing}
        for step in self.plan.steps:
            started = time.monotonic()
            self._one(step)
            self.done.append(Done(step.name, step.what, time.monotonic() - started))
            if step.payload is not None:
                self.sent |= missing & step.payload.shas

    def _one(self, step: Step) -> None:
        coding, stdin = self._stdin(step)
        result = self.device.run(
            script(step.script),
            self.plan.options.root,
            *step.args,
            *coding,
            stdin=stdin,
            deadline_s=PATIENCE_S + step.size_bytes / SLOWEST_LINK_BYTES_PER_S,
        )
        if result.returncode != 0:
            raise _error(result, self.device, step)

    def _stdin(self, step: Step) -> tuple[tuple[str, ...], Iterator[bytes] | None]:
        if step.payload is None:
            self.progress(self._read, self.plan.size_bytes, step.name)
            return (), None
        chunks = payload_bytes(step.payload, lambda count: self._count(count, step.name))
        if self.plan.facts.capabilities.get("gzip") is False:
            return ("raw",), self._metered(chunks)
        coding, stream = gzip_if_worthwhile(chunks)
        return (coding,), self._metered(stream)

    def _count(self, size: int, name: str) -> None:
        self._read += size
        self.progress(self._read, self.plan.size_bytes, name)

    def _metered(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.bytes_sent += len(chunk)
            yield chunk


def _error(result: Result, device: Device, step: Step) -> EdgekitError:
    bad = tuple(re.findall(rb"^bad ([0-9a-f]{64})$", result.stdout, re.MULTILINE))
    status = re.search(rb"^selftest ([0-9]{1,3})$", result.stdout, re.MULTILINE)
    if status:
        return died(int(status[1]), result, f"the self test on {device.label}")
    error = failure(result, device, step.name)
    if isinstance(error, IntegrityError) and bad:
        return _Damaged(error, tuple(sha.decode() for sha in bad))
    return error


def _with_state(error: EdgekitError, plan: Plan) -> EdgekitError:
    """The same error, saying what the device runs now."""
    current = plan.facts.app(plan.bundle.app).current
    state = f"release {current[:12]} is still current" if current else f"nothing of {plan.bundle.app} is active there"
    kind = IntegrityError if isinstance(error, _Damaged) else type(error)
    return kind(f"{error.message}; {state}", hint=error.hint)

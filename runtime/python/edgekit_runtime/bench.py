"""A release folder → one benchmark document (docs/json.md, less what the host adds: app, target, device, release).

The order is fixed: start conditions, a fresh process for load time, first run and peak memory, golden outputs, warm-up,
windows, conditions again. Outputs that differ from the golden ones end it before anything is timed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
from typing import NamedTuple

from edgekit_runtime import selftest, timing, trust
from edgekit_runtime.board import System
from edgekit_runtime.model import Model

RIGORS = {"normal": timing.Plan(), "mlperf": timing.Plan(runs=1024, seconds=60.0)}
_FRESH_DEADLINE_S = 600.0


class GoldenMismatch(Exception):
    """The outputs on this board are wrong; `result` is what selftest.check gave."""

    def __init__(self, result: dict) -> None:
        super().__init__(selftest.mismatch(result))
        self.result = result


class FreshProcessFailed(Exception):
    """The separate process that measures load time and memory died; the message says how."""


class Options(NamedTuple):
    """How to measure. `plan` says how long, `max_start_c` and `max_wait_s` how cool the board shall be before."""

    plan: timing.Plan
    threads: int | None = None
    runtime: str | None = None
    emulated: bool = False
    max_start_c: float = 60.0
    max_wait_s: float = 120.0
    samples: str | None = None


def bench(path: str, system: System, options: Options) -> dict:
    """The bench document. Raises LoadError, GoldenMismatch, FreshProcessFailed."""
    path = os.path.realpath(path)
    boot_id = system.boot_id()
    waited_s = wait_until_cool(system, options)
    before = system.conditions()
    fresh = _in_fresh_process(path, options)
    model = Model(path, threads=options.threads, runtime=options.runtime)
    golden = selftest.check(model)
    if not golden["ok"]:
        raise GoldenMismatch(golden)
    run = _rotation(model)
    warmup = timing.warm_up(run, options.plan)
    during: list[dict] = []
    windows = timing.measure(run, options.plan, between=lambda: during.append(system.conditions()))
    conditions = {"before": before, "during": during, "after": system.conditions()}
    result = {
        **_identity(model, system.facts(model.threads)),
        "emulated": options.emulated,
        "interrupted": boot_id != system.boot_id(),
        **fresh,
        **timing.statistics(windows),
        "warmup": warmup._asdict(),
        "output_sha256": golden["output_sha256"],
        "golden": {"checked": True, "max_abs_error": golden["max_abs_error"], "tolerance": golden["tolerance"]},
        "conditions": conditions,
        "waited_s": waited_s,
        "boot_id": boot_id,
        "samples": timing.write_samples(options.samples, windows) if options.samples else None,
    }
    result["throttled"], result["throttle_evidence"] = trust.throttled(
        **conditions, max_frequency_hz=result["board"]["max_frequency_hz"]
    )
    measured_s = sum(map(sum, windows)) / 1e9
    result["reasons"] = trust.reasons(result, max_start_c=options.max_start_c, measured_s=measured_s)
    result["trusted"] = not result["reasons"]
    return result


def _identity(model: Model, board: dict) -> dict:
    """What the figures are bound to."""
    return {
        "runtime": {**model.runtime._asdict(), "precision": model.description.precision},
        "model_sha256": model.description.sha256,
        "input_sha256": _input_sha256(model),
        "board": board,
    }


def wait_until_cool(system: System, options: Options, sleep=time.sleep) -> float:
    """Wait while the board is hotter than `max_start_c`, at most `max_wait_s`; returns the seconds waited."""
    waited_s = 0.0
    while waited_s < options.max_wait_s:
        temperature_c = system.temperature_c()
        if temperature_c is None or temperature_c <= options.max_start_c:
            break
        sleep(1.0)
        waited_s += 1.0
    return waited_s


def _in_fresh_process(path: str, options: Options) -> dict:
    command = [sys.executable, "-m", __package__, "fresh", path]
    command += ["--threads", str(options.threads)] if options.threads else []
    command += ["--runtime", options.runtime] if options.runtime else []
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    python_path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": python_path}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=_FRESH_DEADLINE_S, check=False)
        document = json.loads(done.stdout)
    except subprocess.TimeoutExpired as e:
        raise FreshProcessFailed(f"loading the model and running it four times took more than {e.timeout:.0f} s") from e
    except OSError as e:
        raise FreshProcessFailed(f"{sys.executable} cannot be started a second time: {e.strerror}") from e
    except ValueError as e:  # no document: the process died, for example by a signal of the kernel when memory is short
        tail = done.stderr.decode("utf-8", "replace").strip()[-500:]
        raise FreshProcessFailed(f"loading the model in a new process ended with code {done.returncode}: {tail}") from e
    if document.get("error"):
        raise FreshProcessFailed(document["error"]["message"])
    return document


def _rotation(model):
    """A call that runs the model on the next golden input, so that no run can profit from the one before."""
    inputs = itertools.cycle([sample for sample, _ in model.golden()])
    return lambda: model(next(inputs))


def _input_sha256(model) -> str:
    digest = hashlib.sha256()
    for inputs, _ in model.golden():
        for value in model.inputs:
            digest.update(inputs[value.name].tobytes())
    return digest.hexdigest()

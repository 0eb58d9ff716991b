"""python3 -m edgekit_runtime selftest|bench|info DIR [--out FILE]: one JSON document about the model in DIR.

Exit codes: 0 done, 2 wrong usage, 3 outputs differ from the golden ones, 4 the model cannot be loaded here, 5 it failed
while running, 130 interrupted. A document is written in every case but 2; a failure has {"error": {"code", "message"}}.
Whether a benchmark may be trusted is in its document, not in the exit code.
"""

from __future__ import annotations

import argparse
import os
import sys

OK, USAGE, MISMATCH, CANNOT_LOAD, RUN_FAILED, INTERRUPTED = 0, 2, 3, 4, 5, 130


def main(argv=None) -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    stdout = _keep_stdout()
    if arguments.cpus:
        os.sched_setaffinity(0, arguments.cpus)
    document, code = _guarded(COMMANDS[arguments.command], arguments)
    return code if _write(document, arguments.out, stdout) else RUN_FAILED


def _selftest(arguments) -> tuple[dict, int]:
    import time

    start = time.perf_counter()
    from edgekit_runtime import selftest
    from edgekit_runtime.board import peak_rss_bytes
    from edgekit_runtime.model import Model

    model = Model(arguments.path, threads=arguments.threads, runtime=arguments.runtime)
    load_s = time.perf_counter() - start
    result = selftest.check(model)
    result.update(load_s=load_s, peak_rss_bytes=peak_rss_bytes(), **_identity(model))
    if result["ok"]:
        return result, OK
    return {**result, "error": {"code": MISMATCH, "message": selftest.mismatch(result)}}, MISMATCH


def _bench(arguments) -> tuple[dict, int]:
    from edgekit_runtime import bench
    from edgekit_runtime.board import System

    try:
        return bench.bench(arguments.path, System(arguments.sys_root), _options(arguments)), OK
    except bench.GoldenMismatch as e:
        return {"golden": e.result, "error": {"code": MISMATCH, "message": str(e)}}, MISMATCH
    except bench.FreshProcessFailed as e:
        return _failure(CANNOT_LOAD, e)


def _fresh(arguments) -> tuple[dict, int]:
    from edgekit_runtime.fresh import fresh

    return fresh(arguments.path, arguments.threads, arguments.runtime), OK


def _info(arguments) -> tuple[dict, int]:
    from edgekit_runtime.board import System
    from edgekit_runtime.model import Model

    model = Model(arguments.path, threads=arguments.threads, runtime=arguments.runtime)
    system = System(arguments.sys_root)
    return {**_identity(model), "board": system.facts(model.threads), "conditions": system.conditions()}, OK


COMMANDS = {"selftest": _selftest, "bench": _bench, "info": _info, "fresh": _fresh}


def _identity(model) -> dict:
    return {
        "name": model.description.name,
        "precision": model.description.precision,
        "runtime": model.runtime._asdict(),
        "threads": model.threads,
        "model_sha256": model.description.sha256,
        "inputs": [v._asdict() for v in model.inputs],
        "output_values": [v._asdict() for v in model.outputs],
    }


def _options(arguments):
    from edgekit_runtime import bench

    plan = bench.RIGORS[arguments.rigor]
    limits = {
        "runs": arguments.runs,
        "seconds": arguments.seconds,
        "warmup_max_seconds": arguments.warmup_max_seconds,
        "max_seconds": arguments.max_seconds,
    }
    return bench.Options(
        plan=plan._replace(**{k: v for k, v in limits.items() if v is not None}),
        threads=arguments.threads,
        runtime=arguments.runtime,
        emulated=arguments.emulated,
        max_start_c=arguments.max_start_c,
        max_wait_s=arguments.max_wait_s,
        samples=arguments.samples,
    )


def _guarded(command, arguments) -> tuple[dict, int]:
    from edgekit_runtime.description import LoadError

    try:
        return command(arguments)
    except (LoadError, ImportError) as e:  # ImportError: no NumPy on this Python
        return _failure(CANNOT_LOAD, e)
    except KeyboardInterrupt:
        return {"interrupted": True, **_failure(INTERRUPTED, "interrupted")[0]}, INTERRUPTED
    except MemoryError:
        return _failure(RUN_FAILED, "out of memory")
    except Exception as e:  # whatever a runtime throws: the host wants its words, not a traceback
        return _failure(RUN_FAILED, f"{type(e).__name__}: {e}")


def _failure(code: int, message) -> tuple[dict, int]:
    return {"error": {"code": code, "message": str(message)}}, code


def _keep_stdout() -> int:
    """The real standard output; descriptor 1 becomes stderr, because runtimes print there from C."""
    stdout = os.dup(1)
    os.dup2(2, 1)
    return stdout


def _write(document: dict, out: str, stdout: int) -> bool:
    import json

    data = (json.dumps({"schema": 1, **_finite(document)}, allow_nan=False) + "\n").encode()
    try:
        if out == "-":
            with os.fdopen(stdout, "wb") as f:
                f.write(data)
        else:
            in_place = os.path.exists(out) and not os.path.isfile(out)  # a device or pipe
            part = out if in_place else f"{out}.{os.getpid()}.part"
            with open(part, "wb") as f:
                f.write(data)
            if not in_place:
                os.replace(part, out)
    except OSError as e:
        print(f"edgekit_runtime: --out {out}: {e.strerror}", file=sys.stderr)
        return False
    return True


def _finite(value):
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python3 -m edgekit_runtime", description="Check or benchmark a deployed model.")
    add = parser.add_argument
    add("command", choices=COMMANDS, help="selftest: golden outputs; bench: time; info: facts; fresh: for bench")
    add("path", metavar="DIR", help="release folder, model folder or model.json")
    add("--out", default="-", metavar="FILE", help="write the JSON document there instead of to standard output")
    add("--threads", type=_positive, metavar="N", help="threads of the runtime (default: the number of big cores)")
    add("--cpus", type=_cpus, metavar="LIST", help="run on these CPUs only, such as 0,2-3")
    add("--runtime", metavar="NAME", help="the one runtime to use, such as ai_edge_litert")
    add("--rigor", choices=("normal", "mlperf"), default="normal", help="50 runs and 10 s, or 1024 runs and 60 s")
    add("--runs", type=_positive, metavar="N", help="at least this many runs")
    add("--seconds", type=_seconds, metavar="S", help="at least this many seconds of timed runs")
    add("--max-seconds", type=_seconds, metavar="S", help="end the measurement then, with fewer runs (default: 240)")
    add("--warmup-max-seconds", type=_seconds, metavar="S", help="end an unsteady warm-up then (default: 10)")
    add("--samples", metavar="FILE", help="keep the samples: little-endian uint64 nanoseconds, at most 1 MiB")
    add("--max-start-c", type=float, default=60.0, metavar="C", help="wait until the board is this cool (default: 60)")
    add("--max-wait-s", type=float, default=120.0, metavar="S", help="but not longer than this (default: 120)")
    add("--emulated", action="store_true", help="this CPU is emulated: the figures are marked as meaningless")
    add("--sys-root", default="/", metavar="DIR", help="read /proc and /sys below DIR (for tests)")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}, must be at least 1")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):  # also NaN, which no comparison holds for
        raise argparse.ArgumentTypeError(f"{text}, must be a number of seconds above 0")
    return number


def _cpus(text: str) -> set[int]:
    cpus: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    unusable = cpus - os.sched_getaffinity(0)
    if unusable:
        raise argparse.ArgumentTypeError(f"CPUs {sorted(unusable)} cannot be used here")
    return cpus


if __name__ == "__main__":
    sys.exit(main())

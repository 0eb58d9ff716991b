"""A function that runs the model once → samples in nanoseconds → the figures of docs/json.md.

No sample is dropped: outliers are counted, and the samples can be kept. Percentiles are nearest-rank; a tail percentile
is given only where enough runs stand behind it.
"""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Callable, Sequence
from typing import NamedTuple

WINDOWS = 5
SAMPLE_FILE_RUNS = (1 << 20) // 8  # 8 bytes each: at most 1 MiB


class Plan(NamedTuple):
    """How long to measure. Every limit of runs and seconds is a minimum, except those named max."""

    runs: int = 50
    seconds: float = 10.0
    warmup_runs: int = 5
    warmup_seconds: float = 1.0
    warmup_max_seconds: float = 10.0
    max_seconds: float = 240.0


class Warmup(NamedTuple):
    runs: int
    seconds: float
    steady: bool


def warm_up(run: Callable[[], object], plan: Plan, clock=time.perf_counter_ns) -> Warmup:
    """Run until steady: the median of the last 5 runs within 5 % of the 5 before, and the minimum of runs and seconds.

    Ends unsteady after `warmup_max_seconds`, but never before the ten runs that the judgement needs.
    """
    samples: list[int] = []
    start = clock()
    while True:
        samples.append(_timed(run, clock))
        elapsed_s = (clock() - start) / 1e9
        if len(samples) < 10:
            continue
        if len(samples) >= plan.warmup_runs and elapsed_s >= plan.warmup_seconds and is_steady(samples):
            return Warmup(len(samples), elapsed_s, True)
        if elapsed_s >= plan.warmup_max_seconds:
            return Warmup(len(samples), elapsed_s, False)


def is_steady(samples: Sequence[int]) -> bool:
    """Whether the median of the last 5 samples differs by less than 5 % from that of the 5 before."""
    last, before = percentile(sorted(samples[-5:]), 0.5), percentile(sorted(samples[-10:-5]), 0.5)
    return abs(last - before) < 0.05 * before


def measure(
    run: Callable[[], object], plan: Plan, between: Callable[[], object] | None = None, clock=time.perf_counter_ns
) -> list[array]:
    """Samples of `WINDOWS` windows, each with its share of runs and seconds of timed work.

    `between` (reading sensors) is called about once a second, between two timed runs rather than from a thread that
    would take a core from the model; one untimed run follows it, so that it does not show in the next sample.
    Stops early, with fewer runs than planned, after `max_seconds`.
    """
    windows = []
    start = last_between = clock()
    for _ in range(WINDOWS):
        samples, spent_ns = array("Q"), 0
        while len(samples) * WINDOWS < plan.runs or spent_ns * WINDOWS < plan.seconds * 1e9:
            now = clock()
            if now - start > plan.max_seconds * 1e9 and samples:
                break
            if between is not None and now - last_between >= 1e9:
                between()
                run()
                last_between = clock()
            samples.append(_timed(run, clock))
            spent_ns += samples[-1]
        windows.append(samples)
    return windows


def statistics(windows: Sequence[Sequence[int]]) -> dict:
    """Figures of all samples (nanoseconds in, seconds out), names as in docs/json.md."""
    ordered = sorted(sample for window in windows for sample in window)
    n = len(ordered)
    median = percentile(ordered, 0.5)
    medians = [percentile(sorted(window), 0.5) for window in windows]
    return {
        "p50_s": median / 1e9,
        "p90_s": percentile(ordered, 0.9) / 1e9,
        "p99_s": percentile(ordered, 0.99) / 1e9 if n >= 1000 else None,
        "p999_s": percentile(ordered, 0.999) / 1e9 if n >= 10000 else None,
        "median_of_windows_s": percentile(sorted(medians), 0.5) / 1e9,
        "min_s": ordered[0] / 1e9,
        "max_s": ordered[-1] / 1e9,
        "mad_s": percentile(sorted(abs(sample - median) for sample in ordered), 0.5) / 1e9,
        "outliers": sum(1 for sample in ordered if sample > 3 * median),
        "runs": n,
        "windows": [{"runs": len(w), "p50_s": m / 1e9} for w, m in zip(windows, medians)],
    }


def percentile(ordered: Sequence[int], p: float) -> int:
    """Nearest-rank percentile of samples in ascending order: the smallest one with at least p of all at or below it."""
    return ordered[max(0, math.ceil(p * len(ordered)) - 1)]


def write_samples(path: str, windows: Sequence[array]) -> dict:
    """All samples in the order of measurement as little-endian uint64 nanoseconds, at most 1 MiB.

    More runs than fit are thinned evenly: every `stride`-th sample is kept. Returns {file, kept, stride}.
    """
    import sys

    everything = array("Q")
    for window in windows:
        everything.extend(window)
    stride = -(-len(everything) // SAMPLE_FILE_RUNS)
    kept = everything[::stride]
    if sys.byteorder == "big":
        kept.byteswap()
    with open(path, "wb") as f:
        kept.tofile(f)
    return {"file": path, "kept": len(kept), "stride": stride}


def _timed(run: Callable[[], object], clock) -> int:
    start = clock()
    run()
    return clock() - start

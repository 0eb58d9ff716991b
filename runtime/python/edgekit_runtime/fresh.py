"""A release folder → load time, first run and peak memory of this process, which must be a new one.

Nothing heavy is imported at the top: what an app waits for at its start is what is measured.
"""

from __future__ import annotations

import itertools
import time

from edgekit_runtime.board import peak_rss_bytes


def fresh(path: str, threads: int | None, runtime: str | None) -> dict:
    """Load (imports, hash, interpreter), run once, run three times more. Raises LoadError."""
    start = time.perf_counter()
    from edgekit_runtime.model import Model

    model = Model(path, threads=threads, runtime=runtime)
    load_s = time.perf_counter() - start
    example = model.example()
    start = time.perf_counter()
    model(example)
    first_s = time.perf_counter() - start
    for inputs, _ in itertools.islice(model.golden(), 3):
        model(inputs)
    return {"load_s": load_s, "first_s": first_s, "peak_rss_bytes": peak_rss_bytes()}

"""What every tool's script shares: the files of a conversion, and how its time and memory are taken.

    python with_TOOL.py INPUTS OUT REPORT

INPUTS is a folder with float.onnx, samples.npz (128 samples by input name) and program.pt2 (the network as an
ExportedProgram). The script imports all that it needs, then converts and writes OUT; REPORT gets the figures as JSON.
Only the standard library and NumPy are used here: every tool's environment has them.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

MIB = 1 << 20


class Inputs:
    """The files of one network."""

    def __init__(self, folder: Path) -> None:
        self.onnx, self.program = folder / "float.onnx", folder / "program.pt2"
        self.samples_file = folder / "samples.npz"
        with np.load(self.samples_file) as arrays:
            ((self.input_name, self.samples),) = arrays.items()


class Clock:
    """Seconds on the wall and of CPU (children included) since it was made, without what `paused` covers."""

    def __init__(self) -> None:
        self.started, self.exports = (time.perf_counter(), cpu_seconds()), (0.0, 0.0)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Around an export by PyTorch, which has a column of its own."""
        wall, cpu = time.perf_counter(), cpu_seconds()
        yield
        self.exports = self.exports[0] + time.perf_counter() - wall, self.exports[1] + cpu_seconds() - cpu

    def report(self) -> dict[str, float]:
        wall, cpu = time.perf_counter() - self.started[0], cpu_seconds() - self.started[1]
        return {
            "seconds": wall - self.exports[0],
            "cpu_seconds": cpu - self.exports[1],
            "export_seconds": self.exports[0],
        }


def measured(convert: Callable[[Inputs, Path, Clock], None]) -> None:
    """Run `convert(inputs, out, clock)`, which writes `out`, and write the report."""
    folder, out, report = (Path(a) for a in sys.argv[1:])
    inputs, imported = Inputs(folder), resident_bytes()
    clock = Clock()
    try:
        convert(inputs, out, clock)
    except BaseException as e:  # a tool that calls sys.exit has failed too
        traceback.print_exc()
        report.write_text(json.dumps({"failed": reason(e)}), encoding="utf-8")
        return
    memory = {"peak_mib": peak_bytes() / MIB, "imported_mib": imported / MIB}
    report.write_text(json.dumps({**clock.report(), **memory, "bytes": out.stat().st_size}), encoding="utf-8")


def reason(error: BaseException) -> str:
    """Type and first line of an error, or of the one that led to it."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def cpu_seconds() -> float:
    """Of this process and the children that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def peak_bytes() -> int:
    """The highest resident size of this process, or of one of its children if that was more."""
    return max(resident_bytes("VmHWM"), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)


def resident_bytes(field: str = "VmRSS") -> int:
    """From /proc: getrusage's figure can be that of the process which started this one."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))

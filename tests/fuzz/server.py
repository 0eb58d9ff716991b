"""Reads mutated files in processes of their own, and reports what became of them as JSON.

    python -m fuzz.server tflite|onnx SEED FIRST COUNT FOLDER

One process imports everything and forks: a crash, a hang or an endless allocation ends a child, and is known.
Files that fail are saved in FOLDER under their number; `python -m fuzz.server KIND SEED NUMBER` reads one of them in
this process, with the traceback.
"""

from __future__ import annotations

import collections
import gc
import json
import mmap
import os
import random
import resource
import select
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

CPU_LIMIT_S, WALL_LIMIT_S = 20, 120
MEMORY_LIMIT_BYTES = 2 << 30
BATCH = 20  # files that one child reads
STAGE_BYTES = 32


def main(arguments: list[str]) -> None:
    kind, seed = arguments[0], int(arguments[1])
    served = Server(kind, seed)
    if len(arguments) == 3:
        served.read(served.file(int(arguments[2])))
        return
    first, count, folder = int(arguments[2]), int(arguments[3]), Path(arguments[4])
    print(json.dumps(served.serve(range(first, first + count), folder)))


class Server:
    def __init__(self, kind: str, seed: int) -> None:
        from fuzz import mutations, reading

        self.kind, self.seed = kind, seed
        self.seeds = sorted(_seeds(kind).items())
        self.change, self.reader = mutations.CHANGES[kind], reading.READERS[kind]
        self.stage = mmap.mmap(-1, STAGE_BYTES)
        warnings.simplefilter("ignore")

    def file(self, number: int) -> bytes:
        rng = random.Random(f"{self.seed}/{number}")
        _, content = rng.choice(self.seeds)
        return self.change(content, rng)

    def read(self, content: bytes) -> None:
        self.reader(content, self._enter)

    def _enter(self, stage: str) -> None:
        self.stage[:] = stage.encode().ljust(STAGE_BYTES, b"\0")

    def serve(self, numbers: range, folder: Path) -> dict[str, object]:
        counts: collections.Counter[str] = collections.Counter()
        failures = []
        gc.freeze()
        for number, outcome, text in self._outcomes(list(numbers)):
            counts[outcome] += 1
            if outcome == "failed":
                failures.append({"number": number, "what": text, "file": str(self._save(number, folder))})
        return {"kind": self.kind, "seed": self.seed, "counts": counts, "failures": failures}

    def _save(self, number: int, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.seed}-{number}.{self.kind}"
        path.write_bytes(self.file(number))
        return path

    def _outcomes(self, numbers: list[int]) -> Iterator[tuple[int, str, str]]:
        """Number, what became of it (read, refused or failed) and how it failed; one child reads a batch."""
        while numbers:
            batch = numbers[:BATCH]
            answers, death = self._in_child(batch)
            yield from answers
            if death is not None:
                yield (batch[len(answers)], *death)
            numbers = numbers[len(answers) + (death is not None) :]

    def _in_child(self, batch: list[int]) -> tuple[list[tuple[int, str, str]], tuple[str, str] | None]:
        """The answers for the files of a batch, and how the child died of the one after those."""
        self._enter("starting")
        reading_end, writing_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading_end)
            self._child(batch, writing_end)
        os.close(writing_end)
        answers, hangs = _answers(reading_end)
        if hangs:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        return answers, self._death(status, hangs) if len(answers) < len(batch) else None

    def _death(self, status: int, hangs: bool) -> tuple[str, str]:
        stage = self.stage[:].rstrip(b"\0").decode()
        name = "a hang" if hangs else f"exit {os.waitstatus_to_exitcode(status)}"
        if os.WIFSIGNALED(status) and not hangs:
            name = signal.Signals(os.WTERMSIG(status)).name
        # What kills the process that inspects a file is a message for the user (load._death)
        refused = stage == "inspecting" and os.WIFSIGNALED(status) and not hangs and name != "SIGXCPU"
        return ("refused", name) if refused else ("failed", f"{name} while {stage}")

    def _child(self, batch: list[int], writing_end: int) -> None:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        _limit_memory()
        for number in batch:
            _limit_time()
            os.write(writing_end, json.dumps([number, *self._outcome(number)]).encode() + b"\n")
        os._exit(0)

    def _outcome(self, number: int) -> tuple[str, str]:
        from edgekit.errors import EdgekitError, InternalError

        try:
            self.read(self.file(number))
        except InternalError as e:
            return "failed", f"InternalError: {e.message}"
        except EdgekitError as e:
            shown = e.message + e.hint
            return ("refused", "") if shown.isprintable() else ("failed", f"unprintable: {shown!r}")
        except BaseException as e:
            return "failed", f"{_described(e)} while {self.stage[:].rstrip(bytes(1)).decode()}"
        return "read", ""


def _seeds(kind: str) -> dict[str, bytes]:
    if kind == "tflite":
        from fuzz.tflite_seeds import seeds
    else:
        from fuzz.onnx_seeds import seeds
    return seeds()


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    memory = pages * mmap.PAGESIZE + MEMORY_LIMIT_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time() -> None:
    """So much more processor time than was used until now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + CPU_LIMIT_S
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def _answers(pipe: int) -> tuple[list[tuple[int, str, str]], bool]:
    """The lines that come out of a pipe, and whether it stayed open for too long without one."""
    found = b""
    with os.fdopen(pipe, "rb", buffering=0) as file:
        while ready := select.select([file], [], [], WALL_LIMIT_S)[0]:
            part = file.read(65536)
            if not part:
                break
            found += part
    lines = found[: found.rfind(b"\n") + 1].splitlines()
    return [tuple(json.loads(line)) for line in lines], not ready


def _described(error: BaseException) -> str:
    """Type, text and the last place in edgekit of an exception."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "/edgekit/" in f.filename] or frames
    place = f"{own[-1].filename.rpartition('/edgekit/')[2]}:{own[-1].lineno} {own[-1].name}"
    return f"{type(error).__name__} at {place}: {' '.join(str(error).split())[:200]}"


if __name__ == "__main__":
    main(sys.argv[1:])

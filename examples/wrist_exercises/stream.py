"""A person's whole session → what the recognizer says every half second: on an emulated Cortex-M4, and in Python.

Both must say the same: the Python side follows firmware/recognizer.c line by line, and its network is run by edgekit's
interpreter in NumPy integers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path

import dataset
import numpy as np
from dataset import EXERCISES, HOP, WINDOW

VOTES, NONE = 5, len(EXERCISES)
# `record` of firmware/main.c
RECORD = np.dtype(
    [
        ("instructions", "<u4"),
        ("stack_bytes", "<u4"),
        ("scores", "i1", len(EXERCISES)),
        ("heard", "u1"),
        ("exercise", "u1"),
        ("unused", "V3"),
    ]
)
QEMU = "qemu-system-arm -M mps2-an386 -display none -monitor none -serial null -nodefaults"
QEMU += " -chardev stdio,id=console -semihosting-config enable=on,target=native,chardev=console -icount shift=0 -kernel"


@dataclass(frozen=True)
class Session:
    """What one person did, one exercise after the other.

    samples    int16 (time, 6), whole half seconds
    exercises  of each sample
    starts     first sample of each recording
    """

    samples: np.ndarray
    exercises: np.ndarray
    starts: tuple[int, ...]

    @property
    def seconds(self) -> float:
        return len(self.samples) / dataset.RATE_HZ

    @property
    def hops(self) -> np.ndarray:
        """First sample after each window."""
        return np.arange(WINDOW, len(self.samples) + 1, HOP)

    @property
    def truth(self) -> np.ndarray:
        """The exercise at the end of each window."""
        return self.exercises[self.hops - 1]


def session(subject: int, seconds: float | None = None) -> Session:
    """All recordings of a person in the order of the data set, or the first `seconds` of them."""
    parts = dataset.of((subject,))
    lengths = [len(part.samples) for part in parts]
    total = sum(lengths) if seconds is None else min(sum(lengths), round(seconds * dataset.RATE_HZ))
    end = total // HOP * HOP
    starts = np.cumsum([0, *lengths[:-1]])
    exercises = np.repeat([part.exercise for part in parts], lengths)
    samples = np.concatenate([part.samples for part in parts])
    return Session(samples[:end], exercises[:end], tuple(int(start) for start in starts if start < end))


def on_microcontroller(program: Path, given: Session) -> tuple[np.ndarray, str]:
    """One RECORD per window, and what the firmware printed. Raises CalledProcessError with its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        count = np.array(len(given.samples) // HOP, "<u4")
        (Path(folder) / "inputs").write_bytes(count.tobytes() + given.samples.astype("<i2").tobytes())
        command = [*QEMU.split(), str(program.resolve())]
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        return np.fromfile(Path(folder) / "outputs", RECORD), done.stdout


def in_python(build: Path, given: Session) -> np.ndarray:
    """The same records, instructions and stack left 0."""
    model = json.loads((build / "model.tflite.json").read_text())
    (value,) = model["inputs"]
    windows = np.stack([given.samples[end - WINDOW : end] for end in given.hops])
    stored = quantized(windows, value["scale"], value["zero_point"])
    made = np.zeros(len(windows), RECORD)
    made["scores"] = scores(build / model["file"], stored.reshape(-1, *value["shape"][1:])).reshape(len(windows), -1)
    made["heard"] = made["scores"].argmax(axis=1)
    made["exercise"] = elected(made["heard"])
    return made


def quantized(windows: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """What the network takes, as the microcontroller holds it: int8."""
    steps = np.rint(dataset.prepared(windows) / np.float32(scale)) + np.float32(zero_point)
    return np.clip(steps, -128, 127).astype(np.int8)


def scores(file: Path, windows: np.ndarray) -> np.ndarray:
    """int8 scores of int8 windows, by `edgekit run`."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "windows.npz", Path(folder) / "scores.npz"
        np.savez(given, window=windows)
        files = ["--inputs", str(given), "--outputs", str(made)]
        command = [sys.executable, "-m", "edgekit", "run", str(file), "--runtime", "interpreter", *files]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with np.load(made) as arrays:
            return next(iter(arrays.values()))


def elected(heard: np.ndarray) -> list[int]:
    """Of each window what most of the last ones say; it changes only to what has more votes than the present one."""
    votes: deque[int] = deque(maxlen=VOTES)
    present, made = NONE, []
    for vote in heard:
        votes.append(int(vote))
        counts = Counter(votes)
        first = max(range(len(EXERCISES)), key=lambda exercise: counts[exercise])
        present = first if counts[first] > counts[present] else present
        made.append(present)
    return made

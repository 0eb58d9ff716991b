"""Real speech for the voice detector: the spoken channel names of Debian's `alsa-utils`, as 16 kHz mono float32."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

RATE_HZ = 16_000
SOUNDS = Path("usr/share/sounds/alsa")
PLACES = (Path("/") / SOUNDS, Path(__file__).resolve().parents[2] / ".cache" / "alsa-utils" / SOUNDS)


def speech_between_silence() -> tuple[np.ndarray, tuple[float, float]]:
    """A second of faint noise, "front center", a second of noise; and when the voice starts and ends, in seconds."""
    voice = read(find("Front_Center.wav"))
    noise = np.random.default_rng(0).normal(0, 1e-3, RATE_HZ).astype(np.float32)
    loud = np.flatnonzero(np.abs(voice) > 0.05)
    start, end = (1 + loud[0] / RATE_HZ, 1 + loud[-1] / RATE_HZ)
    return np.concatenate([noise, voice, noise]), (start, end)


def find(name: str) -> Path:
    """The sound file of that name; FileNotFoundError says how to get it."""
    for place in PLACES:
        if (place / name).is_file():
            return place / name
    raise FileNotFoundError(f"{name} is not in {' or '.join(map(str, PLACES))}: run `make speech` in the repository")


def read(path: Path) -> np.ndarray:
    """A 16-bit mono .wav of 48 kHz as float32 at 16 kHz: low-pass, then every third sample."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (48_000, 2, 1), path
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
    taps = np.sinc(np.arange(-30, 31) / 3) * np.hamming(61) / 3
    return np.convolve(samples, taps, mode="same")[::3].astype(np.float32)

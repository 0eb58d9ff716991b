"""One model through `edgekit.convert`, and how near its int8 forms are to its float form on real inputs.

python -m foreign.quality [NAME ...]        in the folder tests; prints the table of docs/foreign-models.md
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import edgekit
from edgekit.errors import EdgekitError
from foreign.models import MODELS, Foreign

CALIBRATION, JUDGED = 64, 16  # samples


@dataclass(frozen=True)
class Figures:
    """How near one form is to float.

    cosine   mean over samples, of the worst judged output; sqnr_db of that output
    largest  largest difference of a number of the other outputs that are scores (within 0 and 1), if there are any; of
             the judged ones where there are no others
    top_1    share of equal largest entries, for models that rank
    """

    cosine: float
    sqnr_db: float
    largest: float | None
    top_1: float | None


@dataclass(frozen=True)
class Judged:
    """figures by form (int8 ONNX, int8 TFLite); kept: layers that stay float, with the reason of the first."""

    figures: dict[str, Figures]
    layers: int
    kept: tuple[tuple[str, str], ...]
    largest_lsb: dict[str, float]
    bytes: dict[str, int | None]
    seconds: float
    warnings: tuple[str, ...]


def judge(model: Foreign, formats: Sequence[str] | None = None) -> Judged:
    """Convert and compare. Raises what convert raises."""
    assert model.real is not None
    answers: list[tuple[np.ndarray, ...]] = []
    test = {n: a.reshape(-1, *a.shape[2:]) if n in model.whole else a for n, a in model.real(JUDGED, 2).items()}

    def evaluate(predict) -> float:
        made = predict(test)
        answers.append(made if isinstance(made, tuple) else (made,))
        return 0.0

    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        done = edgekit.convert(
            *source(model),
            out=Path(folder) / "build",
            calibration=model.real(CALIBRATION, 1),
            evaluate=evaluate,
            formats=formats or model.formats,
            shapes=model.shapes,
        )
    seconds = time.perf_counter() - started
    forms = ["int8 ONNX", *(["int8 TFLite"] if len(answers) > 2 else [])]
    figures = {n: compared(answers[0], a, model) for n, a in zip(forms, answers[1:], strict=True)}
    kept = tuple((layer.name, layer.reason or "") for layer in done.layers if not layer.quantized)
    largest = (done.tflite or {}).get("largest_lsb", {})
    return Judged(figures, len(done.layers), kept, largest, done.bytes, seconds, done.warnings)


def source(model: Foreign) -> tuple[Any, ...]:
    """What convert is given: the file, or a module with its weights and example inputs."""
    if model.file.suffix != ".pth":
        return (model.file,)
    import torch

    from foreign import crepe

    return crepe.tiny(model.file), (torch.zeros(1, crepe.FRAME),)


def compared(truth: Sequence[np.ndarray], got: Sequence[np.ndarray], model: Foreign) -> Figures:
    pairs = [(t, g) for t, g in zip(truth, got, strict=True) if t.dtype.kind == "f"]
    judged = pairs if model.judged is None else [pairs[k] for k in model.judged]
    worst = min((cosine(t, g), sqnr_db(t, g)) for t, g in judged)
    others = [(t, g) for t, g in pairs if not any(t is j for j, _ in judged)]
    scores = [(t, g) for t, g in others if t.min() >= 0 and t.max() <= 1] or ([] if others else judged)
    largest = max((float(np.abs(t - g).max()) for t, g in scores), default=None)
    k = model.ranking
    ranked = None if k is None else float((truth[k].argmax(-1) == got[k].argmax(-1)).mean())
    return Figures(*worst, largest, ranked)


def cosine(truth: np.ndarray, got: np.ndarray) -> float:
    """Mean over samples; of single numbers, over all of them as one vector."""
    rows = 1 if truth[0].size == 1 else len(truth)
    a, b = (x.astype(np.float64).reshape(rows, -1) for x in (truth, got))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(((a * b).sum(axis=1) / np.maximum(lengths, 1e-30)).mean())


def sqnr_db(truth: np.ndarray, got: np.ndarray) -> float:
    truth, got = truth.astype(np.float64), got.astype(np.float64)
    return float(10 * np.log10(np.square(truth).sum() / max(np.square(truth - got).sum(), 1e-30)))


def row(model: Foreign) -> str:
    """One line of the table."""
    start = f"| {model.name} | `{model.wheel}` | "
    try:
        if model.refused is not None:
            edgekit.convert(model.file, out="/nonexistent/never", calibration="random", shapes=model.shapes)
            raise AssertionError("it was not refused")
        found = judge(model)
    except EdgekitError as e:
        return start + f"refused (exit {e.code}): {e.message.replace(str(model.file.parent) + '/', '')[:160]} | | |"
    shown = "; ".join(f"{name}: {_shown(f, model)}" for name, f in found.figures.items())
    kept = f"{len(found.kept)} of {found.layers} layers float ({found.kept[0][1]})" if found.kept else "int8 throughout"
    runtimes = ", ".join(f"{name} {lsb:.3g}" for name, lsb in found.largest_lsb.items())
    warned = "; warned: useless" if any("useless" in w for w in found.warnings) else ""
    return start + f"{kept}{warned} | {shown} | {runtimes} |"


def _shown(f: Figures, model: Foreign) -> str:
    if model.largest is not None:
        return f"largest difference {f.largest:.4f}"
    ranked = "" if f.top_1 is None else f", top-1 {f.top_1:.0%}"
    scores = "" if model.judged is None or f.largest is None else f", scores within {f.largest:.2f}"
    return f"cosine {f.cosine:.4f}, {f.sqnr_db:.1f} dB{ranked}{scores}"


def main(names: Sequence[str]) -> None:
    for model in MODELS:
        if model.here and (not names or any(n in model.name for n in names)):
            print(row(model), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

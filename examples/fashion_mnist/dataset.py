"""Fashion-MNIST (70,000 grey pictures of clothes, 28x28, ten classes; MIT licence) as NumPy arrays.

The files come from Debian's package `dataset-fashion-mnist`: installed (`/usr/share/datasets/fashion-mnist`) or only
unpacked by `make data` into `.cache/fashion-mnist` of the repository. FASHION_MNIST names another folder.
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np

LABELS = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
INSTALLED = Path("/usr/share/datasets/fashion-mnist")
UNPACKED = Path(__file__).resolve().parents[2] / ".cache" / "fashion-mnist" / INSTALLED.relative_to("/")


def folder() -> Path:
    """The first folder that holds the data; FileNotFoundError says how to get it."""
    places = [Path(os.environ["FASHION_MNIST"])] if "FASHION_MNIST" in os.environ else [INSTALLED, UNPACKED]
    for place in places:
        if (place / "train-images-idx3-ubyte.gz").is_file():
            return place
    raise FileNotFoundError(
        f"Fashion-MNIST is not in {' or '.join(map(str, places))}: run `make data` in the repository, "
        "or `sudo apt-get install dataset-fashion-mnist`"
    )


def images(part: str, count: int | None = None) -> np.ndarray:
    """Pictures of `part` ("train" or "t10k") as float32 of shape (samples, 1, 28, 28), scaled to -1 ... 1."""
    raw = _idx(f"{part}-images-idx3-ubyte.gz", header_bytes=16).reshape(-1, 1, 28, 28)[:count]
    return raw.astype(np.float32) / 127.5 - 1


def labels(part: str, count: int | None = None) -> np.ndarray:
    """Class numbers of `part`, int64 of shape (samples,)."""
    return _idx(f"{part}-labels-idx1-ubyte.gz", header_bytes=8)[:count].astype(np.int64)


def _idx(name: str, header_bytes: int) -> np.ndarray:
    with gzip.open(folder() / name) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header_bytes)

"""An .npz file of somebody → arrays by name. Never unpickles; refused: damaged files, and too many bytes unpacked."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import ModelError

NPZ_MAX_BYTES = 2 << 30
NPZ_MAX_ARRAYS = 64


def load_npz(path: str | Path) -> Mapping[str, npt.NDArray[Any]]:
    """Arrays by name from a .npz file; never unpickles, refuses more than 2 GiB unpacked. Raises ModelError."""
    hint = "write it with numpy.savez(FILE, input_name=array), first axis = samples"
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        unpacked = sum(e.file_size for e in entries)
        if len(entries) > NPZ_MAX_ARRAYS or unpacked > NPZ_MAX_BYTES:
            got = f"{len(entries)} arrays, {unpacked} bytes unpacked"
            raise ModelError(f"{path}: {got}: allowed {NPZ_MAX_ARRAYS} arrays, {NPZ_MAX_BYTES} bytes", hint=hint)
        with np.load(path, allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name]) for name in arrays.files}
    except ModelError:
        raise
    except Exception as e:  # zip, zlib, lzma, tokenize and NumPy each have errors of their own for a damaged file
        raise ModelError(f"{path}: not a readable .npz file: {str(e)[:200] or type(e).__name__}", hint=hint) from e

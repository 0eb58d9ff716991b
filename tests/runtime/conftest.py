"""The runtime is tested from its sources, as a board imports it: by a path, not as a part of edgekit."""

from __future__ import annotations

import sys
from pathlib import Path

RUNTIME = Path(__file__).resolve().parents[2] / "runtime" / "python"
sys.path[:0] = [str(RUNTIME), str(Path(__file__).parent)]

"""Program → artefact. `EMITTERS` is the one table of them."""

from __future__ import annotations

from collections.abc import Callable

from edgekit.emitters.tflite import emit_tflite
from edgekit.program import Program

EMITTERS: dict[str, Callable[[Program], bytes]] = {"tflite": emit_tflite}

__all__ = ["EMITTERS", "emit_tflite"]

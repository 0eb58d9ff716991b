"""Program → artefact: `emit_tflite` gives a file, `emit_c` sources with a memory plan, `emitters.onnx` a QDQ graph."""

from __future__ import annotations

from edgekit.emitters.c import emit_c
from edgekit.emitters.tflite import emit_tflite

__all__ = ["emit_c", "emit_tflite"]

"""TFLite Micro (the wheel tflite-micro): the reference kernels of microcontrollers, on this machine.

How large its arena must be is found by trying. Refused: files with weights outside of the FlatBuffer, with which it
computes garbage without a word.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.errors import ModelError, UnsupportedError
from edgekit.runtimes.described import border
from edgekit.runtimes.session import Array, in_order
from edgekit.runtimes.stderr import captured_stderr
from edgekit.tflite.flatbuffer import decode
from edgekit.tflite.model import load

SMALLEST_ARENA_BYTES = 1 << 20  # with a few hundred bytes it crashes instead of complaining
LARGEST_ARENA_BYTES = 1 << 30
GROWTH = 4


class TfliteMicro:
    """A session of TFLite Micro; `arena_bytes` were enough for it. Raises ModelError, UnsupportedError."""

    def __init__(self, content: bytes) -> None:
        import tflite_micro

        self.name = f"TFLite Micro {getattr(tflite_micro, '__version__', 'of an unknown version')}"
        found = border(content)
        self.inputs, self.outputs = found.inputs, found.outputs
        _refuse_external_weights(content)
        self.arena_bytes, self._interpreter = _loaded(content)

    def run(self, sample: Mapping[str, Array]) -> dict[str, Array]:
        arrays = in_order(self.inputs, sample)
        with captured_stderr() as said:
            try:
                for i, array in enumerate(arrays):
                    self._interpreter.set_input(array, i)
                self._interpreter.invoke()
            except (RuntimeError, ValueError) as e:
                raise ModelError(f"the model fails on an input in TFLite Micro: {said() or e}") from e
        return {value.name: np.array(self._interpreter.get_output(i)) for i, value in enumerate(self.outputs)}


def _refuse_external_weights(content: bytes) -> None:
    outside = sum(buffer.offset > 1 for buffer in decode(content).buffers)
    if outside:
        raise UnsupportedError(
            f"{outside} buffers of the .tflite file lie outside of its FlatBuffer: TFLite Micro does not see them",
            hint="convert the file: edgekit convert MODEL.tflite --formats tflite writes all of them inside",
        )


def _loaded(content: bytes) -> tuple[int, Any]:
    """(bytes of an arena that is large enough, interpreter); the arena grows until the model loads or nothing helps."""
    from tflite_micro import runtime

    size = _first_arena_bytes(content)
    while True:
        with captured_stderr() as said:
            try:
                return size, runtime.Interpreter.from_bytes(content, arena_size=size)
            except (RuntimeError, ValueError) as e:
                if size * GROWTH > LARGEST_ARENA_BYTES:
                    raise UnsupportedError(f"TFLite Micro does not load the model: {said() or e}") from e
        size *= GROWTH


def _first_arena_bytes(content: bytes) -> int:
    """All activations side by side, and a kilobyte for what each tensor and operator keeps."""
    graphs = load(content).subgraphs
    activations = sum(8 * math.prod(t.shape) for g in graphs for t in g.tensors if t.data is None)
    parts = sum(len(g.tensors) + len(g.operators) for g in graphs)
    wanted = SMALLEST_ARENA_BYTES + activations + 1024 * parts
    return min(LARGEST_ARENA_BYTES, 1 << wanted.bit_length())

"""litert-torch: ExportedProgram → float .tflite → ai-edge-quantizer's static int8.

It exports once more by itself; that time has a column of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import litert_torch
import torch
from ai_edge_quantizer import quantizer, recipe
from measuring import Clock, Inputs, measured


def convert(inputs: Inputs, out: Path, clock: Clock) -> None:
    module = torch.export.load(inputs.program).module()
    out.unlink(missing_ok=True)
    floating = out.with_suffix(".float.tflite")
    with timed_apart(clock):
        litert_torch.convert(module, (torch.from_numpy(inputs.samples[:1]),)).export(str(floating))
    tool = quantizer.Quantizer(str(floating))
    tool.load_quantization_recipe(recipe.static_wi8_ai8())
    ranges = tool.calibrate({"serving_default": [{"args_0": row[None]} for row in inputs.samples]})
    tool.quantize(ranges).export_model(str(out))


@contextmanager
def timed_apart(clock: Clock) -> Iterator[None]:
    """Stops the clock during each call of torch.export.export."""
    export = torch.export.export

    def apart(*args, **options):
        with clock.paused():
            return export(*args, **options)

    torch.export.export = apart
    try:
        yield
    finally:
        torch.export.export = export


if __name__ == "__main__":
    measured(convert)

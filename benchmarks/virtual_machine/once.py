"""once.py FOLDER SAMPLE.f32 TIMES: what an app in Python does at least. Loads the model of a release, runs it on one
sample, writes the output as bytes, and ends on the spot: the clean-up of an interpreter is no part of an inference.

It imports no NumPy of its own: the native runtime needs none."""

from __future__ import annotations

import os
import sys

from edgekit_runtime import Model

folder, sample, times = sys.argv[1:]
model = Model(folder, threads=1)
with open(sample, "rb") as file:  # noqa: PTH123 - pathlib would be counted, too
    x = memoryview(file.read()).cast("f", model.inputs[0].app_shape)
for _ in range(int(times)):
    y = model(x)
os.write(1, bytes(y))
os._exit(0)

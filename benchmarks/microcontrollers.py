"""Weighs the C of the four MLPerf Tiny reference models on an emulated Cortex-M4: flash, RAM, stack, instructions, and
whether the bytes are right, beside TensorFlow Lite Micro.

    python benchmarks/microcontrollers.py FOLDER

FOLDER holds NAME.tflite, NAME.in and NAME.out of ic, kws, vww and ad: the files of mlcommons/tiny, one raw int8 input
of each, and what TFLite Micro with CMSIS-NN answers to it on a Cortex-M4.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.building import End, write_samples
from edgekit.building.cortex_m import bench_image
from edgekit.deployment.firmware import deploy_firmware
from edgekit.device import cortex_m
from edgekit.emitters.c import emit_c
from edgekit.lowering import from_tflite
from edgekit.program import Program
from edgekit.target import load_target

TARGET = "mps2-an386"


@dataclass(frozen=True)
class Peer:
    """TFLite Micro @90b983c with CMSIS-NN @99f736a and with its reference kernels, GCC 12.2.1, release build, on the
    same emulated core, counted in the same way. flash_int8: registering int8 kernels only."""

    arena_bytes: int
    flash_bytes: int
    flash_int8_bytes: int
    instructions_cmsis: int
    instructions_reference: int


@dataclass(frozen=True)
class Model:
    """floor: weights, biases and 5 bytes for each output channel; bound: of the arena, from the graph, 10 % more."""

    name: str
    title: str
    floor_bytes: int
    bound_bytes: int
    peer: Peer


MODELS = (
    Model("ic", "ResNet-8", 80_500, 33_296, Peer(54_996, 177_432, 149_624, 29_862_650, 107_343_946)),
    Model("kws", "DS-CNN", 27_300, 8_384, Peer(22_820, 138_044, 107_228, 7_697_388, 43_023_479)),
    Model("vww", "MobileNetV1-0.25", 232_800, 36_864, Peer(100_708, 417_396, 386_580, 24_101_973, 100_172_996)),
    Model("ad", "FC autoencoder", 270_900, 768, Peer(2_580, 308_772, 305_028, 582_935, 1_952_183)),
)


def main() -> None:
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "ic.tflite").is_file():
        sys.exit("usage: python benchmarks/microcontrollers.py FOLDER (ic.tflite, ic.in, ic.out, kws.tflite ...)")
    rows = [measured(model, Path(sys.argv[1])) for model in MODELS]
    document = {"target": TARGET, "compiler": rows[0]["runtime"]["version"], "models": rows}
    out = Path(__file__).with_suffix("")
    out.with_suffix(".json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(markdown(document), encoding="utf-8")
    print(markdown(document))


def measured(model: Model, folder: Path) -> dict[str, Any]:
    """The firmware document of a model, with what it is compared with."""
    program = from_tflite((folder / f"{model.name}.tflite").read_bytes(), model.name)
    made = emit_c(program)
    given, wanted = program.inputs[0], program.outputs[0]
    x = np.frombuffer((folder / f"{model.name}.in").read_bytes(), np.int8).reshape(given.shape)
    y = np.frombuffer((folder / f"{model.name}.out").read_bytes(), np.int8).reshape(wanted.shape)
    ends = [End.of(t) for t in program.inputs], [End.of(t) for t in program.outputs]
    ran = deploy_firmware(made.sources, *ends, [{given.name: x}], [{wanted.name: y}], load_target(TARGET), print)
    return ran.document() | {
        "model": model.name,
        "title": model.title,
        "macs": program.macs,
        "floor_bytes": model.floor_bytes,
        "bound_bytes": model.bound_bytes,
        "peer": vars(model.peer),
        "arena_exact": made.plan.exact,
        "layers": layers(program),
    }


def layers(program: Program) -> list[dict[str, Any]]:
    """Instructions and MACs of each weighted sum by itself, on random inputs."""
    target, rng = load_target(TARGET), np.random.default_rng(0)
    alone = [alone_program(program, k) for k, op in enumerate(program.ops) if op.macs]
    samples = [{t.name: rng.integers(-128, 128, t.shape).astype(np.int8) for t in p.inputs} for p in alone]
    image = bench_image([emit_c(p).sources for p in alone], target)
    given = write_samples(([End.of(t) for t in p.inputs], [x]) for p, x in zip(alone, samples, strict=True))
    profiles = cortex_m.run(image, given, target).profiles
    assert profiles is not None, "the counting plugin needs a C compiler"
    return [
        {"name": p.ops[0].name, "kind": p.ops[0].kind, "macs": p.macs, "instructions": sum(profile.functions.values())}
        for p, profile in zip(alone, profiles, strict=True)
    ]


def alone_program(program: Program, index: int) -> Program:
    """One operation of a program as a program."""
    op = program.ops[index]
    return Program(f"{program.name}_{index}", tuple(t for t in op.inputs if not t.constant), op.outputs, (op,))


def markdown(document: dict[str, Any]) -> str:
    rows = document["models"]
    lines = [
        "# Microcontrollers",
        "",
        "Made by `python benchmarks/microcontrollers.py FOLDER`: the MLPerf Tiny reference models as C with the",
        f"reference kernels, on {document['target']} (Cortex-M4 in QEMU), {document['compiler']}. Bytes and executed",
        "instructions, the same in every run; no times. TFLite Micro: @90b983c, CMSIS-NN @99f736a, the same core,",
        "compiler and way of counting, measured once on 2026-11-23, not in this run. In brackets: theirs/ours.",
        "",
        "| | " + " | ".join(row["title"] for row in rows) + " |",
        "|---|" + "---|" * len(rows),
    ]

    def line(what: str, values: Sequence[str]) -> None:
        lines.append(f"| {what} | " + " | ".join(values) + " |")

    line("output", ["equal, byte for byte" if row["golden"]["equal"] else "WRONG" for row in rows])
    line("arena, B", [f"**{row['arena_bytes']:,}**{'' if row['arena_exact'] else ' (not proven)'}" for row in rows])
    line("arena of TFLite Micro", [against(row["peer"]["arena_bytes"], row["arena_bytes"]) for row in rows])
    line("flash, B", [f"**{row['flash_bytes']:,}**" for row in rows])
    line("above the floor of the constants", [f"{row['flash_bytes'] - row['floor_bytes']:,}" for row in rows])
    line("flash of TFLite Micro", [against(row["peer"]["flash_bytes"], row["flash_bytes"]) for row in rows])
    line("the same, int8 kernels only", [against(row["peer"]["flash_int8_bytes"], row["flash_bytes"]) for row in rows])
    line("stack, B", [f"**{row['stack_bytes']:,}**" for row in rows])
    line("instructions", [f"**{row['instructions']['max']:,}**" for row in rows])
    line("a MAC", [f"{row['instructions']['max'] / row['macs']:.2f}" for row in rows])
    line(
        "TFLite Micro, reference kernels",
        [against(row["peer"]["instructions_reference"], row["instructions"]["max"]) for row in rows],
    )
    line(
        "TFLite Micro, CMSIS-NN",
        [against(row["peer"]["instructions_cmsis"], row["instructions"]["max"]) for row in rows],
    )
    for kind in ("Conv2D", "DepthwiseConv2D", "FullyConnected"):
        line(f"{kind}: a MAC, slowest layer", [slowest(row, kind) for row in rows])
    return "\n".join(lines) + "\n"


def against(theirs: int, ours: int) -> str:
    return f"{theirs:,} ({theirs / ours:.2f}x)"


def slowest(row: dict[str, Any], kind: str) -> str:
    rates = [layer["instructions"] / layer["macs"] for layer in row["layers"] if layer["kind"] == kind]
    return f"{max(rates):.2f}" if rates else "–"


if __name__ == "__main__":
    main()

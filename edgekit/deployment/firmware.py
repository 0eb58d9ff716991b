"""A model as C and an emulated microcontroller → FirmwareRun: built, run there on samples, compared, and weighed.

What comes out is what an emulator can know: flash, RAM, stack, instructions and whether the outputs are right; never a
time. Refused: microcontrollers without an emulator, and models that do not fit, with the figures, before they run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from edgekit.building import End, Sample, apart, read_samples, write_samples
from edgekit.building.bench import Arrays
from edgekit.building.cortex_m import STACK_BYTES, Firmware, bench_image, build_firmware, compiler_version
from edgekit.building.image import Image
from edgekit.device import cortex_m
from edgekit.emitters.c import CSources
from edgekit.errors import DeviceError, UnsupportedError
from edgekit.target import Target, all_targets

REASONS = ("emulated: instructions are counted, time is not known",)
_COMMENT = re.compile(r"  /\* (\d+) (.*): (\w+) .*-> .*\*/$")
_STATUS = {1: "an index that the model computed lies outside of its table"}


@dataclass(frozen=True)
class Emulated:
    """What each sample gave. profiles: of each; None where instructions were not counted exactly."""

    samples: Sequence[Sample]
    profiles: Sequence[cortex_m.Profile] | None


@dataclass(frozen=True)
class FirmwareRun:
    """A model on an emulated microcontroller; `document()` is the `bench` document of docs/json.md for those.

    golden                largest difference from what was expected, as stored; equal: none beyond the tolerance
    flash_bytes           text + data of a firmware with startup and the model, nothing else
    ram_bytes             arena, the stack that is reserved, variables
    stack_bytes           used by an inference
    memories              the regions of the target that hold code, data and arena
    instructions          of one inference: fewest, most, and how they were counted
    functions             of the longest inference, most instructions first
    operators             the same in the order of execution; empty where they could not be told apart
    """

    app: str
    target: str
    device: str
    runtime: Mapping[str, str]
    samples: int
    golden: Mapping[str, Any]
    output_sha256: str
    flash_bytes: int
    ram_bytes: int
    arena_bytes: int
    stack_bytes: int
    stack_reserved_bytes: int
    variables_bytes: int
    memories: Mapping[str, str]
    instructions: Mapping[str, Any]
    functions: tuple[Mapping[str, Any], ...]
    operators: tuple[Mapping[str, Any], ...]
    emulated: bool = True
    trusted: bool = False
    reasons: tuple[str, ...] = REASONS
    interrupted: bool = False

    @property
    def equal(self) -> bool:
        """Whether all outputs were as expected."""
        return bool(self.golden["equal"])

    def document(self) -> dict[str, Any]:
        return asdict(self)


def deploy_firmware(
    sources: CSources,
    inputs: Sequence[End],
    outputs: Sequence[End],
    samples: Sequence[Arrays],
    expected: Sequence[Arrays],
    target: Target,
    progress: Callable[[str], None],
) -> FirmwareRun:
    """Build firmware for `target`, run every sample on its emulated core and compare with `expected`.

    Arrays are as stored, by name of input or output. Outputs that differ are no error here: look at `equal`.

    Raises UnsupportedError where there is no emulator or the model does not fit, UsageError where a tool is missing,
    DeviceError where the firmware fails.
    """
    check_emulated(target)
    progress(f"building firmware for {target.id}")
    firmware = build_firmware(sources, target)
    progress(f"running {len(samples)} samples on an emulated {target.clusters[0].core.id}")
    ran = _run(sources, firmware.bench, inputs, outputs, samples, target)
    return _weighed(sources, firmware, ran, outputs, expected, target)


def run_firmware(
    sources: CSources,
    inputs: Sequence[End],
    outputs: Sequence[End],
    samples: Sequence[Arrays],
    target: Target,
    limit_s: float = cortex_m.LIMIT_S,
) -> Emulated:
    """What a model answers on an emulated core; errors as of `deploy_firmware`, and DeviceError after `limit_s`."""
    check_emulated(target)
    return _run(sources, bench_image([sources], target), inputs, outputs, samples, target, limit_s)


def check_emulated(target: Target) -> None:
    """Raises UnsupportedError for a target that no emulator stands for, naming one with the same core."""
    if target.emulator is not None and target.kind == "mcu":
        return
    core = target.clusters[0].core.id
    twins = [t.id for t in all_targets() if t.emulator and t.kind == "mcu" and t.clusters[0].core.id == core]
    same = f"; {twins[0]} is emulated and has the same core, {core}" if twins else ""
    export = f"`edgekit export` makes a library for its firmware project{same}"
    native = "`edgekit deploy --runtime native` brings C to a Linux board"
    raise UnsupportedError(
        f"firmware cannot be run on {target.id}: no emulator stands for it",
        hint=export if target.kind == "mcu" else native,
    )


def _run(
    sources: CSources,
    image: Image,
    inputs: Sequence[End],
    outputs: Sequence[End],
    samples: Sequence[Arrays],
    target: Target,
    limit_s: float = cortex_m.LIMIT_S,
) -> Emulated:
    given = write_samples([(inputs, samples)])
    answer = cortex_m.run(image, given, target, limit_s, caller=f"{sources.name}_invoke")
    found = read_samples(answer.outputs, [(outputs, len(samples))])[0]
    for number, sample in enumerate(found):
        if sample.status != 0:
            why = _STATUS.get(sample.status, f"status {sample.status}")
            raise DeviceError(f"the model failed on sample {number}: {why}", hint="look at the inputs of that sample")
    if answer.profiles is not None:  # SysTick runs by the clock of this machine then
        found = [replace(s, instructions=p.total) for s, p in zip(found, answer.profiles, strict=True)]
    return Emulated(found, answer.profiles)


def _weighed(
    sources: CSources,
    firmware: Firmware,
    ran: Emulated,
    outputs: Sequence[End],
    expected: Sequence[Arrays],
    target: Target,
) -> FirmwareRun:
    arena, variables = firmware.bare.arena_bytes, firmware.bare.other_ram_bytes
    places = firmware.layout
    counts = [sample.instructions for sample in ran.samples]
    longest = max(ran.profiles or (cortex_m.Profile({}, ()),), key=lambda profile: profile.total)
    return FirmwareRun(
        app=sources.name,
        target=target.id,
        device=f"{target.id} in QEMU",
        runtime={"name": "c", "version": compiler_version()},
        samples=len(ran.samples),
        golden=_golden(ran.samples, outputs, expected),
        output_sha256=_digest(ran.samples, outputs),
        flash_bytes=firmware.bare.flash_bytes,
        ram_bytes=arena + STACK_BYTES + variables,
        arena_bytes=arena,
        stack_bytes=max((sample.stack_bytes for sample in ran.samples), default=0),
        stack_reserved_bytes=STACK_BYTES,
        variables_bytes=variables,
        memories={"code": places.code.name, "data": places.data.name, "arena": places.arena.name},
        instructions={
            "min": min(counts, default=0),
            "max": max(counts, default=0),
            "exact": ran.profiles is not None,
        },
        functions=_functions(longest),
        operators=_operators(longest, sources),
    )


def _functions(profile: cortex_m.Profile) -> tuple[Mapping[str, Any], ...]:
    rows = sorted(profile.functions.items(), key=lambda item: (-item[1], item[0]))
    return tuple({"name": name, "instructions": count} for name, count in rows)


def _operators(profile: cortex_m.Profile, sources: CSources) -> tuple[Mapping[str, Any], ...]:
    """The calls of invoke() are one step each; what it copies at its end may be more steps."""
    calls = _calls(sources.files[f"{sources.name}.c"])
    if len(profile.steps) < len(calls):
        return ()
    rows: dict[tuple[str, str, str], int] = {}
    for call, count in zip(calls, profile.steps, strict=False):
        rows[call] = rows.get(call, 0) + count
    return tuple({"name": name, "op": op, "instructions": count} for (_, name, op), count in rows.items())


def _calls(source: str) -> list[tuple[str, str, str]]:
    """For each call of a kernel in NAME.c: number, name and kind of its operator, which a comment above it says."""
    calls, operator = [], ("", "", "")
    for line in source.splitlines():
        if found := _COMMENT.match(line):
            operator = (found[1], found[2], found[3])
        elif line.startswith("  if ((status = "):
            calls.append(operator)
    return calls


def _golden(samples: Sequence[Sample], outputs: Sequence[End], expected: Sequence[Arrays]) -> dict[str, Any]:
    worst, tolerance, equal = 0.0, 0.0, True
    for sample, wanted in zip(samples, expected, strict=True):
        for end in outputs:
            gap, allowed = apart(sample.outputs[end.name], wanted[end.name])
            worst, tolerance, equal = max(worst, gap), max(tolerance, allowed), equal and gap <= allowed
    return {"checked": bool(samples), "equal": equal, "max_abs_error": worst, "tolerance": tolerance}


def _digest(samples: Sequence[Sample], outputs: Sequence[End]) -> str:
    digest = hashlib.sha256()
    for sample in samples:
        for end in outputs:
            digest.update(np.ascontiguousarray(sample.outputs[end.name]).tobytes())
    return digest.hexdigest()

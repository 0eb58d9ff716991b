"""Everything: data, training, conversion, check on the emulated Cortex-M4, firmware, one session of an unseen person.

    python run.py [--subject 6] [--seconds 60]

Needs gcc-arm-none-eabi, libnewlib-arm-none-eabi, qemu-system-arm and make. Ends with a table, build/timeline.html and
build/stream.json; exit code 1 where the microcontroller and Python do not say the same.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import dataset
import get
import numpy as np
import stream
import timeline
import train
from rich.console import Console

from edgekit.resources import runtime_dir

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
PROGRAM = BUILD / "firmware" / "watch.elf"
TARGET = "mps2-an386"
CLOCKS_MHZ = (25, 80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subject", type=int, default=6, choices=dataset.TEST, help="whose session (default: 6)")
    parser.add_argument("--seconds", type=float, help="only the beginning of it")
    arguments = parser.parse_args()
    get.get()
    train.trained()
    edgekit("convert")
    edgekit("deploy", "--target", TARGET)
    build_firmware()
    given = stream.session(arguments.subject, arguments.seconds)
    print(f"\n{given.seconds:.0f} s of person {arguments.subject} on the emulated Cortex-M4 ...", flush=True)
    heard, printed = stream.on_microcontroller(PROGRAM, given)
    print(printed, end="")
    python = stream.in_python(BUILD, given)
    tell(given, heard, same=all(np.array_equal(heard[name], python[name]) for name in ("scores", "heard", "exercise")))


def edgekit(command: str, *options: str) -> None:
    """What the user would type, shown before it runs; its document goes to build/COMMAND.json."""
    BUILD.mkdir(exist_ok=True)
    words = [command, *options, "--json", str(BUILD / f"{command}.json")]
    print(f"\n$ edgekit {command} {' '.join(options)}", flush=True)
    done = subprocess.run([sys.executable, "-m", "edgekit", *words], cwd=HERE)
    if done.returncode != 0:
        sys.exit(done.returncode)


def build_firmware() -> None:
    command = ["make", "--no-print-directory", f"PORT={runtime_dir() / 'c' / 'ports' / 'cortex_m'}"]
    print("\n$ make -C firmware", flush=True)
    subprocess.run(command, cwd=HERE / "firmware", check=True, stdout=subprocess.DEVNULL)


def tell(given: stream.Session, heard: np.ndarray, *, same: bool) -> None:
    """Table, picture and figures; ends the program with 1 where the two sides differ."""
    facts = figures(given, heard, same)
    console = Console(highlight=False)
    console.print()
    timeline.table(given, heard["exercise"], console)
    console.print()
    for key, value in facts.items():
        console.print(f"[bold]{key}[/]: {value}")
    (BUILD / "timeline.html").write_text(timeline.page(given, heard["exercise"], facts), encoding="utf-8")
    (BUILD / "stream.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    console.print(f"picture: {(BUILD / 'timeline.html').relative_to(HERE)}")
    sys.exit(0 if same else 1)


def figures(given: stream.Session, heard: np.ndarray, same: bool) -> dict[str, str]:
    converted = json.loads((BUILD / "convert.json").read_text())
    per_second = 2 * float(heard["instructions"].mean())
    shares = " and ".join(f"{per_second / mhz / 1e4:.1f} % of {mhz} million" for mhz in CLOCKS_MHZ)
    accuracy = converted["accuracy"]
    return {
        "windows of five unseen people": f"float {accuracy['float']:.1%}, int8 {accuracy['int8']:.1%}",
        "this session, single windows": f"{(heard['heard'] == given.truth).mean():.1%}",
        "this session, after the vote": f"{(heard['exercise'] == given.truth).mean():.1%}",
        "the same, without 5 s after a change": f"{settled(given, heard['exercise']):.1%}",
        "microcontroller and Python": f"{'the same' if same else 'NOT THE SAME'} in all {len(heard)} windows",
        "model": f"{converted['c']['constant_bytes']:,} bytes of constants, {converted['c']['arena_bytes']:,} of arena",
        **sizes(heard),
        "instructions for one inference": f"{int(heard['instructions'].max()):,} with its 25 samples",
        "instructions for a second of signal": f"{per_second:,.0f}: {shares} a second (executed, not cycles)",
    }


def settled(given: stream.Session, exercises: np.ndarray) -> float:
    """Share of right answers where window and votes are of one exercise."""
    starts = np.array(given.starts)
    since = given.hops - starts[np.searchsorted(starts, given.hops, side="left") - 1]
    late = since >= dataset.WINDOW + (stream.VOTES - 1) * dataset.HOP
    return float((exercises == given.truth)[late].mean())


def sizes(heard: np.ndarray) -> dict[str, str]:
    """Of the whole firmware, by arm-none-eabi-size."""
    done = subprocess.run(["arm-none-eabi-size", "-A", PROGRAM], check=True, capture_output=True, text=True)
    found = {line.split()[0]: int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith(".")}
    flash = sum(found.get(name, 0) for name in (".text", ".ARM.exidx", ".data"))
    variables = sum(found.get(name, 0) for name in (".data", ".bss", ".arena"))
    stack = f"stack {int(heard['stack_bytes'].max()):,} used of {found['.stack']:,}"
    return {"firmware": f"{flash:,} bytes of flash; RAM: {variables:,} of variables with the arena, {stack}"}


if __name__ == "__main__":
    main()

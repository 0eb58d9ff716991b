"""The main job, end to end: trains a network on Fashion-MNIST, then types what a user would type. Ends with one table.

    make demo                 # or: python examples/demo.py [--skip-voice]

The board is the emulated Raspberry Pi 4 that edgekit brings up itself. Without root or QEMU the same steps run on this
machine (`--host local`), and the summary says so.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
EDGEKIT = [sys.executable, "-m", "edgekit"]
NOT_TRUSTED = 12  # exit code of a benchmark under conditions that do not allow to trust it, as on a PC with a browser


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--skip-voice", action="store_true", help="only the picture classifier")
    started = time.monotonic()
    skip_voice = arguments.parse_args().skip_voice
    where = choose_board()
    fashion = fashion_mnist(where)
    voice = None if skip_voice else voice_detector(where)
    summarise(fashion, voice, time.monotonic() - started)


def choose_board() -> list[str]:
    """Options that name the device: none where the virtual board comes up (edgekit.toml names it), else local."""
    up = run(["device", "up", "rpi4"], HERE, check=False)
    if up.returncode == 0:
        return []
    say("No virtual Raspberry Pi on this machine (see above): the demo goes on with this machine as the device.")
    return ["--host", "local"]


def fashion_mnist(where: list[str]) -> dict[str, dict]:
    """Train, convert, profile, deploy and deploy again; returns the JSON document of each step."""
    folder = HERE / "fashion_mnist"
    say("A picture classifier: Fashion-MNIST")
    subprocess.run([sys.executable, "-c", "import train; train.trained()"], cwd=folder, check=True)
    steps = {
        "convert": ["convert", "model.py", "--out", "build"],
        "profile": ["profile", "build", "--target", "rpi4"],
        "deploy": ["deploy", "--target", "rpi4", *where],
        "redeploy": ["deploy", "--target", "rpi4", "--no-bench", *where],
        "bench": ["bench", "--target", "rpi4", "--seconds", "5", *where],
        "status": ["status", "--target", "rpi4", *where],
    }
    documents = run_steps(steps, folder)
    run(["report", "build"], folder)
    return documents


def voice_detector(where: list[str]) -> dict[str, dict]:
    """A model that somebody else trained, as float: deployed, then listening to real speech on the board."""
    folder = HERE / "silero_vad"
    say("A voice detector: silero-vad (float; its LSTM stays float for now)")
    subprocess.run([sys.executable, "get.py"], cwd=folder, check=True)
    steps = {
        "convert": [
            "convert",
            "silero_vad.onnx",
            "--precision",
            "float",
            "--calibration",
            "speech.npz",
            "--out",
            "build",
        ],
        "deploy": ["deploy", "--target", "rpi4", "--no-bench", *where],
    }
    documents = run_steps(steps, folder)
    heard = subprocess.run([sys.executable, "hear.py", *where], cwd=folder, check=True, capture_output=True, text=True)
    print(heard.stdout, end="")
    return documents | {"hear": json.loads((folder / "build" / "hear.json").read_text())}


def run_steps(steps: dict[str, list[str]], folder: Path) -> dict[str, dict]:
    """Each command with its table on the screen and its document in build/NAME.json."""
    (folder / "build").mkdir(exist_ok=True)
    documents = {}
    for name, command in steps.items():
        file = folder / "build" / f"{name}.json"
        run([*command, "--json", str(file)], folder)
        documents[name] = json.loads(file.read_text())
    return documents


def run(command: list[str], folder: Path, *, check: bool = True) -> subprocess.CompletedProcess:
    """What the user would type, shown before it runs."""
    print(f"\n$ edgekit {' '.join(part for part in command)}", flush=True)
    done = subprocess.run([*EDGEKIT, *command], cwd=folder)
    if check and done.returncode not in (0, NOT_TRUSTED):
        sys.exit(done.returncode)
    return done


def summarise(fashion: dict[str, dict], voice: dict[str, dict] | None, seconds: float) -> None:
    from rich.console import Console

    from edgekit.report.tables import summary_table

    console = Console(highlight=False)
    console.print()
    summary_table(fashion, console)
    if voice is not None:
        hear = voice["hear"]
        console.print(
            f"voice detector (float) on {hear['device']}: {hear['found']} of speech from {hear['speech'][0]:.1f} s "
            f"to {hear['speech'][1]:.1f} s; largest difference from this PC {hear['max_abs_error']:.1g}"
        )
    console.print(f"report: {HERE / 'fashion_mnist' / 'build' / 'report.html'}   the whole demo took {seconds:.0f} s")


def say(text: str) -> None:
    print(f"\n=== {text}", flush=True)


if __name__ == "__main__":
    main()

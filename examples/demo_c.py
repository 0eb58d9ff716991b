"""Models as C: on emulated microcontrollers, and as one program on an emulated Raspberry Pi Zero W.

    make demo-c                 # or: python examples/demo_c.py

The picture classifier of `make demo` runs on an Armv6 board without Python packages and on a Cortex-M4; the wrist
exercises are recognised on a Cortex-M4 while a recording streams through it.
"""

from __future__ import annotations

import subprocess
import sys

from demo import HERE, run, run_steps, say


def main() -> None:
    folder = HERE / "fashion_mnist"
    say("Fashion-MNIST as C: an emulated Cortex-M4, then an emulated Raspberry Pi Zero W")
    subprocess.run([sys.executable, "-c", "import train; train.trained()"], cwd=folder, check=True)
    firmware = {
        "convert-c": ["convert", "model.py", "--formats", "onnx,c", "--out", "build"],
        "deploy-m4": ["deploy", "build", "--target", "mps2-an386"],
    }
    documents = run_steps(firmware, folder)
    if run(["device", "up", "rpi-zero-w"], HERE, check=False).returncode == 0:
        zero = ["deploy", "build", "--target", "rpi-zero-w", "--host", "virtual", "--runtime", "native"]
        documents |= run_steps({"deploy-zero": zero}, folder)
    else:
        say("No virtual Raspberry Pi on this machine (see above): the Zero is left out.")
    say("Wrist exercises: an IMU stream through an emulated Cortex-M4")
    subprocess.run([sys.executable, "run.py", "--seconds", "120"], cwd=HERE / "wrist_exercises", check=True)
    print(f"\n{summary(documents)}\ntimeline: {HERE / 'wrist_exercises' / 'build' / 'timeline.html'}")


def summary(documents: dict[str, dict]) -> str:
    """Both places of the classifier, a line each."""
    m4 = documents["deploy-m4"]["benchmark"]
    lines = [
        f"Fashion-MNIST on {m4['target']}: {m4['flash_bytes']:,} B flash, {m4['ram_bytes']:,} B RAM, "
        f"{m4['instructions']['max']:,} instructions, outputs equal: {m4['golden']['equal']}"
    ]
    if "deploy-zero" in documents:
        zero = documents["deploy-zero"]
        lines.append(
            f"Fashion-MNIST on {zero['device']}: a release of {zero['release_bytes']:,} B, "
            f"largest difference {zero['benchmark']['golden']['max_abs_error']:.2g}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

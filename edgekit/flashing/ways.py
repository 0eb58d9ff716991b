"""Which way each kind of microcontroller board takes a firmware: the table, and why some take none from here.

Sources: pyocd 0.46 (`pyocd list --targets`), esptool 5.6, the UF2 files of Raspberry Pi's boot ROMs (RP2040 datasheet
2.8.4, RP2350 datasheet 5.5; family ids in microsoft/uf2). None of it was tried on a board by the authors.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.errors import UnsupportedError, UsageError
from edgekit.target import Target


@dataclass(frozen=True)
class Uf2:
    """Copied to the drive that the boot ROM shows. board_id: what INFO_UF2.TXT on it says; address: where flash is."""

    family: int
    board_id: str
    address: int

    name = "uf2"


@dataclass(frozen=True)
class Pyocd:
    """Written over SWD by a debug probe. target: as pyocd calls the chip; pack: it wants a CMSIS pack for it first."""

    target: str
    pack: bool = False

    name = "pyocd"


@dataclass(frozen=True)
class Esptool:
    """Written over a serial port by the chip's own loader."""

    chip: str

    name = "esptool"


Way = Uf2 | Pyocd | Esptool
_RP2040 = (Uf2(0xE48BFF56, "RPI-RP2", 0x10000000), Pyocd("rp2040"))
_RP2350 = (Uf2(0xE48BFF59, "RP2350", 0x10000000), Pyocd("rp2350"))  # the family of Arm code that runs secure

WAYS: dict[str, tuple[Way, ...]] = {  # target → its ways, the usual one first
    "pico": _RP2040,
    "pico2": _RP2350,
    "esp32": (Esptool("esp32"),),
    "esp32-c3": (Esptool("esp32c3"),),
    "esp32-s3": (Esptool("esp32s3"),),
    "nrf52840": (Pyocd("nrf52840"),),
    "stm32f411": (Pyocd("stm32f411re", pack=True),),
    "stm32f746": (Pyocd("stm32f746ng", pack=True),),
    "stm32h743": (Pyocd("stm32h743xx"),),
    "stm32l476": (Pyocd("stm32l476rg", pack=True),),
    "stm32u575": (Pyocd("stm32u575zi", pack=True),),
}
REFUSED: dict[str, tuple[str, str]] = {  # target → why not, and what to use
    "teensy41": (
        "its boot loader speaks a protocol of its own, and no tool on the Python package index does",
        "teensy_loader_cli --mcu=TEENSY41 -w FIRMWARE.hex (package teensy-loader-cli), or the Arduino IDE",
    ),
    "nano33ble": (
        "its boot loader wants bossac, which is not on the Python package index",
        "arduino-cli upload, or bossac (package bossa-cli) with the .bin of a sketch",
    ),
    "uno-q-mcu": ("its Linux side writes it", "use arduino-cli or App Lab on the board"),
    "alif-e7": ("its images are signed and written by Alif's own tools", "use Alif's Security Toolkit"),
    "stm32n657": (
        "it has no flash of its own: the boot ROM loads a signed image from outside",
        "use STM32CubeProgrammer and its signing tool",
    ),
}


def ways_of(target: Target) -> tuple[Way, ...]:
    """The ways of a target, the usual one first. Raises UsageError for a wrong kind, UnsupportedError for none."""
    if target.emulated or target.kind == "linux":
        what = "emulated" if target.emulated else "a Linux board"
        raise UsageError(f"{target.id} is {what}: there is nothing to flash", hint="edgekit deploy runs models there")
    if target.id in REFUSED:
        reason, instead = REFUSED[target.id]
        raise UnsupportedError(f"{target.id} cannot be flashed from here: {reason}", hint=instead)
    if target.id not in WAYS:
        raise UnsupportedError(
            f"how {target.id} is flashed is not known", hint=f"known: {', '.join(sorted(WAYS))}; or use its own tools"
        )
    return WAYS[target.id]

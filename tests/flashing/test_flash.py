"""`edgekit flash` as far as it goes without a board: files checked, UF2 there and back, commands, a drive, a tool.

What runs as pyocd or esptool here is a script that writes down its arguments. That the real tools (pyocd 0.46, esptool
5.6) take them was checked by hand; that a board takes the result was not.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import ConnectionFailed, DeviceError, EdgekitError, ModelError, UnsupportedError, UsageError
from edgekit.flashing import NOTE, WAYS, Options, flash
from edgekit.flashing.drives import board_id
from edgekit.flashing.images import Block, arm_blocks
from edgekit.flashing.uf2 import PAGE, SECTOR, read_uf2, write_uf2
from edgekit.flashing.ways import REFUSED
from edgekit.target import all_targets, load_target

RP2040, RP2350 = 0xE48BFF56, 0xE48BFF59
FLASH = 0x10000000


def elf(*segments: tuple[int, bytes], machine: int = 40, bits: bytes = b"\x01\x01") -> bytes:
    """An ELF file with these (load address, content)."""
    start = 52 + 32 * len(segments)
    sizes = (52, 0, 0, 52, 32, len(segments), 0, 0, 0)
    header = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF" + bits, 2, machine, 1, 0, *sizes)
    table, body = b"", b""
    for address, data in segments:
        table += struct.pack("<8I", 1, start + len(body), 0x20000000, address, len(data), len(data), 5, 4)
        body += data
    return header + table + body


def at(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def drive(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "INFO_UF2.TXT").write_text(f"UF2 Bootloader v3.0\r\nModel: Raspberry Pi\r\nBoard-ID: {name}\r\n")
    return folder


# --- the table


@pytest.mark.parametrize("target", [t for t in all_targets() if t.kind == "mcu" and not t.emulated], ids=lambda t: t.id)
def test_every_microcontroller_has_a_way_or_a_reason(target):
    assert (target.id in WAYS) != (target.id in REFUSED)


@pytest.mark.parametrize("name", [*WAYS, *REFUSED])
def test_the_table_names_targets(name):
    assert load_target(name).id == name


@pytest.mark.parametrize(
    ("target", "error", "says"),
    [
        ("teensy41", UnsupportedError, "protocol of its own"),
        ("nano33ble", UnsupportedError, "bossac"),
        ("rpi4", UsageError, "Linux board"),
        ("mps2-an386", UsageError, "emulated"),
    ],
)
def test_boards_that_take_none_of_the_ways(tmp_path, target, error, says):
    with pytest.raises(error, match=says) as refused:
        flash(at(tmp_path / "a.bin", b"\0" * 64), target, dry_run=True)
    assert refused.value.hint


def test_a_way_that_the_board_does_not_take(tmp_path):
    with pytest.raises(UsageError, match="not flashed by esptool"):
        flash(at(tmp_path / "a.bin", b"\0" * 64), "pico", Options(by="esptool"), dry_run=True)


# --- UF2


def test_uf2_is_as_its_document_says():
    """Offsets, magic numbers and flag of the table in https://github.com/microsoft/uf2."""
    content = write_uf2([Block(FLASH, bytes(range(256)))], RP2040)
    assert len(content) == SECTOR // PAGE * 512
    assert struct.unpack_from("<8I", content) == (0x0A324655, 0x9E5D5157, 0x2000, FLASH, 256, 0, 16, RP2040)
    assert content[32 : 32 + 256] == bytes(range(256))
    assert struct.unpack_from("<I", content, 508) == (0x0AB16F30,)
    assert struct.unpack_from("<8I", content, 512)[3:7] == (FLASH + 256, 256, 1, 16)


def test_sectors_are_written_whole():
    """Erratum RP2040-E14: each group of 16 records must be one 4 KiB sector."""
    blocks = [Block(FLASH + 100, b"a" * 10), Block(FLASH + 0x21F00, b"b" * 0x200)]
    content = write_uf2(blocks, RP2040)
    addresses = [struct.unpack_from("<I", content, at + 12)[0] for at in range(0, len(content), 512)]
    for k in range(0, len(addresses), 16):
        assert addresses[k] % SECTOR == 0
        assert addresses[k : k + 16] == [addresses[k] + PAGE * i for i in range(16)]


@given(st.lists(st.tuples(st.integers(0, 40_000), st.binary(min_size=1, max_size=5_000)), min_size=1, max_size=5))
@settings(deadline=None, max_examples=60)
def test_uf2_there_and_back(parts):
    memory, blocks, end = bytearray(b"\xff" * 400_000), [], 0
    for gap, data in parts:
        blocks.append(Block(FLASH + end + gap, data))
        memory[end + gap : end + gap + len(data)] = data
        end += gap + len(data)
    back = bytearray(b"\xff" * 400_000)
    for block in read_uf2(write_uf2(blocks, RP2040), RP2040):
        back[block.address - FLASH : block.end - FLASH] = block.data
    assert back == memory


def test_overlapping_parts_are_refused():
    with pytest.raises(ModelError, match="two parts"):
        write_uf2([Block(FLASH, b"aaaa"), Block(FLASH + 2, b"b")], RP2040)


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 512])
def test_damaged_uf2_is_refused(damage):
    with pytest.raises(ModelError):
        read_uf2(damage, RP2040)


def test_other_families_are_passed_over():
    """RP2350 files may begin with a record for erratum RP2350-E10, of another family; a file may hold two boards'."""
    both = write_uf2([Block(FLASH, b"one")], RP2040) + write_uf2([Block(FLASH, b"two")], RP2350)
    assert read_uf2(both, RP2350)[0].data[:3] == b"two"
    with pytest.raises(ModelError, match="0xe48bff56, 0xe48bff59, the board wants 0x12345678"):
        read_uf2(both, 0x12345678)


# --- the Pico's drive


@pytest.mark.parametrize("ending", [".elf", ".bin", ".uf2"])
@pytest.mark.parametrize(("target", "name", "family"), [("pico", "RPI-RP2", RP2040), ("pico2", "RP2350", RP2350)])
def test_a_pico_gets_its_file(tmp_path, ending, target, name, family):
    code = bytes(range(1, 255)) * 40
    content = {".elf": elf((FLASH, code)), ".bin": code, ".uf2": write_uf2([Block(FLASH, code)], family)}[ending]
    board = drive(tmp_path / "drive", name)
    done = flash(at(tmp_path / f"app{ending}", content), target, Options(drive=board))
    written = read_uf2((board / "firmware.uf2").read_bytes(), family)
    assert b"".join(block.data for block in written)[: len(code)] == code
    assert done.done and done.document()["note"] == NOTE


def test_another_board_is_not_written_to(tmp_path):
    board = drive(tmp_path / "drive", "RP2350")
    with pytest.raises(UsageError, match='is a "RP2350", wanted a "RPI-RP2"'):
        flash(at(tmp_path / "a.bin", b"\1" * 64), "pico", Options(drive=board))
    assert not (board / "firmware.uf2").exists()


def test_a_folder_that_is_no_board(tmp_path):
    assert board_id(tmp_path) is None
    with pytest.raises(UsageError, match="no drive of a board"):
        flash(at(tmp_path / "a.bin", b"\1" * 64), "pico", Options(drive=tmp_path))


def test_no_board_in_boot_mode(tmp_path):
    with pytest.raises(ConnectionFailed) as refused:
        flash(at(tmp_path / "a.bin", b"\1" * 64), "pico")
    assert "BOOTSEL" in refused.value.hint


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (elf((0x08000000, b"code")), UnsupportedError),  # linked for an STM32
        (elf((FLASH, b"a" * 100), (0x20000000, b"b")), UnsupportedError),
        (elf((FLASH + 2 * 1024 * 1024 - 2, b"long")), UnsupportedError),
        (elf((FLASH, b"code"), machine=243), ModelError),  # RISC-V
        (elf((FLASH, b"code"), bits=b"\x02\x01"), ModelError),
        (elf((FLASH, b"code"))[:-2], ModelError),
        (elf((FLASH, b"code"))[:60], ModelError),
        (elf(), ModelError),
        (b"", ModelError),
        (write_uf2([Block(FLASH, b"code")], RP2350), ModelError),
    ],
)
def test_firmware_for_something_else(tmp_path, content, error):
    with pytest.raises(error):
        flash(at(tmp_path / "app.elf", content), "pico", dry_run=True)


@given(st.binary(max_size=200), st.integers(0, 115))
@settings(deadline=None, max_examples=100)
def test_broken_elf_files_are_refused_in_words(noise, place):
    whole = bytearray(elf((FLASH, b"code"), (FLASH + 64, b"data")))
    whole[place : place + len(noise)] = noise
    with suppress(EdgekitError):
        arm_blocks(bytes(whole))


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="gcc-arm-none-eabi is not installed")
def test_what_a_linker_makes(tmp_path):
    """Data lies in flash and runs in RAM: the load address counts."""
    (tmp_path / "app.c").write_text("int data = 0x12345678; int zero; int main(void) { return data + zero; }\n")
    (tmp_path / "app.ld").write_text(
        "MEMORY { FLASH (rx) : ORIGIN = 0x10000000, LENGTH = 2M\n RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 256K }\n"
        "SECTIONS { .text : { *(.text*) *(.rodata*) } > FLASH\n .data : { *(.data*) } > RAM AT > FLASH\n"
        " .bss : { *(.bss*) *(COMMON) } > RAM }\n"
    )
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m0plus", "-mthumb", "-nostdlib", "-Wl,-e,main,--build-id=none"]
    subprocess.run([*command, "-Tapp.ld", "app.c", "-o", "app.elf"], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", "app.elf", "app.bin"], cwd=tmp_path, check=True)
    blocks = arm_blocks((tmp_path / "app.elf").read_bytes())
    plain = (tmp_path / "app.bin").read_bytes()
    written = read_uf2(write_uf2(blocks, RP2040), RP2040)
    assert b"".join(b.data for b in written)[: len(plain)].replace(b"\xff", b"\0") == plain.replace(b"\xff", b"\0")


# --- pyocd and esptool


@pytest.mark.parametrize(
    ("target", "options", "wanted"),
    [
        ("stm32h743", Options(), "pyocd load --no-wait --target stm32h743xx --format elf {file}"),
        ("nrf52840", Options(probe="0123"), "pyocd load --no-wait --target nrf52840 --probe 0123 --format elf {file}"),
        ("pico", Options(by="pyocd"), "pyocd load --no-wait --target rp2040 --format elf {file}"),
    ],
)
def test_commands_of_pyocd(tmp_path, target, options, wanted):
    firmware = at(tmp_path / "app.elf", elf((0x08000000, b"code")))
    planned = flash(firmware, target, options, dry_run=True)
    assert " ".join(planned.command) == wanted.format(file=firmware)
    assert not planned.done


def test_pyocd_wants_packs_for_most_stm32(tmp_path):
    planned = flash(at(tmp_path / "app.hex", b":00000001FF\n"), "stm32f411", dry_run=True)
    assert planned.advice == "pyocd pack install stm32f411re"
    assert planned.command[-2] == "hex"


@pytest.mark.parametrize(
    ("head", "address"),
    [
        (b"\xe9" + b"\0" * 31 + b"\x32\x54\xcd\xab", "0x10000"),  # an application of idf.py build
        (b"\xe9" + b"\0" * 31 + b"\x50\x00\x00\x00", "0x0"),  # merged, the boot loader first
        (b"\xff" * 4096, "0x0"),  # merged for an ESP32: nothing before 0x1000
    ],
)
def test_commands_of_esptool(tmp_path, head, address):
    firmware = at(tmp_path / "app.bin", head + b"\0" * 64)
    planned = flash(firmware, "esp32-s3", Options(port="/dev/ttyUSB0"), dry_run=True)
    wanted = ["esptool", "--chip", "esp32s3", "--port", "/dev/ttyUSB0", "write-flash", address, str(firmware)]
    assert list(planned.command) == wanted


def test_esptool_takes_no_elf(tmp_path):
    with pytest.raises(ModelError, match=r"esptool takes \.bin"):
        flash(at(tmp_path / "app.elf", elf((0, b"code"), machine=94)), "esp32", dry_run=True)


@pytest.fixture
def tools(tmp_path, monkeypatch) -> Path:
    """A PATH on which nothing is installed yet."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    return folder


def installed(folder: Path, name: str, code: int = 0) -> Path:
    """A program of this name that writes its arguments to a file."""
    told = folder / f"{name}.arguments"
    script = folder / name
    script.write_text(
        f"#!{sys.executable}\nimport sys, pathlib\n"
        f"pathlib.Path({str(told)!r}).write_text('\\n'.join(sys.argv[1:]))\nsys.exit({code})\n"
    )
    script.chmod(0o755)
    return told


def test_a_tool_that_is_not_installed(tmp_path, tools):
    with pytest.raises(UsageError, match="pyocd is not installed") as refused:
        flash(at(tmp_path / "app.elf", elf((0, b"code"))), "nrf52840")
    assert refused.value.hint == "pip install pyocd"


def test_a_tool_is_run(tmp_path, tools):
    told = installed(tools, "esptool")
    firmware = at(tmp_path / "app.bin", b"\0" * 64)
    done = flash(firmware, "esp32")
    assert told.read_text().split("\n") == ["--chip", "esp32", "write-flash", "0x0", str(firmware)]
    assert done.done and done.command[0] == str(tools / "esptool")


def test_a_tool_that_fails(tmp_path, tools):
    installed(tools, "pyocd", code=3)
    with pytest.raises(DeviceError, match="pyocd ended with 3") as refused:
        flash(at(tmp_path / "app.bin", b"\0" * 64), "stm32l476")
    assert "pyocd pack install stm32l476rg" in refused.value.hint


def test_the_command_says_what_it_would_do(tmp_path):
    firmware = at(tmp_path / "app.bin", b"\1" * 5000)
    command = [sys.executable, "-m", "edgekit", "flash", str(firmware), "--target", "pico", "--dry-run", "--json", "-"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["by"], document["done"], document["bytes"]) == ("uf2", False, 2 * 16 * 512)
    assert document["note"] == NOTE
    spoken = subprocess.run(command[:-2], capture_output=True, text=True)
    assert "would run:" in spoken.stdout and NOTE in spoken.stdout

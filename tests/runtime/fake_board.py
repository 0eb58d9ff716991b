"""A fake /proc and /sys, and a fake vcgencmd: for the code that reads sensors, never for timings."""

from __future__ import annotations

from pathlib import Path

MAX_KHZ = 1_500_000


class FakeBoard:
    """A cool, idle Raspberry Pi 4 at full speed; change one thing and see whether the benchmark notices."""

    def __init__(self, root: Path, cpus: int = 4) -> None:
        self.root = root
        self.cpus = cpus
        self.write("proc/loadavg", "0.10 0.05 0.01 1/100 999\n")
        self.write(
            "proc/meminfo", "MemTotal: 3884000 kB\nMemAvailable: 3000000 kB\nSwapTotal: 100 kB\nSwapFree: 60 kB\n"
        )
        self.write("proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n")
        self.write("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
        self.write("proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n")
        self.write("sys/class/thermal/cooling_device9/type", "pwm-fan\n")
        self.write("sys/class/thermal/cooling_device9/cur_state", "3\n")
        self.temperature(45.2)
        self.frequency(MAX_KHZ)

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def temperature(self, celsius: float) -> None:
        self.write("sys/class/thermal/thermal_zone0/temp", f"{celsius * 1000:.0f}\n")

    def frequency(self, khz: int, governor: str = "performance") -> None:
        for cpu in range(self.cpus):
            folder = f"sys/devices/system/cpu/cpu{cpu}/cpufreq"
            self.write(f"{folder}/scaling_cur_freq", f"{khz}\n")
            self.write(f"{folder}/cpuinfo_max_freq", f"{MAX_KHZ}\n")
            self.write(f"{folder}/scaling_governor", f"{governor}\n")

    def cooling(self, state: int) -> None:
        self.write("sys/class/thermal/cooling_device0/type", "thermal-cpufreq-0\n")
        self.write("sys/class/thermal/cooling_device0/cur_state", f"{state}\n")

    def vcgencmd(self, *words: str) -> Path:
        """A folder for PATH with a vcgencmd whose get_throttled answers each of `words` in turn, the last for ever."""
        folder = self.root / "bin"
        folder.mkdir(exist_ok=True)
        queue = self.root / "words"
        queue.write_text("".join(f"{word}\n" for word in words))
        script = folder / "vcgencmd"
        script.write_text(
            f"""#!/bin/sh
[ "$1" = get_throttled ] || exit 1
read -r word < '{queue}'
echo "throttled=$word"
[ "$(grep -c . '{queue}')" -gt 1 ] && sed -i 1d '{queue}'
exit 0
"""
        )
        script.chmod(0o755)
        return folder

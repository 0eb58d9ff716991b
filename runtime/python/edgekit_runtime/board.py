"""/proc, /sys and vcgencmd of a Linux board → what it is (`facts`) and in which state it is right now (`conditions`).

Everything that cannot be read is None, never a guess. `root` lets tests read another tree than that of this machine.
"""

from __future__ import annotations

import os
import re
import sys
import time

_CPU_PARTS = {
    "0xb76": "ARM1176", "0xc07": "Cortex-A7", "0xd03": "Cortex-A53", "0xd04": "Cortex-A35", "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57", "0xd08": "Cortex-A72", "0xd09": "Cortex-A73", "0xd0a": "Cortex-A75", "0xd0b": "Cortex-A76",
    "0xd42": "Cortex-A78AE",
}  # fmt: skip
NOW_BITS = 0xF  # get_throttled: under-voltage, frequency capped, throttled, soft temperature limit, at this moment
STICKY_BITS = 0xF0000  # the same four, since boot


class System:
    """Readings of one machine. CPU figures are those of `cpus`, by default the CPUs that this process may use."""

    def __init__(self, root: str = "/", cpus=None) -> None:
        self._root = root
        self.cpus = sorted(cpus if cpus is not None else os.sched_getaffinity(0))

    def big_cores(self) -> int:
        """How many of the usable CPUs are of the fastest kind; all of them where the kernel does not tell."""
        for name in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
            known = [n for n in (self._number(f"sys/devices/system/cpu/cpu{c}/{name}") for c in self.cpus) if n]
            if known:
                return known.count(max(known))
        return max(1, len(self.cpus))

    def conditions(self) -> dict:
        """State at this moment, field names as in docs/json.md."""
        memory = self._meminfo()
        load = self._text("proc/loadavg")
        return {
            "frequency_hz": self.frequency_hz("scaling_cur_freq"),
            "governor": self._text(f"sys/devices/system/cpu/cpu{self.cpus[0]}/cpufreq/scaling_governor"),
            "temperature_c": self.temperature_c(),
            "throttled_bits": self.throttled_bits(),
            "cooling_state": self.cooling_state(),
            "load_1m": float(load.split()[0]) if load else None,
            "free_bytes": memory.get("MemAvailable"),
            "swap_used_bytes": memory["SwapTotal"] - memory["SwapFree"] if "SwapFree" in memory else None,
        }

    def frequency_hz(self, name: str) -> int | None:
        """Highest of the CPUs: `scaling_cur_freq` (now) or `cpuinfo_max_freq` (what the hardware can)."""
        paths = (f"sys/devices/system/cpu/cpu{c}/cpufreq/{name}" for c in self.cpus)
        khz = [n for n in map(self._number, paths) if n is not None]
        return max(khz) * 1000 if khz else None

    def temperature_c(self) -> float | None:
        """The hottest thermal zone."""
        zones = [self._number(f"{zone}/temp") for zone in self._folders("sys/class/thermal", "thermal_zone")]
        known = [z for z in zones if z is not None]
        return max(known) / 1000 if known else None

    def cooling_state(self) -> int | None:
        """Highest state of the cooling devices that slow a CPU down (a fan does not); 0 = none is active."""
        states = []
        for device in self._folders("sys/class/thermal", "cooling_device"):
            kind = (self._text(f"{device}/type") or "").lower()
            state = self._number(f"{device}/cur_state")
            if ("cpu" in kind or "processor" in kind) and state is not None:
                states.append(state)
        return max(states) if states else None

    def throttled_bits(self) -> int | None:
        """The word of `vcgencmd get_throttled` (Raspberry Pi), None on other boards."""
        answer = _vcgencmd("get_throttled")
        match = re.search(r"throttled=(0x[0-9a-fA-F]+)", answer or "")
        return int(match.group(1), 16) if match else None

    def facts(self, threads: int) -> dict:
        """What the board is; field names as in docs/json.md."""
        clock = time.get_clock_info("perf_counter").implementation
        source = self._text("sys/devices/system/clocksource/clocksource0/current_clocksource")
        firmware = _vcgencmd("version")
        return {
            "model": self._model(),
            "kernel": os.uname().release,
            "cpu": self._cpu(),
            "python": ".".join(map(str, sys.version_info[:3])),
            "clock": f"{clock}, {source}" if source else clock,
            "threads": threads,
            "cpus": self.cpus,
            "machine": os.uname().machine,
            "firmware": " ".join(firmware.split()) if firmware else None,
            "max_frequency_hz": self.frequency_hz("cpuinfo_max_freq"),
        }

    def boot_id(self) -> str | None:
        return self._text("proc/sys/kernel/random/boot_id")

    def _model(self) -> str | None:
        places = ("proc/device-tree/model", "sys/firmware/devicetree/base/model", "sys/class/dmi/id/product_name")
        return next((text for text in map(self._text, places) if text), None)

    def _cpu(self) -> str | None:
        info = self._text("proc/cpuinfo") or ""
        named = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
        if named:
            return named.group(1).strip()
        parts = sorted(set(re.findall(r"^CPU part\s*:\s*(0x[0-9a-f]+)", info, re.MULTILINE)))
        return " + ".join(_CPU_PARTS.get(p, f"Arm part {p}") for p in parts) or None

    def _meminfo(self) -> dict:
        lines = (self._text("proc/meminfo") or "").splitlines()
        pairs = (re.match(r"(\w+):\s+(\d+) kB", line) for line in lines)
        return {p.group(1): int(p.group(2)) * 1024 for p in pairs if p}

    def _folders(self, parent: str, prefix: str) -> list[str]:
        try:
            names = os.listdir(os.path.join(self._root, parent))
        except OSError:
            return []
        return [f"{parent}/{name}" for name in sorted(names) if name.startswith(prefix)]

    def _number(self, path: str) -> int | None:
        text = self._text(path)
        try:
            return int(text) if text else None
        except ValueError:
            return None

    def _text(self, path: str) -> str | None:
        try:
            with open(os.path.join(self._root, path), encoding="utf-8", errors="replace") as f:
                return f.read().strip("\0\n ") or None
        except OSError:  # a sensor that is absent, or that answers an error, is unknown
            return None


def peak_rss_bytes() -> int | None:
    """Peak resident memory of this process so far (VmHWM, which, unlike ru_maxrss, does not inherit the parent's)."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as f:
            match = re.search(r"^VmHWM:\s+(\d+) kB", f.read(), re.MULTILINE)
    except OSError:
        return None
    return int(match.group(1)) * 1024 if match else None


def _vcgencmd(word: str) -> str | None:
    import subprocess  # costs start time, and only benchmarks need it

    try:
        done = subprocess.run(["vcgencmd", word], capture_output=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None

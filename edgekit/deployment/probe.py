"""One question to a device → Facts: what it is, what it can do, and what edgekit has on it already. The answer is
parsed here and nowhere else; an answer that is not well formed is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgekit.deployment.answers import between_markers, failure, new_nonce, shown
from edgekit.deployment.scripts import script
from edgekit.device import Device
from edgekit.errors import DeviceError, UsageError

PROBE = script("probe")
ANSWER_CAP_BYTES = 4 << 20
DEADLINE_S = 120.0
MAX_LINES = 40_000
ROOT_CHARS = 1024

_SHA = re.compile(r"[0-9a-f]{64}")
_RELEASE_LINK = re.compile(r"releases/([0-9a-f]{64})")
_APP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ELF_MACHINES = {0x28: "arm", 0x3E: "x86_64", 0xB7: "aarch64", 0xF3: "riscv", 0x03: "x86"}


@dataclass(frozen=True)
class BoardPython:
    """The python3 of a board. `unusable` says why it cannot run a model, None if it can."""

    executable: str
    version: tuple[int, int, int]
    free_threaded: bool
    numpy: str | None
    unusable: str | None


@dataclass(frozen=True)
class Release:
    """A complete release on a device; `bytes` and `model` only after a probe that asked for them (status)."""

    id: str
    bytes: int | None = None
    model: str | None = None


@dataclass(frozen=True)
class AppState:
    """What a device holds of one app."""

    name: str
    current: str | None
    previous: str | None
    releases: tuple[Release, ...] = ()


@dataclass(frozen=True)
class Facts:
    """A device as it described itself. None is "it did not say".

    arch          of its programs, not of its kernel: aarch64, armv7l, armv6l, x86_64, ...
    libc          ("glibc", (2, 36)), or ("musl", None)
    hard_float    32-bit Arm: whether its programs pass floats in registers of the floating point unit (armhf)
    capabilities  what was tried on the file system of `root`, by name: hard_link, exec, flock, ...
    blobs         sha256 of what its store holds; `parts`: bytes that arrived of cut transfers
    ignored       folders among its apps and releases whose names are not edgekit's
    """

    arch: str
    bits: int
    libc: tuple[str, tuple[int, int] | None]
    page_bytes: int | None
    cpu_features: tuple[str, ...]
    python: BoardPython | None
    kernel: str
    hostname: str
    board: str | None
    boot_id: str | None
    machine_id_sha256: str | None
    ram_bytes: int | None
    root: str
    disk_bytes: int
    free_bytes: int
    free_inodes: int | None
    store_bytes: int | None = None
    format: str | None = None
    capabilities: Mapping[str, bool] = field(default_factory=dict)
    apps: tuple[AppState, ...] = ()
    blobs: frozenset[str] = frozenset()
    parts: Mapping[str, int] = field(default_factory=dict)
    ignored: int = 0
    hard_float: bool | None = None

    def app(self, name: str) -> AppState:
        """The state of one app; empty when the device has nothing of it."""
        return next((a for a in self.apps if a.name == name), AppState(name, None, None))


def check_root(root: str) -> None:
    """Refuse a folder for the store that shells, tools or PYTHONPATH read in another way than meant; "" is the default.

    Raises UsageError.
    """
    problems = []
    if root and not root.startswith("/"):
        problems.append("does not begin with /")
    if not root.isprintable():
        problems.append("has control characters")
    if ":" in root:
        problems.append('has a ":", which PYTHONPATH cannot hold')
    if len(root) > ROOT_CHARS:
        problems.append(f"has {len(root)} characters, allowed are {ROOT_CHARS}")
    if problems:
        name = root if len(root) <= 80 else f"{root[:80]}..."
        raise UsageError(
            f"root {name!r} {' and '.join(problems)}",
            hint="give an absolute folder on the board, such as /opt/edgekit, or leave it out for ~/.edgekit",
        )


def probe(device: Device, *, root: str = "", write: bool = True) -> Facts:
    """Ask `device` what it is. With write=False nothing is tried on its file system, and sizes are asked instead.

    Raises UsageError for a bad `root`, DeviceError when the answer is not one, ConnectionFailed when none comes.
    """
    check_root(root)
    nonce = new_nonce()
    result = device.run(
        PROBE, root, nonce, "try" if write else "look", deadline_s=DEADLINE_S, cap_bytes=ANSWER_CAP_BYTES
    )
    if result.returncode > 100:
        raise failure(result, device, "looking at the store")
    return parse(between_markers(result.stdout, nonce, device), device.label)


def board_python(facts: Facts) -> BoardPython:
    """The python3 that runs models there. Raises DeviceError when there is none, or it does not work."""
    if facts.python is None:
        raise DeviceError(
            f"{facts.hostname or 'the device'} has no python3", hint="install python3 there (Debian: python3)"
        )
    if facts.python.unusable:
        raise DeviceError(
            f"{facts.python.executable} of {facts.hostname} does not work: {facts.python.unusable}",
            hint="install the whole python3 there, not only python3-minimal",
        )
    return facts.python


def python_of(facts: Facts) -> str:
    """What the scripts there start where a release has no program of its own; a native one needs none."""
    return facts.python.executable if facts.python else "python3"


def only_app(facts: Facts, label: str) -> str:
    """The app that is meant where none is named."""
    names = [app.name for app in facts.apps if app.current]
    if len(names) == 1:
        return names[0]
    raise UsageError(
        f"{label} has {len(names)} apps" + (f": {', '.join(names)}" if names else ""),
        hint="name one with --app" if names else "run edgekit deploy first",
    )


def parse(text: str, label: str) -> Facts:
    """Facts from the `key=value` lines of probe.sh. Raises DeviceError naming every line that is wrong."""
    answer = _Answer(text, label)
    arch, bits = _arch(answer)
    disk_kib, free_kib = answer.numbers("disk_kib", 2, required=True)
    inodes = answer.numbers("inodes", 2)
    ram_kib = answer.number("ram_kib")
    store = answer.number("store_bytes")
    facts = Facts(
        arch=arch,
        bits=bits,
        libc=_libc(answer.text("libc")),
        page_bytes=answer.number("page_bytes"),
        cpu_features=tuple(answer.text("cpu_features").split()),
        python=_python(answer),
        kernel=answer.text("kernel"),
        hostname=answer.text("hostname"),
        board=answer.text("board") or None,
        boot_id=answer.text("boot_id") or None,
        machine_id_sha256=answer.text("machine_id_sha256") or None,
        ram_bytes=None if ram_kib is None else ram_kib * 1024,
        root=answer.text("root"),
        disk_bytes=disk_kib * 1024,
        free_bytes=free_kib * 1024,
        free_inodes=inodes[1] if inodes and inodes[0] > 0 else None,  # btrfs counts none
        store_bytes=store,
        format=answer.text("format") or None,
        capabilities=answer.capabilities(),
        apps=_apps(answer),
        blobs=frozenset(answer.shas("blob", "blobs/")),
        parts=answer.parts(),
        ignored=answer.number("ignored") or 0,
        hard_float=_hard_float(answer.text("elf")),
    )
    answer.raise_problems()
    return facts


class _Answer:
    """The lines of one answer, and what was found wrong with them."""

    def __init__(self, text: str, label: str) -> None:
        self.label = label
        self.problems: list[str] = []
        self.values: dict[str, list[str]] = {}
        lines = text.rstrip("\n").split("\n")
        if len(lines) > MAX_LINES:
            raise DeviceError(f"{label} answered with {len(lines)} lines, allowed are {MAX_LINES}")
        for line in lines:
            key, equals, value = line.partition("=")
            if equals and re.fullmatch(r"[a-z0-9_.]{1,40}", key):
                self.values.setdefault(key, []).append(value)
            else:
                self.problems.append(f"line {shown(line.encode(), 60)!r}")

    def all(self, key: str) -> list[str]:
        return self.values.get(key, [])

    def text(self, key: str) -> str:
        """The one value of `key` without control characters, "" if there is none."""
        found = self.all(key)
        if len(found) > 1:
            self.problems.append(f"{key} is given {len(found)} times")
        return shown(found[0].encode(), 4096) if found else ""

    def number(self, key: str) -> int | None:
        found = self.numbers(key, 1)
        return found[0] if found else None

    def numbers(self, key: str, count: int, required: bool = False) -> tuple[int, ...]:
        """`count` whole numbers below 2**63, or () where the device does not know them."""
        text = self.text(key)
        words = text.split()
        if len(words) == count and all(re.fullmatch(r"[0-9]{1,18}", w) for w in words):
            return tuple(int(w) for w in words)
        if required or (text and set(text) - set("- ")):
            self.problems.append(f"{key} is {text[:60]!r}, expected {count} numbers")
        return (0,) * count if required else ()

    def capabilities(self) -> dict[str, bool]:
        return {k.removeprefix("can."): self.text(k) == "yes" for k in self.values if k.startswith("can.")}

    def shas(self, key: str, prefix: str) -> list[str]:
        """The well-formed names; foreign files in the store are no reason to refuse a board."""
        names = (value.removeprefix(prefix) for value in self.all(key))
        return [name for name in names if _SHA.fullmatch(name)]

    def parts(self) -> dict[str, int]:
        pairs = (value.split() for value in self.all("part"))
        return {p[0]: int(p[1]) for p in pairs if len(p) == 2 and _SHA.fullmatch(p[0]) and p[1].isdecimal()}

    def raise_problems(self) -> None:
        if self.problems:
            raise DeviceError(
                f"{self.label} described itself in a way that cannot be read: " + "; ".join(self.problems[:5]),
                hint="edgekit needs a POSIX sh and coreutils or busybox on the device",
            )


def _arch(answer: _Answer) -> tuple[str, int]:
    """Architecture and bits of the programs, from the header of /bin/sh: a 64-bit kernel may run a 32-bit system."""
    machine = answer.text("machine")
    header = answer.text("elf")
    long_bit = answer.number("long_bit")
    if not re.fullmatch(r"7f454c46[0-9a-f]{32,72}", header):
        return machine or "unknown", long_bit or 0
    raw = bytes.fromhex(header)
    bits = {1: 32, 2: 64}.get(raw[4], 0)
    arch = _ELF_MACHINES.get(int.from_bytes(raw[18:20], "little" if raw[5] == 1 else "big"), machine or "unknown")
    if arch == "arm":
        arch = machine if machine in ("armv6l", "armv7l") else "armv7l"  # aarch64 kernels run ARMv7 programs
    if long_bit not in (None, bits):
        answer.problems.append(f"long_bit is {long_bit}, /bin/sh has {bits} bits")
    return arch, bits


def _hard_float(header: str) -> bool | None:
    """From the flags of a 32-bit Arm program (EF_ARM_ABI_FLOAT_HARD)."""
    if not re.fullmatch(r"7f454c460101[0-9a-f]{68}", header) or header[36:40] != "2800":
        return None
    return bool(int.from_bytes(bytes.fromhex(header[72:80]), "little") & 0x400)


def _libc(text: str) -> tuple[str, tuple[int, int] | None]:
    found = re.search(r"glibc ([0-9]{1,3})\.([0-9]{1,3})(?![0-9])", text)
    if found:
        return "glibc", (int(found[1]), int(found[2]))
    return ("musl" if "musl" in text else "unknown"), None


def _python(answer: _Answer) -> BoardPython | None:
    executable = answer.text("python")
    if not executable.startswith("/"):
        return None
    facts = answer.text("python_facts")
    found = re.fullmatch(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3}) (free|gil) (\S{1,40}) (yes|no: .*)", facts)
    if not found:
        return BoardPython(executable, (0, 0, 0), False, None, facts[:200] or "it does not run")
    return BoardPython(
        executable=executable,
        version=(int(found[1]), int(found[2]), int(found[3])),
        free_threaded=found[4] == "free",
        numpy=None if found[5] == "-" else found[5],
        unusable=None if found[6] == "yes" else found[6].removeprefix("no: "),
    )


def _apps(answer: _Answer) -> tuple[AppState, ...]:
    sizes, models = _by_release(answer, "size"), _by_release(answer, "model")
    apps = []
    for line in answer.all("app"):
        name, current, previous = [*line.split(" "), "-", "-"][:3]
        if not _APP.fullmatch(name):
            continue  # not made by edgekit
        ids = [w[1] for value in answer.all("release") if (w := value.split(" "))[0] == name and len(w) == 2]
        releases = tuple(
            Release(id, int(s) if (s := sizes.get(id, "")).isdecimal() else None, _model_name(models.get(id)))
            for id in ids
            if _SHA.fullmatch(id)
        )
        apps.append(AppState(name, _linked(current), _linked(previous), releases))
    return tuple(apps)


def _by_release(answer: _Answer, key: str) -> dict[str, str]:
    pairs = (value.partition(" ") for value in answer.all(key))
    return {id: value for id, _, value in pairs}


def _linked(target: str) -> str | None:
    found = _RELEASE_LINK.fullmatch(target)
    return found[1] if found else None


def _model_name(text: str | None) -> str | None:
    try:
        name = json.loads(text or "").get("name")
    except (ValueError, AttributeError, RecursionError):
        return None
    return shown(name.encode(), 100) if isinstance(name, str) else None

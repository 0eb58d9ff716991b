"""A bundle and the facts of a device → Plan: the steps that bring the release there, as data. Pure: it sends nothing.

What can be known before a transfer is refused here, with the number that is needed and the one that was found. The
order is PROBE (done before), RECV per big missing blob, COMMIT, then CHECK and ACTIVATE in one exec.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from edgekit.bundle import Bundle, BundleFile
from edgekit.deployment.probe import Facts, python_of
from edgekit.errors import DeviceError

# Bigger files travel alone, so that a cut transfer can go on where it stopped. Each costs an exec and with it the start
# of the login shell (16 to 650 ms): ONNX Runtime and NumPy have four files above this.
BIG_BLOB_BYTES = 1 << 20
RESERVE_BYTES, RESERVE_SHARE = 32 << 20, 0.03  # of the file system, never used by a deploy
BLOCK_BYTES = 4096
SELFTEST_S = 120
NAME_CHARS = 36

# capability → what does not work without it
REQUIRED = {
    "hard_link": "files cannot be shared between releases (no hard links, as on FAT)",
    "symlink": "`current` cannot be a symbolic link",
    "replace_link": "`mv -T` cannot replace a symbolic link in one step",
    "exec": "programs and libraries cannot run from there (mounted noexec)",
    "sha256sum": "`sha256sum -c` does not work, so nothing can be verified",
    "tar": "`tar` cannot unpack hard links",
    "timeout": "`timeout -k` is missing, so a hanging program cannot be stopped",
}


@dataclass(frozen=True)
class Needs:
    """What a release asks of the board it goes to; None where it does not care.

    arch    architecture of its libraries; libc: the oldest one they run with; python: major and minor version
    """

    arch: str | None = None
    libc: tuple[str, tuple[int, int] | None] | None = None
    python: tuple[int, int] | None = None


@dataclass(frozen=True)
class Blob:
    """The bytes of one file from `offset` on."""

    file: BundleFile
    offset: int

    @property
    def size_bytes(self) -> int:
        return self.file.size_bytes - self.offset

    @property
    def shas(self) -> frozenset[str]:
        return frozenset((self.file.sha256,))


@dataclass(frozen=True)
class Tree:
    """A tar of the small new blobs, the manifest, and one hard link per file of the release."""

    bundle: Bundle
    staged: tuple[BundleFile, ...]

    @property
    def size_bytes(self) -> int:
        return sum(f.size_bytes for f in self.staged) + len(self.bundle.manifest)

    @property
    def shas(self) -> frozenset[str]:
        return frozenset(file.sha256 for file in self.staged)


@dataclass(frozen=True)
class Step:
    """One exec on the device: a script, its arguments after the root, and what goes to its standard input."""

    name: str
    what: str
    script: str
    args: tuple[str, ...]
    payload: Blob | Tree | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of the payload before compression."""
        return self.payload.size_bytes if self.payload else 0


@dataclass(frozen=True)
class Options:
    """owner: who deploys, for others who find the device locked; root: "" is ~/.edgekit of the login user."""

    owner: str
    root: str = ""


@dataclass(frozen=True)
class Plan:
    """The steps, and what they were planned from."""

    bundle: Bundle
    facts: Facts
    needs: Needs
    options: Options
    steps: tuple[Step, ...]

    @property
    def missing(self) -> tuple[BundleFile, ...]:
        """One file of each blob that is sent."""
        return _missing(self.bundle, self.facts)

    @property
    def size_bytes(self) -> int:
        """Bytes of all payloads before compression."""
        return sum(step.size_bytes for step in self.steps)

    def without(self, damaged: Iterable[str]) -> Plan:
        """The plan when the blobs `damaged` turned out to be wrong: they and the release count as missing."""
        apps = tuple(
            replace(app, releases=tuple(r for r in app.releases if r.id != self.bundle.id)) for app in self.facts.apps
        )
        gone = frozenset(damaged)
        parts = {sha: size for sha, size in self.facts.parts.items() if sha not in gone}
        facts = replace(self.facts, apps=apps, blobs=self.facts.blobs - gone, parts=parts)
        return plan(self.bundle, facts, self.needs, self.options)


def plan(bundle: Bundle, facts: Facts, needs: Needs, options: Options) -> Plan:
    """The steps that make `bundle` the current release of its app on the device that described itself with `facts`.

    Raises DeviceError when the device cannot take it; nothing has been sent then.
    """
    check_board(facts, needs)
    steps: list[Step] = []
    arrived = any(release.id == bundle.id for release in facts.app(bundle.app).releases)
    if not arrived:
        missing = _missing(bundle, facts)
        _check_space(bundle, missing, facts)
        steps += [_recv(file, facts, options) for file in missing if file.size_bytes > BIG_BLOB_BYTES]
        steps.append(_commit(bundle, missing, options))
    steps.append(_activate(bundle, facts, options, hash_files=arrived))
    return Plan(bundle, facts, needs, options, tuple(steps))


def check_board(facts: Facts, needs: Needs) -> None:
    """Refuse a device that cannot run a release with `needs`: one DeviceError that names every reason."""
    problems = [*_arch_problems(facts, needs), *_libc_problems(facts, needs), *_python_problems(facts, needs)]
    if facts.format not in (None, "1"):
        problems.append(f"{facts.root} has format {facts.format}, this edgekit knows format 1")
    if facts.capabilities.get("write") is False:
        problems.append(f"{facts.root} cannot be written")
    problems += [f"{facts.root}: {why}" for name, why in REQUIRED.items() if facts.capabilities.get(name) is False]
    if problems:
        where = facts.hostname or "the device"
        raise DeviceError(f"{where} is not suitable: {'; '.join(problems)}", hint="nothing was sent to it")


def _arch_problems(facts: Facts, needs: Needs) -> list[str]:
    if needs.arch is None or needs.arch == facts.arch:
        return []
    return [f"its programs are {facts.arch} ({facts.bits} bits), the release needs {needs.arch}"]


def _libc_problems(facts: Facts, needs: Needs) -> list[str]:
    if needs.libc is None:
        return []
    name, oldest = needs.libc
    found_name, found = facts.libc
    if name != found_name:
        return [f"its C library is {found_name}, the release needs {name}"]
    if oldest and (found is None or found < oldest):
        return [f"its C library is {name} {_version(found)}, the release needs {name} {_version(oldest)}"]
    return []


def _python_problems(facts: Facts, needs: Needs) -> list[str]:
    if needs.python is None:
        return []
    python = facts.python
    if python is None:
        return [f"it has no python3, the release needs {_version(needs.python)}"]
    if python.unusable:
        return [f"{python.executable} does not work: {python.unusable}"]
    if python.free_threaded:
        return [f"{python.executable} is a free-threaded build, the libraries of the release need the usual one"]
    if python.version[:2] != needs.python:
        return [f"{python.executable} is {_version(python.version)}, the release needs {_version(needs.python)}"]
    return []


def _version(numbers: tuple[int, ...] | None) -> str:
    return ".".join(map(str, numbers)) if numbers else "of an unknown version"


def _missing(bundle: Bundle, facts: Facts) -> tuple[BundleFile, ...]:
    return tuple(file for sha, file in bundle.blobs.items() if sha not in facts.blobs)


def _check_space(bundle: Bundle, missing: Iterable[BundleFile], facts: Facts) -> None:
    """Room for what arrives with a margin, and a reserve that is never used (Linux misbehaves on a full disk)."""
    missing = tuple(missing)
    arriving = sum(_blocks(f.size_bytes - facts.parts.get(f.sha256, 0)) for f in missing) + _blocks(
        len(bundle.manifest)
    )
    reserve = max(RESERVE_BYTES, int(RESERVE_SHARE * facts.disk_bytes))
    need = math.ceil(arriving * 1.1) + reserve
    folders = {file.path.rpartition("/")[0] for file in bundle.files}
    inodes = len(missing) + len(folders) + 100
    if need > facts.free_bytes:
        raise DeviceError(
            f"{facts.hostname or 'the device'} has {_mb(facts.free_bytes)} free in {facts.root}, needed: {_mb(need)} "
            f"({_mb(arriving)} of files, 10 % margin, {_mb(reserve)} reserve)",
            hint="nothing was sent; free some space on the device",
        )
    if facts.free_inodes is not None and inodes > facts.free_inodes:
        raise DeviceError(
            f"{facts.hostname or 'the device'} can hold {facts.free_inodes} more files, the deploy needs {inodes}",
            hint="nothing was sent; remove files on the device",
        )


def _blocks(size: int) -> int:
    return math.ceil(max(size, 0) / BLOCK_BYTES) * BLOCK_BYTES


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _recv(file: BundleFile, facts: Facts, options: Options) -> Step:
    offset = facts.parts.get(file.sha256, 0)
    if offset > file.size_bytes:
        offset = 0  # recv.sh then drops what is there
    blob = Blob(file, offset)
    resumed = f", from byte {offset}" if offset else ""
    return Step(
        name="RECV",
        what=f"send {_name(file)} ({_mb(blob.size_bytes)}{resumed})",
        script="recv",
        args=(options.owner, file.sha256, str(file.size_bytes), str(offset), _mode(file)),
        payload=blob,
    )


def _commit(bundle: Bundle, missing: Iterable[BundleFile], options: Options) -> Step:
    staged = tuple(file for file in missing if file.size_bytes <= BIG_BLOB_BYTES)
    return Step(
        name="COMMIT",
        what=f"send {len(staged)} small files and put release {bundle.id[:12]} together from {len(bundle.files)} files",
        script="commit",
        args=(options.owner, bundle.app, bundle.id),
        payload=Tree(bundle, staged),
    )


def _activate(bundle: Bundle, facts: Facts, options: Options, *, hash_files: bool) -> Step:
    python = python_of(facts)
    hashed = "check every file, " if hash_files else ""
    switch = "" if facts.app(bundle.app).current == bundle.id else ", then make it current by one rename"
    return Step(
        name="CHECK+ACTIVATE",
        what=f"{hashed}run the self test of release {bundle.id[:12]}{switch}",
        script="activate",
        args=(options.owner, bundle.app, bundle.id, python, "hash" if hash_files else "-", str(SELFTEST_S)),
    )


def _name(file: BundleFile) -> str:
    """The file without its folders, cut in the middle where needed: a step stays on one line of a terminal."""
    name = file.path.rpartition("/")[2]
    return name if len(name) <= NAME_CHARS else f"{name[: NAME_CHARS - 7]}…{name[-6:]}"


def _mode(file: BundleFile) -> str:
    return "0555" if file.executable else "0444"

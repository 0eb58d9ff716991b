"""A userland and a folder with jobs → what each job's process needed at most, in a whole emulated machine with its own
Linux: QEMU's `virt` board, Debian's cloud kernel, and init.c as process 1. Nothing that it writes outlives it.

It shows memory as Linux on AArch64 counts it, never time. Needs root, mke2fs and qemu-system-aarch64; the kernel comes
from the Debian mirror that apt uses, once.
"""

from __future__ import annotations

import io
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.building.compiler import build
from edgekit.building.native import NativeTarget, compiler_for
from edgekit.device.board_image import KEYRING, Recipe, image, mirror

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".cache" / "virtual-machine"
RECIPE = Recipe("arm64", "bookworm")
KERNEL = "linux-image-cloud-arm64"  # an empty package: what it depends on is the kernel
MODULES = ("virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk")
MEMORY_MB, CORES, LIMIT_S = 1024, 2, 1500
_APT = """\
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "root";
Dir::Etc::SourceList "sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::Etc::Parts "/dev/null";
Dir::Etc "FOLDER";
Dir::State "FOLDER";
Dir::State::status "FOLDER/status";
Dir::Cache "FOLDER/cache";
"""


@dataclass(frozen=True)
class Ended:
    """A job that has run: its exit status, peak resident memory (init.c) and what it wrote, at most 64 bytes."""

    name: str
    status: int
    peak_rss_bytes: int
    output: bytes


@dataclass(frozen=True)
class Kernel:
    """An unpacked package: the image, and the modules by name."""

    name: str
    image: Path
    modules: Mapping[str, Path]


def run(jobs: Path, cpu: str) -> list[Ended]:
    """What became of the jobs of `jobs`/jobs (init.c tells the format), a folder that is /home/pi for them.

    cpu: QEMU's name of it. Raises RuntimeError with what the machine said where a job did not end well.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    found = kernel()
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        place = Path(folder)
        (place / "initrd").write_bytes(initrd(found))
        write_disk(jobs, place / "jobs.ext4")
        said = _boot(place, found, cpu)
    ended = [_ended(line) for line in said.splitlines() if line.startswith("job ")]
    if "done" not in said.split() or any(job.status != 0 or job.peak_rss_bytes <= 0 for job in ended):
        raise RuntimeError(f"the virtual machine said: {said[-2000:]}")
    return ended


def _ended(line: str) -> Ended:
    _, name, status, kilobytes, *output = line.split()
    return Ended(name, int(status), 1024 * int(kilobytes), bytes.fromhex("".join(output)))


def _boot(place: Path, found: Kernel, cpu: str) -> str:
    """What it says on its console until it turns itself off."""
    disks = [(root_disk(), "on"), (place / "jobs.ext4", "off")]
    drives = [f"if=virtio,format=raw,snapshot={snapshot},file={file}" for file, snapshot in disks]
    command = [
        *("qemu-system-aarch64", "-M", "virt", "-cpu", cpu, "-smp", str(CORES), "-m", str(MEMORY_MB)),
        *("-nodefaults", "-display", "none", "-monitor", "none", "-serial", "stdio", "-net", "none", "-no-reboot"),
        *("-kernel", str(found.image), "-initrd", str(place / "initrd"), "-append", "console=ttyAMA0 quiet panic=-1"),
        *(word for drive in drives for word in ("-drive", drive)),
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S)
    return (done.stdout + done.stderr).decode(errors="replace")


# --- its parts


def kernel() -> Kernel:
    """Debian's kernel for clouds, downloaded and unpacked once; apt's state for it is its own."""
    folder = CACHE / "kernel"
    if not folder.is_dir():
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            package = _download(Path(work))
            _run("dpkg-deb", "-x", str(package), f"{work}/tree")
            Path(work, "tree").rename(folder)
    (file,) = (folder / "boot").glob("vmlinuz-*")
    modules = {path.stem: path for path in (folder / "lib/modules").rglob("*.ko")}
    return Kernel(file.name.removeprefix("vmlinuz-"), file, modules)


def _download(work: Path) -> Path:
    (work / "lists/partial").mkdir(parents=True)
    (work / "cache/archives/partial").mkdir(parents=True)
    (work / "status").touch()
    signed = f" signed-by={KEYRING}" if KEYRING.is_file() else ""
    (work / "sources.list").write_text(f"deb [arch=arm64{signed}] {mirror()} {RECIPE.suite} main\n")
    (work / "apt.conf").write_text(_APT.replace("FOLDER", str(work)))
    apt = ("env", f"APT_CONFIG={work}/apt.conf")
    _run(*apt, "apt-get", "-q", "update")
    depends = _run(*apt, "apt-cache", "depends", KERNEL).split()
    name = next(word for word in depends if word.startswith("linux-image-") and word != KERNEL)
    _run(*apt, "apt-get", "-q", "download", name, cwd=work)
    return next(work.glob("*.deb"))


def initrd(found: Kernel) -> bytes:
    """The first file system: init and the modules without which there is no disk."""
    source = (HERE / "init.c").read_text(encoding="utf-8")
    program = build({"init.c": source}, compiler_for(NativeTarget("aarch64")), "init")
    modules = [name for name in MODULES if name in found.modules]
    files = {f"modules/{name}.ko": found.modules[name].read_bytes() for name in modules}
    order = "".join(f"{name}.ko\n" for name in modules).encode()
    return cpio({"init": program.read_bytes(), "modules/order": order, **files}, ("dev", "modules", "root"))


def cpio(files: Mapping[str, bytes], folders: tuple[str, ...]) -> bytes:
    """An archive of the kind that Linux unpacks at its start ("newc"), everything in it for root to run."""
    entries = [*((name, 0o040755, b"") for name in folders), *((name, 0o100755, files[name]) for name in files)]
    out = io.BytesIO()
    for number, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], start=1):
        numbers = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % n for n in numbers) + name.encode() + b"\0"
        for part in (head, content):
            out.write(part + bytes(-len(part) % 4))
    return out.getvalue()


def root_disk() -> Path:
    """The userland of the virtual boards as a disk."""
    disk = CACHE / f"{RECIPE.key}.ext4"
    if not disk.is_file():
        part = disk.with_suffix(".part")
        write_disk(image(RECIPE, print), part)
        part.rename(disk)
    return disk


def write_disk(folder: Path, disk: Path) -> None:
    """An ext4 file system with the files of `folder`, and room for half as much."""
    megabytes = 32 + sum(_sizes(folder)) * 3 // 2 // 1_000_000
    disk.unlink(missing_ok=True)
    _run("mke2fs", "-q", "-t", "ext4", "-d", str(folder), str(disk), f"{megabytes}M")


def _sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path.stat().st_size + 4096


def _run(*command: str, cwd: Path | None = None) -> str:
    return subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout

"""A target → a virtual board: the target's userland with a real SSH server, emulated by QEMU in user mode with the CPU
model of the target. It runs in namespaces of its own, outlives the process that started it, and listens on 127.0.0.1.

What it shows is right or wrong results and real deploys, never speed: its memory, kernel and disk are this machine's,
and /proc/cpuinfo and /sys are fakes that name the target's CPU. Refuses targets whose CPU it cannot emulate.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from edgekit.device import Address, Device
from edgekit.device.board_image import SUITES, USER, USER_ID, Recipe, image
from edgekit.device.emulation import check_host
from edgekit.device.keys import fingerprint, write_key
from edgekit.errors import DeviceError, UnsupportedError, UsageError
from edgekit.resources import cache_dir
from edgekit.target import Target

ADDRESS = "127.0.0.1"
START_S = 60.0  # for sshd to say something: 0.3 s on an idle machine
# architecture of a target → Debian's and QEMU's names
_DEBIAN_ARCH = {"aarch64": "arm64", "armv7l": "armhf", "armv6l": "armel"}
_QEMU_ARCH = {"aarch64": "aarch64", "armv7l": "arm", "armv6l": "arm"}
_CPU_32 = dict.fromkeys(("cortex-a53", "cortex-a72", "cortex-a76"), "cortex-a7")  # for 32-bit systems on them
_STATE = "board.json"

# part numbers of Arm's cores, as /proc/cpuinfo gives them
_PARTS = {
    "arm1176": 0xB76,
    "cortex-a7": 0xC07,
    "cortex-a53": 0xD03,
    "cortex-a55": 0xD05,
    "cortex-a57": 0xD07,
    "cortex-a72": 0xD08,
    "cortex-a76": 0xD0B,
    "cortex-a78ae": 0xD42,
}
# our names of instruction sets → the kernel's
_FEATURES = {
    "crc32": "crc32",
    "aes": "aes pmull sha1 sha2",
    "lse": "atomics",
    "dotprod": "asimddp",
    "fp16": "fphp asimdhp",
}

_FEATURES_32 = {
    "armv7l": "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm",
    "armv6l": "half thumb fastmult vfp edsp java tls",
}

_SSHD_CONFIG = """\
Port {port}
ListenAddress {address}
HostKey /etc/ssh/ssh_host_ed25519_key
AllowUsers {user}
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
SetEnv QEMU_CPU={cpu}
Subsystem sftp /usr/lib/openssh/sftp-server
PidFile none
"""


@dataclass(frozen=True)
class Board:
    """A virtual board as it was started.

    name     also its folder in the cache
    pid      of the process that holds its namespaces; `pid_start` tells it from a later one of the same number
    cpu      QEMU's CPU model
    started  seconds since 1970
    """

    name: str
    target: str
    cpu: str
    image: str
    port: int
    host_key: str
    pid: int
    pid_start: int
    started: float

    @property
    def running(self) -> bool:
        return self.pid_start != 0 and _process_start(self.pid) == self.pid_start

    def document(self) -> dict[str, object]:
        """An entry of `devices` in docs/json.md."""
        return {
            "name": self.name,
            "target": self.target,
            "host": "virtual",
            "state": "up" if self.running else "down",
            "address": f"{USER}@{ADDRESS}:{self.port}" if self.running else None,
        }


def up(
    target: Target, progress: Callable[[str], None] = lambda _: None, *, name: str = "", erase: bool = False
) -> Board:
    """The running board of `target`, started (and its image built) if need be. What was deployed to it before is still
    there, unless `erase` asks for an empty card. `name` tells boards of one target apart; by default the target's id.
    Raises UnsupportedError or DeviceError."""
    cpu, recipe = _emulation(target)
    name = name or target.id
    with _lock(progress), _readable():
        board = _read(name)
        if board and board.running and board.image == recipe.key and not erase:
            return board
        if board:
            _stop(board)
        check_host(_QEMU_ARCH[target.abi.arch])
        built = image(recipe, progress)
        _prune(recipe)
        progress(f"starting the virtual {target.id}")
        folder = _home() / name
        if erase or board is None or board.image != recipe.key:
            _delete(folder)
        _prepare(folder, target, cpu)
        return _start(name, target, cpu, recipe, built)


def down(name: str) -> Board:
    """Stops the board. Its card is kept. Raises UsageError if there is none of this name."""
    with _lock():
        board = _read(name)
        if board is None:
            names = ", ".join(b.name for b in boards()) or "none"
            raise UsageError(f'no virtual board "{name}"', hint=f"there are: {names}")
        _stop(board)
        return board


def remove(name: str) -> None:
    """Stops the board, and deletes its card."""
    board = down(name)
    with _lock():
        _delete(_home() / board.name)


def boards() -> tuple[Board, ...]:
    """Every virtual board of this user's cache, running or not."""
    found = (_read(file.parent.name) for file in sorted(_home().glob(f"*/{_STATE}")))
    return tuple(board for board in found if board)


def connect(board: Board) -> Device:
    """Log in to a running board."""
    from edgekit.device.ssh import connect as connect_ssh

    address = Address(ADDRESS, USER, board.port)
    label = f"virtual {board.target}"
    return connect_ssh(address, host_key=board.host_key, identity=user_key(), label=label, emulated=True)


def user_key() -> Path:
    """The private key with which edgekit logs in to its virtual boards."""
    path = _home() / "id_ed25519"
    if not path.is_file():
        write_key(path)
    return path


def _home() -> Path:
    return cache_dir() / "boards"


def _emulation(target: Target) -> tuple[str, Recipe]:
    """QEMU's CPU model and the recipe of the image."""
    core = target.clusters[0].core if target.clusters else None
    arch = _DEBIAN_ARCH.get(target.abi.arch)
    if target.kind != "linux" or arch is None or core is None or core.qemu_cpu is None:
        hint = "virtual boards are Arm boards with Linux, such as rpi4, rpi5, rpi-zero-2w and rpi-zero-w"
        raise UnsupportedError(f"{target.id} ({target.cpu}) has no virtual board", hint=hint)
    suite = next((suite for suite in SUITES if suite in (target.os_image or "")), "bookworm")
    cpu = _CPU_32.get(core.qemu_cpu, core.qemu_cpu) if target.abi.arch != "aarch64" else core.qemu_cpu
    return cpu, Recipe(arch, suite)


@contextmanager
def _lock(progress: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """One process at a time builds, starts or stops. Raises DeviceError on a system that cannot run virtual boards."""
    if sys.platform != "linux":
        raise DeviceError("virtual boards need Linux", hint="run edgekit in a Linux machine or container as root")
    import fcntl  # not on every system

    _home().mkdir(parents=True, exist_ok=True)
    with (_home() / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another edgekit that builds or starts a virtual board")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _readable() -> Iterator[None]:
    """What is written is for the board's user too, whatever the umask; private keys are written with modes of their
    own."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def _prune(recipe: Recipe) -> None:
    """Deletes the images of older recipes that no board runs on."""
    used = {board.image for board in boards() if board.running} | {recipe.key}
    for folder in (_home() / "images").glob(f"{recipe.suite}-{recipe.arch}-*"):
        if folder.name not in used:
            shutil.rmtree(folder, ignore_errors=True)


def _delete(folder: Path) -> None:
    """A board's folder. Nothing is mounted in it: mounts are in the namespace of a running board only."""
    shutil.rmtree(folder, ignore_errors=True)


def _read(name: str) -> Board | None:
    try:
        return Board(**json.loads((_home() / name / _STATE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _write(board: Board) -> None:
    file = _home() / board.name / _STATE
    part = file.with_suffix(".part")
    part.write_text(json.dumps(asdict(board), indent=2) + "\n")
    part.replace(file)


def _process_start(pid: int) -> int:
    """When the process began, in ticks since boot; 0 if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def _prepare(folder: Path, target: Target, cpu: str) -> None:
    """The board's folder: its card with the keys, and the fakes."""
    shutil.rmtree(folder / "work", ignore_errors=True)
    for name in ("card", "work", "root", "lower", "fakes/sys"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "card").chmod(0o755)
    _write_login(folder / "card")
    _write_fakes(folder / "fakes", target, cpu)


def _write_login(card: Path) -> None:
    key = card / "etc/ssh/ssh_host_ed25519_key"
    key.parent.mkdir(parents=True, exist_ok=True)
    if not key.is_file():
        write_key(key)
        (card / "etc/machine-id").write_text(secrets.token_hex(16) + "\n")
    home = card / "home" / USER
    (home / ".ssh").mkdir(parents=True, exist_ok=True)
    (home / ".ssh/authorized_keys").write_text(user_key().with_suffix(".pub").read_text())
    for path in (home, home / ".ssh", home / ".ssh/authorized_keys"):
        os.chown(path, USER_ID, USER_ID)
    (home / ".ssh").chmod(0o700)


def _write_fakes(fakes: Path, target: Target, cpu: str) -> None:
    core, count = target.clusters[0].core, target.clusters[0].count
    features = ["fp", "asimd", "evtstrm", *(_FEATURES[name] for name in sorted(core.isa) if name in _FEATURES), "cpuid"]
    if target.abi.arch in _FEATURES_32:
        features = [_FEATURES_32[target.abi.arch]]
    lines = [
        "BogoMIPS\t: 108.00",
        "Features\t: " + " ".join(features),
        "CPU implementer\t: 0x41",
        "CPU architecture: " + ("7" if target.abi.arch in _FEATURES_32 else "8"),
        "CPU variant\t: 0x0",
        f"CPU part\t: {_PARTS.get(cpu, 0):#x}",
        "CPU revision\t: 0",
    ]
    blocks = ["\n".join([f"processor\t: {index}", *lines]) for index in range(count)]
    model = f"{target.name} (emulated by edgekit)"
    (fakes / "cpuinfo").write_text("\n\n".join([*blocks, f"Model\t\t: {model}"]) + "\n")
    cpus = fakes / "sys/devices/system/cpu"
    cpus.mkdir(parents=True, exist_ok=True)
    for name in ("possible", "present", "online"):
        (cpus / name).write_text(f"0-{count - 1}\n")
    tree = fakes / "sys/firmware/devicetree/base"
    tree.mkdir(parents=True, exist_ok=True)
    (tree / "model").write_text(f"{model}\0")


def _start(name: str, target: Target, cpu: str, recipe: Recipe, built: Path) -> Board:
    folder = _home() / name
    port = _free_port()
    config = _SSHD_CONFIG.format(port=port, address=ADDRESS, user=USER, cpu=cpu)
    (folder / "card/etc/ssh/sshd_config.edgekit").write_text(config)
    pid = _launch(folder, built, f"virtual-{name}", cpu)
    board = Board(
        name=name,
        target=target.id,
        cpu=cpu,
        image=recipe.key,
        port=port,
        host_key=fingerprint(folder / "card/etc/ssh/ssh_host_ed25519_key"),
        pid=pid,
        pid_start=_process_start(pid),
        started=time.time(),
    )
    _write(board)
    _wait(board, folder / "log")
    return board


def _launch(folder: Path, built: Path, name: str, cpu: str) -> int:
    """Starts the board as a child of nobody, and returns the process id of the one that holds its namespaces."""
    inside = ["sh", str(Path(__file__).with_name("board.sh")), str(built), str(folder), name, cpu]
    outside = ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", *inside]
    detach = 'exec 3>&1 >"$0" 2>&1 </dev/null; setsid "$@" 3>&- & echo $! >&3'
    started = subprocess.run(["sh", "-c", detach, str(folder / "log"), *outside], capture_output=True, check=True)
    return int(started.stdout)


def _free_port() -> int:
    with socket.create_server((ADDRESS, 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _wait(board: Board, log: Path) -> None:
    """Until its SSH server has said its first word."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and board.running:
        try:
            with socket.create_connection((ADDRESS, board.port), timeout=5) as link:
                if link.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.05)
    said = log.read_text(errors="replace").strip()[-600:] or "nothing"
    _stop(board)
    raise DeviceError(f"the virtual {board.target} did not start; it said: {said}", hint="see `edgekit doctor`")


def _stop(board: Board) -> None:
    """SIGKILL, as unshare ignores SIGTERM; the kernel ends what is inside and drops the mounts."""
    if board.running:
        os.kill(board.pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while board.running and time.monotonic() < end:
        time.sleep(0.02)

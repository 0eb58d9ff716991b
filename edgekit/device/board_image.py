"""A Debian suite and architecture → a folder with the userland of a virtual board, built once and kept in the cache.

mmdebstrap unpacks the packages without running any script of theirs, so nothing has to be emulated to build it; the few
things that those scripts would have done are done here. The mirror is the one that apt uses on this machine. Refuses,
with everything that is missing at once, where it is not root or lacks a tool.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import DeviceError
from edgekit.resources import cache_dir

USER = "pi"
USER_ID = 1000
MIRROR_VARIABLE = "EDGEKIT_DEBIAN_MIRROR"
SUITES = ("bullseye", "bookworm", "trixie")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# What a Raspberry Pi OS Lite has and edgekit, an app or a person at the shell needs
PACKAGES = (
    "base-files,base-passwd,bash,ca-certificates,coreutils,dash,debianutils,diffutils,findutils,grep,gzip,"
    "hostname,libc-bin,libgomp1,libstdc++6,login,mawk,mount,ncurses-base,netbase,openssh-server,"
    "openssh-sftp-server,passwd,procps,python3,python3-minimal,sed,tar,util-linux"
)

LAYOUT = "1"  # to be raised with every change of what _finish does
_ACCOUNTS = {
    "passwd": (
        "sshd:*:101:65534::/run/sshd:/usr/sbin/nologin",
        f"{USER}:*:{USER_ID}:{USER_ID}::/home/{USER}:/bin/bash",
    ),
    "group": (f"{USER}:x:{USER_ID}:",),
}


@dataclass(frozen=True)
class Recipe:
    """What an image is made of; `arch` is Debian's name, such as arm64."""

    arch: str
    suite: str

    @property
    def key(self) -> str:
        """Changes with what makes up the image: a new key means that boards start again from an empty card."""
        parts = (self.arch, self.suite, PACKAGES, repr(_ACCOUNTS), LAYOUT)
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return f"{self.suite}-{self.arch}-{digest[:12]}"


def image(recipe: Recipe, progress: Callable[[str], None]) -> Path:
    """The folder of the image, built if the cache does not have it. The caller sees to it that nobody else builds.

    Raises DeviceError.
    """
    folder = cache_dir() / "boards" / "images" / recipe.key
    if folder.is_dir():
        return folder
    progress(f"building the image of the virtual board ({recipe.suite}, {recipe.arch}): once, about a minute")
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f".{recipe.suite}-{recipe.arch}-*"):  # by a build that was killed
        shutil.rmtree(left, ignore_errors=True)
    part = Path(tempfile.mkdtemp(prefix=f".{recipe.key}.", dir=folder.parent))
    try:
        root = part / "root"
        _unpack(recipe, root)
        _finish(root)
        root.rename(folder)
    except OSError as e:
        hint = "another place for the cache: EDGEKIT_CACHE=DIR, on a disk of Linux's own kind"
        raise DeviceError(f"the image of the virtual board could not be written: {e}", hint=hint) from e
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _unpack(recipe: Recipe, root: Path) -> None:
    command = [
        *(
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ),  # an interrupted build leaves nothing
        "mmdebstrap",
        "--mode=root",
        "--variant=extract",
        f"--architectures={recipe.arch}",
        f"--include={PACKAGES}",
        "--aptopt=APT::Install-Recommends false",
        "--aptopt=Acquire::Retries 3",
        "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
        "--skip=check/qemu",
        recipe.suite,
        str(root),
        _source(recipe.suite),
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise DeviceError(
            f"the image of the virtual board could not be built: mmdebstrap said: {done.stderr.strip()[-600:]}",
            hint=f"`apt-get update` must work on this machine; {MIRROR_VARIABLE} names another Debian mirror",
        )


def _source(suite: str) -> str:
    signed = f"[signed-by={KEYRING}] " if KEYRING.is_file() else ""
    return f"deb {signed}{mirror()} {suite} main"


def mirror(apt: Path = Path("/etc/apt")) -> str:
    """The Debian mirror of this machine: $EDGEKIT_DEBIAN_MIRROR, else the first of apt's own. Raises DeviceError."""
    chosen = os.environ.get(MIRROR_VARIABLE)
    if chosen:
        return chosen
    files = sorted(apt.glob("sources.list.d/*.sources")) + sorted(apt.glob("sources.list.d/*.list"))
    for file in (apt / "sources.list", *files):
        for uri in _uris(file):
            if uri.rstrip("/").endswith("/debian"):
                return uri
    raise DeviceError("apt on this machine has no Debian mirror", hint=f"name one: {MIRROR_VARIABLE}=http://...")


def _uris(file: Path) -> Iterator[str]:
    """The archives that one file of apt names, in either of its formats."""
    if not file.is_file():
        return
    text = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix == ".sources":
        for line in re.findall(r"^URIs:(.*)$", text, re.MULTILINE):
            yield from line.split()
    else:
        yield from re.findall(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)", text, re.MULTILINE)


def _finish(root: Path) -> None:
    """What the packages' own scripts would have done: accounts, homes, links and folders."""
    for name, lines in _ACCOUNTS.items():
        master = (root / f"usr/share/base-passwd/{name}.master").read_text()
        text = re.sub(r"^root:[^:]*:", "root:*:", master, flags=re.MULTILINE) if name == "passwd" else master
        (root / "etc" / name).write_text(text + "".join(f"{line}\n" for line in lines))
    for folder in ("proc", "sys", "dev", "run/sshd", "home", "root"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("tmp", "var/tmp"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder).chmod(0o1777)
    _home(root)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    for link, aim in (("usr/bin/awk", "mawk"), ("usr/bin/sh", "dash"), ("etc/mtab", "/proc/self/mounts")):
        if not (root / link).is_symlink():
            (root / link).symlink_to(aim)


def _home(root: Path) -> None:
    home = root / "home" / USER
    shutil.copytree(root / "etc/skel", home, dirs_exist_ok=True)
    for path in (home, *home.rglob("*")):
        os.chown(path, USER_ID, USER_ID)

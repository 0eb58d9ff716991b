"""The cache of built programs and the compilers behind it: damaged, missing, broken, too slow, nowhere to write."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgekit import resources
from edgekit.building import Compiler, build, compiler, host_compiler
from edgekit.errors import InternalError, UsageError

FILES = {
    "main.c": '#include "kernel.h"\nint main(void) { return kernel() - 7; }\n',
    "kernels/kernel.c": '#include "kernel.h"\nint kernel(void) { return 7; }\n',
    "kernels/kernel.h": "int kernel(void);\n",
}
pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    place = tmp_path / "a cache, with 'quotes\""
    monkeypatch.setenv("EDGEKIT_CACHE", str(place))
    return place


def tool(folder: Path, script: str) -> Compiler:
    path = folder / "odd-cc"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Compiler("odd", (str(path),), (), "install another")


def runs(program: Path) -> bool:
    return subprocess.run([program]).returncode == 0


def test_it_is_built_once(cache):
    program = build(FILES, host_compiler())
    made = program.stat().st_mtime_ns
    assert runs(program) and build(FILES, host_compiler()).stat().st_mtime_ns == made
    assert {path.name for path in cache.rglob(".*")} <= {".lock"}


@pytest.mark.parametrize("content", [b"", b"\x7fELF", None])
@pytest.mark.parametrize("pattern", ["programs/*/program", "objects/*.o", "*/*/program.sha256", "objects/*.sha256"])
def test_damaged_files_in_the_cache_are_made_again(cache, pattern, content):
    build(FILES, host_compiler())
    (damaged,) = cache.glob(pattern)
    for path in [damaged, *cache.glob("programs/*/program")]:  # the program too, so that the object is needed
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
    assert runs(build(FILES, host_compiler()))


def test_two_at_once():
    with ThreadPoolExecutor(4) as pool:
        programs = list(pool.map(lambda _: build(FILES, host_compiler()), range(8)))
    assert len(set(programs)) == 1 and runs(programs[0])


def test_two_at_once_get_the_same_bytes_of_a_compiler_that_never_gives_them_twice(cache, tmp_path):
    dice = tmp_path / "dice"
    dice.write_text(
        '#!/bin/sh\nwhile [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; shift; done\n'
        'cat /proc/sys/kernel/random/uuid >"$out"; sleep 0.1\n'
    )
    dice.chmod(0o755)
    with ThreadPoolExecutor(4) as pool:
        contents = list(pool.map(lambda _: build(FILES, Compiler("dice", (str(dice),))).read_bytes(), range(8)))
    assert len(set(contents)) == 1 and len(contents[0]) == 37


def test_a_header_of_a_model_hides_none_of_the_system():
    hidden = {"features.h": "#error mine\n", "stdarg.h": "#error mine\n"}
    assert runs(build({**FILES, **hidden, "main.c": "#include <stdio.h>\n" + FILES["main.c"]}, host_compiler()))


def test_a_compiler_that_is_missing():
    with pytest.raises(UsageError, match="no-such-cc is not installed"):
        build(FILES, Compiler("none", ("no-such-cc",), (), "get it"))


@pytest.mark.parametrize("script", ["exit 1", "echo error: no licence >&2; exit 3", "kill -9 $$"])
def test_a_compiler_that_compiles_nothing(tmp_path, script):
    with pytest.raises(UsageError, match="compiles no C here") as e:
        build(FILES, tool(tmp_path, script))
    assert "install another" in e.value.hint


def test_a_compiler_that_says_yes_and_makes_nothing(tmp_path):
    with pytest.raises(UsageError, match="cannot build program") as e:
        build(FILES, tool(tmp_path, "exit 0"))
    assert e.value.hint


def test_a_compiler_that_is_no_program(tmp_path):
    odd = tool(tmp_path, "")
    Path(odd.command[0]).write_bytes(b"\x7fELF no program")
    with pytest.raises(UsageError, match="cannot be started"):
        build(FILES, odd)


def test_a_compiler_that_hangs(tmp_path, monkeypatch):
    monkeypatch.setattr(compiler, "LIMIT_S", 0.2)
    with pytest.raises(UsageError, match=r"did not end in 0\.2 s"):
        build(FILES, tool(tmp_path, "exec sleep 60"))


def test_c_that_is_wrong_is_a_bug_of_ours():
    with pytest.raises(InternalError, match="refused generated C"):
        build({"main.c": "int main(void) { return x; }\n"}, host_compiler())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_to(cache):
    cache.mkdir()
    cache.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(UsageError, match="cannot build program") as e:
        build(FILES, host_compiler())
    assert "EDGEKIT_CACHE" in e.value.hint


def test_a_cache_that_is_a_file(cache):
    cache.write_text("")
    with pytest.raises(UsageError, match="cannot build program") as e:
        build(FILES, host_compiler())
    assert "EDGEKIT_CACHE" in e.value.hint


def test_a_user_without_a_home(monkeypatch):
    for name in ("EDGEKIT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    with pytest.raises(UsageError, match="no home folder"):
        resources.cache_dir()

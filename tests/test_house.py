"""The import rules of docs/design.md: dependencies point one way, and the command line starts fast."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "edgekit"

# Each room may import itself and the rooms before it in the list; rooms in one line stand side by side.
LEVELS = (
    ("errors", "finite", "opened"),
    ("files", "resources", "npz"),
    ("strict_toml", "model_file"),
    ("target", "model", "project", "starter"),
    ("program", "tflite"),
    ("c_description",),
    ("artifacts",),
    ("graph", "ops"),
    ("planner",),
    ("lowering", "interpreter", "emitters"),
    ("building",),
    ("c_folder",),
    ("exports", "runtimes"),
    ("bundle", "device", "flashing", "profiling", "agreement"),
    ("deployment", "doctor"),
    ("report",),
    ("c_build", "c_run"),
    ("conversion",),
    ("fresh_build",),
    ("pipeline",),
    ("cli",),
)
RANK = {room: rank for rank, rooms in enumerate(LEVELS) for room in rooms}
# A room beside another may be used only as named here, and why.
SIDEWAYS: set[tuple[str, str]] = set()
# Who may open sockets or start processes, and why.
PROCESS_STARTERS = {
    "building": "compiles C",
    "device": "reaches boards",
    "doctor": "asks tools for their version",
    "flashing": "runs the tools that write a board's flash",
    "graph": "reads untrusted files in a child process",
    "runtimes": "runs model files that may crash a runtime in a child process",
    "deployment/wheels.py": "asks pip for the wheels of a board",
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Dotted names that a file imports, wherever in the file (but not only for type checkers)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError(f"{path}: relative import; write the full name")
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_dependencies_point_one_way(path: Path) -> None:
    own = room(path)
    if own in ("__init__", "__main__"):
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "edgekit" or len(parts) < 2 or parts[1] == "__version__":
            continue
        other = parts[1]
        assert other in RANK, f"{path.name} imports edgekit.{other}, a room that the list does not know"
        allowed = other == own or RANK[other] < RANK[own] or (own, other) in SIDEWAYS
        assert allowed, f"{own} may not import {other} ({path.relative_to(ROOT)}: {name})"


def test_every_room_has_its_place() -> None:
    rooms = {room(path) for path in modules()} - {"__init__", "__main__"}
    assert rooms == set(RANK), "a room is missing in LEVELS, or LEVELS names one that is gone"


def test_the_runtime_imports_nothing_of_edgekit() -> None:
    files = sorted((ROOT / "runtime").rglob("*.py"))
    assert files
    for path in files:
        assert not [n for n in imports(path) if n == "edgekit" or n.startswith("edgekit.")], path


def test_only_named_rooms_start_processes_or_open_sockets() -> None:
    for path in modules():
        place = str(path.relative_to(PACKAGE))
        if room(path) in PROCESS_STARTERS or place in PROCESS_STARTERS:
            continue
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & {"subprocess", "socket", "paramiko", "multiprocessing"}, place


def test_torch_stays_with_the_sources() -> None:
    allowed = {"model.py", "graph/export.py", "doctor.py", "starter/project/model.py"}  # the last is a user's file
    for path in modules():
        if str(path.relative_to(PACKAGE)) not in allowed:
            assert "torch" not in {name.split(".")[0] for name in imports(path)}, path


def test_help_imports_nothing_heavy() -> None:
    """`edgekit --help` answers in under 0.3 s because these are not imported; the list is checked, not the clock."""
    code = (
        "import sys; sys.argv = ['edgekit', '--help']\n"
        "from edgekit.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('LOADED', *sorted({m.split('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "click" in loaded
    assert not loaded & {"numpy", "onnx", "onnx_ir", "onnxruntime", "torch", "paramiko", "rich", "cryptography"}

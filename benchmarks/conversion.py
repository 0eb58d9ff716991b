"""Converts the networks of the zoo (tests/zoo) with edgekit and with its peers, side by side, and writes conversion.md
and .json: time after imports, peak memory, size and score of what comes out, and what each tool's environment takes.

    python benchmarks/conversion.py [NETWORK ...]

Every tool gets the same float graph and the same 128 samples, in a fresh process of its own environment under
.cache/peers/, which is made where it is missing: gigabytes, 15 minutes. TORCH_SPEC and TORCH_INDEX choose the PyTorch,
as for make. A whole run takes about half an hour on an idle machine; networks that are named are measured again, the
others keep their rows.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
DOCUMENT = HERE / "conversion"
PEERS = ROOT / ".cache" / "peers"
TORCH = os.environ.get("TORCH_SPEC", "torch==2.13.0")
NETWORKS = (
    *("digits_cnn", "ds_cnn", "mobilenet_v1", "mobilenet_v2", "mobilenet_v3", "resnet8"),
    *("autoencoder", "cnn1d", "unet", "lstm", "gru", "vit"),
)
RUNS, LONG_S, LIMIT_S = 3, 60, 900  # what takes longer than LONG_S runs once


@dataclass(frozen=True)
class Tool:
    """A converter: what pip installs for it (nothing: it runs in this environment), its Python, and what it writes."""

    name: str
    python: str
    requirements: tuple[str, ...]
    suffix: str = ".tflite"

    @property
    def script(self) -> Path:
        return HERE / "peers" / f"with_{self.name.replace('-', '_')}.py"

    @property
    def folder(self) -> Path:
        return PEERS / self.name


HOST = f"{sys.version_info.major}.{sys.version_info.minor}"
EDGEKIT = Tool("edgekit", HOST, (str(ROOT),))
EDGEKIT_TORCH = Tool("edgekit-torch", HOST, (TORCH, f"{ROOT}[torch]"))  # only its size is measured
PEER_TOOLS = (
    Tool("onnxruntime", HOST, ("onnxruntime==1.32.0", "onnx==1.23.2", "sympy"), ".onnx"),
    Tool("onnx2tf", "3.12", ("onnx2tf==2.6.9",)),
    Tool("litert-torch", "3.11", (TORCH, "litert-torch==0.10.0")),
)
TOOLS = (EDGEKIT, *PEER_TOOLS)
WHOLE = Tool("edgekit-convert", HOST, ())  # the whole command, judging included, with every runtime that is here
NAMED = ("torch", "onnx", "onnxruntime", "onnx2tf", "litert-torch", "ai-edge-quantizer", "ai-edge-litert", "numpy")
RUNTIMES = {".tflite": ("litert", "tflite-micro"), ".onnx": ("onnxruntime",)}


def main(names: Sequence[str]) -> None:
    absent = sorted(set(names) - set(NETWORKS))
    if absent:
        sys.exit(f"no network {', '.join(absent)}; there are {', '.join(NETWORKS)}")
    installed = {tool.name: environment(tool) for tool in (EDGEKIT, EDGEKIT_TORCH, *PEER_TOOLS)}
    rows = {row["name"]: row for row in known_rows()} if names else {}
    for name in names or NETWORKS:
        rows[name] = network(name, installed)
        ordered = [rows[name] for name in NETWORKS if name in rows]
        write({"date": date.today().isoformat(), "environments": installed, "networks": ordered})
    print(DOCUMENT.with_suffix(".md").read_text(encoding="utf-8"))


def known_rows() -> list[dict[str, Any]]:
    """What an earlier run found: networks that are not named keep it."""
    file = DOCUMENT.with_suffix(".json")
    return json.loads(file.read_text(encoding="utf-8"))["networks"] if file.is_file() else []


def write(document: dict[str, Any]) -> None:
    DOCUMENT.with_suffix(".json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    DOCUMENT.with_suffix(".md").write_text(markdown(document), encoding="utf-8")


# environments


def environment(tool: Tool) -> dict[str, Any]:
    """The tool's virtual environment, made if it is not there: versions and size, or why there is none."""
    python = find_python(tool.python)
    if python is None:
        return {"failed": f"no Python {tool.python} here"}
    stamp = tool.folder / "stamp.json"
    if stamp.is_file() and (known := json.loads(stamp.read_text(encoding="utf-8")))["wanted"] == wanted(tool):
        return known
    print(f"installing {tool.name}", flush=True)
    done = install(tool, python)
    if done is not None:
        return {"failed": done}
    versions = subprocess.check_output([str(python_of(tool)), "-m", "pip", "list", "--format", "json"], text=True)
    facts = {
        "wanted": wanted(tool),
        "python": tool.python,
        "mib": int(subprocess.check_output(["du", "-sm", str(tool.folder)], text=True).split()[0]),
        "versions": {p["name"]: p["version"] for p in json.loads(versions) if p["name"] in NAMED},
    }
    stamp.write_text(json.dumps(facts), encoding="utf-8")
    return facts


def wanted(tool: Tool) -> list[str]:
    """What the environment depends on."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    own = [line.strip() for line in project.splitlines() if line.startswith("  ") and ">=" in line]
    named = [r.replace(str(ROOT), "edgekit") for r in tool.requirements]
    return [*named, *(own if named != list(tool.requirements) else [])]


def install(tool: Tool, python: str) -> str | None:
    """Make the environment anew; the last line of pip's complaint where that fails."""
    shutil.rmtree(tool.folder, ignore_errors=True)
    subprocess.run([python, "-m", "venv", str(tool.folder)], check=True)
    index = os.environ.get("TORCH_INDEX")
    extra = ["--extra-index-url", index] if index else []
    command = [str(python_of(tool)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, *extra, *tool.requirements], capture_output=True, text=True)
    return None if done.returncode == 0 else f"pip: {done.stderr.strip().splitlines()[-1][:200]}"


def python_of(tool: Tool) -> Path:
    return tool.folder / "bin" / "python" if tool.requirements else Path(sys.executable)


@cache
def find_python(version: str) -> str | None:
    """The command of a Python that really starts: pyenv's are there but refuse where no version is chosen."""
    if version == HOST:
        return sys.executable
    command = f"python{version}"
    found = [shutil.which(command), *(str(Path(root) / "bin" / command) for root in pyenv_roots(command))]
    return next((p for p in found if p and starts(p)), None)


def pyenv_roots(command: str) -> list[str]:
    if shutil.which("pyenv") is None:
        return []
    versions = subprocess.run(["pyenv", "whence", command], capture_output=True, text=True).stdout.split()
    return [subprocess.check_output(["pyenv", "prefix", v], text=True).strip() for v in versions]


def starts(python: str) -> bool:
    return subprocess.run([python, "-c", ""], capture_output=True).returncode == 0


# measuring


def network(name: str, installed: dict[str, Any]) -> dict[str, Any]:
    """One network through all tools, in turns."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        export = child([sys.executable, str(HERE / "peers" / "prepare.py"), name, str(folder)], folder)
        tools = [tool for tool in (*TOOLS, WHOLE) if "failed" not in installed.get(tool.name, {})]
        runs: dict[str, list[dict[str, Any]]] = {tool.name: [] for tool in tools}
        for _ in range(RUNS):
            for tool in tools:
                if not runs[tool.name] or runs[tool.name][-1].get("seconds", LONG_S) < LONG_S:
                    runs[tool.name].append(convert(tool, folder))
        absent = {tool.name: {"failed": installed[tool.name]["failed"]} for tool in TOOLS if tool not in tools}
        results = {tool.name: {**summary(runs[tool.name]), **scores(name, tool, folder)} for tool in tools}
        floating = score(name, folder / "float.onnx", "onnxruntime", folder)
    print(name, {tool: figures.get("failed", figures.get("seconds")) for tool, figures in results.items()}, flush=True)
    load = os.getloadavg()[2]  # of the last fifteen minutes
    return {"name": name, "load": load, "float": floating, "export": export, "tools": results | absent}


def convert(tool: Tool, folder: Path) -> dict[str, Any]:
    """One conversion in a fresh process."""
    path = os.pathsep.join([str(tool.folder / "bin"), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, **({"PYTHONPATH": str(ROOT)} if tool is EDGEKIT else {})}
    return child(
        [str(python_of(tool)), str(tool.script), str(folder), str(made_file(tool, folder))], folder, environment
    )


def made_file(tool: Tool, folder: Path) -> Path:
    return folder / f"{tool.name}{tool.suffix}"


def child(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """The report that a script writes to the file named last; why there is none where it died."""
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    try:
        done = subprocess.run([*command, str(report)], env=environment, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return {"failed": f"no end within {LIMIT_S} s"}
    if report.is_file():
        return json.loads(report.read_text(encoding="utf-8"))
    last = (done.stderr.strip().splitlines() or ["no message"])[-1][:200]
    return {"failed": f"signal {-done.returncode}" if done.returncode < 0 else last}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each figure; the first failure where one failed."""
    failed = next((run for run in runs if "failed" in run), None)
    return failed or {**{key: statistics.median(run[key] for run in runs) for key in runs[0]}, "runs": runs}


def scores(name: str, tool: Tool, folder: Path) -> dict[str, Any]:
    file = made_file(tool, folder)
    return {r: score(name, file, r, folder) for r in RUNTIMES[tool.suffix]} if file.is_file() else {}


def score(name: str, file: Path, runtime: str, folder: Path) -> dict[str, Any]:
    return child([sys.executable, str(HERE / "peers" / "score.py"), name, str(file), runtime], folder)


# the document


def markdown(document: dict[str, Any]) -> str:
    networks = document["networks"]
    sections = (
        ("Seconds", times(networks)),
        ("CPU seconds", cpu_times(networks)),
        ("Peak memory, MiB", memory(networks)),
        ("Bytes", sizes(networks)),
        ("Score on 500 test samples", accuracies(networks)),
        ("What failed", failures(networks)),
        ("Install size", installs(document["environments"])),
    )
    lines = ["# Conversion beside other tools", "", introduction(document), ""]
    for title, (note, table) in sections:
        lines += [f"## {title}", "", note, "", *table, ""]
    return "\n".join(lines)


def introduction(document: dict[str, Any]) -> str:
    networks = document["networks"]
    runs = [len(result["runs"]) for n in networks for result in n["tools"].values() if "runs" in result]
    loads = [n["load"] for n in networks]
    return (
        f"Made by `python benchmarks/conversion.py` on {document['date']}: trained networks of `tests/zoo`, from the "
        "same float ONNX file (litert-torch: the same ExportedProgram) and the same 128 samples to int8, each "
        "conversion in a fresh process of the tool's own environment, tools in turns; medians of "
        f"{max(runs, default=0)} runs (one where a run takes over a minute). edgekit, onnx2tf and "
        "litert-torch write .tflite files; onnxruntime's static quantizer writes QDQ ONNX. The machine has "
        f"{os.cpu_count()} cores and was shared: load {min(loads):.0f} to {max(loads):.0f}."
    )


def times(networks: list[dict[str, Any]]) -> tuple[str, list[str]]:
    note = (
        "After imports, on the wall; in brackets how many times edgekit's. PyTorch's exports have columns of their "
        "own: `torch.onnx.export` as edgekit calls and checks it, and the `torch.export` inside litert-torch. "
        '"No use": no runtime takes the file.'
    )
    rows = [
        [
            n["name"],
            seconds(n["export"].get("onnx_export_seconds")),
            seconds(n["tools"][EDGEKIT.name].get("seconds")),
            *(ratio(n, tool.name, "seconds", seconds) for tool in PEER_TOOLS),
            seconds(n["tools"]["litert-torch"].get("export_seconds")),
        ]
        for n in networks
    ]
    return note, table(["network", "export to ONNX", *(t.name for t in TOOLS), "torch.export"], rows)


def cpu_times(networks: list[dict[str, Any]]) -> tuple[str, list[str]]:
    note = (
        "The same conversions in seconds of CPU time: what other processes do to the machine counts less here. The "
        "last column is the whole `edgekit.convert`: the file is looked at in a limited process first, both formats "
        "are written, and their accuracy, error per layer and agreement of all runtimes are judged."
    )
    rows = [
        [
            n["name"],
            seconds(n["tools"][EDGEKIT.name].get("cpu_seconds")),
            *(ratio(n, tool.name, "cpu_seconds", seconds) for tool in PEER_TOOLS),
            seconds(n["tools"][WHOLE.name].get("cpu_seconds")),
        ]
        for n in networks
    ]
    return note, table(["network", *(t.name for t in TOOLS), "edgekit.convert"], rows)


def memory(networks: list[dict[str, Any]]) -> tuple[str, list[str]]:
    note = "Highest resident size of the process (or of a child of it), and after it the size once all was imported."
    rows = [
        [
            n["name"],
            *(both(n["tools"][t.name].get("peak_mib"), n["tools"][t.name].get("imported_mib")) for t in TOOLS),
        ]
        for n in networks
    ]
    return note, table(["network", *(t.name for t in TOOLS)], rows)


def sizes(networks: list[dict[str, Any]]) -> tuple[str, list[str]]:
    note = "The last column: edgekit's file beside the smallest other .tflite file."
    rows = [
        [
            n["name"],
            *(thousands(n["tools"][t.name].get("bytes")) for t in TOOLS),
            beside_smallest(n["tools"]),
        ]
        for n in networks
    ]
    return note, table(["network", *(f"{t.name} ({t.suffix})" for t in TOOLS), "ratio"], rows)


def beside_smallest(tools: dict[str, Any]) -> str:
    others = [tools[t.name]["bytes"] for t in PEER_TOOLS if t.suffix == EDGEKIT.suffix and "bytes" in tools[t.name]]
    own = tools[EDGEKIT.name].get("bytes")
    return f"{own / min(others):.2f}" if own and others else "–"


def accuracies(networks: list[dict[str, Any]]) -> tuple[str, list[str]]:
    note = (
        "Share of right answers (autoencoder: share of the variance explained). .tflite files in LiteRT / TFLite Micro "
        "as they were written; ONNX in ONNX Runtime with x64quantprecision=1. A number in brackets counts float "
        "tensors in the file."
    )
    rows = [[n["name"], score_text(n["float"]), *(tool_scores(t, n["tools"][t.name]) for t in TOOLS)] for n in networks]
    return note, table(["network", "float", *(t.name for t in TOOLS)], rows)


def tool_scores(tool: Tool, result: dict[str, Any]) -> str:
    found = [result[runtime] for runtime in RUNTIMES[tool.suffix] if runtime in result]
    floats = sum(f.get("float_tensors", 0) for f in found)
    return " / ".join(score_text(f) for f in found) + (f" ({floats})" if floats else "") if found else "failed"


def score_text(figures: dict[str, Any]) -> str:
    return "failed" if "failed" in figures else f"{figures['score']:.3f}"


def failures(networks: list[dict[str, Any]]) -> tuple[str, list[str]]:
    rows = [
        [n["name"], tool, where, reason]
        for n in networks
        for tool, result in n["tools"].items()
        for where, reason in reasons(result)
    ]
    return ("The tool's own words.", table(["network", "tool", "where", "reason"], rows)) if rows else ("Nothing.", [])


def reasons(result: dict[str, Any]) -> list[tuple[str, str]]:
    runs = {r: result[r] for runtimes in RUNTIMES.values() for r in runtimes if r in result}
    found = {"conversion": result, **runs}
    return [(where, f["failed"].replace("|", "\\|")) for where, f in found.items() if "failed" in f]


def installs(environments: dict[str, Any]) -> tuple[str, list[str]]:
    note = (
        "The whole virtual environment, by `du`. `edgekit` converts ONNX files, `edgekit-torch` PyTorch modules too; "
        "litert-torch needs PyTorch, onnx2tf and onnxruntime start from ONNX."
    )
    rows = [[name, *environment_facts(facts)] for name, facts in environments.items()]
    return note, table(["environment", "Python", "MiB", "what is in it"], rows)


def environment_facts(facts: dict[str, Any]) -> list[str]:
    if "failed" in facts:
        return ["–", "–", f"failed: {facts['failed']}"]
    return [facts["python"], f"{facts['mib']:,}", ", ".join(f"{k} {v}" for k, v in facts["versions"].items())]


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]


def seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def thousands(value: float | None) -> str:
    return "–" if value is None else f"{int(value):,}"


def both(peak: float | None, imported: float | None) -> str:
    return "–" if peak is None or imported is None else f"{peak:.0f} ({imported:.0f})"


def ratio(network: dict[str, Any], tool: str, key: str, text: Callable[[float | None], str]) -> str:
    """A figure and how many times edgekit's it is; a file that no runtime takes is named as such."""
    result, own = network["tools"][tool], network["tools"][EDGEKIT.name].get(key)
    value = result.get(key)
    times = f" ({value / own:.1f}x)" if value and own else ""
    return text(value) + times + ("" if value is None or usable(result) else ", no use")


def usable(result: dict[str, Any]) -> bool:
    """Whether a runtime could be given the file."""
    found = [result[runtime] for runtimes in RUNTIMES.values() for runtime in runtimes if runtime in result]
    return any("score" in figures for figures in found)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Documents of a real conversion, of its profile, and of a deploy and a benchmark made of the SDK's own dataclasses."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from small_network import small_network

from edgekit import pipeline
from edgekit.deployment.apply import Deployment, Done
from edgekit.deployment.benchmark import Benchmark

Documents = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build folder of a small network, converted to int8."""
    folder = tmp_path_factory.mktemp("project")
    onnx.save(small_network(), str(folder / "small.onnx"))
    samples = np.random.default_rng(1).normal(size=(16, 1, 8, 8)).astype(np.float32)
    np.savez(folder / "samples.npz", x=samples)
    pipeline.convert(folder / "small.onnx", calibration=str(folder / "samples.npz"), out=folder / "build")
    return folder / "build"


@pytest.fixture(scope="session")
def _made(build: Path) -> Documents:
    convert = json.loads((build / "report.json").read_text())
    convert["accuracy"] = {"float": 0.886, "int8": 0.8856, "evaluated_with": "onnxruntime", "reason": None}
    profile = {"model": "small", "targets": [p.document() for p in pipeline.profile(build, ["rpi4"])]}
    first, again = deployment(blobs_sent=196, bytes_sent=25_643_088, seconds=5.0), deployment(seconds=0.5)
    status = {
        "device": "pi@kitchen",
        "emulated": False,
        "apps": [
            {
                "app": "small",
                "current": "a" * 64,
                "previous": None,
                "trial": None,
                "releases": [{"id": "a" * 64, "model": "small", "bytes": 81_781_010}],
            }
        ],
        "store_bytes": 81_781_010,
        "free_bytes": 4 << 30,
    }
    bodies = {"convert": convert, "profile": profile, "deploy": first, "redeploy": again, "status": status}
    bodies["bench"] = benchmark()
    commands = {"redeploy": "deploy"}
    heads = {name: {"schema": 1, "edgekit": "0.1.0", "command": commands.get(name, name)} for name in bodies}
    return {name: json.loads(json.dumps(heads[name] | body)) for name, body in bodies.items()}


@pytest.fixture
def documents(_made: Documents) -> Documents:
    """All six documents, the test's own copy."""
    return copy.deepcopy(_made)


def deployment(*, blobs_sent: int = 0, bytes_sent: int = 0, seconds: float) -> dict[str, Any]:
    done = Deployment(
        app="small",
        target="rpi4",
        device="pi@kitchen",
        emulated=False,
        release="a" * 64,
        previous="b" * 64,
        activated=True,
        steps=(Done("COMMIT", "send 192 small files", 0.68), Done("CHECK+ACTIVATE", "run the self test", 0.25)),
        blobs_total=196,
        blobs_sent=blobs_sent,
        bytes_total=81_781_010,
        bytes_sent=bytes_sent,
        release_bytes=81_781_010,
        seconds=seconds,
        use="PYTHONPATH=x python3 -c 'import edgekit_runtime'",
    )
    return done.document()


def benchmark() -> dict[str, Any]:
    moment = {
        "frequency_hz": 1_500_000_000,
        "governor": "performance",
        "temperature_c": 48.3,
        "throttled_bits": 0,
        "load_1m": 0.1,
        "free_bytes": 3 << 30,
        "swap_used_bytes": None,
    }
    measured = Benchmark(
        app="small",
        target="rpi4",
        device="pi@kitchen",
        release="a" * 64,
        runtime={"name": "onnxruntime", "version": "1.28.0"},
        emulated=False,
        trusted=True,
        reasons=(),
        interrupted=False,
        load_s=0.367,
        first_s=0.00082,
        p50_s=0.00321,
        p90_s=0.00336,
        p99_s=0.0041,
        p999_s=None,
        median_of_windows_s=0.00322,
        min_s=0.0031,
        max_s=0.0166,
        mad_s=5e-6,
        outliers=2,
        runs=1589,
        windows=({"runs": 700, "p50_s": 0.0032}, {"runs": 889, "p50_s": 0.00323}),
        warmup={"runs": 300, "seconds": 1.0, "steady": True},
        peak_rss_bytes=61_919_232,
        output_sha256="c" * 64,
        golden={"checked": True, "max_abs_error": 0.02, "tolerance": 0.39},
        conditions={"before": moment, "during": [moment | {"temperature_c": 55.5}], "after": moment},
        throttled=False,
        board={"model": "Raspberry Pi 4 Model B", "kernel": "6.6.51", "cpu": "Cortex-A72", "threads": 4},
        model_sha256="d" * 64,
    )
    return measured.document()

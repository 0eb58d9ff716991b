"""A release → a board: probe, plan (pure), apply, benchmark, status. Devices are reached through `edgekit.device`."""

from __future__ import annotations

from edgekit.deployment.apply import Deployment, apply, planned, usage_line
from edgekit.deployment.benchmark import Benchmark, BenchOptions, run_benchmark
from edgekit.deployment.plan import Needs, Options, Plan, Step, check_board, plan
from edgekit.deployment.probe import BoardPython, Facts, board_python, check_root, only_app, probe, python_of
from edgekit.deployment.status import Status, read_status

__all__ = [
    "BenchOptions",
    "Benchmark",
    "BoardPython",
    "Deployment",
    "Facts",
    "Needs",
    "Options",
    "Plan",
    "Status",
    "Step",
    "apply",
    "board_python",
    "check_board",
    "check_root",
    "only_app",
    "plan",
    "planned",
    "probe",
    "python_of",
    "read_status",
    "run_benchmark",
    "usage_line",
]

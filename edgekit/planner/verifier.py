"""A Problem and a Plan → nothing, or an error that names what overlaps: shares no code with the search."""

from __future__ import annotations

from edgekit.planner.problem import Plan, Problem


def verify(problem: Problem, plan: Plan) -> None:
    """To be written."""

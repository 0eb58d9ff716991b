"""Buffers and their lifetimes → where each lies in the arena: a plan as small as can be, and its verifier."""

from edgekit.planner.problem import IN_PLACE, Buffer, Overlap, Plan, Problem, Step
from edgekit.planner.search import lowest_peak, plan
from edgekit.planner.verifier import verify

__all__ = ["IN_PLACE", "Buffer", "Overlap", "Plan", "Problem", "Step", "lowest_peak", "plan", "verify"]

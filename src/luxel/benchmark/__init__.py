"""Comparison: trivial predictors, the authors' released checkpoint, nineteen trained methods, statistical measures."""

from luxel.benchmark.registry import build as build
from luxel.benchmark.registry import facts as facts

__all__ = ["build", "facts"]

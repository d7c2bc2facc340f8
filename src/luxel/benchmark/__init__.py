"""Comparison: trivial predictors, the authors' released checkpoint, nineteen trained methods, statistical measures."""

from luxel.benchmark.registry import build, facts

__all__ = ["build", "facts"]

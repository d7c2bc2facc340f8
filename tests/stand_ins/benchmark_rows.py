"""Rows of a benchmark that nobody ran, for the tests of what is made of rows."""

import numpy as np

from luxel.benchmark.protocol.results import ResultRow

PICTURES = 40
SCENES = tuple(f"scene-{i:02d}" for i in range(PICTURES))


def row(method: str = "pieanet", task: str = "pixel", split: int = 0, seed: int = 0, **values: object) -> ResultRow:
    facts = {"budget": "120 s", "status": "ok", "version": "0.1.0", "data": "made", "scenes": SCENES} | values
    return ResultRow(method=method, task=task, split=split, seed=seed, **facts)  # type: ignore[arg-type]


def errors(mean: float, seed: int = 0) -> np.ndarray:
    """Errors by picture: the pictures differ more than the methods do."""
    rng = np.random.default_rng(seed)
    hard = np.random.default_rng(99).uniform(0.5, 1.5, PICTURES)
    return (mean * hard + rng.normal(0, 0.05 * mean, PICTURES)).clip(0).astype(np.float32)

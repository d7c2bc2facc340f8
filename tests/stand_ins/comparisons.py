"""Comparisons, for the tests of tables and sheets."""

from pathlib import Path

import numpy as np

from luxel import images
from luxel.compare.compare import (
    Comparison,
    Figures,
)


def write(path: Path, level: int = 128, size: tuple[int, int] = (24, 32)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, np.full((*size, 3), level, np.uint8))
    return path


def comparison(values: np.ndarray) -> Comparison:
    """Made-up mean absolute residuals, [pictures, versions]."""
    versions = ("original", *(f"method {n}" for n in range(1, values.shape[1])))
    rows = {
        f"picture {i}": {v: Figures(float(r), r / 2, r / 4, 10 - 10 * r) for v, r in zip(versions, row, strict=True)}
        for i, row in enumerate(values)
    }
    return Comparison(versions, 0.1, rows)

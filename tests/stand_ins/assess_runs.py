"""The command line with small weights, and images for it."""

import sys
from pathlib import Path

import numpy as np

from luxel import images


def command_line(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from luxel.cli import main; main()", *map(str, arguments)]


def write_picture(path: Path, level: int = 128, size: tuple[int, int] = (24, 32)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, np.full((*size, 3), level, np.uint8))
    return path


def arguments(folder: Path, weights: Path) -> list[str]:
    kinds = ("--heatmap", "--residual", "--json")
    return ["assess", str(folder / "in"), "--out", str(folder / "out"), "--weights", str(weights), *kinds]

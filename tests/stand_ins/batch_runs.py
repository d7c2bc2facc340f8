"""Images for runs over many files."""

from pathlib import Path

import numpy as np

from luxel import images
from luxel.jobs.file_list import Found


def write_picture(path: Path, level: int = 128, size: tuple[int, int] = (24, 32)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, np.full((*size, 3), level, np.uint8))
    return path


def names(found: list[Found]) -> list[str]:
    return [picture.name for picture in found]

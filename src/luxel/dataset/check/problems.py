"""What a check finds, and the tests that both layouts share."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from luxel import images
from luxel.dataset.folder.manifest import row_file, sha256_of
from luxel.errors import DatasetError, LuxelError
from luxel.photometry import Mask, lightness

SCORE_TOLERANCE = 0.01
"""Points between a stored score and the score of its map: the released lists have two decimals."""

NEAR_DUPLICATE_BITS = 10
"""Of the 256 bits of two references' difference hashes: up to here they count as the same picture."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. kind: one word for filters. place: file, frame or scene. message: what is wrong."""

    kind: str
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.place}: {self.message}"


@dataclass(slots=True)
class CheckResult:
    """What a check found. layout: "luxel" or "released". notes: what is worth knowing and no problem."""

    layout: str
    scenes: int = 0
    frames: int = 0
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_pixels(
    folder: Path, file: str | None, dtype: npt.DTypeLike, problems: list[Problem], *, sha256: str | None = None
) -> npt.NDArray[Any] | None:
    """The pixels [H, W, 3] of a dataset's file; None where there are none.

    folder: of the dataset.
    file: its name relative to the folder; None for a file that the frame does not have, which is not a problem.
    dtype: the type that its pixels must have.
    problems: gets what is wrong with the file.
    sha256: of the file as it was written; None where that is not recorded.
    """
    if file is None:
        return None
    try:
        place = row_file(folder, file)
    except DatasetError as error:
        problems.append(Problem("path", file, str(error)))
        return None
    if not place.is_file():
        problems.append(Problem("missing", file, "is not there"))
        return None
    try:
        if sha256 is not None and sha256 != sha256_of(place):
            problems.append(Problem("checksum", file, "was changed since it was written"))
        pixels = images.read(place).pixels
    except LuxelError as error:
        problems.append(Problem("unreadable", file, str(error)))
        return None
    if pixels.dtype != dtype:
        problems.append(Problem("unreadable", file, f"is {pixels.dtype}, must be {np.dtype(dtype)}"))
        return None
    return pixels


def difference_hash(image: npt.NDArray[np.uint8]) -> Mask:
    """Which of 16 x 16 cells is darker than its right neighbour: uint8 [H, W, 3] to bool [256].

    It hardly changes with size, compression or exposure, so that equal hashes mean the same picture.
    """
    grey = Image.fromarray(np.rint(lightness(image) * 255).astype(np.uint8))
    cells = np.asarray(grey.resize((17, 16), Image.Resampling.BOX), dtype=np.int16)
    return np.asarray(cells[:, 1:] > cells[:, :-1]).ravel()


def near_duplicates(hashes: dict[str, Mask]) -> Iterator[tuple[str, str, int]]:
    """Pairs of scenes whose references look alike, with the number of bits in which they differ.

    The hash of a nearly flat picture, almost all zeros or ones, says nothing: those are left out.
    """
    names = sorted(name for name, bits in hashes.items() if 32 <= bits.sum() <= 224)
    if len(names) < 2:
        return
    table = np.stack([hashes[name] for name in names])
    for i, name in enumerate(names[:-1]):
        distance = (table[i + 1 :] != table[i]).sum(axis=1)
        for j in np.flatnonzero(distance <= NEAR_DUPLICATE_BITS):
            yield name, names[i + 1 + int(j)], int(distance[j])

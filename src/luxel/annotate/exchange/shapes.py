"""What the formats have in common: a mask with a residual on one frame, and how names and values are read.

A frame is exported as SCENE__LEVEL.png and found again by that name, wherever a program put the file. A value is a
residual in [-1, 1], in lightness. An exported block (label "block") whose value is still 0 is not a correction.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from luxel.dataset.folder.manifest import MANIFEST, FrameRow, read_manifest
from luxel.errors import DatasetError
from luxel.photometry import Mask

Points = Sequence[tuple[float, float]]

SEPARATOR = "__"
BLOCK = "block"
"""Label of exported blocks."""

MAX_FILE = 500_000_000
_NUMBER = re.compile(r"(?:^|[\s=:])([+-]?(?:\d+\.?\d*|\.\d+))\s*$")


@dataclass(frozen=True, slots=True)
class Shape:
    """One mask with a value. frame: "SCENE/LEVEL". where: bool [H, W]. label: as the program has it."""

    frame: str
    where: Mask
    value: float
    label: str

    @property
    def is_correction(self) -> bool:
        """Whether a person said something: not for a block that was exported and left at 0."""
        return self.label != BLOCK or self.value != 0


@dataclass(frozen=True, slots=True)
class FrameIndex:
    """The frames of a dataset by the names that exported files have."""

    rows: Mapping[str, FrameRow]

    @classmethod
    def of(cls, dataset: Path) -> "FrameIndex":
        """All frames. Raises DatasetError for a folder without a manifest."""
        return cls({file_name(row): row for row in read_manifest(dataset / MANIFEST)})

    def find(self, name: str, place: str) -> FrameRow:
        """The frame of a file's name, whatever folder or prefix a program put before it. Raises DatasetError."""
        base = PureWindowsPath(PurePosixPath(name.partition("?d=")[2] or name).name).name
        for known in (base, base.partition("-")[2]):  # Label Studio puts a hash and "-" before uploaded names
            row = self.rows.get(f"{known.rpartition('.')[0]}.png")
            if row is not None:
                return row
        raise DatasetError(f"{place}: no frame named {base!r}; export the frames with luxel annotate export")


def file_name(row: FrameRow) -> str:
    """The exported file of a frame."""
    return f"{row.scene_id}{SEPARATOR}{row.level}.png"


def value_of(texts: Iterable[Any], place: str) -> float:
    """The residual that a label, an attribute or a description ends with, e.g. -0.4 or "residual -0.4".

    texts: looked at in order. Raises DatasetError where none has a number, or one outside [-1, 1].
    """
    for text in texts:
        found = _NUMBER.search(str(text)) if text is not None else None
        if found is not None:
            value = float(found[1])
            if not -1 <= value <= 1:
                raise DatasetError(f"{place}: value {value:g} is not a residual; give -1 to 1")
            return value
    raise DatasetError(f"{place}: has no value; give a residual from -1 to 1")


def polygon(points: Points, row: FrameRow, place: str) -> Mask:
    """The pixels inside a polygon. points: x, y in pixels, three or more. Raises DatasetError."""
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1:] != (2,) or len(array) < 3 or not np.isfinite(array).all():
        raise DatasetError(f"{place}: a polygon needs three points or more")
    limit = 4.0 * max(row.width, row.height)
    image = Image.new("1", (row.width, row.height))
    ImageDraw.Draw(image).polygon([tuple(p) for p in np.clip(array, -limit, limit).tolist()], fill=1, outline=1)
    return np.asarray(image, dtype=bool)


def rectangle(corners: Sequence[float], row: FrameRow) -> Mask:
    """The pixels of a rectangle. corners: left, top, right, bottom in pixels."""
    left, top, right, bottom = (round(v) for v in corners)
    mask = np.zeros((row.height, row.width), dtype=bool)
    mask[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
    return mask


def pasted(part: Mask, left: int, top: int, row: FrameRow, place: str) -> Mask:
    """A mask put into the frame. Raises DatasetError where it does not lie inside."""
    height, width = part.shape
    if left < 0 or top < 0 or left + width > row.width or top + height > row.height:
        raise DatasetError(f"{place}: a mask of {width} x {height} at {left}, {top} leaves the frame")
    mask = np.zeros((row.height, row.width), dtype=bool)
    mask[top : top + height, left : left + width] = part
    return mask


def outlines(labels: npt.NDArray[np.int32]) -> dict[int, list[list[tuple[int, int]]]]:
    """Polygons around the parts of every block, x, y in pixels; parts with fewer than three points have none."""
    found: dict[int, list[list[tuple[int, int]]]] = {}
    for block in range(int(labels.max()) + 1):
        contours, _ = cv2.findContours((labels == block).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        found[block] = [[(int(x), int(y)) for x, y in c[:, 0]] for c in contours if len(c) >= 3]
    return found


def read_bounded(path: Path) -> bytes:
    """The bytes of a file that is not absurdly large. Raises DatasetError."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise DatasetError(f"{path}: more than {MAX_FILE // 1_000_000} MB; split the export")
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error

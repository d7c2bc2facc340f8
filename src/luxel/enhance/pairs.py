"""Paired low-light datasets as they lie on a disk: a dark image and its ground truth, paired by the number in the name.

    LOL-v1                     our485/{low,high}/N.png                   eval15/{low,high}/N.png
    LOL-v1 of Retinexformer    Train/{input,target}/N.png                Test/{input,target}/N.png
    LOL-v2                     Real_captured/{Train,Test}/Low/lowN.png   .../Normal/normalN.png
    LOL-v2 of Retinexformer    Real_captured/{Train,Test}/{Low,Normal}/N.png

The folder that is given holds these, or has them in one folder below. Letter case of folders does not matter, and
images may have any ending that luxel reads. Two sorted lists must not be zipped: LOL-v2's prefixes differ, and a file
missing on one side would shift all that follow.
"""

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from luxel.errors import DatasetError, ImageError, reason_of
from luxel.images import SUFFIXES, read
from luxel.jobs.records import read_text
from luxel.photometry import ByteArray

PairsPart = Literal["train", "test"]
Warn = Callable[[str], None]

LAYOUTS: tuple[tuple[dict[PairsPart, str], tuple[str, str]], ...] = (
    ({"train": "our485", "test": "eval15"}, ("low", "high")),
    ({"train": "train", "test": "test"}, ("input", "target")),
    ({"train": "train", "test": "test"}, ("low", "normal")),
    ({"train": "real_captured/train", "test": "real_captured/test"}, ("low", "normal")),
)
"""Folder of each part, and in it the folders of dark images and ground truths."""

_NUMBER = re.compile(r"(\d+)$", re.ASCII)


@dataclass(frozen=True, slots=True)
class PairFiles:
    """The two files of a pair. number: in both names."""

    number: int
    low: Path
    high: Path


@dataclass(frozen=True, slots=True)
class Pair:
    """A dark image and its ground truth, uint8 [H, W, 3] each, sRGB-encoded. name: its number, for tables and files."""

    name: str
    low: ByteArray
    high: ByteArray


def find_pairs(folder: Path, part: PairsPart, *, warn: Warn = lambda line: None) -> list[PairFiles]:
    """The pairs of a part of a dataset, by number.

    folder: in one of the layouts above.
    part: "train" or "test".
    warn: called with one line for images without a number, and for numbers on one side only.
    Raises DatasetError: no such folder, no known layout, several datasets, two files with one number, no pair at all.

    >>> find_pairs(Path("nowhere"), "test")
    Traceback (most recent call last):
    luxel.errors.DatasetError: nowhere: no such folder; give the folder of LOL-v1 or LOL-v2
    """
    sides = _sides(folder, part)
    low, high = (_numbered(side, warn) for side in sides)
    for side, mine, other, what in ((sides[0], low, high, "ground truth"), (sides[1], high, low, "dark image")):
        if alone := sorted(mine.keys() - other.keys()):
            warn(f"{side}: left out, because without a {what}: {_listed(alone)}")
    numbers = sorted(low.keys() & high.keys())
    if not numbers:
        raise DatasetError(f"{sides[0]}: no number of its images is in the name of one in {sides[1]}")
    return [PairFiles(number, low[number], high[number]) for number in numbers]


def read_pairs(files: Sequence[PairFiles], *, warn: Warn = lambda line: None) -> list[Pair]:
    """The images of pairs; a pair that cannot be used is left out.

    warn: called with one line for each that is left out: a file that cannot be read, sides of different size.
    Raises DatasetError when no pair is left.
    """
    pairs = []
    for pair in files:
        try:
            low, high = _read_bytes(pair.low), _read_bytes(pair.high)
            if low.shape != high.shape:
                sizes = " and ".join(f"{image.shape[1]} x {image.shape[0]}" for image in (low, high))
                raise ImageError(f"{pair.low}: the two images have {sizes} pixels")
        except Exception as error:
            warn(f"pair {pair.number} of {pair.low.parent.parent}: left out: {reason_of(error, pair.low)}")
            continue
        pairs.append(Pair(str(pair.number), low, high))
    if not pairs:
        raise DatasetError(f"{files[0].low.parent}: none of {len(files)} pairs can be used" if files else "no pairs")
    return pairs


def left_out_numbers(table: Path) -> set[int]:
    """Numbers of training images that a CSV file names in its first column, such as those that share a test scene.

    table: with or without a header line; names with or without an ending.
    Raises DatasetError: a file that cannot be read, a row without a number.
    """
    numbers = set()
    for line, row in enumerate(csv.reader(io.StringIO(read_text(table))), start=1):
        name = Path(row[0].strip()) if row else Path()
        found = _NUMBER.search(name.stem)
        # A header such as "our485" ends in a number too; names of images have an ending or are a number alone.
        if found and (name.suffix or name.stem.isdigit()):
            numbers.add(int(found[1]))
        elif row and line > 1:
            raise DatasetError(f"{table}: line {line}: {row[0]!r} names no image by its number; write 21.png or 21")
    return numbers


def _sides(folder: Path, part: PairsPart) -> tuple[Path, Path]:
    """The folders of dark images and ground truths."""
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; give the folder of LOL-v1 or LOL-v2")
    found = _layouts_in(folder, part)
    if not found:
        found = [sides for inner in sorted(folder.iterdir()) if inner.is_dir() for sides in _layouts_in(inner, part)]
    if not found:
        known = "; ".join(f"{parts[part]}/{{{','.join(names)}}}" for parts, names in LAYOUTS)
        raise DatasetError(f"{folder}: has no {part} pairs in a known layout; it must hold one of {known}")
    if len(found) > 1:
        several = ", ".join(str(low.parent) for low, _ in found)
        raise DatasetError(f"{folder}: holds several datasets, {several}; give the folder of one")
    return found[0]


def _layouts_in(folder: Path, part: PairsPart) -> list[tuple[Path, Path]]:
    found = []
    for parts, names in LAYOUTS:
        low, high = (_below(folder, f"{parts[part]}/{name}") for name in names)
        if low and high:
            found.append((low, high))
    return found


def _below(folder: Path, names: str) -> Path | None:
    """A folder below another, letter case ignored; None if it is not there."""
    found: Path | None = folder
    for name in names.split("/"):
        inside = sorted(found.iterdir()) if found else []
        found = next((path for path in inside if path.name.lower() == name and path.is_dir()), None)
    return found


def _numbered(folder: Path, warn: Warn) -> dict[int, Path]:
    """The images of a folder by their number; hidden files are passed over."""
    numbered: dict[int, Path] = {}
    without = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES:
            continue
        found = _NUMBER.search(path.stem)
        if not found:
            without.append(path.name)
            continue
        number = int(found[1])
        if number in numbered:
            raise DatasetError(f"{folder}: {numbered[number].name} and {path.name} have one number; remove one")
        numbered[number] = path
    if without:
        warn(f"{folder}: left out, because without a number at the end of the name: {_listed(without)}")
    if not numbered:
        raise DatasetError(f"{folder}: has no images with a number in their names")
    return numbered


def _listed(items: Sequence[object]) -> str:
    first = ", ".join(map(str, items[:8]))
    return first if len(items) <= 8 else f"{first} and {len(items) - 8} more"


def _read_bytes(path: Path) -> ByteArray:
    """An image in 8 bit: what these datasets are published in."""
    pixels = read(path).pixels
    if pixels.dtype == np.uint8:
        return pixels
    unit = pixels / np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else pixels
    return np.asarray(np.rint(np.clip(unit, 0, 1) * 255), dtype=np.uint8)

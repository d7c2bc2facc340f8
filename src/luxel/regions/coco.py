"""COCO JSON: annotations of one picture to one mask per category. Polygons and run lengths, plain or compressed.

A point (x, y) of COCO lies x pixels right of the left edge; pixel (0, 0) covers [0, 1) x [0, 1). A pixel belongs to a
polygon when its centre does (even-odd rule). Run lengths count down the columns, first outside, then inside.
"""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel.errors import RegionsError

Mask = npt.NDArray[np.bool_]

MAX_SIDE = 100_000
"""Pixels; a larger picture in a JSON is a mistake."""

MAX_MEGAPIXELS = 200.0
"""Largest picture that masks are made for (10^6 pixels)."""


def coco_masks(path: Path, picture: str | Path | None = None) -> dict[str, Mask]:
    """The masks of one picture: category name -> bool [H, W], at the size the JSON states.

    Annotations of one category become one mask; a category without annotations in this picture is an empty one.
    picture: which image, by file name, its last part or its stem; None where the JSON holds one.
    Raises RegionsError: no COCO JSON, no such picture, an annotation that cannot be read (with its place).
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RegionsError(f"{path}: not JSON that can be read: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict) or not all(_records(data.get(k)) for k in ("images", "annotations", "categories")):
        raise RegionsError(f"{path}: not COCO JSON; it needs lists of images, annotations and categories")
    image = _image(path, data["images"], picture)
    height, width = _sides(path, image)
    names: dict[Any, str] = {}
    for category in data["categories"]:
        if "id" not in category or not isinstance(category.get("name"), str):
            raise RegionsError(f"{path}: category {str(category)[:40]} has no id and name")
        names[category["id"]] = category["name"]
    masks = {name: np.zeros((height, width), dtype=np.bool_) for name in names.values()}
    for number, annotation in enumerate(data["annotations"]):
        if annotation.get("image_id") != image.get("id"):
            continue
        place = f"{path}: annotation {annotation.get('id', number)}"
        if annotation.get("category_id") not in names:
            raise RegionsError(f"{place}: category_id {annotation.get('category_id')!r} is not among the categories")
        try:
            masks[names[annotation["category_id"]]] |= _rasterised(annotation.get("segmentation"), height, width)
        except (ValueError, TypeError, OverflowError) as error:
            raise RegionsError(f"{place}: {error}") from error
    return masks


def _records(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


def _sides(path: Path, image: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width of the picture."""
    sides = [image.get("height"), image.get("width")]
    height, width = (s if isinstance(s, int) and 0 < s <= MAX_SIDE else 0 for s in sides)
    if not 0 < height * width <= MAX_MEGAPIXELS * 1e6:
        name = image.get("file_name")
        raise RegionsError(f"{path}: image {name!r} has height {sides[0]!r} and width {sides[1]!r}; give whole pixels")
    return height, width


def _image(path: Path, images: list[dict[str, Any]], picture: str | Path | None) -> dict[str, Any]:
    if not images:
        raise RegionsError(f"{path}: it holds no images")
    if picture is None:
        if len(images) == 1:
            return images[0]
        raise RegionsError(f"{path}: it holds {len(images)} images; say which picture")
    wanted = Path(picture).name
    files = [(PurePosixPath(str(image.get("file_name", "")).replace("\\", "/")), image) for image in images]
    by_name = [image for file, image in files if file.name == wanted]
    # A saved map, photo.residual.png, belongs to photo.jpg: then the first part of the name decides.
    stem = wanted.removesuffix(".residual.png")
    stems = {stem, Path(wanted).stem}
    matches = by_name or [image for file, image in files if file.stem in stems]
    if len(matches) != 1:
        told = "no image" if not matches else f"{len(matches)} images"
        raise RegionsError(f"{path}: {told} of the file_name {wanted!r} among its {len(images)}")
    return matches[0]


def _rasterised(segmentation: object, height: int, width: int) -> Mask:
    """One annotation. Raises ValueError with what is wrong."""
    if isinstance(segmentation, Mapping):
        return _from_runs(segmentation, height, width)
    if isinstance(segmentation, list) and segmentation:
        mask = np.zeros((height, width), dtype=np.bool_)
        for polygon in segmentation:
            mask |= _from_polygon(polygon, height, width)
        return mask
    raise ValueError("segmentation is neither a list of polygons nor run lengths with counts and size")


def _from_polygon(polygon: object, height: int, width: int) -> Mask:
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        raise ValueError("a polygon is a list x1, y1, x2, y2, ... of three points or more")
    points = np.array(polygon, dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(points).all() or np.abs(points).max() > 10 * MAX_SIDE:
        raise ValueError("a polygon holds numbers that are no places in a picture")
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    columns = slice(max(int(np.floor(left)), 0), min(int(np.ceil(right)), width))
    rows = slice(max(int(np.floor(top)), 0), min(int(np.ceil(bottom)), height))
    mask = np.zeros((height, width), dtype=np.bool_)
    if columns.start >= columns.stop or rows.start >= rows.stop:
        return mask
    # Every edge flips all pixels to its right, in the rows whose centres it crosses: what is flipped an odd number of
    # times lies inside. Only parity counts, so that uint8 may overflow.
    span = columns.stop - columns.start
    flips = np.zeros((rows.stop - rows.start, span + 1), dtype=np.uint8)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        crossed = np.arange(max(int(np.ceil(y0 - 0.5)), rows.start), min(int(np.ceil(y1 - 0.5)), rows.stop))
        if crossed.size:
            x = x0 + (crossed + 0.5 - y0) / (y1 - y0) * (x1 - x0)
            first = np.clip(np.ceil(x - 0.5) - columns.start, 0, span).astype(np.intp)
            flips[crossed - rows.start, first] += 1
    mask[rows, columns] = (np.cumsum(flips, axis=1, dtype=np.uint8) & 1)[:, :span]
    return mask


def _from_runs(segmentation: Mapping[str, Any], height: int, width: int) -> Mask:
    counts, size = segmentation.get("counts"), segmentation.get("size")
    if size != [height, width]:
        raise ValueError(f"run lengths are for {size}, the image is [{height}, {width}] (height, width)")
    runs = _decompressed(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(isinstance(n, int) and 0 <= n <= height * width for n in runs):
        raise ValueError("counts is neither a list of run lengths nor a compressed string")
    if sum(runs) != height * width:
        raise ValueError(f"run lengths add up to {sum(runs)}, the image has {height * width} pixels")
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(width, height).T


def _decompressed(text: str) -> list[int]:
    """Run lengths of COCO's compressed string.

    Each number is written in groups of five bits, lowest first, as characters from "0" (48) on; bit 32 says that more
    groups follow, bit 16 of the last one is the sign. From the fourth number on it is the difference to the number two
    before. Source: the format of the COCO API.
    """
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or shift > 50:
            raise ValueError("counts is no compressed run-length string")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value, shift = 0, 0
    if shift:
        raise ValueError("counts ends in the middle of a number")
    return runs

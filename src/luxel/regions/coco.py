"""COCO JSON: annotations of one picture to one mask per category. Polygons, boxes and run lengths, plain or compressed.

A point (x, y) of COCO lies x pixels right of the left edge; pixel (0, 0) covers [0, 1) x [0, 1). A pixel belongs to a
polygon when its centre does (even-odd rule). Run lengths count down the columns, first outside, then inside. They are
unpacked here and not by pycocotools, whose version 2.0.11 writes outside its memory for strings that are damaged.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from luxel.errors import RegionsError
from luxel.photometry import Mask

MAX_SIDE = 100_000
"""Pixels; a larger picture in a JSON is a mistake."""

MAX_MEGAPIXELS = 200.0
"""Largest picture that masks are made for (10^6 pixels)."""


class _DegenerateError(ValueError):
    """A shape that covers nothing by its nature: fewer than three points, or no area."""


def coco_masks(
    path: Path, picture: str | Path | None = None, *, warn: Callable[[str], None] = lambda message: None
) -> dict[str, Mask]:
    """The masks of one image, category name -> bool [H, W], at the size the JSON states.

    Annotations of one category become one mask; a category without annotations in this image is an empty one.

    path: the JSON, in UTF-8, UTF-16 or UTF-32. Numbers may be written as text.
    picture: which image, by file name or its stem, and by folders where several have that name; None where the JSON
        holds one.
    warn: called with one line for each shape that covers nothing and is left out, and where the folders of the picture
        and of the image differ.
    Raises RegionsError: not COCO JSON, no such image, an annotation that cannot be read or belongs to no image or
    category (with its place).

    >>> import json, tempfile
    >>> coco = {
    ...     "images": [{"id": 1, "file_name": "a.jpg", "height": 2, "width": 4}],
    ...     "categories": [{"id": 1, "name": "sky"}],
    ...     "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2]}],
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "coco.json"
    ...     _ = file.write_text(json.dumps(coco))
    ...     coco_masks(file)["sky"].astype(int).tolist()
    [[1, 1, 0, 0], [1, 1, 0, 0]]
    """
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise RegionsError(f"{path}: not valid JSON: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict) or not all(_records(data.get(k)) for k in ("images", "annotations", "categories")):
        raise RegionsError(f"{path}: not COCO JSON; it needs lists of images, annotations and categories")
    image = _image(path, data["images"], picture, warn)
    height, width = _sides(path, image)
    identifiers = [_identifier(entry.get("id"), f"{path}: image {n}") for n, entry in enumerate(data["images"])]
    if twice := [identifier for identifier, uses in Counter(identifiers).items() if uses > 1]:
        raise RegionsError(f"{path}: two images have the id {twice[0]!r}; give each its own")
    known, wanted = set(identifiers), _identifier(image.get("id"), f"{path}: image {image.get('file_name')!r}")
    names: dict[int | str, str] = {}
    for number, category in enumerate(data["categories"]):
        if not isinstance(category.get("name"), str):
            raise RegionsError(f"{path}: category {str(category)[:40]} has no id and name")
        names[_identifier(category.get("id"), f"{path}: category {number}")] = category["name"]
    masks = {name: np.zeros((height, width), dtype=np.bool_) for name in names.values()}
    for number, annotation in enumerate(data["annotations"]):
        place = f"{path}: annotation {str(annotation.get('id', number))[:20]}"
        owner = _identifier(annotation.get("image_id"), f"{place}: image")
        if owner not in known:
            raise RegionsError(f"{place}: image_id {owner!r} is not among the images")
        if owner != wanted:
            continue
        category_id = _identifier(annotation.get("category_id"), f"{place}: category")
        if category_id not in names:
            raise RegionsError(f"{place}: category_id {category_id!r} is not among the categories")
        try:
            mask, left_out = _rasterised(annotation, height, width)
        except (ValueError, TypeError, OverflowError) as error:
            raise RegionsError(f"{place}: {error}") from error
        masks[names[category_id]] |= mask
        for line in left_out:
            warn(f"{place}: {line}")
    return masks


def _identifier(value: object, place: str) -> int | str:
    """An id by its value, however it is written: 5, 5.0 and "5" are one. Raises RegionsError for anything else."""
    if isinstance(value, str) and value.strip():
        text = value.strip()
        return int(text) if text.isdecimal() and text.isascii() else text
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise RegionsError(f"{place}: its id is {str(value)[:40]!r}; give a whole number or text")


def _records(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


def _sides(path: Path, image: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width of the picture."""
    sides = [image.get("height"), image.get("width")]
    height, width = map(_whole, sides)
    if not 0 < height * width <= MAX_MEGAPIXELS * 1e6:
        name = image.get("file_name")
        raise RegionsError(f"{path}: image {name!r} has height {sides[0]!r} and width {sides[1]!r}; give whole pixels")
    return height, width


def _whole(value: object) -> int:
    """A side in pixels, also as text; 0 for what is none."""
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except ValueError:
        return 0
    return int(number) if number.is_integer() and 0 < number <= MAX_SIDE else 0


def _image(
    path: Path, images: list[dict[str, Any]], picture: str | Path | None, warn: Callable[[str], None]
) -> dict[str, Any]:
    """The image of a picture: of those with its name, the one whose folders agree with the picture's furthest."""
    if not images:
        raise RegionsError(f"{path}: it holds no images")
    if picture is None:
        if len(images) == 1:
            return images[0]
        raise RegionsError(f"{path}: it holds {len(images)} images; say which picture")
    where = Path(picture)
    files = [(PurePosixPath(str(image.get("file_name", "")).replace("\\", "/")), image) for image in images]
    # A saved map, photo.residual.png, belongs to photo.jpg: then the first part of the name decides.
    stems = {where.name.removesuffix(".residual.png"), where.stem}
    named = [pair for pair in files if pair[0].name == where.name] or [p for p in files if p[0].stem in stems]
    folders = where.absolute().parent.parts
    # How many folders agree, and whether all that the JSON states do.
    agreeing = [(n := _common_end(f.parent.parts, folders), n == len(f.parent.parts)) for f, _ in named]
    best = [pair for pair, agrees in zip(named, agreeing, strict=True) if agrees == max(agreeing)]
    if len(best) != 1:
        found = "no image" if not best else f"{len(best)} images"
        equal = ", and their folders do not say which it is" if best else ""
        raise RegionsError(f"{path}: {found} of the file_name {where.name!r} among its {len(images)}{equal}")
    [(file, image)] = best
    if not max(agreeing)[1]:
        other = path.parent / file
        if other.is_file() and where.is_file() and not other.samefile(where) and where.suffix == other.suffix:
            raise RegionsError(f"{path}: no image is {where}; the one of its name, {str(file)!r}, is another file")
        warn(f"{path}: {where} is taken for {str(file)!r}, though its folder has another name")
    return image


def _common_end(a: Sequence[str], b: Sequence[str]) -> int:
    """How many parts of two paths are alike, counted from their ends."""
    alike = [x == y for x, y in zip(reversed(a), reversed(b), strict=False)]
    return alike.index(False) if False in alike else len(alike)


def _rasterised(annotation: Mapping[str, Any], height: int, width: int) -> tuple[Mask, list[str]]:
    """One annotation, and what of it is left out. Raises ValueError with what is wrong."""
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, Mapping):
        return _from_runs(segmentation, height, width), []
    mask = np.zeros((height, width), dtype=np.bool_)
    if segmentation is None or segmentation == []:
        shapes, what = [_corners(annotation.get("bbox"))], "its box"
    elif isinstance(segmentation, list):
        shapes, what = segmentation, "a polygon"
    else:
        raise ValueError("segmentation is neither a list of polygons nor run lengths with counts and size")
    left_out = []
    for polygon in shapes:
        try:
            mask |= _from_polygon(polygon, height, width)
        except _DegenerateError as error:
            left_out.append(f"{what} is left out: {error}")
    return mask, left_out


def _corners(box: object) -> list[float]:
    """A box x, y, width, height as a polygon."""
    if not isinstance(box, list) or len(box) != 4:
        raise ValueError("it has neither a segmentation nor a bbox of four numbers")
    x, y, width, height = np.array(box, dtype=np.float64).tolist()
    width, height = max(width, 0.0), max(height, 0.0)  # none at all: left out as degenerate
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def _from_polygon(polygon: object, height: int, width: int) -> Mask:
    if not isinstance(polygon, list) or len(polygon) % 2:
        raise ValueError("a polygon is a list x1, y1, x2, y2, ... of three points or more")
    if len(polygon) < 6:
        raise _DegenerateError(f"it has {len(polygon) // 2} points, and a polygon has three or more")
    points = np.array(polygon, dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(points).all() or np.abs(points).max() > 10 * MAX_SIDE:
        raise ValueError("a polygon holds numbers that are not coordinates in the image")
    if np.linalg.matrix_rank(points - points[0]) < 2:
        raise _DegenerateError("its points lie on one line or in one place")
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
            raise ValueError("counts is not a compressed run-length string")
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

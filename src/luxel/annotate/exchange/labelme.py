"""labelme: a JSON file beside every image, with polygons, rectangles, circles and masks; the label has the value."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from luxel.annotate.exchange.shapes import FrameIndex, Shape, pasted, polygon, read_bounded, rectangle, value_of
from luxel.dataset.folder.manifest import FrameRow
from luxel.errors import DatasetError
from luxel.photometry import Mask

_MAX_PIXELS = 200_000_000


def read_labelme(path: Path, frames: FrameIndex) -> Iterator[Shape]:
    """The regions of one file, or of every .json file of a folder. Raises DatasetError naming file and shape."""
    for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
        try:
            record = json.loads(read_bounded(file))
            row = frames.find(str(record.get("imagePath") or f"{file.stem}.png"), str(file))
            for number, shape in enumerate(record["shapes"]):
                place = f"{file}: shape {number}"
                texts = [shape.get("description"), shape["label"]]
                yield Shape(row.name, _mask(shape, row, place), value_of(texts, place), str(shape["label"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(f"{file}: not a file of labelme ({type(error).__name__}: {error})") from error


def _mask(shape: dict[str, Any], row: FrameRow, place: str) -> Mask:
    kind, points = shape.get("shape_type", "polygon"), shape["points"]
    if kind == "polygon":
        return polygon(points, row, place)
    (ax, ay), (bx, by) = points
    if kind == "rectangle":
        return rectangle((min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)), row)
    if kind == "circle":
        y, x = np.mgrid[: row.height, : row.width]
        return np.asarray((x - ax) ** 2 + (y - ay) ** 2 <= (bx - ax) ** 2 + (by - ay) ** 2)
    if kind == "mask":
        try:
            with Image.open(io.BytesIO(base64.b64decode(shape["mask"])), formats=["PNG"]) as image:
                if image.width * image.height > _MAX_PIXELS:
                    raise DatasetError(f"{place}: its mask has {image.width} x {image.height} pixels")
                part = np.asarray(image.convert("L")) > 0
        except (UnidentifiedImageError, OSError) as error:
            raise DatasetError(f"{place}: its mask is not a PNG") from error
        return pasted(part, round(ax), round(ay), row, place)
    raise DatasetError(f"{place}: a {kind}; give polygons, rectangles, circles or masks")

"""CVAT: "CVAT for images 1.1" XML with polygons, boxes and masks; an attribute or the label has the value."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from luxel.annotate.exchange.shapes import FrameIndex, Shape, pasted, polygon, read_bounded, rectangle, value_of
from luxel.dataset.folder.manifest import FrameRow
from luxel.errors import DatasetError
from luxel.photometry import Mask


def read_cvat(path: Path, frames: FrameIndex) -> Iterator[Shape]:
    """The regions of an XML export. Raises DatasetError naming image and region."""
    content = read_bounded(path)
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise DatasetError(f"{path}: declares entities, which an export of CVAT never does")
    try:
        root = ElementTree.fromstring(content)
        for image in root.iter("image"):
            row = frames.find(image.attrib["name"], str(path))
            for number, shape in enumerate(image):
                place = f"{path}: {image.attrib['name']}, {shape.tag} {number}"
                mask = _mask(shape, row, place)
                if mask is not None:
                    texts = [a.text for a in shape.iter("attribute") if a.attrib.get("name") in ("residual", "value")]
                    label = shape.attrib.get("label", "")
                    yield Shape(row.name, mask, value_of([*texts, label], place), label)
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise DatasetError(f"{path}: not XML of CVAT for images ({type(error).__name__}: {error})") from error


def _mask(shape: Element, row: FrameRow, place: str) -> Mask | None:
    facts = shape.attrib
    if shape.tag == "polygon":
        points = [(float(x), float(y)) for x, y in (pair.split(",") for pair in facts["points"].split(";"))]
        return polygon(points, row, place)
    if shape.tag == "box":
        if float(facts.get("rotation", 0)):
            raise DatasetError(f"{place}: a rotated box; draw a polygon")
        return rectangle([float(facts[name]) for name in ("xtl", "ytl", "xbr", "ybr")], row)
    if shape.tag == "mask":
        width, height = int(facts["width"]), int(facts["height"])
        runs = [int(run) for run in facts["rle"].split(",")]
        if min(runs) < 0 or sum(runs) != width * height or width * height > row.width * row.height:
            raise DatasetError(f"{place}: its runs do not fill {width} x {height} pixels")
        part = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
        return pasted(part, int(float(facts["left"])), int(float(facts["top"])), row, place)
    return None

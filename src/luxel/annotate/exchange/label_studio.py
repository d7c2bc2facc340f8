"""Label Studio: JSON exports with polygons, rectangles and brush masks, each with a number of its own.

A region's value is the result of type "number" (or "textarea") that has the region's id, else the number its label
ends with. Source of the brush encoding: Label Studio's documentation of its run-length format (RLE over RGBA).
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel.annotate.exchange.shapes import FrameIndex, Shape, polygon, read_bounded, rectangle, value_of
from luxel.dataset.folder.manifest import FrameRow
from luxel.errors import DatasetError
from luxel.photometry import Mask

_MAX_VALUES = 4 * 200_000_000


def read_label_studio(path: Path, frames: FrameIndex) -> Iterator[Shape]:
    """The regions of a JSON export. Raises DatasetError naming task and region."""
    try:
        tasks = json.loads(read_bounded(path))
        for number, task in enumerate(tasks if isinstance(tasks, list) else [tasks]):
            place = f"{path}: task {task.get('id', number)}"
            row = frames.find(next(str(v) for k, v in task["data"].items() if k in ("image", "img", "picture")), place)
            for annotation in task.get("annotations", []):
                if not annotation.get("was_cancelled"):
                    yield from _regions(annotation["result"], row, place)
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration, IndexError) as error:
        raise DatasetError(f"{path}: not a JSON export of Label Studio ({type(error).__name__}: {error})") from error


def _regions(results: Sequence[dict[str, Any]], row: FrameRow, place: str) -> Iterator[Shape]:
    numbers = {
        r["id"]: r["value"].get("number", " ".join(map(str, r["value"].get("text", []))))
        for r in results
        if r.get("type") in ("number", "textarea")
    }
    for result in results:
        kind, value = result.get("type", ""), result.get("value", {})
        where = f"{place}, region {result.get('id')}"
        mask: Mask
        if kind.startswith("polygon"):
            points = [(x * row.width / 100, y * row.height / 100) for x, y in value["points"]]
            mask = polygon(points, row, where)
        elif kind.startswith("rectangle"):
            if value.get("rotation"):
                raise DatasetError(f"{where}: a rotated rectangle; draw a polygon")
            left, top = value["x"] * row.width / 100, value["y"] * row.height / 100
            right, bottom = left + value["width"] * row.width / 100, top + value["height"] * row.height / 100
            mask = rectangle((left, top, right, bottom), row)
        elif kind.startswith("brush"):
            mask = _brush(value["rle"], result, row, where)
        else:
            continue
        labels: list[object] = next((v for k, v in value.items() if k.endswith("labels")), [])
        yield Shape(row.name, mask, value_of([numbers.get(result["id"]), *labels], where), " ".join(map(str, labels)))


def _brush(rle: Sequence[int], result: dict[str, Any], row: FrameRow, place: str) -> Mask:
    size = (int(result["original_height"]), int(result["original_width"]))
    if size != (row.height, row.width):
        raise DatasetError(f"{place}: its mask is {size[1]} x {size[0]}, the frame {row.width} x {row.height}")
    values = decode_rle(np.asarray(rle, dtype=np.uint8), place)
    if len(values) != 4 * row.height * row.width:
        raise DatasetError(f"{place}: its mask has {len(values)} values, not four for every pixel")
    return np.asarray(values.reshape(row.height, row.width, 4)[..., 3] > 127)


def decode_rle(data: npt.NDArray[np.uint8], place: str) -> npt.NDArray[np.uint8]:
    """Values of Label Studio's run-length encoding.

    A header of 32 bits (how many values), 5 bits (bits of a value less one) and four times 4 bits (bits of a run's
    length less one); then runs: 1 bit (all alike), 2 bits (which of the four lengths), the length less one, and one
    value or as many as the run is long. Raises DatasetError for data that ends early or is absurdly long.
    """
    bits = np.unpackbits(data)
    at = 0

    def take(count: int) -> int:
        nonlocal at
        if at + count > len(bits):
            raise DatasetError(f"{place}: its mask ends early")
        part = bits[at : at + count]
        at += count
        return int(part @ (1 << np.arange(count - 1, -1, -1, dtype=np.int64)))

    total = take(32)
    if total > _MAX_VALUES:
        raise DatasetError(f"{place}: its mask says it has {total} values")
    word, lengths = take(5) + 1, [take(4) + 1 for _ in range(4)]
    values = np.zeros(total, dtype=np.uint8)
    done = 0
    while done < total:
        alike, length = take(1), take(lengths[take(2)]) + 1
        end = min(total, done + length)
        if alike:
            values[done:end] = take(word) & 255
        else:
            for i in range(done, end):
                values[i] = take(word) & 255
        done = end
    return values

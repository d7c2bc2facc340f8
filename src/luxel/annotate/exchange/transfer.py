"""Import into expert layers, and export of frames with their blocks."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from luxel.annotate.exchange.cvat import read_cvat
from luxel.annotate.exchange.label_studio import read_label_studio
from luxel.annotate.exchange.labelme import read_labelme
from luxel.annotate.exchange.shapes import BLOCK, FrameIndex, Shape, file_name, outlines
from luxel.dataset.folder.manifest import FrameRow, scene_folder
from luxel.dataset.folder.scene_files import read_blocks
from luxel.dataset.labels.layers import Layer, layer_folder, new_layer_id, write_layer
from luxel.errors import DatasetError
from luxel.jobs.atomic import write_file
from luxel.jobs.lock import locked
from luxel.photometry import FloatArray

READERS: Mapping[str, Callable[[Path, FrameIndex], Iterator[Shape]]] = {
    "label-studio": read_label_studio,
    "cvat": read_cvat,
    "labelme": read_labelme,
}


def import_regions(dataset: Path, path: Path, program: str, expert: str, made: datetime) -> int:
    """Stores the masks of another program as one expert layer for each frame; returns how many layers.

    program: key of READERS. expert: whose work it is. made: when. Where masks overlap, the later one counts. Masks of
    value 0 set the residual to 0: the person says that it is ideal. Blocks that were exported and left at 0 are not
    corrections. Raises DatasetError for a file or region that cannot be used; then nothing is stored.
    """
    values: dict[str, tuple[FloatArray, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]] = {}
    for region in READERS[program](path, FrameIndex.of(dataset)):
        if not region.is_correction:
            continue
        amount, where = values.setdefault(
            region.frame, (np.zeros(region.where.shape, dtype=np.float32), np.zeros(region.where.shape, dtype=bool))
        )
        amount[region.where], where[region.where] = region.value, True
    with locked(dataset):
        for frame, (amount, where) in values.items():
            scene, level = frame.split("/")
            note = f"imported from {program}, {path.name}"
            layer = Layer(
                id=new_layer_id(expert, made), expert=expert, made=made.isoformat(), mode="set", amount=amount,
                where=where, note=note,
            )  # fmt: skip
            write_layer(layer_folder(dataset, scene, level), layer)
    return len(values)


def export_frames(dataset: Path, out: Path, program: str) -> int:
    """Writes frames and the outlines of their blocks for another program; returns how many frames.

    out: a new or empty folder; images go into it as SCENE__LEVEL.png. Raises DatasetError where it holds something.
    """
    if out.exists() and any(out.iterdir()):
        raise DatasetError(f"{out}: is not empty; choose a new folder")
    rows = list(FrameIndex.of(dataset).rows.values())
    out.mkdir(parents=True, exist_ok=True)
    shapes: dict[str, dict[int, list[list[tuple[int, int]]]]] = {}
    for row in rows:
        write_file(out / file_name(row), (dataset / row.image).read_bytes(), error=DatasetError)
        if row.scene_id not in shapes:
            folder = scene_folder(dataset, row.scene_id)
            shapes[row.scene_id] = outlines(read_blocks(folder, (row.height, row.width)))
    _WRITERS[program](out, rows, shapes)
    return len(rows)


Outlines = Mapping[str, Mapping[int, list[list[tuple[int, int]]]]]


def _write_labelme(out: Path, rows: list[FrameRow], shapes: Outlines) -> None:
    for row in rows:
        record: dict[str, object] = {
            "version": "5.5.0",
            "flags": {},
            "shapes": [
                {
                    "label": BLOCK,
                    "points": [list(point) for point in points],
                    "group_id": block,
                    "description": "0.0",
                    "shape_type": "polygon",
                    "flags": {},
                }
                for block, parts in shapes[row.scene_id].items()
                for points in parts
            ],
            "imagePath": file_name(row),
            "imageData": None,
            "imageHeight": row.height,
            "imageWidth": row.width,
        }
        write_file(out / f"{row.scene_id}__{row.level}.json", json.dumps(record), error=DatasetError)


def _write_cvat(out: Path, rows: list[FrameRow], shapes: Outlines) -> None:
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    for number, row in enumerate(rows):
        image = ElementTree.SubElement(
            root, "image", id=str(number), name=file_name(row), width=str(row.width), height=str(row.height)
        )
        for block, parts in shapes[row.scene_id].items():
            for points in parts:
                text = ";".join(f"{x}.00,{y}.00" for x, y in points)
                shape = ElementTree.SubElement(image, "polygon", label=BLOCK, points=text, occluded="0", z_order="0")
                ElementTree.SubElement(shape, "attribute", name="block").text = str(block)
                ElementTree.SubElement(shape, "attribute", name="residual").text = "0.0"
    write_file(out / "annotations.xml", ElementTree.tostring(root, encoding="unicode"), error=DatasetError)


def _write_label_studio(out: Path, rows: list[FrameRow], shapes: Outlines) -> None:
    tasks = []
    for row in rows:
        results: list[dict[str, object]] = []
        size = {"original_width": row.width, "original_height": row.height, "image_rotation": 0}
        for block, parts in shapes[row.scene_id].items():
            for part, points in enumerate(parts):
                name = f"block-{block}-{part}"
                percent = [[100 * x / row.width, 100 * y / row.height] for x, y in points]
                common = {"id": name, "to_name": "image", **size}
                polygon = {"points": percent, "polygonlabels": [BLOCK]}
                results.append({**common, "from_name": "block", "type": "polygonlabels", "value": polygon})
                results.append({**common, "from_name": "residual", "type": "number", "value": {"number": 0}})
        tasks.append(
            {"data": {"image": file_name(row)}, "predictions": [{"model_version": "blocks", "result": results}]}
        )
    write_file(out / "tasks.json", json.dumps(tasks), error=DatasetError)
    write_file(out / "config.xml", _CONFIG, error=DatasetError)


_CONFIG = """<View>
  <Image name="image" value="$image" zoom="true"/>
  <PolygonLabels name="block" toName="image"><Label value="block"/></PolygonLabels>
  <BrushLabels name="area" toName="image"><Label value="area"/></BrushLabels>
  <Number name="residual" toName="image" perRegion="true" min="-1" max="1" step="0.02"/>
</View>
"""

_WRITERS: Mapping[str, Callable[[Path, list[FrameRow], Outlines], None]] = {
    "label-studio": _write_label_studio,
    "cvat": _write_cvat,
    "labelme": _write_labelme,
}

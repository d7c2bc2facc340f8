"""Masks with a value from Label Studio, CVAT and labelme; frames and blocks for them."""

import base64
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from luxel.annotate.exchange.label_studio import decode_rle
from luxel.annotate.exchange.shapes import FrameIndex, value_of
from luxel.annotate.exchange.transfer import READERS, export_frames, import_regions
from luxel.dataset.check.check import check_dataset
from luxel.dataset.folder.manifest import scene_folder
from luxel.dataset.folder.scene_files import read_blocks
from luxel.dataset.folder.upkeep import relabel
from luxel.dataset.labels.layers import layer_folder, read_layers
from luxel.errors import DatasetError

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
NAME = "scene0__P0.png"
SIZE = (48, 72)


def encode_rle(values: np.ndarray) -> list[int]:
    """Label Studio's encoding, written without its decoder: runs of up to 8 values, alike or not."""
    bits = f"{len(values):032b}{7:05b}" + f"{0:04b}{2:04b}{2:04b}{2:04b}"
    for at in range(0, len(values), 8):
        run = values[at : at + 8]
        alike = len(set(run.tolist())) == 1
        bits += f"{int(alike)}{1:02b}{len(run) - 1:03b}"
        bits += "".join(f"{value:08b}" for value in (run[:1] if alike else run))
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def box() -> np.ndarray:
    mask = np.zeros(SIZE, dtype=bool)
    mask[10:20, 30:50] = True
    return mask


def label_studio(folder: Path) -> Path:
    alpha = np.zeros((*SIZE, 4), dtype=np.uint8)
    alpha[..., 3] = box() * 255
    alpha[0, 0] = (1, 2, 3, 4)  # a run of values that differ
    common = {"id": "r1", "original_width": 72, "original_height": 48}
    results = [
        {**common, "type": "brushlabels", "value": {"rle": encode_rle(alpha.ravel()), "brushlabels": ["area"]}},
        {**common, "type": "number", "value": {"number": -0.4}},
    ]
    task = {"id": 7, "data": {"image": f"/data/upload/1/0a1b2c3d-{NAME}"}, "annotations": [{"result": results}]}
    (folder / "export.json").write_text(json.dumps([task]))
    return folder / "export.json"


def cvat(folder: Path) -> Path:
    rle = ",".join(map(str, [0, 200]))
    (folder / "annotations.xml").write_text(
        f'<annotations><image id="0" name="job/{NAME}" width="72" height="48"><mask label="area" rle="{rle}" left="30" '
        'top="10" width="20" height="10"><attribute name="residual">-0.4</attribute></mask></image></annotations>'
    )
    return folder / "annotations.xml"


def labelme(folder: Path) -> Path:
    buffer = io.BytesIO()
    Image.fromarray(np.full((10, 20), 255, np.uint8)).save(buffer, "PNG")
    shape = {"label": "wall -0.4", "shape_type": "mask", "points": [[30, 10], [49, 19]]}
    shape["mask"] = base64.b64encode(buffer.getvalue()).decode()
    (folder / "a.json").write_text(json.dumps({"imagePath": f"..\\frames\\{NAME}", "shapes": [shape]}))
    return folder / "a.json"


WRITERS: dict[str, Callable[[Path], Path]] = {"label-studio": label_studio, "cvat": cvat, "labelme": labelme}


@pytest.mark.parametrize("program", READERS)
def test_a_mask_with_a_value_becomes_a_layer(dataset: Path, tmp_path: Path, program: str) -> None:
    assert import_regions(dataset, WRITERS[program](tmp_path), program, "anna", NOW) == 1
    (layer,) = read_layers(layer_folder(dataset, "scene0", "P0"))
    assert (layer.expert, layer.made, layer.mode) == ("anna", NOW.isoformat(), "set")
    np.testing.assert_array_equal(layer.where, box())
    assert isinstance(layer.amount, np.ndarray)
    np.testing.assert_allclose(layer.amount[box()], -0.4, atol=2e-5)
    assert relabel(dataset) == (1, [])
    assert check_dataset(dataset).problems == []


def change_labelme(folder: Path) -> Path:
    place = folder / "scene0__P0.json"
    record = json.loads(place.read_text())
    next(s for s in record["shapes"] if s["group_id"] == 5)["description"] = "0.3"
    place.write_text(json.dumps(record))
    return folder


def change_cvat(folder: Path) -> Path:
    place = folder / "annotations.xml"
    before, name, after = place.read_text().partition(NAME)
    block = '<attribute name="block">5</attribute><attribute name="residual">'
    place.write_text(before + name + after.replace(f"{block}0.0", f"{block}0.3", 1))
    return place


def change_label_studio(folder: Path) -> Path:
    place = folder / "tasks.json"
    tasks: list[dict[str, Any]] = json.loads(place.read_text())
    task = next(t for t in tasks if t["data"]["image"] == NAME)
    task["annotations"] = task.pop("predictions")
    for result in task["annotations"][0]["result"]:
        if result["id"] == "block-5-0" and result["type"] == "number":
            result["value"]["number"] = 0.3
    place.write_text(json.dumps(tasks))
    return place


CHANGES = {"label-studio": change_label_studio, "cvat": change_cvat, "labelme": change_labelme}


@pytest.mark.parametrize("program", READERS)
def test_exported_blocks_come_back_with_a_value(dataset: Path, tmp_path: Path, program: str) -> None:
    assert export_frames(dataset, tmp_path / "out", program) == 6
    assert (tmp_path / "out" / NAME).read_bytes() == (dataset / "scenes/scene0/P0.png").read_bytes()
    import_regions(dataset, CHANGES[program](tmp_path / "out"), program, "anna", NOW)
    (layer,) = read_layers(layer_folder(dataset, "scene0", "P0"))
    block = read_blocks(scene_folder(dataset, "scene0"), SIZE) == 5
    assert isinstance(layer.where, np.ndarray)
    assert (layer.where & block).sum() / block.sum() > 0.95
    assert (layer.where & ~block).sum() / block.sum() < 0.35  # outlines are drawn, and blocks have few pixels here
    with pytest.raises(DatasetError, match="not empty"):
        export_frames(dataset, tmp_path / "out", program)


IMAGE = f'<a><image name="{NAME}">%s</image></a>'
SHAPE = f'{{"imagePath": "{NAME}", "shapes": [%s]}}'


@pytest.mark.parametrize(
    ("program", "text", "match"),
    [
        ("label-studio", "{", "not a JSON export"),
        ("label-studio", '[{"data": {"image": "no.png"}}]', "no frame named 'no.png'"),
        ("cvat", "<annotations", "not XML"),
        ("cvat", '<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "declares entities"),
        ("cvat", IMAGE % '<box label="x 2" xtl="1" ytl="1" xbr="9" ybr="9"/>', "value 2 "),
        ("cvat", IMAGE % '<mask label="0" rle="1,9" left="0" top="0" width="2" height="2"/>', "fill"),
        ("labelme", '{"imagePath": "../../etc/passwd", "shapes": []}', "no frame named 'passwd'"),
        ("labelme", SHAPE % '{"label": "wall", "points": [[1,1],[5,5],[9,1]]}', "no value"),
        ("labelme", SHAPE % '{"label": "0.1", "points": [[1,1]]}', "three points"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(dataset: Path, tmp_path: Path, program: str, text: str, match: str) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(DatasetError, match=match):
        import_regions(dataset, tmp_path / "file", program, "anna", NOW)
    assert not (dataset / "layers").exists()


def test_cut_masks_end_with_a_message() -> None:
    data = np.array(encode_rle(np.arange(64, dtype=np.uint8)), dtype=np.uint8)
    assert decode_rle(data, "x").tolist() == list(range(64))
    for length in (0, 3, len(data) // 2):
        with pytest.raises(DatasetError, match="ends early"):
            decode_rle(data[:length], "x")


@pytest.mark.parametrize(("text", "value"), [("-0.4", -0.4), ("wall +.5", 0.5), ("residual=-1", -1.0), ("r: 0", 0.0)])
def test_values_are_read_from_texts(text: str, value: float) -> None:
    assert value_of([None, text], "x") == value


def test_names_are_found_with_what_programs_put_before_them(dataset: Path) -> None:
    frames = FrameIndex.of(dataset)
    for name in (NAME, f"/a/b/{NAME}", f"C:\\x\\{NAME}", f"/data/local-files/?d=x/{NAME}", f"1a2b3c4d-{NAME}"):
        assert frames.find(name, "x").name == "scene0/P0"

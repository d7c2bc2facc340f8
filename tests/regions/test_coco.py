"""COCO JSON: polygons, boxes and run lengths, how annotations, categories and pictures are joined, what is damaged."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luxel.errors import RegionsError
from luxel.regions.coco import coco_masks
from luxel.regions.regions import read_regions

RNG = np.random.default_rng(5)
SQUARE = [1, 2, 5, 2, 5, 4, 1, 4]
SQUARE_MASK = np.zeros((6, 8), dtype=bool)
SQUARE_MASK[2:4, 1:5] = True


def compress(runs: list[int]) -> str:
    """COCO's compressed run lengths, written from the format's description (the reader has its own code)."""
    text = ""
    for place, run in enumerate(runs):
        value = run - runs[place - 2] if place > 2 else run
        while True:
            group, value = value & 31, value >> 5
            done = value == (-1 if group & 16 else 0)
            text += chr(48 + group + (0 if done else 32))
            if done:
                break
    return text


def runs_of(mask: np.ndarray) -> list[int]:
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *edges, flat.size]).tolist()
    return [0, *runs] if flat[0] else runs


def coco(folder: Path, segmentations: dict[str, list[Any]], size: tuple[int, int] = (6, 8), **more: Any) -> Path:
    """COCO JSON of one picture, photo.jpg. segmentations: category -> its annotations."""
    names = list(segmentations)
    annotations = [
        {"id": 10 * n + i, "image_id": 5, "category_id": n, "segmentation": segmentation}
        for n, name in enumerate(names)
        for i, segmentation in enumerate(segmentations[name])
    ]
    data = {
        "images": [{"id": 5, "file_name": "shoot/photo.jpg", "height": size[0], "width": size[1]}],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names)],
        "annotations": annotations,
    }
    path = folder / "coco.json"
    path.write_text(json.dumps(data | more))
    return path


def test_coco_polygons_cover_the_pixels_whose_centres_they_hold(tmp_path: Path) -> None:
    square = [[1, 2, 5, 2, 5, 4, 1, 4]]
    path = coco(tmp_path, {"sky": [square], "face": [[[0, 0, 8, 0, 0, 6]], [[6, 4, 8, 4, 8, 6, 6, 6]]], "none": []})
    found = read_regions(path, (6, 8), picture="photo.jpg")
    expected = np.zeros((6, 8), dtype=bool)
    expected[2:4, 1:5] = True
    assert np.array_equal(found["sky"], expected)
    assert found["face"][5, 7]
    assert not found["none"].any()


def test_polygons_agree_with_another_implementation(tmp_path: Path) -> None:
    measure = pytest.importorskip("skimage.measure")
    rows, columns = np.mgrid[:30, :40] + 0.5
    for _ in range(40):
        polygon = RNG.uniform(-5, 45, (int(RNG.integers(3, 9)), 2))
        found = coco_masks(coco(tmp_path, {"a": [[polygon.ravel().tolist()]]}, (30, 40)))["a"]
        inside = measure.points_in_poly(np.stack([columns.ravel(), rows.ravel()], axis=1), polygon)
        assert np.array_equal(found, inside.reshape(30, 40))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 2**32 - 1), st.sampled_from((0.02, 0.5, 0.98)))
def test_run_lengths_plain_and_compressed(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, seed: int, share: float
) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < share
    runs = runs_of(mask)
    folder = tmp_path_factory.mktemp("coco")
    for counts in (runs, compress(runs)):
        found = coco_masks(coco(folder, {"a": [{"counts": counts, "size": [height, width]}]}, (height, width)))
        assert np.array_equal(found["a"], mask)


def test_the_right_picture_of_a_coco_file(tmp_path: Path) -> None:
    images = [{"id": n, "file_name": f"{name}", "height": 6, "width": 8} for n, name in enumerate(("a.jpg", "b.png"))]
    square = [[0, 0, 8, 0, 8, 6, 0, 6]]
    annotation = {"id": 1, "image_id": 1, "category_id": 0, "segmentation": square}
    path = coco(tmp_path, {"sky": []}, images=images, annotations=[annotation])
    assert read_regions(path, (6, 8), picture="shoot/b.png")["sky"].all()
    assert read_regions(path, (6, 8), picture="maps/b.residual.png")["sky"].all()
    assert not read_regions(path, (6, 8), picture="a.jpg")["sky"].any()
    with pytest.raises(RegionsError, match=r"no image of the file_name 'c\.jpg' among its 2"):
        read_regions(path, (6, 8), picture="c.jpg")
    with pytest.raises(RegionsError, match="it holds 2 images; say which"):
        read_regions(path, (6, 8))


@pytest.mark.parametrize(
    ("segmentation", "expected"),
    [
        (None, "neither a segmentation nor a bbox"),
        ([], "neither a segmentation nor a bbox"),
        ("x", "neither a list of polygons nor run lengths"),
        ([[1, 2, 3]], "three points or more"),
        ([[1, 2, 3, 4, 5, float("nan")]], "not coordinates in the image"),
        ([[1, 2, 3, 4, 5, "x"]], "could not convert string"),
        ({"counts": [48], "size": [8, 6]}, "run lengths are for"),
        ({"counts": [40], "size": [6, 8]}, "add up to 40, the image has 48"),
        ({"counts": [50, -2], "size": [6, 8]}, "neither a list of run lengths"),
        ({"counts": "\x7f\x7f", "size": [6, 8]}, "not a compressed run-length string"),
        ({"counts": "Q", "size": [6, 8]}, "ends in the middle of a number"),
    ],
)
def test_annotations_that_cannot_be_read(tmp_path: Path, segmentation: Any, expected: str) -> None:
    path = coco(tmp_path, {"sky": [segmentation]})
    with pytest.raises(RegionsError, match=expected) as caught:
        read_regions(path, (6, 8))
    assert str(caught.value).startswith(f"{path}: annotation 0: ")


def test_json_that_is_not_coco(tmp_path: Path) -> None:
    for more, expected in (
        ({"images": 3}, "not COCO JSON"),
        ({"images": []}, "it holds no images"),
        ({"images": [{"id": 5, "height": 6}]}, "height 6 and width None"),
        ({"images": [{"id": 5, "height": 60_000, "width": 60_000}]}, "height 60000 and width 60000"),
        ({"categories": [{"id": 0}]}, "has no id and name"),
        ({"categories": []}, "category_id 0 is not among the categories"),
    ):
        with pytest.raises(RegionsError, match=expected):
            read_regions(coco(tmp_path, {"sky": [[[0, 0, 4, 0, 4, 4]]]}, **more), (6, 8))
    (tmp_path / "coco.json").write_text("{")
    with pytest.raises(RegionsError, match="not valid JSON"):
        read_regions(tmp_path / "coco.json", (6, 8))
    with pytest.raises(RegionsError, match="COCO JSON has its own names"):
        read_regions(tmp_path / "coco.json", (6, 8), names="names.json")


# Annotations as other programs write them.


def annotated(folder: Path, *annotations: dict[str, Any], **more: Any) -> Path:
    """COCO JSON of one picture with these annotations of its category "sky"."""
    full = [{"id": n, "image_id": 5, "category_id": 0, **a} for n, a in enumerate(annotations)]
    return coco(folder, {"sky": []}, annotations=full, **more)


@pytest.mark.parametrize("annotation", [{}, {"segmentation": []}, {"segmentation": None}])
@pytest.mark.parametrize("box", [[1, 2, 4, 2], ["1", "2", "4", "2"], [1.2, 1.9, 4.1, 2.2]])
def test_a_box_without_polygons(annotation: dict[str, Any], box: list[Any], tmp_path: Path) -> None:
    assert np.array_equal(coco_masks(annotated(tmp_path, annotation | {"bbox": box}))["sky"], SQUARE_MASK)


@pytest.mark.parametrize(
    "shape",
    [
        {"segmentation": [[]]},
        {"segmentation": [[1, 2]]},
        {"segmentation": [[1, 2, 3, 4]]},
        {"segmentation": [[1, 1, 2, 2, 3, 3]]},
        {"segmentation": [[4, 4, 4, 4, 4, 4]]},
        {"bbox": [3, 3, 0, 2]},
        {"bbox": [3, 3, -2, 2]},
    ],
)
def test_shapes_that_cover_nothing_are_left_out_and_named(shape: dict[str, Any], tmp_path: Path) -> None:
    said: list[str] = []
    path = annotated(tmp_path, {"segmentation": [SQUARE]}, shape)
    assert np.array_equal(coco_masks(path, warn=said.append)["sky"], SQUARE_MASK)
    assert len(said) == 1
    assert said[0].startswith(f"{path}: annotation 1: ")
    assert "left out" in said[0]


def test_a_bow_tie_is_not_degenerate(tmp_path: Path) -> None:
    """Its two halves cancel each other in the signed area."""
    said: list[str] = []
    path = annotated(tmp_path, {"segmentation": [[0, 0, 8, 6, 8, 0, 0, 6]]})
    assert coco_masks(path, warn=said.append)["sky"].any()
    assert not said


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_with_and_without_a_mark(encoding: str, tmp_path: Path) -> None:
    path = annotated(tmp_path, {"segmentation": [SQUARE]}, categories=[{"id": 0, "name": "S\u00e4ule"}])
    path.write_bytes(json.dumps(json.loads(path.read_text()), ensure_ascii=False).encode(encoding))
    assert np.array_equal(coco_masks(path)["S\u00e4ule"], SQUARE_MASK)


@pytest.mark.parametrize("image_id", ["5", " 5 ", 5.0, 5])
@pytest.mark.parametrize("category_id", ["0", 0.0])
def test_numbers_written_as_text(image_id: Any, category_id: Any, tmp_path: Path) -> None:
    size = {"file_name": "a.jpg", "height": "6", "width": 8.0}
    annotation = {"segmentation": [[str(v) for v in SQUARE]], "image_id": 5, "category_id": category_id}
    path = annotated(tmp_path, annotation, images=[{"id": image_id, **size}])
    assert np.array_equal(coco_masks(path)["sky"], SQUARE_MASK)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ({"image_id": 6}, "annotation 0: image_id 6 is not among the images"),
        ({"image_id": "x"}, "image_id 'x' is not among"),
        ({"image_id": None}, "its id is 'None'"),
        ({"image_id": {"a": 1}}, "its id is \"{'a': 1}\""),
        ({"category_id": [1]}, "its id is '[1]'"),
        ({"category_id": 7}, "category_id 7 is not among the categories"),
        ({"category_id": True}, "its id is 'True'"),
    ],
)
def test_ids_that_join_nothing_are_errors(annotation: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(RegionsError) as caught:
        coco_masks(annotated(tmp_path, {"segmentation": [SQUARE], **annotation}))
    assert words in str(caught.value)


def test_ids_of_images_and_categories_are_checked(tmp_path: Path) -> None:
    image = {"id": 5, "file_name": "a.jpg", "height": 6, "width": 8}
    for more, words in (
        ({"images": [image, image | {"file_name": "b.jpg"}]}, "two images have the id 5"),
        ({"images": [image | {"id": {}}]}, "its id is '{}'"),
        ({"images": [image], "categories": [{"id": [], "name": "a"}]}, "category 0: its id is"),
    ):
        with pytest.raises(RegionsError) as caught:
            coco_masks(annotated(tmp_path, **more), "a.jpg")
        assert words in str(caught.value)


# Folders in names.


def test_folders_decide_between_pictures_of_one_name(tmp_path: Path) -> None:
    images = [
        {"id": n, "file_name": name, "height": 6, "width": 8}
        for n, name in enumerate(("a/x.jpg", "b\\x.jpg", "c/b/x.jpg"))
    ]
    annotation = {"segmentation": [SQUARE], "image_id": 1}
    path = annotated(tmp_path, annotation, images=images)
    found = {where: coco_masks(path, f"/data/{where}")["sky"].any() for where in ("a/x.jpg", "b/x.jpg", "c/b/x.jpg")}
    assert found == {"a/x.jpg": False, "b/x.jpg": True, "c/b/x.jpg": False}
    with pytest.raises(RegionsError, match=r"3 images of the file_name 'x\.jpg' among its 3, and their folders do not"):
        coco_masks(path, "/data/d/x.jpg")


def test_a_picture_of_another_folder_is_named_or_rejected(tmp_path: Path) -> None:
    image = {"id": 5, "file_name": "a/x.jpg", "height": 6, "width": 8}
    path = annotated(tmp_path, {"segmentation": [SQUARE]}, images=[image])
    said: list[str] = []
    assert coco_masks(path, "/moved/x.jpg", warn=said.append)["sky"].any()
    assert "taken for 'a/x.jpg'" in said[0]
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.jpg").write_bytes(folder.encode())
    assert coco_masks(path, tmp_path / "a" / "x.jpg", warn=said.append)["sky"].any()
    with pytest.raises(RegionsError, match=r"the one of its name, 'a/x\.jpg', is another file"):
        coco_masks(path, tmp_path / "b" / "x.jpg")


def test_run_lengths_agree_with_pycocotools(tmp_path: Path) -> None:
    coder = pytest.importorskip("pycocotools.mask")
    for share in (0.02, 0.5, 0.98):
        mask = np.asfortranarray(RNG.random((37, 53)) < share).astype(np.uint8)
        counts = coder.encode(np.asfortranarray(mask))["counts"].decode()
        path = coco(tmp_path, {"a": [{"counts": counts, "size": [37, 53]}]}, (37, 53))
        assert np.array_equal(coco_masks(path)["a"], mask.astype(bool))

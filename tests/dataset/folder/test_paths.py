"""Paths in a dataset's own records stay inside its folder, whoever wrote them."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from luxel import images
from luxel.dataset.build import build_dataset
from luxel.dataset.check.check import check_dataset
from luxel.dataset.folder.manifest import read_manifest, write_manifest
from luxel.dataset.folder.upkeep import BuildSettings, relabel, resplit
from luxel.dataset.iea40k.convert_released import export_released, import_released
from luxel.dataset.iea40k.layout import read_frame, read_rows
from luxel.dataset.labels.layers import Layer, layer_folder, read_layers, write_layer
from luxel.dataset.sources.bracket_csv import frames_of_csv
from luxel.errors import DatasetError
from luxel.samples.built import open_built
from stand_ins.dataset_scenes import prepare, write_source

NOW = "2026-11-23T12:00:00+00:00"
SECRET = "secret.png"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A dataset of one scene, with a picture beside it that does not belong to it."""
    build_dataset(
        [write_source(tmp_path / "in", "a", 1)],
        tmp_path / "data",
        settings=BuildSettings(short_side=48),
        prepare=prepare,
    )
    images.write(tmp_path / SECRET, np.zeros((48, 72, 3), dtype=np.uint8))
    return tmp_path / "data"


def edit_scene(dataset: Path, change: Callable[[dict], object]) -> None:  # type: ignore[type-arg]
    place = dataset / "scenes/a/scene.json"
    record = json.loads(place.read_text())
    change(record)
    place.write_text(json.dumps(record))


@pytest.mark.parametrize("name", [f"../{SECRET}", "/etc/hostname", "..\\x.png", "C:\\x.png", "a\0b", "scenes/../../x"])
@pytest.mark.parametrize("column", ["image", "reference", "residual", "confidence", "scene_id", "level"])
def test_names_in_a_manifest_may_not_leave(dataset: Path, column: str, name: str, tmp_path: Path) -> None:
    rows = read_manifest(dataset / "manifest.parquet")
    write_manifest(dataset / "manifest.parquet", [replace(row, **{column: name}) for row in rows])  # type: ignore[arg-type]
    for work in (
        lambda: export_released(dataset, tmp_path / "out"),
        lambda: read_rows(dataset),
        lambda: open_built(tmp_path / "cache", [dataset], "train", short_side=32),
    ):
        with pytest.raises(DatasetError, match=column):
            work()
    assert not list(tmp_path.glob("out/*"))
    assert {problem.kind for problem in check_dataset(dataset).problems} == {"manifest"}


def test_links_in_a_scene_may_not_leave(dataset: Path, tmp_path: Path) -> None:
    row = read_manifest(dataset / "manifest.parquet")[0]
    (dataset / row.image).unlink()
    (dataset / row.image).symlink_to(tmp_path / SECRET)
    with pytest.raises(DatasetError, match="symbolic link"):
        read_frame(dataset, row)
    with pytest.raises(DatasetError, match="symbolic link"):
        export_released(dataset, tmp_path / "out")
    changed, notes = relabel(dataset)
    assert changed == 0
    assert any("symbolic link" in note for note in notes)
    assert "path" in {problem.kind for problem in check_dataset(dataset).problems}


def test_scene_names_may_not_leave(dataset: Path, tmp_path: Path) -> None:
    before = (tmp_path / SECRET).read_bytes()

    def rename(record: dict) -> None:  # type: ignore[type-arg]
        record["scene_id"] = "../.."
        for row in record["rows"]:
            row["scene_id"], row["level"] = "../..", "secret"

    edit_scene(dataset, rename)
    for work in (lambda: relabel(dataset), lambda: resplit(dataset)):
        with pytest.raises(DatasetError, match="scene_id"):
            work()
    with pytest.raises(DatasetError, match="leaves its folder"):
        relabel(dataset, ["../a"])
    assert (tmp_path / SECRET).read_bytes() == before
    assert {problem.kind for problem in check_dataset(dataset).problems} == {"scene"}


def test_a_scene_may_not_stand_in_anothers_folder(dataset: Path) -> None:
    (dataset / "scenes/a").rename(dataset / "scenes/b")
    with pytest.raises(DatasetError, match="give its folder that name"):
        resplit(dataset)


@pytest.mark.parametrize("part", ["mask", "amount"])
@pytest.mark.parametrize("name", [f"../../../../{SECRET}", "/etc/hostname", 5, None])
def test_files_of_layers_may_not_leave(dataset: Path, part: str, name: object) -> None:
    folder = layer_folder(dataset, "a", "P0")
    where = np.ones((48, 72), dtype=bool)
    amount = np.zeros((48, 72), dtype=np.float32)
    place = write_layer(folder, Layer(id="l", expert="anna", made=NOW, mode="add", amount=amount, where=where))
    record = json.loads(place.read_text())
    if part == "mask":
        record["where"] = {"mask": name}
    else:
        record["amount"] = {"map": name}
    place.write_text(json.dumps(record))
    with pytest.raises(DatasetError, match=r"l\.json"):
        read_layers(folder)
    assert [problem.kind for problem in check_dataset(dataset).problems] == ["layer"]


@pytest.mark.parametrize("part", ["../a", "..", "a/b", "", ".x"])
def test_layers_have_names_of_scenes_and_levels(dataset: Path, part: str) -> None:
    for scene, level in ((part, "P0"), ("a", part)):
        with pytest.raises(DatasetError):
            layer_folder(dataset, scene, level)


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/hostname", "a/../../secret.png", "link.png", "LINK.PNG", "C:\\x.png"]
)
def test_a_bracket_csv_may_not_name_files_elsewhere(name: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    images.write(tmp_path / SECRET, np.zeros((8, 8, 3), dtype=np.uint8))
    (tmp_path / "in/LINK.PNG").symlink_to(tmp_path / SECRET)
    (tmp_path / "in/bracket.csv").write_text(f"file\n{name}\n")
    with pytest.raises(DatasetError, match="line 2"):
        frames_of_csv(tmp_path / "in/bracket.csv")


@pytest.mark.parametrize("ref", ["..", "...png", "../x.png", "/x.png", ".png", "a\tb.png"])
def test_released_lists_may_not_name_other_folders(dataset: Path, ref: str, tmp_path: Path) -> None:
    export_released(dataset, tmp_path / "released")
    for table in (tmp_path / "released").glob("*.csv"):
        with table.open("w", newline="") as file:
            csv.writer(file).writerows([("img_id", "ref_id", "score"), ("a_P0.png", ref, 5)])
    with pytest.raises(DatasetError, match="line 2"):
        import_released(tmp_path / "released", tmp_path / "again")
    assert {problem.kind for problem in check_dataset(tmp_path / "released").problems} == {"manifest"}

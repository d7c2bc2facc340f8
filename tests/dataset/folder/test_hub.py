"""Hugging Face's `datasets` and MLCommons' `mlcroissant` read our datasets, built or converted, without a network."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mlcroissant
import numpy as np
import pytest
from PIL import Image

from luxel.dataset.build import build_dataset
from luxel.dataset.check.check import check_dataset
from luxel.dataset.folder.hub import front_matter
from luxel.dataset.folder.manifest import FILE_COLUMNS, FrameRow, read_manifest
from luxel.dataset.folder.upkeep import BuildSettings, resplit
from luxel.dataset.iea40k.convert_released import export_released, import_released
from luxel.errors import DatasetError
from stand_ins.dataset_scenes import prepare, write_source

# Run by an interpreter of its own: the library reads its settings when it is imported, and must leave no cache here.
LOAD = """
import json, sys
import numpy as np
from datasets import load_dataset
found = {}
for folder in sys.argv[1:]:
    splits = load_dataset(folder)
    found[folder] = {
        name: [
            {
                key: [str(value.mode), int(np.asarray(value).astype(np.int64).sum()), list(value.size)]
                if hasattr(value, "mode") else value
                for key, value in row.items()
            }
            for row in split
        ]
        for name, split in splits.items()
    }
    assert len(load_dataset(folder, split="train")) == len(splits["train"])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of four scenes with a frame or more in every split."""
    place = tmp_path_factory.mktemp("hub")
    sources = [write_source(place / "in", f"scene{i:02}", i) for i in range(4)]
    build_dataset(sources, place / "built", settings=BuildSettings(short_side=32), prepare=prepare)
    return place / "built"


@pytest.fixture(scope="module")
def converted(built: Path) -> Path:
    """The same, taken to the released layout and back."""
    export_released(built, built.parent / "released")
    import_released(built.parent / "released", built.parent / "converted")
    return built.parent / "converted"


@pytest.fixture(scope="module")
def loaded(built: Path, converted: Path) -> dict[str, dict[str, list[dict[str, object]]]]:
    """Rows by folder and split as `datasets` gives them; images as mode, sum and size."""
    home = built.parent / "home"
    offline = {"HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": str(home), "HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(built), str(converted)],
        env=os.environ | offline,
        cwd=built.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "ignored" not in done.stderr, done.stderr
    result: dict[str, dict[str, list[dict[str, object]]]] = json.loads(done.stdout)
    return result


def expected(folder: Path, row: FrameRow) -> dict[str, object]:
    values: dict[str, object] = dict.fromkeys(FILE_COLUMNS)
    for column in FILE_COLUMNS:
        if getattr(row, column) is None:
            continue
        with Image.open(folder / str(getattr(row, column))) as image:
            values[column] = [image.mode, int(np.asarray(image).astype(np.int64).sum()), list(image.size)]
    return values


def test_datasets_gives_images_maps_and_splits(built: Path, converted: Path, loaded: dict) -> None:
    for folder in (built, converted):
        rows = read_manifest(folder / "manifest.parquet")
        splits = loaded[str(folder)]
        assert set(splits) == {"train", "val", "test"}
        for name, got in splits.items():
            wanted = [row for row in rows if row.split == name]
            assert [f"{row['scene_id']}/{row['level']}" for row in got] == [row.name for row in wanted]
            for record, row in zip(got, wanted, strict=True):
                assert {column: record[column] for column in FILE_COLUMNS} == expected(folder, row)
                assert record["score"] == row.score
        residual = splits["train"][0]["residual"]
        assert str(residual[0]).startswith("I;16"), "maps keep their 16 bits"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_mlcroissant_finds_no_error_and_reads_the_frames(built: Path, converted: Path) -> None:
    for folder in (built, converted):
        dataset = mlcroissant.Dataset(jsonld=folder / "croissant.json")
        assert not dataset.metadata.ctx.issues.errors
        rows = read_manifest(folder / "manifest.parquet")
        records = [{k.rpartition("/")[2]: v for k, v in record.items()} for record in dataset.records("frames")]
        assert [record["residual"].decode() for record in records] == [row.residual for row in rows]


def test_tables_follow_the_splits_and_are_checked(built: Path) -> None:
    assert check_dataset(built).problems == []
    resplit(built, shares=(1.0, 0.0, 0.0))
    assert not (built / "frames-val.parquet").exists()
    assert "frames-test.parquet" not in (built / "README.md").read_text()
    (built / "frames-val.parquet").mkdir()
    assert {problem.place for problem in check_dataset(built).problems} == {"frames-val.parquet"}
    with pytest.raises(DatasetError, match=r"frames-val\.parquet: cannot be removed"):
        resplit(built, shares=(1.0, 0.0, 0.0))
    (built / "frames-val.parquet").rmdir()
    (built / "frames-train.parquet").write_bytes(b"PAR1 nothing PAR1")
    (problem,) = check_dataset(built).problems
    assert (problem.place, problem.message[:14]) == ("frames-train.parquet", "cannot be read")
    resplit(built)
    assert check_dataset(built).problems == []


def test_no_rows_name_no_splits() -> None:
    assert front_matter([]) == []

"""IEA40K's released layout, read and written."""

import csv
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from luxel.dataset.check.check import check_dataset
from luxel.dataset.folder.manifest import read_manifest
from luxel.dataset.iea40k.convert_released import export_released, import_released
from luxel.dataset.iea40k.layout import encode_map, level_of, read_frame, read_map, read_rows, read_table
from luxel.errors import DatasetError


@pytest.mark.parametrize(
    ("img_id", "ref_id", "expected"),
    [
        ("a0001-jmac_DSC1459_N1.png", "a0001-jmac_DSC1459.png", ("N1", -1.0)),
        ("a4124-20080709_at_10h04m23__MG_4561_P0.png", "a4124-20080709_at_10h04m23__MG_4561.png", ("P0", 0.0)),
        ("a0003_P2_tricky_N4.png", "a0003_P2_tricky.png", ("N4", -4.0)),
        ("scene_P1b.png", "scene.png", ("P1b", 1.0)),
        ("scene_flash.png", "scene.png", ("flash", None)),
    ],
)
def test_levels_come_from_the_names(img_id: str, ref_id: str, expected: tuple[str, float | None]) -> None:
    assert level_of(img_id, ref_id) == expected


def test_the_released_layout_is_read_as_it_is(released: Path) -> None:
    rows = {row.name: row for row in read_rows(released)}
    assert len(rows) == 12
    row = rows["a0001-jmac_DSC1459/N4"]
    assert (row.ev, row.score, row.score_source, row.split) == (-4.0, 1.14, "given", "train")
    assert rows["a0003_P2_tricky/P3"].split == "val"
    image, residual, confidence = read_frame(released, row)
    assert (image.shape, image.dtype) == ((256, 256, 3), np.uint8)
    assert residual[40:, 40:].mean() > 0.2  # positive: underexposed
    np.testing.assert_allclose(residual[:20, :20], np.rint(-0.9 * 255) / 255, atol=1e-6)
    assert np.all(confidence == 1)


def test_a_sound_released_dataset_passes_and_says_what_was_not_compared(released: Path) -> None:
    result = check_dataset(released)
    assert result.problems == []
    assert (result.layout, result.scenes, result.frames) == ("released", 3, 12)
    assert "not compared" in result.notes[0]


def test_lists_may_lie_elsewhere(released: Path, tmp_path: Path) -> None:
    tables = [Path(shutil.move(released / name, tmp_path / name)) for name in ("train_256.csv", "valid_256_2ev.csv")]
    with pytest.raises(DatasetError, match="--csv"):
        read_rows(released)
    assert [problem.kind for problem in check_dataset(released).problems] == ["manifest"]
    assert len(read_rows(released, tables)) == 12
    assert check_dataset(released, tables).problems == []


def test_large_pictures_beside_small_maps_are_brought_to_their_size(released: Path) -> None:
    for folder in ("IEA_img", "label/global_best"):
        for place in (released / folder).iterdir():
            Image.open(place).resize((512, 384)).save(place)
    assert check_dataset(released).problems == []
    image, residual, _ = read_frame(released, read_rows(released)[0])
    assert image.shape[:2] == residual.shape == (256, 256)


def test_there_and_back_every_stored_number_is_the_same(released: Path, tmp_path: Path) -> None:
    rows = import_released(released, tmp_path / "luxel")
    assert check_dataset(tmp_path / "luxel").problems == []
    assert {row.split for row in rows if row.scene_id.startswith("a0003")} == {"val"}
    assert len({row.splits for row in rows}) > 1
    export_released(tmp_path / "luxel", tmp_path / "back")
    for place in sorted((released / "label/exposure_condition").iterdir()):
        one, other = np.load(place), np.load(tmp_path / "back/label/exposure_condition" / place.name)
        np.testing.assert_array_equal(one, other)
        assert other.dtype == np.int16
    for folder in ("IEA_img", "label/global_best"):
        for place in (released / folder).iterdir():
            assert place.read_bytes() == (tmp_path / "back" / folder / place.name).read_bytes()
    for name in ("train_256.csv", "valid_256.csv"):
        source = released / name.replace("valid_256", "valid_256_2ev")
        assert [(r.img_id, r.ref_id, r.score) for r in read_table(source)] == [
            (r.img_id, r.ref_id, r.score) for r in read_table(tmp_path / "back" / name)
        ]
    assert check_dataset(tmp_path / "back").problems == []


def test_ours_in_their_layout_passes_and_keeps_maps_to_half_a_step(built: Path, tmp_path: Path) -> None:
    assert export_released(built, tmp_path / "out") == 12
    result = check_dataset(tmp_path / "out")
    assert result.problems == []
    assert result.notes == []
    ours = {row.name: row for row in read_manifest(built / "manifest.parquet")}
    for row in read_rows(tmp_path / "out"):
        _, one, _ = read_frame(built, ours[row.name])
        _, other, _ = read_frame(tmp_path / "out", row)
        np.testing.assert_allclose(one, other, atol=0.5 / 255 + 1e-6)
        assert abs(row.score - ours[row.name].score) < 0.02
        assert row.split == ours[row.name].split


def test_the_authors_loader_finds_what_it_expects(built: Path, tmp_path: Path) -> None:
    """What their script does with a row, in our words: stretched picture, grey reference, map / 255, one shape."""
    export_released(built, tmp_path / "out", side=256)
    with (tmp_path / "out/train_256.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert lines
    for line in lines:
        with Image.open(tmp_path / "out/IEA_img" / line["img_id"]) as image:
            assert image.convert("RGB").resize((256, 256)).size == (256, 256)
        with Image.open(tmp_path / "out/label/global_best" / line["ref_id"]) as reference:
            assert reference.convert("L").size == (256, 256)
        residual = np.load(tmp_path / "out/label/exposure_condition" / f"{line['img_id'][:-4]}.npy") / 255
        assert residual.shape == (256, 256)
        assert np.abs(residual).max() <= 1
        assert 0 <= float(line["score"]) <= 10
    assert check_dataset(tmp_path / "out").problems == []


def test_the_near_list_holds_the_near_levels(built: Path, tmp_path: Path) -> None:
    export_released(built, tmp_path / "out")
    near = read_table(tmp_path / "out/train_256_2ev.csv")
    assert {row.img_id.rpartition("_")[2] for row in near} == {"N2.png", "P0.png", "P2.png"}
    lists = [read_table(tmp_path / "out" / f"{name}_256.csv") for name in ("train", "valid", "test")]
    assert sum(map(len, lists)) == 12


@pytest.mark.parametrize("value", [-1.0, -0.9, -1 / 255, 0.0, 0.4 / 255, 1 / 255, 0.9, 1.0])
def test_map_codes_are_the_nearest(tmp_path: Path, value: float) -> None:
    np.save(tmp_path / "m.npy", encode_map(np.full((2, 2), value)))
    np.testing.assert_allclose(read_map(tmp_path / "m.npy"), value, atol=0.5 / 255 + 1e-7)


def test_every_released_number_survives_our_16_bit_png(tmp_path: Path) -> None:
    from luxel.residual_files import decode_residual, encode_residual

    codes = np.arange(-255, 256, dtype=np.int16)[None]
    np.testing.assert_array_equal(encode_map(decode_residual(encode_residual(codes / 255))), codes)


def test_folders_that_are_not_dataset_are_rejected(tmp_path: Path, built: Path) -> None:
    with pytest.raises(DatasetError, match="neither"):
        read_rows(tmp_path)
    with pytest.raises(DatasetError, match="neither"):
        check_dataset(tmp_path)
    (tmp_path / "x").write_text("")
    with pytest.raises(DatasetError, match="not empty"):
        export_released(built, tmp_path)


@pytest.mark.skipif(
    not (Path(os.environ.get("LUXEL_DATA", "/nonexistent")) / "iea40k_release").is_dir(),
    reason="LUXEL_DATA has no iea40k_release",
)
def test_the_real_lists_are_read_whole() -> None:
    folder = Path(os.environ["LUXEL_DATA"]) / "iea40k_release"
    train, near, valid = (read_table(folder / f"{n}.csv") for n in ("train_256", "train_256_2ev", "valid_256_2ev"))
    assert (len(train), len(near), len(valid)) == (36972, 20540, 4375)
    assert {row.split for row in train} == {"train"}
    assert {row.split for row in valid} == {"val"}
    levels = {level_of(row.img_id, row.ref_id)[0] for row in train}
    assert levels == {"N4", "N3", "N2", "N1", "P0", "P1", "P2", "P3", "P4"}
    assert not {row.ref_id for row in train} & {row.ref_id for row in valid}
